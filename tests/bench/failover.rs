//! What a failing account costs the clients of a fleet of three: `cargo bench --bench failover` prints one table.
//!
//! For every fault the built program is started twice, each time in front of three simulated accounts on loopback: one
//! fleet stays healthy, one account of the other one suffers the fault. The same clients ask both in turn, and a figure is
//! what a quantile of the second is above the same quantile of the first. The program's own log says how many attempts a
//! request took. A run is bounded: clients, requests and time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail, and prints its table"
)]

mod client;
mod fault;
mod figures;
mod fleet;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../it/harness.rs"]
mod harness;
mod load;
mod machine;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use client::Kind;
use fault::Fault;
use figures::{Figures, quantile, sorted};
use load::{Measured, Sample, Situation};
use machine::machine;
use table::{Row, number, table};

/// The loads of a run get this much time, all together. What one does not need is left for those after it.
const RUN_LIMIT: Duration = Duration::from_secs(160);

/// Shares out what is left of the time.
struct Clock {
    end: Instant,
    /// The weights of the loads that are still to come.
    weight_left: u32,
}

/// The samples of all healthy fleets of a situation, by the kind of answer.
#[derive(Default)]
struct Healthy(BTreeMap<&'static str, Vec<Sample>>);

impl Clock {
    fn new(end: Instant) -> Self {
        let of_fault = |fault: Fault| situations(fault).iter().map(move |s| s.weight(fault));
        let once: u32 = Fault::ALL.into_iter().flat_map(of_fault).sum();
        Self {
            end,
            weight_left: once * u32::try_from(Kind::ALL.len()).unwrap(),
        }
    }

    fn share(&mut self, weight: u32) -> Duration {
        let left = self.end.saturating_duration_since(Instant::now());
        let share = left * weight / self.weight_left.max(weight);
        self.weight_left = self.weight_left.saturating_sub(weight);
        share
    }
}

impl Healthy {
    fn add(&mut self, kind: Kind, measured: Measured) {
        self.0
            .entry(kind.name())
            .or_default()
            .extend(measured.healthy);
    }

    /// Requests, errors, and the quantiles of each kind.
    fn told(&self) -> String {
        let all = || self.0.values().flatten();
        let errors = all().filter(|sample| sample.error.is_some()).count();
        let times = self.0.iter().map(|(kind, samples)| {
            let times = sorted(samples);
            let (p50, p99) = (quantile(&times, 50), quantile(&times, 99));
            format!("{kind} {} and {} ms", number(p50, 1), number(p99, 1))
        });
        let times = times.collect::<Vec<_>>().join(", ");
        format!("{times} ({} requests, {errors} errors)", all().count())
    }
}

fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: cargo bench --bench failover");
        return;
    }
    let begun = Instant::now();
    let mut clock = Clock::new(begun + RUN_LIMIT);
    let (mut alone, mut together) = (Healthy::default(), Healthy::default());
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        for kind in Kind::ALL {
            let mut figures = Vec::new();
            for situation in situations(fault) {
                let limit = clock.share(situation.weight(fault));
                let measured = situation.measure(fault, kind, limit);
                report(fault, kind, *situation, &measured);
                figures.push(Figures::of(&measured));
                match situation {
                    Situation::FirstHit if situation.clients(fault) == 1 => {
                        alone.add(kind, measured)
                    }
                    Situation::Steady if fault.lasts() => together.add(kind, measured),
                    Situation::FirstHit | Situation::Steady => {}
                }
            }
            rows.push(Row::new(fault, kind, figures));
        }
    }
    print!("{}", table(&rows));
    println!("\n{}", explanation(&alone, &together, begun.elapsed()));
}

/// What is measured of a fault, the first hit first. One that comes but once has one load only.
fn situations(fault: Fault) -> &'static [Situation] {
    if fault.lasts() {
        &[Situation::FirstHit, Situation::Steady]
    } else {
        &[Situation::Steady]
    }
}

/// Tells on standard error how it goes, and what errors there were.
fn report(fault: Fault, kind: Kind, situation: Situation, measured: &Measured) {
    eprintln!("{}, {}, {situation:?}", fault.name(), kind.name());
    let mut errors = BTreeMap::new();
    for (fleet, samples) in [("healthy", &measured.healthy), ("faulty", &measured.faulty)] {
        for error in samples.iter().filter_map(|sample| sample.error.as_ref()) {
            *errors.entry((fleet, error)).or_insert(0) += 1;
        }
    }
    for ((fleet, error), times) in errors {
        eprintln!("  {fleet} fleet, {times} times: {error}");
    }
}

/// What stands below the table.
fn explanation(alone: &Healthy, together: &Healthy, took: Duration) -> String {
    let latency = Situation::Steady.latency().as_millis();
    let clients = Situation::Steady.clients(Fault::Nothing);
    format!(
        "*Added* is what a quantile of the fleet with the fault is above the same quantile of a healthy fleet that the same \
         clients ask in turn (A B A B), in ms: to the end of a whole answer, to the first event of a stream. The row \
         \"none\" shows what of it is noise. *First hit*: no breaker, and an admin reset before each request, so that every \
         request meets the fault when it is its turn; accounts that answer at once, one client (for \"hang\" {clients}); \
         added to those that met it and were tried again. *Steady*: default settings, accounts that answer after {latency} \
         ms, {clients} clients, the fault begins with the first request, and the breaker soon keeps requests away from it; \
         added to all requests. \"killed\" has one load, of the steady kind, for the whole row, in which but a \
         handful meet it; a stream that had begun cannot be repeated and ends with an error. `request_timeout` is {} in place of 60 s, which is what \"hang\" \
         costs. Healthy fleets, p50 and p99: one client: {}; {clients} clients: {}.\n\n\
         Measured on {}, clients, program and accounts together, in {} s. To repeat it: `cargo bench --bench failover`",
        fleet::REQUEST_TIMEOUT,
        alone.told(),
        together.told(),
        machine(),
        took.as_secs(),
    )
}
