//! `offing report`: a result folder as one page, and as figures for papers.

use std::fs;
use std::path::{Path, PathBuf};

use offing_report::{Findings, ReadError};

use crate::args::{FigureForm, Report};
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
    let mut told = format!("page         {}\n", page.display());
    if let Some(form) = args.figures {
        let folder = page.parent().unwrap_or(Path::new("")).join("figures");
        let count = figures(&findings, form, &folder)?;
        told += &format!("figures      {} in {}\n", count, folder.display());
    }
    print(&told)
}

/// Writes each figure, and its data; returns how many there are.
fn figures(findings: &Findings, form: FigureForm, folder: &Path) -> Result<usize, Failure> {
    let unwritable = |cause| Failure::Unwritable { file: format!("`{}`", folder.display()), cause };
    fs::create_dir_all(folder).map_err(unwritable)?;
    let figures = offing_report::figures(findings);
    for figure in &figures {
        let write = |ending: &str, bytes: &[u8]| {
            let path = folder.join(format!("{}.{ending}", figure.name));
            Output::create(&path, Path::new(""))?.finish(|out| out.write_all(bytes))
        };
        write("csv", figure.table.to_csv().as_bytes())?;
        match form {
            FigureForm::Svg => write("svg", offing_report::svg(figure).as_bytes())?,
            #[cfg(feature = "png")]
            FigureForm::Png => write("png", &offing_report::png(figure).map_err(Failure::System)?)?,
        }
    }
    Ok(figures.len())
}

impl From<ReadError> for Failure {
    fn from(cause: ReadError) -> Self {
        let hint = match &cause {
            ReadError::Nothing { .. } => {
                Some("name a folder that `offing explore --out DIR` has written".to_owned())
            }
            ReadError::Strange { .. } | ReadError::Disk { .. } => None,
        };
        Failure::Refused { message: cause.to_string(), hint }
    }
}
