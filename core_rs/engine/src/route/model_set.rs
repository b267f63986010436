//! Sets of a catalogue's models, as bits: a constraint is then a few words of arithmetic.

const WORD_BITS: usize = u64::BITS as usize;

/// Some of a catalogue's models, by their index. All sets of one catalogue have one length.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct ModelSet(Vec<u64>);

impl ModelSet {
    /// None of `count` models.
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(WORD_BITS)])
    }

    /// All of `count` models.
    pub(super) fn all(count: usize) -> Self {
        let mut all = Self::none(count);
        (0..count).for_each(|index| all.insert(index));
        all
    }

    pub(super) fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / WORD_BITS) {
            *word |= 1 << (index % WORD_BITS);
        }
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.0.get(index / WORD_BITS).is_some_and(|word| word >> (index % WORD_BITS) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, kept)| *word &= kept);
    }

    pub(super) fn drop(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, gone)| *word &= !gone);
    }

    /// The indexes of its models, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.0.iter().enumerate();
        words.flat_map(|(at, &word)| Bits(word).map(move |bit| at * WORD_BITS + bit))
    }
}

/// The places of a word's ones.
struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize;
        // Takes the lowest one away; there is one, so nothing is taken from 0.
        self.0 &= self.0 - 1;
        Some(place)
    }
}
