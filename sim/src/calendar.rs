//! The event list of the general engine: one slot per station instead of one entry per job.
//!
//! A slot holds the instant of its station's next event; a station that moves its event writes its slot again,
//! so there is no search and no cancelled entry. Slots come in kinds, and equal instants are won by the lower
//! kind, then by the lower number within the kind: the order of the slots is the order of ties.
//!
//! A tournament tree over groups of four keys has the earliest slot at its root. Three choices make it fast,
//! and none of them can change which slot is first:
//! - A key is one word, `(time - base) << bits | kind | number`, so a match is one comparison. An instant too
//!   far away for its key shares the last one; if such a slot comes first, the base moves up to it.
//! - Slots of one machine are neighbours, because an event mostly moves slots of one machine: the path above
//!   them is replayed once, when the next event is asked for.
//! - Kinds of a single slot change at almost every event and are compared at the root.

use std::collections::BTreeMap;

/// A slot without an event.
pub(crate) const NEVER: u64 = u64::MAX;

/// Keys that are compared at the root.
const SINGLES: usize = 8;
/// Kinds are numbered with so many bits; the highest number is not used.
const KIND_BITS: u32 = 4;
/// No group has changed.
const FRESH: usize = usize::MAX;

/// Where the slots of a kind are.
#[derive(Clone, Copy, Default)]
struct Row {
    /// Position of slot 0 among the singles, or among the keys of all groups.
    first: usize,
    /// Distance of one slot to the next as a power of two.
    shift: u32,
    is_single: bool,
}

/// Four keys in half a cache line.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Group([u64; 4]);

pub(crate) struct Calendar {
    rows: [Row; 1 << KIND_BITS],
    number_bits: u32,
    singles: [u64; SINGLES],
    /// Group `g` holds the winners of the groups `4g + 1` to `4g + 4`; groups without such hold slots.
    groups: Vec<Group>,
    /// How many groups do not hold slots.
    inner: usize,
    /// The winner of all groups when nothing was stale.
    winner: u64,
    /// The group of slots that has changed since, if any.
    stale: usize,
    /// The instant of a key of zero.
    base: u64,
    /// Where a key is too short for the instant of a slot, the instant, by order of the slot. What a slot
    /// has left behind when it moved nearer is never looked at, because its key is not the last one.
    beyond: BTreeMap<u64, u64>,
}

impl Calendar {
    /// Kind `k` has `counts[k]` slots, all without an event.
    pub(crate) fn new(counts: &[usize]) -> Self {
        assert!(counts.len() < 1 << KIND_BITS, "the kinds have numbers");
        let largest = counts.iter().copied().max().unwrap_or(0).max(1);
        let mut rows = [Row::default(); 1 << KIND_BITS];
        let mut singles = 0;
        // The last kinds first: they change most often.
        let mut left: Vec<usize> = (0..counts.len()).rev().filter(|&kind| counts[kind] > 0).collect();
        left.retain(|&kind| {
            let is_single = counts[kind] == 1 && singles < SINGLES;
            if is_single {
                rows[kind] = Row { first: singles, shift: 0, is_single };
                singles += 1;
            }
            !is_single
        });
        // Kinds of as many slots are those of one set of machines: a number has its slots side by side.
        let mut sets: Vec<Vec<usize>> = Vec::new();
        for kind in left {
            match sets.iter_mut().find(|set| counts[set[0]] == counts[kind]) {
                Some(set) => set.push(kind),
                None => sets.push(vec![kind]),
            }
        }
        sets.sort_by_key(|set| std::cmp::Reverse(set.len().next_power_of_two()));
        let mut positions = 0;
        for set in &sets {
            let width = set.len().next_power_of_two();
            for (i, &kind) in set.iter().enumerate() {
                rows[kind] = Row { first: positions + i, shift: width.ilog2(), is_single: false };
            }
            positions += counts[set[0]] * width;
        }
        let leaves = positions.div_ceil(4).max(1);
        // All slots lie equally deep: a path of varying length is predicted wrongly.
        let depth = usize::BITS - (leaves - 1).leading_zeros();
        let inner = ((1 << (2 * depth.div_ceil(2))) - 1) / 3;
        rows.iter_mut().filter(|row| !row.is_single).for_each(|row| row.first += 4 * inner);
        Calendar {
            rows,
            number_bits: usize::BITS - (largest - 1).leading_zeros(),
            singles: [NEVER; SINGLES],
            groups: vec![Group([NEVER; 4]); inner + leaves],
            inner,
            winner: NEVER,
            stale: FRESH,
            base: 0,
            beyond: BTreeMap::new(),
        }
    }

    /// Moves the event of slot `number` of a kind. No slot moves before the event that came first last.
    #[inline(always)]
    pub(crate) fn set(&mut self, kind: usize, number: usize, time: u64) {
        let order = (kind as u64) << self.number_bits | number as u64;
        let key = self.key(order, time);
        let row = self.rows[kind];
        if row.is_single {
            self.singles[row.first % SINGLES] = key;
            return;
        }
        let position = row.first + (number << row.shift);
        let group = position / 4;
        self.groups[group].0[position % 4] = key;
        if self.stale != group {
            if self.stale != FRESH {
                self.replay_apart();
            }
            self.stale = group;
        }
    }

