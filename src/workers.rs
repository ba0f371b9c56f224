//! The bounded queue and the fixed threads that empty it. Knows no HTTP: it is generic over the work.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    sender: Sender<T>,
    /// For the sweep; the threads have their own.
    receiver: Receiver<T>,
    is_waiting: fn(&T) -> bool,
    /// One submitter at a time: what a sweep takes out must find its place again.
    submitting: Mutex<()>,
    busy: Arc<AtomicUsize>,
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
        let (sender, receiver) = bounded(settings.queue_size);
        let work = Arc::new(work);
        let busy = Arc::new(AtomicUsize::new(0));
        for number in 0..settings.workers {
            let (receiver, work, busy) = (receiver.clone(), Arc::clone(&work), Arc::clone(&busy));
            let spawned = thread::Builder::new()
                .name("worker".to_owned())
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || run(&receiver, &*work, &busy));
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
            sender,
            receiver,
            is_waiting,
            submitting: Mutex::new(()),
            busy,
        })
    }

    /// Queues an item, or hands it back if `queue_size` items wait. Never blocks. Items that nobody wants any more do
    /// not count: they are swept out when the queue is full.
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

    /// Items that are waiting or worked on.
    pub(crate) fn load(&self) -> usize {
        self.receiver.len() + self.busy.load(Ordering::Acquire)
    }

    /// Goes through the queue once and keeps, in order, what is still waiting. Only for who holds `submitting`.
    fn sweep(&self) {
        for _ in 0..self.receiver.len() {
            let Ok(item) = self.receiver.try_recv() else {
                return;
            };
            if (self.is_waiting)(&item) {
                // There is room: one was taken out, and nobody else puts in.
                let _ = self.sender.try_send(item);
            }
        }
    }
}

fn run<T>(receiver: &Receiver<T>, work: &impl Fn(T), busy: &AtomicUsize) {
    while let Ok(item) = receiver.recv() {
        busy.fetch_add(1, Ordering::AcqRel);
        // The item's own drop answers its client; what the panic left half done is dropped with it.
        if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
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
    fn a_full_queue_hands_the_item_back() {
        let (pool, release, results) = held_pool(2);
        assert_eq!(pool.submit(1), Ok(()));
        assert_eq!(pool.submit(2), Ok(()));
        assert_eq!(pool.submit(3), Err(3));
        assert_eq!(pool.load(), 3);
        release.send(()).unwrap();
        assert_eq!(results.recv_timeout(DEADLINE), Ok(1));
        assert_eq!(results.recv_timeout(DEADLINE), Ok(2));
    }

    #[test]
    fn who_left_the_queue_frees_its_place_and_the_others_keep_their_order() {
        let (pool, release, results) = held_pool(3);
        for item in [1, -1, 2] {
            pool.submit(item).unwrap();
        }
        assert_eq!(pool.submit(3), Ok(()));
        assert_eq!(pool.submit(4), Err(4));
        release.send(()).unwrap();
        for item in 1..=3 {
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
    }
}
