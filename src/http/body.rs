//! Request bodies in memory and the budget over all of them. A body gives its bytes back to the budget when it is dropped.

use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The smallest step in which a body's memory is taken from the budget: a client that only announces a large body holds none.
const STEP_BYTES: usize = 64 * 1024;

/// How many bytes all request bodies together may hold.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

/// A body, whole or still growing.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    /// Never less than what `bytes` has allocated.
    reserved: usize,
    budget: Arc<Budget>,
}

/// A part of the budget that something else than bytes of a body has; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    bytes: usize,
    budget: Arc<Budget>,
}

/// All bodies together would hold more than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverBudget;

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            used: AtomicUsize::new(0),
        })
    }

    fn reserve(&self, amount: usize) -> Result<(), OverBudget> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(amount).filter(|sum| *sum <= self.limit)
            })
            .map(|_| ())
            .map_err(|_| OverBudget)
    }
}

impl Body {
    pub(crate) fn empty(budget: &Arc<Budget>) -> Self {
        Self {
            bytes: Vec::new(),
            reserved: 0,
            budget: Arc::clone(budget),
        }
    }

    /// Appends `more`. `expected` is the length that the body will have if it is known: memory is taken for no more than that.
    pub(crate) fn extend(
        &mut self,
        more: &[u8],
        expected: Option<usize>,
    ) -> Result<(), OverBudget> {
        self.make_room(more.len(), expected)?;
        self.bytes.extend_from_slice(more);
        Ok(())
    }

    /// Lets `read` write up to `most` further bytes into the body, and no more than a step at once; how many it says it has written.
    pub(crate) fn read(
        &mut self,
        most: usize,
        expected: usize,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> Result<io::Result<usize>, OverBudget> {
        let (length, most) = (self.bytes.len(), most.min(STEP_BYTES));
        self.make_room(most, Some(expected))?;
        self.bytes.resize(length + most, 0);
        let read = read(self.bytes.get_mut(length..).unwrap_or_default());
        let count = read.as_ref().map_or(0, |count| *count);
        self.bytes.truncate(length + count);
        Ok(read)
    }

    fn make_room(&mut self, more: usize, expected: Option<usize>) -> Result<(), OverBudget> {
        let needed = self.bytes.len() + more;
        if needed <= self.reserved {
            return Ok(());
        }
        let doubled = (self.reserved * 2).max(STEP_BYTES);
        let target = expected
            .map_or(doubled, |expected| doubled.min(expected))
            .max(needed);
        // Near the end of the budget no more is taken than is needed now.
        let target = match self.budget.reserve(target - self.reserved) {
            Ok(()) => target,
            Err(OverBudget) => {
                self.budget.reserve(needed - self.reserved)?;
                needed
            }
        };
        self.reserved = target;
        self.bytes
            .try_reserve_exact(target - self.bytes.len())
            .map_err(|_| OverBudget)
    }
}

impl Body {
    /// Takes `bytes` more of the budget, for what is made of the body.
    pub(crate) fn share(&self, bytes: usize) -> Result<Share, OverBudget> {
        self.budget.reserve(bytes)?;
        Ok(Share {
            bytes,
            budget: Arc::clone(&self.budget),
        })
    }

    /// Whether so much will never be free, however long one waits.
    pub(crate) fn exceeds_budget(&self, bytes: usize) -> bool {
        self.reserved.saturating_add(bytes) > self.budget.limit
    }

    /// Frees the bytes and leaves their part of the budget to what was made of them.
    pub(crate) fn into_share(mut self, mut share: Share) -> Share {
        share.bytes = share
            .bytes
            .saturating_add(std::mem::take(&mut self.reserved));
        share
    }
}

impl Share {
    /// Takes so many bytes in all of the budget from now on, more or less than before.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), OverBudget> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.reserve(more)?,
            None => {
                let less = self.bytes - bytes;
                self.budget.used.fetch_sub(less, Ordering::Relaxed);
            }
        }
        self.bytes = bytes;
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether so much will never be free, however long one waits.
    pub(crate) fn exceeds_budget(&self, bytes: usize) -> bool {
        bytes > self.budget.limit
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_a_budget_and_give_it_back() {
        let budget = Budget::new(100_000);
        let mut first = Body::empty(&budget);
        first.extend(&[1; 60_000], Some(60_000)).unwrap();
        let mut second = Body::empty(&budget);
        assert_eq!(second.extend(&[2; 50_000], Some(50_000)), Err(OverBudget));
        drop(first);
        second.extend(&[2; 50_000], Some(50_000)).unwrap();
        assert_eq!(second.len(), 50_000);
        drop(second);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_body_is_read_into_in_steps_within_the_budget() {
        let budget = Budget::new(STEP_BYTES + 10);
        let mut body = Body::empty(&budget);
        body.extend(b"ab", Some(9)).unwrap();
        let read = |space: &mut [u8]| {
            space[..3].copy_from_slice(b"cde");
            Ok(3)
        };
        assert_eq!(body.read(7, 9, read).unwrap().unwrap(), 3);
        assert_eq!(&*body, b"abcde");
        let failed = body.read(4, 9, |_| Err(io::ErrorKind::TimedOut.into()));
        assert!(failed.unwrap().is_err());
        assert_eq!(&*body, b"abcde", "nothing was added");
        assert_eq!(budget.used.load(Ordering::Relaxed), 9);
        drop(body);
        let mut large = Body::empty(&budget);
        let all = |space: &mut [u8]| Ok(space.len());
        assert_eq!(
            large.read(1 << 20, 1 << 20, all).unwrap().unwrap(),
            STEP_BYTES
        );
        assert_eq!(large.read(1 << 20, 1 << 20, all).unwrap_err(), OverBudget);
    }

    #[test]
    fn what_is_made_of_a_body_keeps_its_memory() {
        let budget = Budget::new(100_000);
        let used = || budget.used.load(Ordering::Relaxed);
        let mut body = Body::empty(&budget);
        body.extend(&[1; 60_000], Some(60_000)).unwrap();
        assert_eq!(body.share(50_000).unwrap_err(), OverBudget);
        assert!(body.exceeds_budget(50_000) && !body.exceeds_budget(40_000));
        let share = body.share(30_000).unwrap();
        assert_eq!(used(), 90_000);
        let share = body.into_share(share);
        assert_eq!(used(), 90_000);
        drop(share);
        assert_eq!(used(), 0);
    }

    #[test]
    fn an_announced_length_reserves_nothing_until_bytes_come() {
        let budget = Budget::new(1 << 30);
        let mut body = Body::empty(&budget);
        body.extend(b"x", Some(1 << 29)).unwrap();
        assert!(budget.used.load(Ordering::Relaxed) <= STEP_BYTES);
        for _ in 0..10 {
            body.extend(&[0; 30_000], None).unwrap();
        }
        assert_eq!(body.len(), 300_001);
        assert!(body.bytes.capacity() <= body.reserved);
    }
}
