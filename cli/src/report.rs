//! `offing report`: a result folder as one page, and as figures for papers.

use std::fs;
use std::path::{Path, PathBuf};

use offing_report::{Findings, ReadError};

use crate::args::{FigureForm, Report};
use crate::breakdown::{self, Bar};
use crate::failure::Failure;
use crate::output::{Output, Screen, print};
use crate::page::{Page, Step, Style};
use crate::progress::Progress;

pub fn run(args: &Report) -> Result<(), Failure> {
    let page: PathBuf = match (&args.out, args.folders.as_slice()) {
        (Some(page), _) => page.clone(),
        (None, folders) => folders[0].join("report.html"),
    };
    let bytes: u64 = args
        .folders
        .iter()
        .filter_map(|folder| fs::metadata(folder.join("summary.csv")).ok())
        .map(|of| of.len())
        .sum();
    let progress = Progress::bytes(bytes, "of results");
    let findings = offing_report::read_with(&args.folders, &|bytes| progress.add(bytes))?;
    drop(progress);
    // Before the long work, so that a bad path fails at once.
    let out = Output::create(&page, Path::new(""))?;
    out.finish(|out| out.write_all(offing_report::page(&findings).as_bytes()))?;
    let mut drawn = None;
    if let Some(form) = args.figures {
        let folder = page.parent().unwrap_or(Path::new("")).join("figures");
        drawn = Some(format!("{} in {}", figures(&findings, form, &folder)?, folder.display()));
    }
    let mut told = Page::new(Screen::of_stdout());
    told.marked(Style::Bold, &format!("{}:", findings.scenario), &offing_report::answer(&findings));
    told.blank();
    breakdown::draw(&mut told, &bars(&findings));
    told.fact("page", &page.display().to_string());
    told.fact("figures", &drawn.unwrap_or_default());
    told.next(&next(args, &findings, &page));
    print(&told.into_text())
}

/// The five parts of what has a letter on the page.
fn bars(findings: &Findings) -> Vec<Bar> {
    let parts = offing_report::breakdown(findings);
    parts.into_iter().map(|(name, parts_ms)| Bar { name, parts_ms }).collect()
}

/// What to do after this.
fn next(args: &Report, findings: &Findings, page: &Path) -> Vec<Step> {
    let page = page.display().to_string();
    let mut steps = vec![Step::new("look at it", &["xdg-open", &page])];
    if findings.found.as_ref().is_some_and(|found| !found.shortlist.is_empty())
        && findings.measured.is_empty()
    {
        let folder = args.folders[0].display().to_string();
        let words = ["offing", "emulate", "run", &folder, "--repeat", "3"];
        if cfg!(feature = "emu") {
            steps
                .push(Step::new("measure the shortlist, if `offing doctor` says that this host can", &words));
        }
    }
    steps
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
                let kinds = "name a folder of `offing explore`, `offing emulate run`, or of `offing simulate`, \
                             `invert` or `validate` with `--out DIR`";
                Some(kinds.to_owned())
            }
            ReadError::Strange { .. } | ReadError::Disk { .. } => None,
        };
        Failure::Refused { message: cause.to_string(), hint }
    }
}
