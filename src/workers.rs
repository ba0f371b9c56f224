//! The bounded queue and the fixed threads that empty it. Knows no HTTP: it is generic over the work.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Condvar, Mutex};

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

/// A pool of threads behind a bounded queue. Dropping it ends the threads, each when its item is done.
pub(crate) struct Workers<T> {
    settings: PoolSettings,
    desk: Arc<Desk<T>>,
    is_waiting: fn(&T) -> bool,
    panics: Arc<AtomicU64>,
    waiting: Arc<AtomicUsize>,
}

/// Where items wait for workers, and workers for items.
struct Desk<T> {
    queue: Mutex<Queue<T>>,
    /// Threads that are at work.
    busy: AtomicUsize,
}

struct Queue<T> {
    items: VecDeque<T>,
    /// Who has nothing to do, the last to become so at the end and called first: its stack and what it used are still in the caches, and
    /// threads that were never needed take no memory.
    idle: Vec<Arc<Condvar>>,
    is_open: bool,
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
        let desk = Arc::new(Desk {
            queue: Mutex::new(Queue {
                items: VecDeque::new(),
                idle: Vec::with_capacity(settings.workers),
                is_open: true,
            }),
            busy: AtomicUsize::new(0),
        });
        let work = Arc::new(work);
        let panics = Arc::new(AtomicU64::new(0));
        for number in 0..settings.workers {
            let (desk, work, panics) = (Arc::clone(&desk), Arc::clone(&work), Arc::clone(&panics));
            let spawned = thread::Builder::new()
                .name("worker".to_owned())
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || run(&desk, &*work, &panics));
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
            desk,
            is_waiting,
            panics,
            waiting: Arc::default(),
        })
    }

    /// A place in the queue, unless `queue_size` wait already. `elsewhere`: those among them that wait for something else
    /// than a worker. An item that an idle worker will take at once needs no room.
    pub(crate) fn place(&self, elsewhere: usize) -> Option<Place> {
        let _alone = self.desk.queue.lock();
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
        // Items that an idle worker is about to take are in it for a moment too.
        let room = self.settings.queue_size + self.settings.workers;
        let mut queue = self.desk.queue.lock();
        let mut unwanted = VecDeque::new();
        if queue.items.len() >= room {
            let all = std::mem::take(&mut queue.items).into_iter();
            (queue.items, unwanted) = all.partition(self.is_waiting);
        }
        let refused = if queue.items.len() < room {
            queue.items.push_back(item);
            None
        } else {
            Some(item)
        };
        let called = queue.idle.pop();
        drop(queue);
        if let Some(worker) = called {
            worker.notify_one();
        }
        // That answers their clients: not with the queue held.
        drop(unwanted);
        refused.map_or(Ok(()), Err)
    }

    pub(crate) fn settings(&self) -> PoolSettings {
        self.settings
    }

    /// Threads that are at work.
    pub(crate) fn busy(&self) -> usize {
        self.desk.busy.load(Ordering::Acquire)
    }

    /// Items whose work has panicked.
    pub(crate) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Items that are waiting or worked on.
    pub(crate) fn load(&self) -> usize {
        let queue = self.desk.queue.lock();
        queue.items.len() + self.busy()
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        let mut queue = self.desk.queue.lock();
        queue.is_open = false;
        queue.idle.drain(..).for_each(|worker| {
            worker.notify_one();
        });
    }
}

impl<T> Desk<T> {
    /// The next item, and counts its worker as busy. `None`: there are no more.
    fn next(&self, worker: &Arc<Condvar>) -> Option<T> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(item) = queue.items.pop_front() {
                self.busy.fetch_add(1, Ordering::AcqRel);
                return Some(item);
            }
            if !queue.is_open {
                return None;
            }
            queue.idle.push(Arc::clone(worker));
            // Returns for nobody but who took it out of `idle`: this kind of condition variable does not wake by itself.
            worker.wait(&mut queue);
        }
    }
}

fn run<T>(desk: &Desk<T>, work: &impl Fn(T), panics: &AtomicU64) {
    let worker = Arc::new(Condvar::new());
    while let Some(item) = desk.next(&worker) {
        // The item's own drop answers its client; what the panic left half done is dropped with it.
        if catch_unwind(AssertUnwindSafe(|| work(item))).is_err() {
            panics.fetch_add(1, Ordering::Relaxed);
            log::error!("error: a worker panicked; the request was answered with 500");
        }
        desk.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::{Receiver, Sender, bounded};

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
    fn who_became_idle_last_is_called_first_and_all_end_with_the_pool() {
        let settings = PoolSettings {
            workers: 4,
            queue_size: 4,
        };
        let (done, results) = bounded(100);
        let work = move |()| done.send(thread::current().id()).unwrap();
        let pool = Workers::start(settings, |()| true, work).unwrap();
        let all_idle = || {
            let deadline = std::time::Instant::now() + DEADLINE;
            while pool.desk.queue.lock().idle.len() < settings.workers {
                assert!(std::time::Instant::now() < deadline);
                thread::yield_now();
            }
        };
        let mut who = Vec::new();
        for _ in 0..20 {
            all_idle();
            pool.submit(()).unwrap();
            who.push(results.recv_timeout(DEADLINE).unwrap());
        }
        assert!(who.iter().all(|worker| *worker == who[0]), "{who:?}");
        drop(pool);
        let ended = results.recv_timeout(DEADLINE).unwrap_err();
        assert_eq!(ended, crossbeam_channel::RecvTimeoutError::Disconnected);
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
