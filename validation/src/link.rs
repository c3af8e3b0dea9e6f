//! What a message costs beyond rate and latency, from requests that found the link idle.
//!
//! ```text
//! excess = transfer - 8 n / rate - latency
//!        = fixed + per_byte n + framing 8 n / rate + round_trips 2 latency + jitter_shift m jitter
//! ```
//! with m as in `models::packets`.
//!
//! Both directions at once: only `fixed` differs. A request found its link idle if all that entered before had left it.
//! Each run gives a robust mean of the excess for up to four classes of size; [`crate::mixed`] does the rest. What an idle
//! worker needs to notice a request counts with the uplink, less what every request of a worker costs anyway.

use std::collections::BTreeMap;

use offing_core::{Direction, Rate, Scope, Sharing};
use offing_models::calibration::Shifts;
use offing_models::packets::Lateness;
use offing_models::{Transmission, Transport, distribution};

use crate::measured::{Measured, Row, Seen};
use crate::mixed::{Observation, Prior};
use crate::robust::{BATCHES, error_of_mean, location};
use crate::service::is_free;

/// The parameters, in the order of a row; in ms, ms, ns/B, 1, 1, 1.
pub const NAMES: [&str; 6] = ["up_fixed", "down_fixed", "per_byte", "framing", "round_trips", "jitter_shift"];

/// What runs say about links.
#[derive(Clone, Debug, Default)]
pub struct Excess {
    /// For [`crate::mixed`], in ms.
    pub observations: Vec<Observation>,
    /// Standard deviations beyond the jitter, one per run and direction [ms].
    pub noise_ms: Vec<f64>,
}

/// A transfer: which medium, when it began and ended [ns], and its size [byte].
struct Transfer {
    medium: (u32, u32),
    from: u64,
    to: u64,
    bytes: f64,
    /// To be left out of what the link costs [ms].
    extra_ms: f64,
}

/// Adds what a run says.
pub fn observe(
    run: &Measured,
    number: usize,
    is_pool: bool,
    gap_ms: f64,
    transport: &Transport,
    found: &mut Excess,
) {
    let d = &run.deployment;
    if !d.is_offloaded() || d.app.stages.len() != 1 {
        return;
    }
    let bare = Direction::default();
    let link = d.link(d.placement.endpoint, d.placement.target);
    let (up, down, scope, sharing) = match link {
        Some((link, true)) => (&link.up, &link.down, link.scope, link.sharing),
        Some((link, false)) => (&link.down, &link.up, link.scope, link.sharing),
        None => (&bare, &bare, Scope::Node, Sharing::Fifo),
    };
    let shifts = Shifts::of(d);
    let reply = distribution::mean(&d.app.stages[0].output);
    let frame = distribution::mean(&d.app.frame);
    let rows = match &run.seen {
        Seen::Requests(rows) => rows,
        Seen::Table(table) => {
            if let (Some(delay), Some(way)) = (table.delay_ms, Way::new(up, shifts.up, transport)) {
                let bytes = table.frame_bytes.unwrap_or(frame);
                // Two clocks, trimmed means: a millisecond at best.
                found.observations.push(way.observation(number, 0, delay - way.own_ms(bytes), bytes, 1.0));
            }
            return;
        }
    };
    let dispatch_ms = if is_free(d, is_pool, run.conditions.dilate) {
        waits_of_idle_workers(rows, d.placement.workers).map_or(0.0, |ms| ms - gap_ms)
    } else {
        0.0
    };
    let medium = |owner: u32, row: &Row| match scope {
        Scope::Node => (owner, 0),
        Scope::Pair => (row.endpoint, row.node),
        Scope::Tier => (0, 0),
    };
    let is_size_known =
        rows.iter().all(|row| row.frame_bytes.is_some()) || distribution::cv(&d.app.frame) == 0.0;
    let ups = rows.iter().filter_map(|row| {
        let parts = row.parts?;
        let from = row.emitted + parts.prepare;
        let bytes = row.frame_bytes.map_or(frame, |bytes| bytes as f64);
        Some(Transfer {
            medium: medium(row.endpoint, row),
            from,
            to: from + parts.uplink,
            bytes,
            extra_ms: -dispatch_ms,
        })
    });
    let downs = rows.iter().filter_map(|row| {
        let parts = row.parts?;
        let to = row.emitted + parts.latency();
        Some(Transfer {
            medium: medium(row.node, row),
            from: to - parts.downlink,
            to,
            bytes: reply,
            extra_ms: 0.0,
        })
    });
    let is_fair = sharing == Sharing::Fair;
    if let Some(way) = Way::new(up, shifts.up, transport) {
        // All requests meet the medium, also those of a link without a rate: then all found it idle.
        way.observe(number, 0, idle(ups.collect(), up, is_fair), is_size_known, found);
    }
    if let Some(way) = Way::new(down, shifts.down, transport) {
        way.observe(number, 1, idle(downs.collect(), down, is_fair), true, found);
    }
}

