//! Requests one by one: as rows of a file, and gathered into the record of a run.
//!
//! A row is the same for a simulated and a measured request. One that did not come back has no times.

use std::fmt;

use crate::{Counts, Parts, Recording, Request, Span};

impl Request {
    /// The names of the cells of a row, separated by commas.
    pub const COLUMNS: &str = "endpoint,index,node,emitted_ns,prepare_ns,uplink_ns,queue_ns,process_ns,downlink_ns,latency_ns,dropped";

    /// Reads cells of a row by their names.
    ///
    /// `cell` gives the text of the column with that name. The latency may be absent: it is the sum of the parts.
    ///
    /// ```
    /// use offing_core::{Parts, Request};
    /// let parts = Parts { prepare: 1, uplink: 2, queue: 3, process: 4, downlink: 5 };
    /// let request = Request { emitted: 7, endpoint: 1, index: 9, node: 0, parts: Some(parts) };
    /// let row = request.to_string();
    /// assert_eq!(row, "1,9,0,7,1,2,3,4,5,15,false");
    /// let cell = |name: &str| {
    ///     let at = Request::COLUMNS.split(',').position(|column| column == name)?;
    ///     row.split(',').nth(at)
    /// };
    /// assert_eq!(Request::from_cells(cell), Ok(request));
    /// ```
    ///
    /// # Errors
    /// Which column is absent, or holds no whole number, or contradicts the others.
    pub fn from_cells<'r>(cell: impl Fn(&str) -> Option<&'r str>) -> Result<Request, String> {
        let text = |name: &str| cell(name).ok_or_else(|| format!("there is no column `{name}`"));
        let number = |name: &str| -> Result<u64, String> {
            let text = text(name)?;
            text.parse().map_err(|_| format!("`{text}` in column `{name}` is not a whole number"))
        };
        let small = |name: &str| -> Result<u32, String> {
            u32::try_from(number(name)?).map_err(|_| format!("the number in column `{name}` is too large"))
        };
        let is_dropped = match text("dropped")? {
            "false" | "0" => false,
            "true" | "1" => true,
            other => return Err(format!("`{other}` in column `dropped` is neither `true` nor `false`")),
        };
        let parts = match is_dropped {
            true => None,
            false => Some(Parts {
                prepare: number("prepare_ns")?,
                uplink: number("uplink_ns")?,
                queue: number("queue_ns")?,
                process: number("process_ns")?,
                downlink: number("downlink_ns")?,
            }),
        };
        if let (Some(parts), Some(_)) = (&parts, cell("latency_ns"))
            && parts.to_array().iter().try_fold(0_u64, |sum, &part| sum.checked_add(part))
                != Some(number("latency_ns")?)
        {
            return Err("the five parts do not add up to `latency_ns`".into());
        }
        Ok(Request {
            emitted: number("emitted_ns")?,
            endpoint: small("endpoint")?,
            index: number("index")?,
            node: small("node")?,
            parts,
        })
    }
}

impl fmt::Display for Request {
    /// Writes the cells of [`Request::COLUMNS`], separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { emitted, endpoint, index, node, parts } = self;
        write!(f, "{endpoint},{index},{node},{emitted},")?;
        match parts {
            Some(parts) => {
                let Parts { prepare, uplink, queue, process, downlink } = parts;
                write!(f, "{prepare},{uplink},{queue},{process},{downlink},{},false", parts.latency())
            }
            None => f.write_str(",,,,,,true"),
        }
    }
}

/// The record and the fates of requests that were emitted from `from` on and before `until`.
///
/// A request without parts counts as dropped. When it was dropped is not known, so that it counts as refused at the
/// instant of its emission.
pub fn gather<'r>(
    requests: impl IntoIterator<Item = &'r Request>,
    [from, until]: [Span; 2],
    deadline: Option<Span>,
) -> (Recording, Counts) {
    let mut recording = Recording::new(from.as_nanos(), until.as_nanos());
    let mut counts = Counts::default();
    let deadline = deadline.map_or(u64::MAX, Span::as_nanos);
    for request in requests {
        let is_observed = recording.observes(request.emitted);
        counts.offered += u64::from(is_observed);
        match &request.parts {
            Some(parts) => {
                let latency = parts.latency();
                counts.returned += u64::from(recording.observes(request.emitted.saturating_add(latency)));
                counts.completed += u64::from(is_observed);
                counts.late += u64::from(is_observed && latency > deadline);
                recording.record(request.emitted, parts);
            }
            None => {
                counts.dropped += u64::from(is_observed);
                counts.refused += u64::from(is_observed);
            }
        }
    }
    (recording, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(emitted: u64, process: Option<u64>) -> Request {
        let parts = process.map(|process| Parts { process, ..Parts::default() });
        Request { emitted, endpoint: 0, index: 0, node: 0, parts }
    }

    fn read(row: &str) -> Result<Request, String> {
        Request::from_cells(|name| {
            let at = Request::COLUMNS.split(',').position(|column| column == name)?;
            row.split(',').nth(at)
        })
    }

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        for request in [request(5, Some(7)), request(6, None)] {
            assert_eq!(read(&request.to_string()), Ok(request));
        }
    }

    #[test]
    fn a_row_that_cannot_be_right_is_refused_with_the_column() {
        for (row, word) in [
            ("0,0,0,5,0,0,0,7,0,8,false", "add up"),
            ("0,0,0,x,0,0,0,7,0,7,false", "emitted_ns"),
            ("0,0,0,5,0,0,0,7,0,7,perhaps", "dropped"),
            ("0,0,0,5,0,0,0,7,0", "no column `dropped`"),
        ] {
            let refused = read(row).unwrap_err();
            assert!(refused.contains(word), "{row}: {refused}");
        }
    }

    #[test]
    fn only_the_observed_span_counts_and_a_late_return_is_not_returned_in_it() {
        let requests = [
            request(5, Some(3)),  // before; its return is not observed
            request(8, Some(4)),  // before; it returns at 12
            request(10, Some(2)), // in time
            request(12, Some(9)), // late; returns after the end
            request(14, None),
            request(20, Some(1)), // after
        ];
        let window = [Span::from_nanos(10), Span::from_nanos(20)];
        let (recording, counts) = gather(&requests, window, Some(Span::from_nanos(5)));
        let expected =
            Counts { offered: 3, completed: 2, dropped: 1, unfinished: 0, late: 1, returned: 2, refused: 1 };
        assert_eq!(counts, expected);
        assert_eq!(recording.latency().max(), 9);
        assert_eq!(recording.latency().count(), 2);
    }
}
