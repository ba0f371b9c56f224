//! The two ways upstream side by side: requests that are translated for OCI's native API, and requests that go through to its
//! OpenAI-compatible one.

use std::time::Duration;

use super::body::Body;
use super::crowd::Seen;
use super::figures::{self, Spread, quantile};
use super::process::Subject;
use super::scenes::{Bench, Contender, EVENTS, GAP, WORKERS, cpu_each, failures, latency, rate};

/// Clients of the whole answers.
const CLIENTS: usize = 16;

pub(super) fn apis(bench: &Bench) {
    let native = bench.plain_config();
    let through = native.replace("[GLOBAL]\n", "upstream_api = openai\n[GLOBAL]\n");
    let contender = |name, config: &str| Contender {
        name,
        subject: Some(Subject::own(config, false)),
    };
    let contenders = [contender("native", &native), contender("openai", &through)];
    whole(bench, &contenders);
    streams(bench, &contenders);
}

fn whole(bench: &Bench, contenders: &[Contender]) {
    bench.upstream.answer_after(Duration::ZERO);
    figures::head(&[
        "16 clients, body",
        "upstream_api",
        "requests/s",
        "of native",
        "CPU-s/1,000",
        "of native",
        "p50, ms",
        "p99, ms",
        "failed",
    ]);
    for body in bench.bodies() {
        let request = body.request();
        let load = bench.base(&request, CLIENTS);
        let seen = bench.measure(contenders, &load);
        let (first, cost) = (rate(&seen[0]).median, cpu_each(&seen[0]).median);
        for (contender, seen) in contenders.iter().zip(&seen) {
            let (rate, cpu) = (rate(seen), cpu_each(seen).median);
            figures::row(&[
                body.name().to_owned(),
                contender.name.to_owned(),
                rate.text(0),
                format!("{:.2}", rate.median / first),
                format!("{:.3}", cpu * 1000.0),
                format!("{:.2}", cpu / cost),
                latency(seen, 50).text(2),
                latency(seen, 99).text(2),
                failures(seen),
            ]);
        }
    }
}

fn streams(bench: &Bench, contenders: &[Contender]) {
    bench.upstream.stream(EVENTS.into(), GAP);
    figures::head(&[
        "200 streams of 50 chunks, 20 ms apart",
        "chunks/s",
        "delay a chunk p50, ms",
        "p99, ms",
        "CPU, % of a core",
        "failed",
    ]);
    let request = Body::Small.stream_request();
    let mut load = bench.base(&request, WORKERS);
    load.warm_up = GAP * 2 * EVENTS;
    load.length = load.length.max(Duration::from_secs(4));
    load.events = usize::try_from(EVENTS).unwrap();
    for (contender, seen) in contenders.iter().zip(bench.measure(contenders, &load)) {
        let per_second = |count: &dyn Fn(&Seen) -> f64| {
            Spread::of(
                seen.iter()
                    .map(|seen| count(seen) / seen.length.as_secs_f64()),
            )
        };
        let delay = |percent| Spread::of(seen.iter().map(|seen| quantile(&seen.delays, percent)));
        figures::row(&[
            contender.name.to_owned(),
            per_second(&|seen| seen.delays.len() as f64).text(0),
            delay(50).text(3),
            delay(99).text(2),
            format!(
                "{:.0}",
                per_second(&|seen| seen.cpu.as_secs_f64() * 100.0).median
            ),
            failures(&seen),
        ]);
    }
}