/// One direction of a link that costs the same at all times.
struct Way<'d> {
    direction: &'d Direction,
    /// How jitter delays its messages.
    late: Lateness,
    transmission: Transmission,
}

impl<'d> Way<'d> {
    /// Nothing for recorded and lossy links.
    fn new(direction: &'d Direction, late: Lateness, transport: &Transport) -> Option<Self> {
        if matches!(direction.rate, Rate::Trace { .. }) || direction.loss > 0.0 {
            return None;
        }
        Some(Way { direction, late, transmission: Transmission::new(direction, transport) })
    }

    fn transmission_ms(&self, bytes: f64) -> f64 {
        self.transmission.span(bytes.round() as u64).map_or(0.0, |ns| ns as f64 / 1e6)
    }

    fn own_ms(&self, bytes: f64) -> f64 {
        self.transmission_ms(bytes) + self.direction.latency.as_millis_f64()
    }

    fn observation(
        &self,
        run: usize,
        which: usize,
        excess_ms: f64,
        bytes: f64,
        error_ms: f64,
    ) -> Observation {
        let mut row = vec![0.0; NAMES.len()];
        row[which] = 1.0;
        row[2] = 1e-6 * bytes;
        row[3] = self.transmission_ms(bytes);
        row[4] = 2.0 * self.direction.latency.as_millis_f64();
        row[5] = self.late.mean * self.direction.jitter.as_millis_f64();
        // Both directions of a run are apart: what slows one down is its own sender and receiver.
        Observation { run: 2 * run + which, value: excess_ms, error: error_ms, freedom: BATCHES, row }
    }

    fn observe(
        &self,
        run: usize,
        which: usize,
        transfers: Vec<Transfer>,
        is_size_known: bool,
        found: &mut Excess,
    ) {
        const FEWEST: usize = 10;
        if transfers.len() < FEWEST {
            return;
        }
        let mut by_size: Vec<(f64, f64)> = transfers
            .iter()
            .map(|t| (t.bytes, (t.to - t.from) as f64 / 1e6 - self.own_ms(t.bytes) - t.extra_ms))
            .collect();
        let classes =
            if is_size_known && by_size.iter().any(|(bytes, _)| *bytes != by_size[0].0) { 4 } else { 1 };
        // A stable sort keeps the order of time within a size.
        by_size.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut scales = Vec::new();
        for class in 0..classes {
            let part = &by_size[class * by_size.len() / classes..(class + 1) * by_size.len() / classes];
            let values: Vec<f64> = part.iter().map(|(_, excess)| *excess).collect();
            let Some(centre) = location(&values) else { continue };
            let bytes = part.iter().map(|(bytes, _)| bytes).sum::<f64>() / part.len() as f64;
            let error = centre.error.max(error_of_mean(&values).min(10.0 * centre.error)).max(1e-3);
            found.observations.push(self.observation(run, which, centre.value, bytes, error));
            scales.push(centre.scale);
        }
        if is_size_known {
            // As the effective deployment has it where the packets' order counts in full.
            let jitter = self.late.deviation * self.direction.jitter.as_millis_f64();
            let square = scales.iter().map(|scale| scale * scale).sum::<f64>() / scales.len() as f64;
            found.noise_ms.push((square - jitter * jitter).max(0.0).sqrt());
        }
    }
}

