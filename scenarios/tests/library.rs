//! Every scenario of the library loads without a warning.

mod common;

use std::fs;

use common::{library, presets};
use offing_core::{Distribution, Rate, Span};
use offing_scenarios::load;

#[test]
fn every_scenario_of_the_library_loads_without_warning() {
    let mut count = 0;
    for path in library() {
        let text = fs::read_to_string(&path).expect("the library is readable");
        let folder = path.parent().expect("in a folder");
        let files = |name: &str| fs::read_to_string(folder.join(name)).map_err(|cause| cause.to_string());
        let name = path.file_name().expect("a file").to_string_lossy();
        match load(&text, &name, &files, &presets(), &[]) {
            Ok(loaded) => assert_eq!(loaded.warnings, [], "{name}"),
            Err(issues) => {
                panic!("{}", issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            }
        }
        count += 1;
    }
    assert!(count >= 1);
}

#[test]
fn the_flagship_says_what_its_text_says() {
    let text = include_str!("../library/video.toml");
    let loaded = load(text, "video.toml", &common::no_files, &presets(), &[]).expect("it loads");
    let base = &loaded.scenario.base;
    assert_eq!(loaded.scenario.name, "video");
    assert_eq!(base.app.rate_hz, 5.0);
    assert_eq!(base.app.stages[0].work, Distribution::Lognormal { mean: 0.125, cv: 0.06 });
    assert_eq!(base.app.memory_bytes, 500 << 20);
    assert_eq!((base.endpoints().nodes, base.endpoints().quota), (4, 0.5));
    assert_eq!((base.targets().name.as_str(), base.placement.workers), ("cloud", 3));
    let (link, forward) = base.link(base.placement.endpoint, base.placement.target).expect("there is a link");
    assert!(forward);
    assert_eq!((link.up.latency, &link.up.rate), (Span::from_millis(45), &Rate::BitPerS(7.21e6)));
    assert_eq!(base.duration, Span::from_millis(300_000));
}
