//! The queue of a target node: in order of arrival, bounded where asked, served by several workers.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::protocol::Drop;

/// Jobs that wait. A job that an idle worker is about to take does not count as waiting.
#[derive(Debug)]
pub struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
    limit: Option<usize>,
    drop: Drop,
}

#[derive(Debug)]
struct State<J> {
    jobs: VecDeque<J>,
    /// Workers that are in [`Queue::pop`].
    idle: usize,
    longest: usize,
    open: bool,
}

impl<J> Queue<J> {
    /// An empty one, in which at most `limit` jobs may wait.
    pub fn new(limit: Option<u32>, drop: Drop) -> Self {
        Queue {
            state: Mutex::new(State { jobs: VecDeque::new(), idle: 0, longest: 0, open: true }),
            changed: Condvar::new(),
            limit: limit.map(|limit| limit as usize),
            drop,
        }
    }

    /// Puts a job at the end; gives back the one that had no room, if any.
    pub fn push(&self, job: J) -> Option<J> {
        let mut state = self.lock();
        if !state.open {
            return Some(job);
        }
        let waiting = state.jobs.len().saturating_sub(state.idle);
        let taken_at_once = state.jobs.len() < state.idle;
        let refused = match self.limit {
            Some(limit) if !taken_at_once && waiting >= limit => match self.drop {
                Drop::Oldest if limit > 0 => state.jobs.pop_front(),
                _ => return Some(job),
            },
            _ => None,
        };
        state.jobs.push_back(job);
        state.longest = state.longest.max(state.jobs.len().saturating_sub(state.idle));
        drop(state);
        self.changed.notify_one();
        refused
    }

    /// Takes the job that has waited longest; waits for one. Nothing if the queue was closed.
    pub fn pop(&self) -> Option<J> {
        let mut state = self.lock();
        state.idle += 1;
        while state.open && state.jobs.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle -= 1;
        if state.open { state.jobs.pop_front() } else { None }
    }

    /// Gives nothing out and takes nothing in any more: the jobs that were waiting.
    pub fn close(&self) -> Vec<J> {
        let mut state = self.lock();
        state.open = false;
        let left = state.jobs.drain(..).collect();
        drop(state);
        self.changed.notify_all();
        left
    }

    /// Whether it was not closed yet.
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    /// The most jobs that ever waited.
    pub fn longest(&self) -> u64 {
        self.lock().longest as u64
    }

    /// The state is whole between any two of its changes, whoever panicked.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_leave_in_the_order_in_which_they_came() {
        let queue = Queue::new(None, Drop::Newest);
        for job in 0..5 {
            assert_eq!(queue.push(job), None);
        }
        assert_eq!((0..3).map(|_| queue.pop()).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        assert_eq!(queue.longest(), 5);
        assert_eq!(queue.close(), [3, 4]);
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.push(9), Some(9));
    }

    #[test]
    fn a_full_queue_drops_the_newest_or_the_oldest() {
        let newest = Queue::new(Some(2), Drop::Newest);
        assert_eq!([1, 2, 3].map(|job| newest.push(job)), [None, None, Some(3)]);
        let oldest = Queue::new(Some(2), Drop::Oldest);
        assert_eq!([1, 2, 3].map(|job| oldest.push(job)), [None, None, Some(1)]);
        assert_eq!(oldest.close(), [2, 3]);
        let none = Queue::new(Some(0), Drop::Oldest);
        assert_eq!(none.push(1), Some(1), "nobody is idle and nothing may wait");
    }

    #[test]
    fn an_idle_worker_takes_a_job_although_nothing_may_wait() {
        let queue = Queue::new(Some(0), Drop::Newest);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| queue.pop());
            while queue.lock().idle == 0 {
                std::thread::yield_now();
            }
            assert_eq!(queue.push(7), None);
            assert_eq!(worker.join().expect("it ends"), Some(7));
        });
        assert_eq!(queue.longest(), 0);
    }
}
