//! The machine's cores, for work that needs one whole: a signature, or a large body to be read. Hundreds of threads with such work
//! at once would take turns of some milliseconds each, and whoever is unlucky waits for all of them several times. Here as many
//! as there are cores, and one, do it to its end, and the others wait in the order of their arrival.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};

use parking_lot::Mutex;

/// One more than there are cores: while a thread wakes up for its turn, its core would be idle.
const STAND_BY: usize = 1;

/// A counting semaphore that hands a permit straight to who has waited longest.
#[derive(Debug)]
struct Cores {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    thread: Thread,
    is_served: AtomicBool,
}

/// The right to use a core, until it is dropped.
#[derive(Debug)]
pub(crate) struct Core<'a>(&'a Cores);

/// Waits for a core. Its holder must not wait for anything else: so the wait is at most the work of those who came before, each
/// thread one piece.
pub(crate) fn take() -> Core<'static> {
    static CORES: OnceLock<Cores> = OnceLock::new();
    CORES
        .get_or_init(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            Cores::new(cores + STAND_BY)
        })
        .take()
}

impl Cores {
    fn new(count: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: count,
                waiting: VecDeque::new(),
            }),
        }
    }

    fn take(&self) -> Core<'_> {
        let mut state = self.state.lock();
        if state.free > 0 {
            state.free -= 1;
            return Core(self);
        }
        let waiter = Arc::new(Waiter {
            thread: thread::current(),
            is_served: AtomicBool::new(false),
        });
        state.waiting.push_back(Arc::clone(&waiter));
        drop(state);
        while !waiter.is_served.load(Ordering::Acquire) {
            thread::park();
        }
        Core(self)
    }

    fn give_back(&self) {
        let mut state = self.state.lock();
        match state.waiting.pop_front() {
            Some(next) => {
                drop(state);
                next.is_served.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => state.free += 1,
        }
    }
}

impl Drop for Core<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    use super::*;

    fn until(cores: &Cores, waiting: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while cores.state.lock().waiting.len() != waiting {
            assert!(Instant::now() < deadline, "{cores:?}");
            thread::yield_now();
        }
    }

    #[test]
    fn those_who_wait_are_served_in_the_order_of_their_arrival() {
        let (cores, served) = (Cores::new(1), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let held = cores.take();
            for number in 0..10 {
                let (cores, served) = (&cores, &served);
                scope.spawn(move || {
                    let _core = cores.take();
                    served.lock().push(number);
                });
                until(cores, number + 1);
            }
            drop(held);
        });
        assert_eq!(*served.lock(), (0..10).collect::<Vec<_>>());
        assert_eq!(cores.state.lock().free, 1);
    }

    #[test]
    fn never_more_than_there_are_and_a_panic_gives_its_core_back() {
        let (cores, busy, peak) = (Cores::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for turn in 0..50 {
                        let work = || {
                            let _core = cores.take();
                            peak.fetch_max(
                                busy.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            thread::yield_now();
                            busy.fetch_sub(1, Ordering::SeqCst);
                            if turn == 7 {
                                std::panic::resume_unwind(Box::new("an unlucky turn"));
                            }
                        };
                        assert_eq!(catch_unwind(AssertUnwindSafe(work)).is_err(), turn == 7);
                    }
                });
            }
        });
        assert!((1..=3).contains(&peak.into_inner()));
        assert_eq!(cores.state.lock().free, 3);
    }
}
