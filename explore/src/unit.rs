//! The results of one unit of work, and the file that holds them.
//!
//! Whole numbers and floats are little-endian. After the head come columns, and at the end a checksum of all
//! before it. A file that was not written to its end, was damaged, or belongs to another plan is told from a good
//! one by reading it, and computed again.
//!
//! ```text
//! head      "OFFINGU2", fingerprint of the plan [32], unit u64, met u32, rows u32, predicted u32, width u32, texts u32
//! texts     for each: length u32, UTF-8
//! rows      offset in the unit u32.. | verdict u8.. | text u32.. | value f64.. | distance f64..
//! predicted requests u64.. | engine u8.. | decided u8.. | first metric f64.. | second metric f64.. | ..
//! met       error of the mean f64.. | standard deviation f64.. | error of the number f64..
//! end       checksum u64
//! ```

use offing_core::Engine;

use crate::intervals::Doubt;
use crate::race::Decided;

/// What became of a number of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It meets every requirement.
    Feasible,
    /// It was predicted and misses a requirement.
    Infeasible,
    /// It provably misses a requirement, or does not fit, and was not simulated.
    Screened,
    /// There is no such deployment.
    Excluded,
}

impl Verdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Verdict; 4] =
        [Verdict::Feasible, Verdict::Infeasible, Verdict::Screened, Verdict::Excluded];

    /// As it is written in results.
    pub fn name(self) -> &'static str {
        ["feasible", "infeasible", "screened", "excluded"][self as usize]
    }

    /// Whether there are metrics.
    pub fn is_predicted(self) -> bool {
        matches!(self, Verdict::Feasible | Verdict::Infeasible)
    }
}

/// The results of one unit. Rows are in the order of positions; repeated positions have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Unit {
    /// Every reason that occurs; `{}` stands for a number. The first is empty.
    pub texts: Vec<String>,
    /// Position of each row, counted from the first of the unit.
    pub offsets: Vec<u32>,
    pub verdicts: Vec<Verdict>,
    /// The reason of each row, by number.
    pub reasons: Vec<u32>,
    /// The number in the reason; NaN where there is none.
    pub values: Vec<f64>,
    /// How far a row is from feasible, at least; NaN where that is not known.
    pub distances: Vec<f64>,
    /// One per predicted row, as all that follows.
    pub requests: Vec<u64>,
    pub engines: Vec<Engine>,
    /// What a race says of each.
    pub decided: Vec<Decided>,
    /// One column per metric.
    pub metrics: Vec<Vec<f64>>,
    /// How sure those rows are that are [`Decided::Met`], one of each.
    pub doubts: Vec<Doubt>,
}

/// What a unit file has to be of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'f> {
    pub fingerprint: &'f [u8; 32],
    pub unit: u64,
    pub width: usize,
}

const MAGIC: &[u8; 8] = b"OFFINGU2";
/// Up to and with the number of rows that are met.
pub(crate) const HEAD_BYTES: usize = 8 + 32 + 8 + 4;
const PARTS_OF_DOUBT: [fn(&Doubt) -> f64; 3] =
    [|doubt| doubt.mean_error_ms, |doubt| doubt.sd_ms, |doubt| doubt.count_error];

