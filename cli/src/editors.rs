//! For editors, shells and `man`.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::print;

pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "offing", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub fn man(folder: Option<&Path>) -> Result<(), Failure> {
    let command = Args::command();
    if let Some(folder) = folder {
        return fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .map_err(|cause| Failure::Unwritable { file: format!("`{}`", folder.display()), cause });
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).expect("a vector takes all");
    print(&String::from_utf8_lossy(&page))
}
