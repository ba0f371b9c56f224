//! Random numbers out of a seed: no crate, and the same on every machine.

#![expect(clippy::indexing_slicing, reason = "a test")]

/// splitmix64. Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte, ..] = self.bits().to_le_bytes();
        byte
    }

    /// From 0 to `limit` - 1; 0 if there is nothing to choose from.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let bits = usize::try_from(self.bits() >> 32).unwrap_or_default();
        bits.checked_rem(limit).unwrap_or_default()
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// Panics if there is nothing to choose from.
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// The same of what can be copied.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        *self.of(all)
    }

    /// The bytes in pieces as a socket could deliver them: one by one, in small ones, or in two.
    pub(crate) fn pieces<'a>(&mut self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let longest = match self.below(3) {
            0 => 1,
            1 => 1 + self.below(64),
            _ => bytes.len().max(1),
        };
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + self.below(longest)).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}
