//! The event list alone, by the hold model: the earliest event is taken and put back a random span later.
//! Prints what an event costs in the calendar of the event engine and in `std::collections::BinaryHeap`.
//!
//! The slots are those of machines with four kinds of events each, as in the engine. Both lists see the same
//! spans; the sums of all instants must be equal. CPU time of this process: `/proc/self/schedstat`.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use offing_sim::bench::Calendar;

const KINDS: usize = 4;
const EVENTS: usize = 2_000_000;
const ROUNDS: usize = 5;

fn main() {
    println!("slots  calendar_ns  heap_ns  ratio  (median of {ROUNDS}, CPU time per event)");
    for slots in [100, 1_000, 10_000, 100_000] {
        let spans = spans(slots + EVENTS);
        let (mut calendar, mut heap) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (a, sum_a) = timed(|| hold_calendar(slots, &spans));
            let (b, sum_b) = timed(|| hold_heap(slots, &spans));
            assert_eq!(sum_a, sum_b, "both take the same events");
            calendar.push(a);
            heap.push(b);
        }
        let (calendar, heap) = (median(calendar), median(heap));
        println!("{slots:<6} {calendar:<12.1} {heap:<8.1} {:.2}", heap / calendar);
    }
}

/// Spans of 1 ns to 1 ms by a linear congruence (Knuth's MMIX constants).
fn spans(count: usize) -> Vec<u64> {
    let mut word = 1u64;
    std::iter::repeat_with(|| {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (((word >> 32) * 1_000_000) >> 32)
    })
    .take(count)
    .collect()
}

fn hold_calendar(slots: usize, spans: &[u64]) -> u64 {
    let mut calendar = Calendar::new(&[slots / KINDS; KINDS]);
    for (slot, &span) in spans[..slots].iter().enumerate() {
        calendar.set(slot % KINDS, slot / KINDS, span);
    }
    let mut sum = 0u64;
    for &span in &spans[slots..] {
        let (now, kind, number) = calendar.first();
        sum = sum.wrapping_add(now);
        calendar.set(kind, number, now + span);
    }
    sum
}

fn hold_heap(slots: usize, spans: &[u64]) -> u64 {
    let first = spans[..slots].iter().enumerate().map(|(slot, &span)| Reverse((span, slot as u32)));
    let mut heap: BinaryHeap<Reverse<(u64, u32)>> = first.collect();
    let mut sum = 0u64;
    for &span in &spans[slots..] {
        let Reverse((now, slot)) = heap.pop().expect("every slot has an event");
        sum = sum.wrapping_add(now);
        heap.push(Reverse((now + span, slot)));
    }
    sum
}

/// CPU nanoseconds per event, and what the run returned.
fn timed(run: impl FnOnce() -> u64) -> (f64, u64) {
    let start = cpu_ns();
    let sum = run();
    ((cpu_ns() - start) as f64 / EVENTS as f64, sum)
}

/// CPU time of the only thread.
fn cpu_ns() -> u64 {
    let text =
        std::fs::read_to_string("/proc/self/schedstat").expect("Linux tells the CPU time of a process");
    text.split_whitespace().next().and_then(|ns| ns.parse().ok()).expect("the first field is nanoseconds")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
