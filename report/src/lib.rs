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
mod predicted;
mod rows;
mod validation;

mod words;

mod figure;
mod figures;
mod front;
mod subjects;

mod drawn;
mod html;
mod page;
mod ro_crate;
mod style;
mod vega;

#[cfg(feature = "png")]
pub use drawn::png;
pub use drawn::svg;
pub use figure::{Axis, Cell, Chart, Figure, Interval, Table};
pub use figures::{breakdown, for_papers as figures};
pub use folder::{Findings, ReadError, read, read_with};
pub use page::{answer, page};
pub use ro_crate::{FILE as RO_CRATE, ro_crate};
pub use words::{capital, metric};
