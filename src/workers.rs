//! The bounded queue and the fixed threads that empty it. Knows no HTTP: it is generic over the work.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

/// Stack of a worker: parsing deeply nested JSON and a TLS handshake are the deepest it goes. Only touched pages cost memory.
const WORKER_STACK_BYTES: usize = 1024 * 1024;

/// How many threads, and how many waiting items. Filled by the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolSettings {
    /// Threads, 1-2000: `global_max_concurrency`.
    pub(crate) workers: usize,
    /// Items that wait, 1-100000.
    pub(crate) queue_size: usize,
}

/// A pool of threads behind a bounded queue.
pub(crate) struct Workers<T> {
    settings: PoolSettings,
    sender: Sender<T>,
    /// For the sweep; the threads have their own.
    receiver: Receiver<T>,
    is_waiting: fn(&T) -> bool,
    /// One at a time takes a place or submits: what a sweep takes out must find its place again.
    submitting: Mutex<()>,
    busy: Arc<AtomicUsize>,
    panics: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
}

/// A place in the queue. Whoever holds it waits for a worker; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<T: Send + 'static> Workers<T> {
    /// Starts the threads. `is_waiting` tells an item whose place in the queue is still wanted; `work` is never called on
    /// two items by one thread at once, and a panic in it ends neither the thread nor the program.
    ///
    /// # Errors
    /// Not even one thread can be had. Fewer than asked for are warned about.
    pub(crate) fn start(
        settings: PoolSettings,
        is_waiting: fn(&T) -> bool,
        work: impl Fn(T) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        // Items that an idle worker is about to take are in it for a moment too.
        let (sender, receiver) = bounded(settings.queue_size + settings.workers);
        let work = Arc::new(work);
        let busy = Arc::new(AtomicUsize::new(0));
        let panics = Arc::new(AtomicU64::new(0));
        for number in 0..settings.workers {
            let (receiver, work, busy) = (receiver.clone(), Arc::clone(&work), Arc::clone(&busy));
            let panics = Arc::clone(&panics);
            let spawned = thread::Builder::new()
                .name("worker".to_owned())
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || run(&receiver, &*work, &busy, &panics));
            match spawned {
                Ok(_) => {}
                Err(error) if number == 0 => return Err(error),
                Err(error) => {
                    log::warn!(
                        "warning: only {number} of {} workers could be started: {error}",
                        settings.workers
                    );
                    break;
                }
            }
        }
        Ok(Self {
            settings,
            sender,
            receiver,
            is_waiting,
            submitting: Mutex::new(()),
            busy,
            panics,
            waiting: Arc::default(),
        })
    }

    /// A place in the queue, unless `queue_size` wait already. `elsewhere`: those among them that wait for something else
    /// than a worker. An item that an idle worker will take at once needs no room.
    pub(crate) fn place(&self, elsewhere: usize) -> Option<Place> {
        let _alone = self.submitting.lock();
        if self.waiting() + elsewhere >= self.settings.queue_size {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Some(Place(Arc::clone(&self.waiting)))
    }

    /// Holders of places for whom there is no idle worker.
    pub(crate) fn waiting(&self) -> usize {
        let idle = self.settings.workers.saturating_sub(self.busy());
        self.waiting.load(Ordering::Acquire).saturating_sub(idle)
    }

    /// Queues an item that has a place, or hands it back if there is no room. Never blocks. Items that nobody wants any more
    /// do not count: they are swept out when the queue is full of them.
    pub(crate) fn submit(&self, item: T) -> Result<(), T> {
        let _alone = self.submitting.lock();
        match self.sender.try_send(item) {
            Ok(()) => Ok(()),
            Err(TrySendError::Disconnected(item)) => Err(item),
            Err(TrySendError::Full(item)) => {
                self.sweep();
                self.sender.try_send(item).map_err(TrySendError::into_inner)
            }
        }
    }

    pub(crate) fn settings(&self) -> PoolSettings {
        self.settings
    }

    /// Threads that are at work.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::Acquire)
    }

    /// Items whose work has panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Items that are waiting or worked on.
    pub(crate) fn load(&self) -> usize {
        self.receiver.len() + self.busy()
    }

    /// Takes all out and puts back, in order, what is still waiting. Only for who holds `submitting`.
    fn sweep(&self) {
        let all: Vec<T> = self.receiver.try_iter().collect();
        for item in all.into_iter().filter(|item| (self.is_waiting)(item)) {
            // There is room: more were taken out, and nobody else puts in.
            let _ = self.sender.try_send(item);
        }
    }
}