impl Unit {
    pub(crate) fn to_bytes(&self, head: Head<'_>) -> Vec<u8> {
        let (rows, predicted) = (self.offsets.len(), self.requests.len());
        let mut bytes = Vec::with_capacity(128 + rows * 25 + predicted * (10 + 8 * head.width));
        bytes.extend(MAGIC);
        bytes.extend(head.fingerprint);
        bytes.extend(head.unit.to_le_bytes());
        for count in [self.doubts.len(), rows, predicted, head.width, self.texts.len()] {
            bytes.extend((count as u32).to_le_bytes());
        }
        for text in &self.texts {
            bytes.extend((text.len() as u32).to_le_bytes());
            bytes.extend(text.as_bytes());
        }
        self.offsets.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        bytes.extend(self.verdicts.iter().map(|verdict| *verdict as u8));
        self.reasons.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        self.values.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        self.distances.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        self.requests.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        bytes.extend(self.engines.iter().map(|engine| *engine as u8));
        bytes.extend(self.decided.iter().map(|decided| *decided as u8));
        for column in &self.metrics {
            column.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        }
        for of in PARTS_OF_DOUBT {
            self.doubts.iter().for_each(|doubt| bytes.extend(of(doubt).to_le_bytes()));
        }
        let sum = checksum(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes
    }

    /// The unit in a file; nothing if the file is torn or is not of that plan and unit.
    pub(crate) fn from_bytes(bytes: &[u8], head: Head<'_>) -> Option<Unit> {
        let (body, sum) = bytes.split_last_chunk::<8>()?;
        if u64::from_le_bytes(*sum) != checksum(body) {
            return None;
        }
        let mut reader = Reader(body);
        if reader.take(8)? != MAGIC
            || reader.take(32)? != head.fingerprint
            || u64::from_le_bytes(reader.array()?) != head.unit
        {
            return None;
        }
        let mut count = || Some(u32::from_le_bytes(reader.array()?) as usize);
        let (met, rows, predicted, width, texts) = (count()?, count()?, count()?, count()?, count()?);
        if width != head.width || predicted > rows {
            return None;
        }
        let mut unit = Unit::default();
        for _ in 0..texts {
            let length = u32::from_le_bytes(reader.array()?) as usize;
            unit.texts.push(String::from_utf8(reader.take(length)?.to_vec()).ok()?);
        }
        unit.offsets = reader.column(rows, u32::from_le_bytes)?;
        let verdicts = reader.take(rows)?.iter().map(|&byte| Verdict::ALL.get(usize::from(byte)).copied());
        unit.verdicts = verdicts.collect::<Option<_>>()?;
        unit.reasons = reader.column(rows, u32::from_le_bytes)?;
        unit.values = reader.column(rows, f64::from_le_bytes)?;
        unit.distances = reader.column(rows, f64::from_le_bytes)?;
        unit.requests = reader.column(predicted, u64::from_le_bytes)?;
        let engine = |byte: &u8| match byte {
            0 => Some(Engine::Stations),
            1 => Some(Engine::Events),
            _ => None,
        };
        unit.engines = reader.take(predicted)?.iter().map(engine).collect::<Option<_>>()?;
        let decided = |byte: &u8| Decided::ALL.get(usize::from(*byte)).copied();
        unit.decided = reader.take(predicted)?.iter().map(decided).collect::<Option<_>>()?;
        for _ in 0..width {
            unit.metrics.push(reader.column(predicted, f64::from_le_bytes)?);
        }
        let mut column = || reader.column(met, f64::from_le_bytes);
        let (mean_errors, sds, count_errors) = (column()?, column()?, column()?);
        let doubts = mean_errors.into_iter().zip(sds).zip(count_errors);
        unit.doubts = doubts
            .map(|((mean_error_ms, sd_ms), count_error)| Doubt { mean_error_ms, sd_ms, count_error })
            .collect();
        let is_met = |decided: &&Decided| **decided == Decided::Met;
        (reader.0.is_empty() && unit.decided.iter().filter(is_met).count() == met).then_some(unit)
    }

    /// Whether the beginning of a file says that rows of it are [`Decided::Met`]; yes where that is not clear.
    pub(crate) fn may_have_met(beginning: &[u8]) -> bool {
        let Some(met) = beginning.get(HEAD_BYTES - 4..HEAD_BYTES) else { return true };
        met != [0; 4]
    }

    /// The rows with their number among the predicted ones.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, Option<usize>)> + '_ {
        self.verdicts.iter().enumerate().scan(0, |next, (row, verdict): (usize, &Verdict)| {
            let predicted = verdict.is_predicted().then_some(*next);
            *next += usize::from(predicted.is_some());
            Some((row, predicted))
        })
    }

