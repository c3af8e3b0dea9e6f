//! W1 on nexosim: one model per endpoint and one for the node with the downlinks, on one thread.
//!
//! A second thread costs 28 times the CPU time (2 cores): the events are far shorter than handing one
//! over. Time is whole nanoseconds here, and a delay is at least one.

use std::collections::VecDeque;
use std::sync::Mutex;

use nexosim::model::{Context, Model, schedulable};
use nexosim::ports::Output;
use nexosim::simulation::{Mailbox, SimInit, SimulationError};
use nexosim::time::MonotonicTime;
use peers::{Case, Chance, LATENCY_S, Request, Statistics, chance};
use serde::{Deserialize, Serialize};

/// Models are saved and restored by nexosim and hold plain data; what they report goes outside.
static STATISTICS: Mutex<Option<Statistics>> = Mutex::new(None);

fn now<M: Model>(context: &Context<M>) -> f64 {
    let time = context.time();
    time.as_secs() as f64 + f64::from(time.subsec_nanos()) * 1e-9
}

fn after(seconds: f64) -> std::time::Duration {
    std::time::Duration::from_nanos(((seconds * 1e9) as u64).max(1))
}

/// A camera with its processor and uplink.
#[derive(Serialize, Deserialize)]
pub struct Endpoint {
    /// To the node.
    pub output: Output<Request>,
    number: usize,
    case: Case,
    chance: Chance,
    prepare: VecDeque<Request>,
    preparing: bool,
    uplink: VecDeque<Request>,
    sending: bool,
}

#[Model]
impl Endpoint {
    #[nexosim(init)]
    async fn init(&mut self, context: &Context<Self>) {
        self.schedule_emission(context);
    }

    fn schedule_emission(&mut self, context: &Context<Self>) {
        let gap = self.case.gap.sample(&mut self.chance);
        context.schedule_event(after(gap), schedulable!(Self::emitted), ()).expect("the deadline lies ahead");
    }

    #[nexosim(schedulable)]
    fn emitted(&mut self, _: (), context: &Context<Self>) {
        let now = now(context);
        if now >= self.case.until_s {
            return;
        }
        self.schedule_emission(context);
        let request = Request { endpoint: self.number, emitted: now, ..Request::default() };
        if self.preparing {
            self.prepare.push_back(request);
        } else {
            self.preparing = true;
            self.start_prepare(request, context);
        }
    }

    fn start_prepare(&mut self, request: Request, context: &Context<Self>) {
        let duration = self.case.prepare.sample(&mut self.chance);
        context
            .schedule_event(after(duration), schedulable!(Self::prepared), request)
            .expect("the deadline lies ahead");
    }

    fn start_uplink(&mut self, request: Request, context: &Context<Self>) {
        let duration = self.case.uplink.sample(&mut self.chance);
        context
            .schedule_event(after(duration), schedulable!(Self::sent), request)
            .expect("the deadline lies ahead");
    }

    #[nexosim(schedulable)]
    fn prepared(&mut self, mut request: Request, context: &Context<Self>) {
        request.prepared = now(context);
        match self.prepare.pop_front() {
            Some(next) => self.start_prepare(next, context),
            None => self.preparing = false,
        }
        if self.sending {
            self.uplink.push_back(request);
        } else {
            self.sending = true;
            self.start_uplink(request, context);
        }
    }

    #[nexosim(schedulable)]
    fn sent(&mut self, request: Request, context: &Context<Self>) {
        match self.uplink.pop_front() {
            Some(next) => self.start_uplink(next, context),
            None => self.sending = false,
        }
        context
            .schedule_event(after(LATENCY_S), schedulable!(Self::deliver), request)
            .expect("the deadline lies ahead");
    }

    #[nexosim(schedulable)]
    async fn deliver(&mut self, request: Request) {
        self.output.send(request).await;
    }

