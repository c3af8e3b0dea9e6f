//! Tells people what was found: one self-contained page, figures and their data.
//!
//! It reads result folders, whoever made them, and knows nothing about how a number came about: what the files do
//! not say is left out, and the page says so.
//!
//! ```no_run
//! let findings = offing_report::read(&["results/video".into()])?;
//! std::fs::write("report.html", offing_report::page(&findings))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod folder;
mod measured;
mod rows;

mod words;

mod figure;
mod figures;
mod front;
mod subjects;

mod html;
mod page;
mod style;
mod vega;

pub use figure::{Figure, Table};
pub use figures::figures;
pub use folder::{Findings, ReadError, read};
pub use page::page;
