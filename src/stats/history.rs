//! The last quarter of an hour in steps of five seconds: a ring of a fixed size, 30 KiB in all, whatever happens. Pure: the clock is
//! passed in.

use std::iter;
use std::time::{Duration, Instant};

/// What one bucket covers.
pub(crate) const BUCKET: Duration = Duration::from_secs(5);
/// Buckets that are kept: 15 minutes.
pub(crate) const BUCKETS: usize = 180;

/// Steps by which times to a first token are told apart, each a fifth longer than the one before: 1 ms to two minutes.
const STEPS: usize = 64;

/// What happened in one bucket's time.
#[derive(Debug, Clone)]
struct Bucket {
    /// Which one it is since the start.
    number: u64,
    requests: u32,
    errors: u32,
    shed: u32,
    input_tokens: u64,
    output_tokens: u64,
    queue_max: u32,
    first_tokens: [u16; STEPS],
}

/// One request's part of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Happened {
    /// Requests that have ended: one, or none.
    pub(crate) requests: u32,
    pub(crate) errors: u32,
    pub(crate) shed: u32,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) first_token: Option<Duration>,
    /// So many wait.
    pub(crate) queue: usize,
}

/// One bucket as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BucketView {
    pub(crate) requests: u32,
    pub(crate) errors: u32,
    pub(crate) shed: u32,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    /// The most that were seen waiting.
    pub(crate) queue_max: u32,
    /// Times to the first token, p50 and p95, milliseconds, to about a tenth.
    pub(crate) first_token: [Option<u32>; 2],
}

/// All buckets, oldest first; the last one is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HistoryView {
    pub(crate) buckets: Vec<BucketView>,
    /// When the last one will be over.
    pub(crate) ends_at: Instant,
}

#[derive(Debug)]
pub(crate) struct History {
    start: Instant,
    ring: Box<[Bucket]>,
}

impl History {
    /// An empty one that begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            ring: vec![Bucket::new(0); BUCKETS].into(),
        }
    }

    pub(crate) fn add(&mut self, happened: Happened, now: Instant) {
        let number = self.number(now);
        let Some(bucket) = self.ring.get_mut(place(number)) else {
            return;
        };
        if bucket.number > number {
            // Told a quarter of an hour late: its time is no longer kept.
            return;
        }
        if bucket.number < number {
            *bucket = Bucket::new(number);
        }
        bucket.add(happened);
    }

    pub(crate) fn view(&self, now: Instant) -> HistoryView {
        let last = self.number(now);
        let kept = u64::try_from(BUCKETS).unwrap_or(u64::MAX);
        // Buckets from before the start are empty.
        let before = kept.saturating_sub(last + 1);
        let empty = iter::repeat_n(BucketView::default(), usize::try_from(before).unwrap_or(0));
        let known = (last + 1).saturating_sub(kept)..=last;
        let known = known.map(|number| {
            self.bucket(number)
                .map_or_else(BucketView::default, Bucket::view)
        });
        let after = u32::try_from(last + 1).unwrap_or(u32::MAX);
        HistoryView {
            buckets: empty.chain(known).collect(),
            ends_at: self.start + BUCKET.saturating_mul(after),
        }
    }

    fn bucket(&self, number: u64) -> Option<&Bucket> {
        let bucket = self.ring.get(place(number));
        bucket.filter(|bucket| bucket.number == number)
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() / BUCKET.as_secs()
    }
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0) % BUCKETS
}

impl Bucket {
    fn new(number: u64) -> Self {
        Self {
            number,
            requests: 0,
            errors: 0,
            shed: 0,
            input_tokens: 0,
            output_tokens: 0,
            queue_max: 0,
            first_tokens: [0; STEPS],
        }
    }

