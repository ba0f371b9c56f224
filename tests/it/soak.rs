//! Ten minutes of mixed traffic over three accounts, of which one is throttled now and then and one fails: nothing grows, and no good
//! request fails. Not part of the usual run; the README has the command.

mod slope;
mod traffic;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hostile::Usage;
use crate::soak::slope::{Series, slope_per_hour};
use crate::soak::traffic::{Tally, World};

/// How long it lasts, in seconds.
const SECONDS_VARIABLE: &str = "SOAK_SECONDS";
const SECONDS: u64 = 600;
/// Clients at once.
const CLIENTS: u64 = 8;
/// So much of the time is not measured: pools and threads are made, and the allocator finds its size. That takes some ten thousand
/// streams, and slows down all the while.
const WARM_UP_DIVISOR: u32 = 2;
const SAMPLE_EVERY: Duration = Duration::from_secs(2);

/// What may be in an hour by the line through all samples. Resident memory moves by some hundred KiB whatever one does, which over a
/// short soak is steep; so it must also have grown by more than `NOISE_KIB` over what was measured.
const MAX_KIB_AN_HOUR: f64 = 4.0 * 1024.0;
const NOISE_KIB: f64 = 2048.0;
/// Threads and descriptors come and go with connections: the same, in pieces.
const MAX_PIECES_AN_HOUR: f64 = 20.0;
const NOISE_PIECES: f64 = 6.0;

#[test]
#[ignore = "takes ten minutes; SOAK_SECONDS changes that"]
fn soak_ten_minutes() {
    let seconds = std::env::var(SECONDS_VARIABLE).map_or(SECONDS, |text| text.parse().unwrap());
    let whole = Duration::from_secs(seconds);
    let world = World::start();
    let (over, tally) = (AtomicBool::new(false), Tally::default());
    let mut series = Series::default();
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (world, over, tally) = (&world, &over, &tally);
            scope.spawn(move || {
                // One that fails ends the soak for all.
                let ended = Ended(over);
                traffic::run(world, number, over, tally);
                drop(ended);
            });
        }
        let began = Instant::now();
        while began.elapsed() < whole && !over.load(Ordering::Acquire) {
            thread::sleep(SAMPLE_EVERY);
            let usage = Usage::of(&world.proxy);
            if began.elapsed() >= whole / WARM_UP_DIVISOR {
                series.add(began.elapsed(), usage);
            }
        }
        over.store(true, Ordering::Release);
    });
    println!("{tally}");
    world.assert_sound(&tally);
    check(&series);
}

/// Says so when it is dropped, by a panic too.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn check(series: &Series) {
    let span = series.span();
    println!("measured for {span:?}, {} samples", series.times.len());
    for (what, values, most, noise) in [
        ("resident KiB", &series.resident, MAX_KIB_AN_HOUR, NOISE_KIB),
        ("threads", &series.threads, MAX_PIECES_AN_HOUR, NOISE_PIECES),
        (
            "descriptors",
            &series.files,
            MAX_PIECES_AN_HOUR,
            NOISE_PIECES,
        ),
    ] {
        let slope = slope_per_hour(&series.times, values);
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        println!("{what}: {low} to {high}, slope {slope:+.1} an hour");
        let grown = slope * span.as_secs_f64() / 3600.0;
        assert!(
            slope <= most || grown <= noise,
            "{what} grow: {slope:+.1} an hour, {grown:+.1} over the soak"
        );
    }
}