fn run<T>(receiver: &Receiver<T>, work: &impl Fn(T), busy: &AtomicUsize, panics: &AtomicU64) {
    while let Ok(item) = receiver.recv() {
        busy.fetch_add(1, Ordering::AcqRel);
        // The item's own drop answers its client; what the panic left half done is dropped with it.
        if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
            panics.fetch_add(1, Ordering::Relaxed);
            log::error!("error: a worker panicked; the request was answered with 500");
        }
        busy.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::time::Duration;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    /// One worker, which is held by the first item until the test sends on the returned channel.
    fn held_pool(queue_size: usize) -> (Workers<i32>, Sender<()>, Receiver<i32>) {
        let (release, gate) = bounded::<()>(0);
        let (done, results) = bounded(100);
        let settings = PoolSettings {
            workers: 1,
            queue_size,
        };
        let pool = Workers::start(
            settings,
            |item| *item >= 0,
            move |item| {
                done.send(item).unwrap();
                if item == 0 {
                    gate.recv().unwrap();
                }
                assert_ne!(item, 13, "an unlucky item");
            },
        )
        .unwrap();
        pool.submit(0).unwrap();
        assert_eq!(results.recv_timeout(DEADLINE), Ok(0));
        (pool, release, results)
    }

    #[test]
    fn places_are_for_those_who_wait_and_come_back_when_dropped() {
        let (pool, release, results) = held_pool(2);
        let places = [pool.place(0).unwrap(), pool.place(0).unwrap()];
        assert!(pool.place(0).is_none());
        assert_eq!(pool.waiting(), 2);
        drop(places);
        let one = pool.place(0).unwrap();
        assert!(pool.place(1).is_none(), "one more waits elsewhere");
        drop(one);
        release.send(()).unwrap();
        // Once the worker is idle, an item for it waits for nobody.
        assert_eq!(pool.submit(1), Ok(()));
        assert_eq!(results.recv_timeout(DEADLINE), Ok(1));
        let deadline = std::time::Instant::now() + DEADLINE;
        while pool.load() > 0 && std::time::Instant::now() < deadline {
            thread::yield_now();
        }
        let places: Vec<_> = std::iter::from_fn(|| pool.place(0)).take(9).collect();
        assert_eq!((places.len(), pool.waiting()), (3, 2));
    }

    #[test]
    fn a_full_queue_hands_the_item_back() {
        let (pool, release, results) = held_pool(2);
        for item in 1..=3 {
            assert_eq!(pool.submit(item), Ok(()));
        }
        assert_eq!(pool.submit(4), Err(4));
        assert_eq!(pool.load(), 4);
        release.send(()).unwrap();
        for item in 1..=3 {
            assert_eq!(results.recv_timeout(DEADLINE), Ok(item));
        }
    }

    #[test]
    fn what_nobody_wants_makes_room_and_the_others_keep_their_order() {
        let (pool, release, results) = held_pool(4);
        for item in [1, -1, 2, -2, 3] {
            pool.submit(item).unwrap();
        }
        assert_eq!(pool.submit(4), Ok(()));
        assert_eq!(pool.submit(5), Ok(()));
        assert_eq!(pool.submit(6), Err(6));
        release.send(()).unwrap();
        for item in 1..=5 {
            assert_eq!(results.recv_timeout(DEADLINE), Ok(item));
        }
    }

    #[test]
    fn a_panic_ends_neither_the_thread_nor_the_pool() {
        let (pool, release, results) = held_pool(3);
        pool.submit(13).unwrap();
        pool.submit(14).unwrap();
        release.send(()).unwrap();
        assert_eq!(results.recv_timeout(DEADLINE), Ok(13));
        assert_eq!(results.recv_timeout(DEADLINE), Ok(14));
        assert_eq!(pool.panics(), 1);
    }
}