/// The transfers that found their medium idle, and had it alone where it is shared fairly.
fn idle(mut transfers: Vec<Transfer>, direction: &Direction, is_fair: bool) -> Vec<Transfer> {
    // Jitter makes the end of a transmission uncertain.
    let travels = direction.latency.as_nanos().saturating_sub(3 * direction.jitter.as_nanos());
    let has_rate = direction.rate != Rate::Unlimited || direction.window_bytes.is_some();
    transfers.sort_by_key(|t| t.from);
    let mut busy: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut next: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let alone: Vec<bool> = transfers
        .iter()
        .rev()
        .map(|t| next.insert(t.medium, t.from).is_none_or(|next| next + travels >= t.to))
        .collect();
    let alone = alone.into_iter().rev();
    transfers
        .into_iter()
        .zip(alone)
        .filter(|(t, is_alone)| {
            let until = busy.entry(t.medium).or_insert(0);
            let is_idle = t.from >= *until;
            *until = (*until).max(t.to.saturating_sub(travels));
            !has_rate || is_idle && (!is_fair || *is_alone)
        })
        .map(|(t, _)| t)
        .collect()
}

/// How long requests wait that find a worker idle [ms].
fn waits_of_idle_workers(rows: &[Row], workers: u32) -> Option<f64> {
    let mut visits: Vec<(u32, u64, u64, u64)> = rows
        .iter()
        .filter_map(|row| {
            let parts = row.parts?;
            let arrived = row.emitted + parts.prepare + parts.uplink;
            Some((row.node, arrived, parts.queue, arrived + parts.queue + parts.process))
        })
        .collect();
    visits.sort_unstable();
    let mut inside: Vec<(u32, u64)> = Vec::new();
    let mut waits = Vec::new();
    for (node, arrived, queue, done) in visits {
        inside.retain(|&(of, until)| of == node && until > arrived);
        if inside.len() < workers as usize {
            waits.push(queue as f64 / 1e6);
        }
        inside.push((node, done));
    }
    (waits.len() >= 10).then(|| location(&waits).expect("there are some").value)
}

/// What a worker spends between requests that follow each other without a pause [ms]: a robust mean of a run, and its
/// error.
pub fn gap(run: &Measured, is_pool: bool) -> Option<(f64, f64)> {
    let d = &run.deployment;
    if !is_free(d, is_pool, run.conditions.dilate) {
        return None;
    }
    let has_workers = run.rows().iter().all(|row| row.worker.is_some());
    if !has_workers && d.placement.workers > 1 {
        return None;
    }
    let mut served: Vec<(u32, u32, u64, u64, u64)> = run
        .rows()
        .iter()
        .filter_map(|row| {
            let parts = row.parts?;
            let arrived = row.emitted + parts.prepare + parts.uplink;
            let began = arrived + parts.queue;
            Some((row.node, row.worker.unwrap_or(0), began, began + parts.process, arrived))
        })
        .collect();
    served.sort_unstable();
    let gaps: Vec<f64> = served
        .windows(2)
        .filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1) && pair[1].4 < pair[0].3)
        .map(|pair| pair[1].2.saturating_sub(pair[0].3) as f64 / 1e6)
        .collect();
    let centre = location(&gaps).filter(|centre| centre.count >= 20)?;
    Some((centre.value, centre.error.max(1e-3)))
}

/// Priors of [`NAMES`], in their units.
pub fn priors(of: &dyn Fn(&str) -> Prior) -> Vec<Prior> {
    NAMES.map(|name| of(&format!("overheads.link.{name}"))).to_vec()
}
