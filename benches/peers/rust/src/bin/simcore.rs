//! W1 on simcore (the engine of DSLab), in its callback style: one handler per endpoint
//! and one for the node with the downlinks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use peers::{Case, Chance, Duration, LATENCY_S, Request, Statistics, chance};
use serde::Serialize;
use simcore::{Event, EventHandler, Id, Simulation, SimulationContext, cast};

#[derive(Clone, Serialize)]
struct Emitted {}
#[derive(Clone, Serialize)]
struct Prepared {
    request: Request,
}
#[derive(Clone, Serialize)]
struct Sent {
    request: Request,
}
#[derive(Clone, Serialize)]
struct Arrived {
    request: Request,
}
#[derive(Clone, Serialize)]
struct Processed {
    request: Request,
}
#[derive(Clone, Serialize)]
struct Returned {
    request: Request,
}
#[derive(Clone, Serialize)]
struct Received {
    request: Request,
}

struct Shared {
    case: Case,
    chance: Chance,
    statistics: Statistics,
}

impl Shared {
    fn sample(&mut self, pick: fn(&Case) -> &Duration) -> f64 {
        pick(&self.case).sample(&mut self.chance)
    }
}

struct Endpoint {
    shared: Rc<RefCell<Shared>>,
    context: SimulationContext,
    node: Id,
    number: usize,
    prepare: VecDeque<Request>,
    preparing: bool,
    uplink: VecDeque<Request>,
    sending: bool,
}

impl EventHandler for Endpoint {
    fn on(&mut self, event: Event) {
        let now = self.context.time();
        let shared = &mut *self.shared.borrow_mut();
        cast!(match event.data {
            Emitted {} => {
                if now >= shared.case.until_s {
                    return;
                }
                self.context.emit_self(Emitted {}, shared.sample(|c| &c.gap));
                let request = Request { endpoint: self.number, emitted: now, ..Request::default() };
                if self.preparing {
                    self.prepare.push_back(request);
                } else {
                    self.preparing = true;
                    self.context.emit_self(Prepared { request }, shared.sample(|c| &c.prepare));
                }
            }
            Prepared { mut request } => {
                request.prepared = now;
                match self.prepare.pop_front() {
                    Some(request) => {
                        self.context.emit_self(Prepared { request }, shared.sample(|c| &c.prepare));
                    }
                    None => self.preparing = false,
                }
                if self.sending {
                    self.uplink.push_back(request);
                } else {
                    self.sending = true;
                    self.context.emit_self(Sent { request }, shared.sample(|c| &c.uplink));
                }
            }
            Sent { request } => {
                match self.uplink.pop_front() {
                    Some(request) => {
                        self.context.emit_self(Sent { request }, shared.sample(|c| &c.uplink));
                    }
                    None => self.sending = false,
                }
                self.context.emit(Arrived { request }, self.node, LATENCY_S);
            }
            Received { request } => {
                shared.statistics.receive(&request, now);
            }
        })
    }
}

struct Node {
    shared: Rc<RefCell<Shared>>,
    context: SimulationContext,
    waiting: VecDeque<Request>,
    busy: usize,
    downlink: Vec<VecDeque<Request>>,
    returning: Vec<bool>,
    endpoints: Vec<Id>,
}

impl EventHandler for Node {
    fn on(&mut self, event: Event) {
        let now = self.context.time();
        let shared = &mut *self.shared.borrow_mut();
        cast!(match event.data {
            Arrived { mut request } => {
                request.arrived = now;
                if self.busy < shared.case.servers {
                    self.busy += 1;
                    request.started = now;
                    self.context.emit_self(Processed { request }, shared.sample(|c| &c.process));
                } else {
                    self.waiting.push_back(request);
                }
            }
            Processed { mut request } => {
                request.processed = now;
                match self.waiting.pop_front() {
                    Some(mut request) => {
                        request.started = now;
                        self.context.emit_self(Processed { request }, shared.sample(|c| &c.process));
                    }
                    None => self.busy -= 1,
                }
                let endpoint = request.endpoint;
                if self.returning[endpoint] {
                    self.downlink[endpoint].push_back(request);
                } else {
                    self.returning[endpoint] = true;
                    self.context.emit_self(Returned { request }, shared.sample(|c| &c.downlink));
                }
            }
            Returned { request } => {
                let endpoint = request.endpoint;
                match self.downlink[endpoint].pop_front() {
                    Some(request) => {
                        self.context.emit_self(Returned { request }, shared.sample(|c| &c.downlink));
                    }
                    None => self.returning[endpoint] = false,
                }
                self.context.emit(Received { request }, self.endpoints[endpoint], LATENCY_S);
            }
        })
    }
}

fn main() {
    let case = Case::from_arguments();
    let shared =
        Rc::new(RefCell::new(Shared { case, chance: chance(case.seed, 0), statistics: Statistics::new() }));
    let mut simulation = Simulation::new(case.seed);
    let node = Rc::new(RefCell::new(Node {
        shared: shared.clone(),
        context: simulation.create_context("node"),
        waiting: VecDeque::new(),
        busy: 0,
        downlink: vec![VecDeque::new(); case.endpoints],
        returning: vec![false; case.endpoints],
        endpoints: Vec::new(),
    }));
    let node_id = simulation.add_handler("node", node.clone());
    for number in 0..case.endpoints {
        let name = format!("endpoint{number}");
        let context = simulation.create_context(&name);
        context.emit_self(Emitted {}, shared.borrow_mut().sample(|c| &c.gap));
        let endpoint = Endpoint {
            shared: shared.clone(),
            context,
            node: node_id,
            number,
            prepare: VecDeque::new(),
            preparing: false,
            uplink: VecDeque::new(),
            sending: false,
        };
        let id = simulation.add_handler(name, Rc::new(RefCell::new(endpoint)));
        node.borrow_mut().endpoints.push(id);
    }
    simulation.step_until_no_events();
    shared.borrow().statistics.print();
}