    /// The earliest instant, and kind and number of its slot; [`NEVER`] if no slot has an event.
    #[inline(always)]
    pub(crate) fn first(&mut self) -> (u64, usize, usize) {
        self.replay();
        let key = self.singles.iter().fold(self.winner, |first, &key| first.min(key));
        if key < self.last_key() {
            let number = key as usize & ((1 << self.number_bits) - 1);
            let kind = (key >> self.number_bits) as usize % (1 << KIND_BITS);
            (self.base + (key >> self.order_bits()), kind, number)
        } else if key == NEVER {
            (NEVER, 0, 0)
        } else {
            self.move_base();
            self.first()
        }
    }

    #[inline(always)]
    fn order_bits(&self) -> u32 {
        self.number_bits + KIND_BITS
    }

    /// The key of slot 0 for an instant that is too far away.
    #[inline(always)]
    fn last_key(&self) -> u64 {
        u64::MAX << self.order_bits()
    }

    #[inline(always)]
    fn key(&mut self, order: u64, time: u64) -> u64 {
        let bits = self.order_bits();
        let after = time - self.base;
        let is_beyond = after >= u64::MAX >> bits;
        if is_beyond & (time != NEVER) {
            self.note_beyond(order, time);
        }
        let key = if is_beyond { self.last_key() } else { after << bits } | order;
        if time == NEVER { NEVER } else { key }
    }

    #[cold]
    #[inline(never)]
    fn note_beyond(&mut self, order: u64, time: u64) {
        self.beyond.insert(order, time);
    }

    /// Replays the path above the group that has changed.
    #[inline(always)]
    fn replay(&mut self) {
        if self.stale == FRESH {
            return;
        }
        let mut g = self.stale;
        self.stale = FRESH;
        let groups = &mut self.groups[..];
        let [a, b, c, d] = groups[g].0;
        let mut winner = a.min(b).min(c.min(d));
        while g > 0 {
            let place = (g - 1) % 4;
            g = (g - 1) / 4;
            let keys = &mut groups[g].0;
            // Without the loser that it replaces, so that nothing waits for the store.
            let others = keys[place ^ 1].min(keys[place ^ 2]).min(keys[place ^ 3]);
            keys[place] = winner;
            winner = winner.min(others);
        }
        self.winner = winner;
    }

    #[inline(never)]
    fn replay_apart(&mut self) {
        self.replay();
    }

    /// All slots that have an event have it beyond the last key: the first of them becomes the base.
    #[cold]
    #[inline(never)]
    fn move_base(&mut self) {
        let (last, bits) = (self.last_key(), self.order_bits());
        let mask = !(u64::MAX << bits);
        let beyond = std::mem::take(&mut self.beyond);
        let inner = self.inner;
        let slots = self.groups[inner..].iter_mut().flat_map(|group| &mut group.0).chain(&mut self.singles);
        let mut slots: Vec<&mut u64> = slots.filter(|key| **key != NEVER).collect();
        debug_assert!(slots.iter().all(|key| **key >= last), "nothing else is to come");
        let instant = |key: u64| beyond[&(key & mask)];
        self.base = slots.iter().map(|key| instant(**key)).min().expect("a slot has an event");
        for key in &mut slots {
            let (order, time) = (**key & mask, instant(**key));
            let after = time - self.base;
            **key = if after >= u64::MAX >> bits {
                self.beyond.insert(order, time);
                last | order
            } else {
                after << bits | order
            };
        }
        for g in (0..inner).rev() {
            for place in 0..4 {
                let child = 4 * g + 1 + place;
                self.groups[g].0[place] =
                    self.groups.get(child).map_or(NEVER, |group| group.0.into_iter().fold(NEVER, u64::min));
            }
        }
        self.winner = self.groups[0].0.into_iter().fold(NEVER, u64::min);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(counts: Vec<usize>, moves: Vec<(usize, usize, u64)>) -> Result<(), TestCaseError> {
        let mut calendar = Calendar::new(&counts);
        let mut plain: Vec<Vec<u64>> = counts.iter().map(|&count| vec![NEVER; count]).collect();
        let mut now = 0;
        for (kind, number, after) in moves {
            let kind = kind % counts.len();
            if counts[kind] > 0 {
                let number = number % counts[kind];
                let time = if after == NEVER { NEVER } else { now + after };
                calendar.set(kind, number, time);
                plain[kind][number] = time;
            }
            if after % 3 != 0 {
                continue;
            }
            let all = plain.iter().enumerate().flat_map(|(kind, times)| {
                times.iter().enumerate().map(move |(number, &time)| (time, kind, number))
            });
            let best = all.min().filter(|best| best.0 != NEVER).unwrap_or((NEVER, 0, 0));
            prop_assert_eq!(calendar.first(), best);
            if best.0 != NEVER {
                now = best.0;
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn the_first_is_the_earliest_slot_and_the_lowest_of_equals(
            counts in prop::collection::vec(prop_oneof![Just(0usize), Just(1), Just(7), Just(30), 0usize..40], 1..15),
            moves in prop::collection::vec((0usize..15, 0usize..40, prop_oneof![
                4 => 0u64..6,
                1 => Just(NEVER),
                1 => 0u64..1 << 55,
            ]), 1..300),
        ) {
            check(counts, moves)?;
        }
    }
}