    fn add(&mut self, happened: Happened) {
        self.requests = self.requests.saturating_add(happened.requests);
        self.errors = self.errors.saturating_add(happened.errors);
        self.shed = self.shed.saturating_add(happened.shed);
        self.input_tokens = self.input_tokens.saturating_add(happened.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(happened.output_tokens);
        let queue = u32::try_from(happened.queue).unwrap_or(u32::MAX);
        self.queue_max = self.queue_max.max(queue);
        if let Some(first_token) = happened.first_token
            && let Some(count) = self.first_tokens.get_mut(step(first_token))
        {
            *count = count.saturating_add(1);
        }
    }

    fn view(&self) -> BucketView {
        BucketView {
            requests: self.requests,
            errors: self.errors,
            shed: self.shed,
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            queue_max: self.queue_max,
            first_token: [50, 95].map(|percent| self.first_token(percent)),
        }
    }

    /// The time that `percent` of 100 do not exceed (nearest rank), as the middle of its step.
    fn first_token(&self, percent: u32) -> Option<u32> {
        let all: u32 = self.first_tokens.iter().copied().map(u32::from).sum();
        let rank = (all * percent).div_ceil(100).max(1);
        let (mut below, mut low) = (0, 0);
        for (count, high) in self.first_tokens.iter().zip(bounds()) {
            below += u32::from(*count);
            if below >= rank {
                return Some(high - (high - low) / 2);
            }
            low = high;
        }
        None
    }
}

/// The longest time of each step, milliseconds.
fn bounds() -> impl Iterator<Item = u32> {
    let next = |bound: &u32| Some((bound + bound / 5).max(bound + 1));
    iter::successors(Some(1), next).take(STEPS)
}

/// Into which step a time falls; what is longer than all falls into the last one.
fn step(time: Duration) -> usize {
    let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
    bounds()
        .position(|bound| millis <= bound)
        .unwrap_or(STEPS - 1)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use super::*;

    fn request() -> Happened {
        Happened {
            requests: 1,
            ..Happened::default()
        }
    }

    /// Requests by the age of their bucket, 0 being under way; those of all others are none.
    #[track_caller]
    fn check(history: &History, now: Instant, expected: &[(usize, u32)]) {
        let view = history.view(now);
        assert_eq!(view.buckets.len(), BUCKETS);
        let found = view.buckets.iter().rev().map(|bucket| bucket.requests);
        let found: Vec<_> = found.enumerate().filter(|(_, count)| *count > 0).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_happens_falls_into_its_five_seconds() {
        let t0 = Instant::now();
        let at = |millis| t0 + Duration::from_millis(millis);
        let mut history = History::new(t0);
        check(&history, t0, &[]);
        for millis in [0, 4_999, 5_000, 12_000] {
            history.add(request(), at(millis));
        }
        check(&history, at(12_000), &[(0, 1), (1, 1), (2, 2)]);
        assert_eq!(history.view(at(12_000)).ends_at, at(15_000));
        // Nothing happens, and what has happened gets older.
        check(&history, at(15_000), &[(1, 1), (2, 1), (3, 2)]);
        // The clock of another thread is a little behind.
        history.add(request(), at(4_000));
        check(&history, at(15_000), &[(1, 1), (2, 1), (3, 3)]);
    }

    #[test]
    fn a_bucket_is_used_again_after_a_quarter_of_an_hour() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut history = History::new(t0);
        history.add(request(), at(2));
        history.add(request(), at(7));
        check(&history, at(899), &[(178, 1), (179, 1)]);
        check(&history, at(900), &[(179, 1)]);
        // The first one's place, with nothing left of it.
        history.add(request(), at(903));
        check(&history, at(903), &[(0, 1), (179, 1)]);
        // Told too late.
        history.add(request(), at(3));
        check(&history, at(903), &[(0, 1), (179, 1)]);
        check(&history, at(905), &[(1, 1)]);
    }

    #[test]
    fn a_gap_of_days_leaves_nothing_behind() {
        let t0 = Instant::now();
        let later = t0 + Duration::from_secs(3 * 24 * 3600);
        let mut history = History::new(t0);
        for second in 0..1800 {
            history.add(request(), t0 + Duration::from_secs(second));
        }
        check(&history, later, &[]);
        history.add(request(), later);
        check(&history, later, &[(0, 1)]);
        assert!(history.view(later).ends_at > later);
    }

    #[test]
    fn all_that_happens_is_added_up_and_the_queue_is_the_longest() {
        let t0 = Instant::now();
        let mut history = History::new(t0);
        for (queue, errors) in [(3, 1), (7, 0), (0, 0)] {
            let happened = Happened {
                requests: 1,
                errors,
                shed: errors,
                input_tokens: 10,
                output_tokens: 20,
                first_token: None,
                queue,
            };
            history.add(happened, t0);
        }
        let expected = BucketView {
            requests: 3,
            errors: 1,
            shed: 1,
            input_tokens: 30,
            output_tokens: 60,
            queue_max: 7,
            first_token: [None, None],
        };
        assert_eq!(history.view(t0).buckets.last().unwrap(), &expected);
    }

    #[test]
    fn times_to_the_first_token_are_right_to_a_tenth() {
        let t0 = Instant::now();
        for millis in [1_u32, 2, 5, 11, 99, 240, 1_234, 9_999, 60_000, 110_000] {
            let mut history = History::new(t0);
            let happened = Happened {
                first_token: Some(Duration::from_millis(millis.into())),
                ..Happened::default()
            };
            history.add(happened, t0);
            let found = history.view(t0).buckets[BUCKETS - 1].first_token;
            assert_eq!(found[0], found[1]);
            let off = found[0].unwrap().abs_diff(millis);
            assert!(off * 10 <= millis, "{millis} is told as {found:?}");
        }
        let mut history = History::new(t0);
        for millis in 1..=100 {
            let happened = Happened {
                first_token: Some(Duration::from_millis(millis * 10)),
                ..Happened::default()
            };
            history.add(happened, t0);
        }
        let [p50, p95] = history.view(t0).buckets[BUCKETS - 1].first_token;
        assert!((450..=550).contains(&p50.unwrap()), "{p50:?}");
        assert!((855..=1045).contains(&p95.unwrap()), "{p95:?}");
        // An hour, and nothing at all.
        assert_eq!(step(Duration::from_secs(3600)), STEPS - 1);
        assert_eq!(step(Duration::ZERO), 0);
    }

    #[test]
    fn the_ring_is_as_small_as_it_says() {
        assert!(size_of::<Bucket>() * BUCKETS <= 30 * 1024);
        assert!(bounds().last().unwrap() > 100_000);
    }
}