    /// Puts a predicted row of another unit in the place of one that was [`Decided::Met`].
    pub(crate) fn replace(
        &mut self,
        (row, at): (usize, usize),
        other: &Unit,
        (from, from_at): (usize, usize),
    ) {
        let met = self.decided[..at].iter().filter(|decided| **decided == Decided::Met).count();
        self.doubts.remove(met);
        let text = &other.texts[other.reasons[from] as usize];
        let known = self.texts.iter().position(|known| known == text);
        self.reasons[row] = known.unwrap_or(self.texts.len()) as u32;
        if known.is_none() {
            self.texts.push(text.clone());
        }
        self.verdicts[row] = other.verdicts[from];
        self.values[row] = other.values[from];
        self.distances[row] = other.distances[from];
        self.requests[at] = other.requests[from_at];
        self.engines[at] = other.engines[from_at];
        self.decided[at] = other.decided[from_at];
        for (column, values) in self.metrics.iter_mut().zip(&other.metrics) {
            column[at] = values[from_at];
        }
    }
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn column<T, const N: usize>(&mut self, rows: usize, read: fn([u8; N]) -> T) -> Option<Vec<T>> {
        let (values, _) = self.take(rows.checked_mul(N)?)?.as_chunks::<N>();
        Some(values.iter().map(|value| read(*value)).collect())
    }
}

/// Notices files that are torn or were damaged; not made against forgery. Words are stirred in as FNV-1a does
/// with bytes, and turned so that high bits reach low ones.
fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = bytes.len() as u64 ^ 0xcbf2_9ce4_8422_2325;
    let mut stir = |word: u64| sum = (sum ^ word).wrapping_mul(PRIME).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| stir(u64::from_le_bytes(*word)));
    rest.iter().for_each(|&byte| stir(u64::from(byte)));
    sum ^ sum >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit() -> Unit {
        Unit {
            texts: vec![String::new(), "too slow: {} ms".into()],
            offsets: vec![0, 2, 3],
            verdicts: vec![Verdict::Feasible, Verdict::Screened, Verdict::Infeasible],
            reasons: vec![0, 1, 1],
            values: vec![0.5, 7.0, 1e300],
            distances: vec![0.0, 0.25, f64::INFINITY],
            requests: vec![100, 200],
            engines: vec![Engine::Stations, Engine::Events],
            decided: vec![Decided::Met, Decided::Unknown],
            metrics: vec![vec![1.5, -0.0], vec![2.5, 3.5], vec![4.0, 5.0]],
            doubts: vec![Doubt { mean_error_ms: 0.25, sd_ms: 2.0, count_error: 0.01 }],
        }
    }

    const HEAD: Head<'static> = Head { fingerprint: &[7; 32], unit: 12, width: 3 };

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Unit::from_bytes(&unit().to_bytes(HEAD), HEAD), Some(unit()));
        let empty = Unit { metrics: vec![Vec::new(); 3], ..Unit::default() };
        assert_eq!(Unit::from_bytes(&empty.to_bytes(HEAD), HEAD), Some(empty));
    }

    #[test]
    fn every_torn_or_damaged_file_is_noticed() {
        let bytes = unit().to_bytes(HEAD);
        for length in 0..bytes.len() {
            assert_eq!(Unit::from_bytes(&bytes[..length], HEAD), None, "{length} bytes");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(Unit::from_bytes(&damaged, HEAD), None, "byte {at}");
        }
    }

    #[test]
    fn a_unit_of_something_else_is_noticed() {
        let bytes = unit().to_bytes(HEAD);
        for other in
            [Head { fingerprint: &[8; 32], ..HEAD }, Head { unit: 13, ..HEAD }, Head { width: 2, ..HEAD }]
        {
            assert_eq!(Unit::from_bytes(&bytes, other), None);
        }
    }
}
