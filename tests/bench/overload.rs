//! What ten times too many clients do to the program: `cargo bench --bench overload` prints one table.
//!
//! One account answers after a fixed time, so that the capacity is known: workers / that time. As many clients as workers
//! load it fully; ten times as many then ask in turn with them (A B A B), some against a short queue, which refuses them, and
//! some against a long one with a short time-out. A client that is refused comes back after a moment. Meanwhile one more
//! client asks for `/health` and `/stats/queue`. A run is bounded: clients and time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail, and prints its table"
)]

#[expect(dead_code, reason = "the other benchmark needs more of it")]
mod client;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../it/harness.rs"]
mod harness;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Script, Simulator};

use client::{Answer, Client, Kind};
use harness::{Proxy, simulator};

const WORKERS: usize = 8;
/// What the account takes for an answer.
const LATENCY: Duration = Duration::from_millis(50);
/// Clients of an overload.
const CROWD: usize = 10 * WORKERS;
/// How long one load lasts, and how often each is put on.
const LOAD: Duration = Duration::from_secs(4);
const REPETITIONS: usize = 3;
/// After which a refused client asks again: all together ask for ten times the capacity.
const COMES_BACK: Duration = LATENCY;
/// `queue_timeout` of the long queue: a third of what the crowd would have to wait.
const QUEUE_TIMEOUT: Duration = Duration::from_millis(150);
/// Pause between two looks at the figures.
const LOOKS: Duration = Duration::from_millis(20);

/// A queue, and how many clients stand before it.
struct Load {
    name: &'static str,
    clients: usize,
    global: String,
}

/// What came of all repetitions of a load.
#[derive(Default)]
struct Outcome {
    /// Good answers a second, one figure a repetition.
    goodput: Vec<f64>,
    good: Vec<Duration>,
    /// Answers 503 `queue_full` and `queue_timeout`, and how late the latter came.
    full: usize,
    late: Vec<Duration>,
    other: usize,
    looks: Vec<Duration>,
}

fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: cargo bench --bench overload");
        return;
    }
    let loads = [
        Load::new("as many clients as workers", WORKERS, 2000, 30_000),
        Load::new("ten times as many, queue_size = 16", CROWD, 16, 30_000),
        Load::new(
            "ten times as many, queue_timeout = 150ms",
            CROWD,
            2000,
            QUEUE_TIMEOUT.as_millis(),
        ),
    ];
    let account = simulator();
    account.set_default(Some(Script::DefaultAfter(LATENCY)));
    let running: Vec<_> = loads.iter().map(|load| load.start(&account)).collect();
    let mut outcomes: Vec<_> = loads.iter().map(|_| Outcome::default()).collect();
    for _ in 0..REPETITIONS {
        for ((load, proxy), outcome) in loads.iter().zip(&running).zip(&mut outcomes) {
            outcome.add(load, proxy);
        }
    }
    let base = median(&outcomes[0].goodput);
    let ideal = WORKERS as f64 / LATENCY.as_secs_f64();
    println!(
        "| load | good answers/s | of the ideal {ideal:.0}/s | of the first row | p50, p99 of them, ms | queue_full | queue_timeout | late by p50, p99, ms | other errors | /health and /stats/queue p50, p99, ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (load, mut outcome) in loads.iter().zip(outcomes) {
        let goodput = median(&outcome.goodput);
        println!(
            "| {} | {goodput:.0} | {:.2} | {:.2} | {} | {} | {} | {} | {} | {} |",
            load.name,
            goodput / ideal,
            goodput / base,
            quantiles(&mut outcome.good),
            outcome.full,
            outcome.late.len(),
            quantiles(&mut outcome.late),
            outcome.other,
            quantiles(&mut outcome.looks),
        );
    }
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!(
        "\n{cores} cores, {}; medians of {REPETITIONS} loads of {} s each. Again: `cargo bench --bench overload`",
        std::env::consts::ARCH,
        LOAD.as_secs()
    );
}

impl Load {
    fn new(name: &'static str, clients: usize, queue_size: usize, queue_timeout: u128) -> Self {
        let global = format!(
            "[GLOBAL]\nglobal_max_concurrency = {WORKERS}\nqueue_size = {queue_size}\nqueue_timeout = {queue_timeout}ms"
        );
        Self {
            name,
            clients,
            global,
        }
    }

    fn start(&self, account: &Simulator) -> Proxy {
        Proxy::start(account, &self.global)
    }
}

impl Outcome {
    fn add(&mut self, load: &Load, proxy: &Proxy) {
        let end = Instant::now() + LOAD;
        let is_over = AtomicBool::new(false);
        let (answers, looks) = thread::scope(|scope| {
            let looker = scope.spawn(|| look(proxy, &is_over));
            let clients: Vec<_> = (0..load.clients)
                .map(|_| scope.spawn(|| ask(proxy, end)))
                .collect();
            let answers: Vec<Answer> = clients
                .into_iter()
                .flat_map(|client| client.join().unwrap())
                .collect();
            is_over.store(true, Ordering::Relaxed);
            (answers, looker.join().unwrap())
        });
        let good = answers.iter().filter(|answer| answer.error.is_none());
        self.goodput.push(good.count() as f64 / LOAD.as_secs_f64());
        self.looks.extend(looks);
        for answer in answers {
            match answer.error {
                None => self.good.push(answer.took),
                Some(error) if error.contains("queue_full") => self.full += 1,
                Some(error) if error.contains("queue_timeout") => {
                    self.late.push(answer.took.saturating_sub(QUEUE_TIMEOUT));
                }
                Some(error) => {
                    self.other += 1;
                    println!("unexpected: {error}");
                }
            }
        }
    }
}

/// A client that has one request after the other, and comes back when it was refused.
fn ask(proxy: &Proxy, end: Instant) -> Vec<Answer> {
    let mut client = Client::new(proxy.address);
    let mut answers = Vec::new();
    while Instant::now() < end {
        let answer = client.chat(Kind::Whole);
        let is_full = answer
            .error
            .as_ref()
            .is_some_and(|error| error.contains("queue_full"));
        answers.push(answer);
        if is_full {
            thread::sleep(COMES_BACK);
        }
    }
    answers
}

/// How long the figures take to come, each on a connection of its own.
fn look(proxy: &Proxy, is_over: &AtomicBool) -> Vec<Duration> {
    let mut looks = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        for path in ["/health", "/stats/queue"] {
            let begun = Instant::now();
            assert_eq!(proxy.get(path).status, 200);
            looks.push(begun.elapsed());
        }
        thread::sleep(LOOKS);
    }
    looks
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// p50 and p99 in milliseconds.
fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let quantile = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).max(1);
        times
            .get(rank - 1)
            .map(|time| format!("{:.1}", time.as_secs_f64() * 1000.0))
    };
    match (quantile(50), quantile(99)) {
        (Some(p50), Some(p99)) => format!("{p50}, {p99}"),
        _ => "-".to_owned(),
    }
}
