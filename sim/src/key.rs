//! What deployments must have in common to share work: bytes that are equal only if it is.

use std::sync::Arc;

use offing_core::{Arrivals, Balance, Deployment, Direction, Distribution, Rate, Span};

/// Bytes under construction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// Everything that decides when which request enters which node. Long tables count by where they are kept,
    /// so that equal ones at different places are not shared; that costs time only.
    pub(crate) fn of_upstream(d: &Deployment) -> Self {
        let mut key = Key(Vec::with_capacity(256));
        let (app, placement, source) = (&d.app, &d.placement, d.endpoints());
        key.span(d.duration);
        key.span(d.warm_up);
        key.number(app.rate_hz);
        key.arrivals(&app.arrivals);
        key.whole(u64::from(source.nodes));
        key.whole(u64::from(d.is_offloaded()));
        if !d.is_offloaded() {
            return key;
        }
        key.number(source.speed);
        key.number(source.quota);
        key.distribution(&app.prepare);
        key.distribution(&app.frame);
        let cut = placement.cut as usize;
        key.whole(cut as u64);
        for stage in &app.stages[..cut] {
            key.distribution(&stage.work);
            key.distribution(&stage.output);
        }
        key.whole(u64::from(d.targets().nodes));
        key.whole(if d.targets().nodes == 1 { Balance::Static } else { placement.balance } as u64);
        match d.link(placement.endpoint, placement.target) {
            None => key.whole(0),
            Some((link, forwards)) => {
                key.whole(1 + u64::from(link.sharing as u8) + 8 * u64::from(link.scope as u8));
                key.direction(if forwards { &link.up } else { &link.down });
            }
        }
        key
    }

    /// The work of one stage at speed 1.
    pub(crate) fn of_stage(stage: usize, work: &Distribution) -> Self {
        let mut key = Key(Vec::with_capacity(32));
        key.whole(stage as u64);
        key.distribution(work);
        key
    }

    /// A distribution in some unit.
    pub(crate) fn of_distribution(distribution: &Distribution, unit: f64) -> Self {
        let mut key = Key(Vec::with_capacity(32));
        key.number(unit);
        key.distribution(distribution);
        key
    }

    /// The gaps of a renewal process.
    pub(crate) fn of_arrivals(rate_hz: f64, arrivals: &Arrivals) -> Self {
        let mut key = Key(Vec::with_capacity(32));
        key.number(rate_hz);
        key.arrivals(arrivals);
        key
    }

    /// One direction of a link.
    pub(crate) fn of_direction(direction: &Direction) -> Self {
        let mut key = Key(Vec::with_capacity(64));
        key.direction(direction);
        key
    }

    fn whole(&mut self, x: u64) {
        self.0.extend_from_slice(&x.to_le_bytes());
    }

    fn number(&mut self, x: f64) {
        self.whole(x.to_bits());
    }

    fn span(&mut self, span: Span) {
        self.whole(span.as_nanos());
    }

    fn table<T>(&mut self, table: &Arc<[T]>) {
        self.whole(table.as_ptr() as usize as u64);
        self.whole(table.len() as u64);
    }

    fn distribution(&mut self, distribution: &Distribution) {
        let mut put = |kind: u64, a: f64, b: f64| {
            self.whole(kind);
            self.number(a);
            self.number(b);
        };
        match distribution {
            Distribution::Constant(value) => put(0, *value, 0.0),
            Distribution::Exponential { mean } => put(1, *mean, 0.0),
            Distribution::Lognormal { mean, cv } => put(2, *mean, *cv),
            Distribution::Gamma { mean, cv } => put(3, *mean, *cv),
            Distribution::Normal { mean, sd } => put(4, *mean, *sd),
            Distribution::Uniform { from, to } => put(5, *from, *to),
            Distribution::Empirical { values, .. } => {
                self.whole(6);
                self.table(values);
            }
            Distribution::Quantiles(values) => {
                self.whole(7);
                self.table(values);
            }
        }
    }

    fn arrivals(&mut self, arrivals: &Arrivals) {
        match arrivals {
            Arrivals::Periodic => self.whole(0),
            Arrivals::Jittered { sd } => {
                self.whole(1);
                self.span(*sd);
            }
            Arrivals::Poisson => self.whole(2),
            Arrivals::Bursts { on, off } => {
                self.whole(3);
                self.span(*on);
                self.span(*off);
            }
            Arrivals::Trace { arrivals, .. } => {
                self.whole(4);
                self.table(arrivals);
            }
        }
    }

    fn direction(&mut self, direction: &Direction) {
        self.span(direction.latency);
        self.span(direction.jitter);
        self.number(direction.loss);
        self.number(direction.window_bytes.unwrap_or(-1.0));
        match &direction.rate {
            Rate::Unlimited => self.whole(0),
            Rate::BitPerS(rate) => self.number(*rate),
            Rate::Trace { opportunities, .. } => {
                self.whole(1);
                self.table(opportunities);
            }
        }
    }
}
