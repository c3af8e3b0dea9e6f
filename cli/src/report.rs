//! `offing report`: a result folder as one page, and as figures for papers.

use std::path::{Path, PathBuf};

use offing_report::ReadError;

use crate::args::Report;
use crate::failure::Failure;
use crate::output::{Output, print};

pub fn run(args: &Report) -> Result<(), Failure> {
    let page: PathBuf = match (&args.out, args.folders.as_slice()) {
        (Some(page), _) => page.clone(),
        (None, folders) => folders[0].join("report.html"),
    };
    let findings = offing_report::read(&args.folders)?;
    // Before the long work, so that a bad path fails at once.
    let out = Output::create(&page, Path::new(""))?;
    out.finish(|out| out.write_all(offing_report::page(&findings).as_bytes()))?;
    print(&format!("page         {}\n", page.display()))
}

impl From<ReadError> for Failure {
    fn from(cause: ReadError) -> Self {
        let hint = match &cause {
            ReadError::Nothing { .. } => Some("name a folder that `offing explore --out DIR` has written".to_owned()),
            ReadError::Strange { .. } | ReadError::Disk { .. } => None,
        };
        Failure::Refused { message: cause.to_string(), hint }
    }
}
