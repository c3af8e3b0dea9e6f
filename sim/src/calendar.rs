//! The event list of the general engine: one slot per station instead of one entry per job.
//!
//! A slot holds the instant of its station's next event. A tournament tree over the slots has the earliest at
//! its root; a station that moves its event writes its slot again and replays one path, so there is no search
//! and no cancelled entry. Equal instants are won by the lower slot: the order of the slots is the order of
//! ties.

/// A slot without an event.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Clone, Copy)]
struct Winner {
    time: u64,
    slot: u32,
}

pub(crate) struct Calendar {
    /// The node `i` has the children `2i` and `2i + 1`; the leaves are the second half.
    tree: Vec<Winner>,
    leaves: usize,
}

impl Calendar {
    /// All slots are without an event.
    pub(crate) fn new(slots: usize) -> Self {
        let leaves = slots.next_power_of_two().max(2);
        let mut tree = vec![Winner { time: NEVER, slot: 0 }; 2 * leaves];
        for i in (1..2 * leaves).rev() {
            tree[i].slot = if i >= leaves { (i - leaves) as u32 } else { tree[2 * i].slot };
        }
        Calendar { tree, leaves }
    }

    /// Moves the event of a slot.
    #[inline(always)]
    pub(crate) fn set(&mut self, slot: usize, time: u64) {
        let mut i = self.leaves + slot;
        let mut winner = Winner { time, slot: slot as u32 };
        self.tree[i] = winner;
        while i > 1 {
            let other = self.tree[i ^ 1];
            // The left child is even and wins ties.
            let other_wins = if i & 1 == 0 { other.time < winner.time } else { other.time <= winner.time };
            if other_wins {
                winner = other;
            }
            i >>= 1;
            self.tree[i] = winner;
        }
    }

    /// The earliest instant and its slot; [`NEVER`] if no slot has an event.
    #[inline(always)]
    pub(crate) fn first(&self) -> (u64, usize) {
        (self.tree[1].time, self.tree[1].slot as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_root_is_the_earliest_slot_and_the_lowest_of_equals(
            slots in 1usize..40,
            moves in prop::collection::vec((0usize..40, 0u64..6), 1..200),
        ) {
            let mut calendar = Calendar::new(slots);
            let mut plain = vec![NEVER; slots];
            for (slot, time) in moves {
                let time = if time == 5 { NEVER } else { time };
                calendar.set(slot % slots, time);
                plain[slot % slots] = time;
                let best = plain.iter().copied().enumerate().min_by_key(|&(slot, time)| (time, slot)).unwrap();
                prop_assert_eq!(calendar.first(), (best.1, best.0));
            }
        }
    }
}
