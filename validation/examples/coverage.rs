//! How often the stated errors have the hidden values, over 200 seeds: a table of docs/calibration.md.
//! `cargo run --release -p offing-validation --example coverage`

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let mut out = String::from(
        "| parameter | hidden | inside of 95 % | mean error | its root mean square | stated |\n|---|---|---|---|---|---|\n",
    );
    for ((name, share, bias, square, stated), (_, hidden)) in
        common::covered(200).into_iter().zip(common::HIDDEN)
    {
        out += &format!(
            "| {name} | {hidden} | {:.1} % | {bias:.4} | {square:.4} | {stated:.4} |\n",
            100.0 * share
        );
    }
    std::io::Write::write_all(&mut std::io::stdout(), out.as_bytes()).expect("somebody reads");
}