    /// The answer is back.
    pub fn receive(&mut self, request: Request, context: &Context<Self>) {
        let mut statistics = STATISTICS.lock().expect("nobody panicked");
        statistics.as_mut().expect("main sets it").receive(&request, now(context));
    }
}

/// The node and the downlinks.
#[derive(Serialize, Deserialize)]
pub struct Node {
    /// To each endpoint.
    pub outputs: Vec<Output<Request>>,
    case: Case,
    chance: Chance,
    waiting: VecDeque<Request>,
    busy: usize,
    downlink: Vec<VecDeque<Request>>,
    returning: Vec<bool>,
}

#[Model]
impl Node {
    /// A frame is here.
    pub fn input(&mut self, mut request: Request, context: &Context<Self>) {
        request.arrived = now(context);
        if self.busy < self.case.servers {
            self.busy += 1;
            self.start(request, context);
        } else {
            self.waiting.push_back(request);
        }
    }

    fn start(&mut self, mut request: Request, context: &Context<Self>) {
        request.started = now(context);
        let duration = self.case.process.sample(&mut self.chance);
        context
            .schedule_event(after(duration), schedulable!(Self::processed), request)
            .expect("the deadline lies ahead");
    }

    fn start_downlink(&mut self, request: Request, context: &Context<Self>) {
        let duration = self.case.downlink.sample(&mut self.chance);
        context
            .schedule_event(after(duration), schedulable!(Self::returned), request)
            .expect("the deadline lies ahead");
    }

    #[nexosim(schedulable)]
    fn processed(&mut self, mut request: Request, context: &Context<Self>) {
        request.processed = now(context);
        match self.waiting.pop_front() {
            Some(next) => self.start(next, context),
            None => self.busy -= 1,
        }
        if self.returning[request.endpoint] {
            self.downlink[request.endpoint].push_back(request);
        } else {
            self.returning[request.endpoint] = true;
            self.start_downlink(request, context);
        }
    }

    #[nexosim(schedulable)]
    fn returned(&mut self, request: Request, context: &Context<Self>) {
        match self.downlink[request.endpoint].pop_front() {
            Some(next) => self.start_downlink(next, context),
            None => self.returning[request.endpoint] = false,
        }
        context
            .schedule_event(after(LATENCY_S), schedulable!(Self::back), request)
            .expect("the deadline lies ahead");
    }

    #[nexosim(schedulable)]
    async fn back(&mut self, request: Request) {
        self.outputs[request.endpoint].send(request).await;
    }
}

fn main() -> Result<(), SimulationError> {
    let case = Case::from_arguments();
    *STATISTICS.lock().expect("nobody panicked") = Some(Statistics::new());
    let mut node = Node {
        outputs: Vec::new(),
        case,
        chance: chance(case.seed, case.endpoints as u64),
        waiting: VecDeque::new(),
        busy: 0,
        downlink: vec![VecDeque::new(); case.endpoints],
        returning: vec![false; case.endpoints],
    };
    let node_mailbox = Mailbox::new();
    let mut bench = SimInit::with_num_threads(1);
    for number in 0..case.endpoints {
        let mut endpoint = Endpoint {
            output: Output::default(),
            number,
            case,
            chance: chance(case.seed, number as u64),
            prepare: VecDeque::new(),
            preparing: false,
            uplink: VecDeque::new(),
            sending: false,
        };
        let mailbox = Mailbox::new();
        endpoint.output.connect(Node::input, &node_mailbox);
        let mut back = Output::default();
        back.connect(Endpoint::receive, &mailbox);
        node.outputs.push(back);
        bench = bench.add_model(endpoint, mailbox, &format!("endpoint{number}"));
    }
    let mut simulation = bench.add_model(node, node_mailbox, "node").init(MonotonicTime::EPOCH)?;
    simulation.run()?;
    STATISTICS.lock().expect("nobody panicked").as_ref().expect("set above").print();
    Ok(())
}
