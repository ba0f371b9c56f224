//! Slots and leases: how many calls an account has in flight, and who is next. First come, first served: a slot that
//! becomes free goes straight to the longest waiter. Knows no clock but the deadlines it is given to wait for.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How often a waiter looks whether its client is still there.
const TICK: Duration = Duration::from_millis(100);

/// The slots of one account.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: u32,
    waiters: VecDeque<Arc<Waiter>>,
}

#[derive(Debug, Default)]
struct Waiter {
    /// Only touched under the mutex.
    granted: AtomicBool,
    wake: Condvar,
}

/// A slot held. Dropping it, for whatever reason, frees it.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    slots: &'a Slots,
}

/// Why no slot was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// None became free before the deadline.
    TooLate,
    /// The client left while it waited.
    Gone,
}

impl Slots {
    pub(crate) fn new(limit: NonZeroU32) -> Self {
        Self {
            limit: limit.get(),
            state: Mutex::default(),
        }
    }

    /// Takes a slot, or waits for one in the order of arrival.
    ///
    /// # Errors
    /// The deadline passed, or `gone` said that the client left.
    pub(crate) fn acquire(
        &self,
        deadline: Instant,
        gone: &dyn Fn() -> bool,
    ) -> Result<Lease<'_>, Denied> {
        let mut state = self.state.lock();
        if state.in_flight < self.limit {
            state.in_flight += 1;
            return Ok(Lease { slots: self });
        }
        let me = Arc::new(Waiter::default());
        state.waiters.push_back(Arc::clone(&me));
        loop {
            let now = Instant::now();
            // A grant is looked at before the reasons to give up: a slot handed over is never lost.
            if me.granted.load(Ordering::Relaxed) {
                return Ok(Lease { slots: self });
            }
            let denied = if gone() {
                Some(Denied::Gone)
            } else {
                (now >= deadline).then_some(Denied::TooLate)
            };
            if let Some(denied) = denied {
                state.waiters.retain(|waiter| !Arc::ptr_eq(waiter, &me));
                return Err(denied);
            }
            me.wake.wait_until(&mut state, deadline.min(now + TICK));
        }
    }

    /// Slots taken now.
    #[cfg(test)]
    fn in_flight(&self) -> u32 {
        self.state.lock().in_flight
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.state.lock();
        match state.waiters.pop_front() {
            Some(next) => {
                next.granted.store(true, Ordering::Relaxed);
                next.wake.notify_one();
            }
            None => state.in_flight -= 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const FAR: Duration = Duration::from_secs(60);

    fn slots(limit: u32) -> Slots {
        Slots::new(NonZeroU32::new(limit).unwrap())
    }

    #[test]
    fn the_limit_holds_and_a_drop_frees() {
        let slots = slots(2);
        let first = slots.acquire(Instant::now(), &|| false).unwrap();
        let _second = slots.acquire(Instant::now(), &|| false).unwrap();
        assert_eq!(
            slots.acquire(Instant::now(), &|| false).unwrap_err(),
            Denied::TooLate
        );
        assert_eq!(
            slots.acquire(Instant::now() + FAR, &|| true).unwrap_err(),
            Denied::Gone
        );
        drop(first);
        assert_eq!(slots.in_flight(), 1);
        assert!(slots.acquire(Instant::now(), &|| false).is_ok());
        assert_eq!(slots.state.lock().waiters.len(), 0);
    }

    #[test]
    fn waiters_are_served_in_order() {
        let slots = slots(1);
        let held = slots.acquire(Instant::now(), &|| false).unwrap();
        let (order, served) = mpsc::channel();
        thread::scope(|scope| {
            for number in 0..5 {
                let order = order.clone();
                let slots = &slots;
                scope.spawn(move || {
                    let _lease = slots.acquire(Instant::now() + FAR, &|| false).unwrap();
                    order.send(number).unwrap();
                });
                while slots.state.lock().waiters.len() <= number {
                    thread::yield_now();
                }
            }
            drop(held);
        });
        assert_eq!(served.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(slots.in_flight(), 0);
    }
}
