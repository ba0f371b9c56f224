//! Waiting: for a worker or a slot, bounded in number and in time, and who leaves makes room.

use std::thread;
use std::time::Instant;

use ociai_proxy::simulator::{Gate, Recorded, Simulator};

use super::site::{
    Config, answer_after, ask, assert_good, breaker, chats, error, fleet, is_chat, lines_with,
    send_chat, simulator_of, stats, wait_for_queue,
};
use crate::harness::{Client, DEADLINE, Proxy, Response, eventually};

/// Two accounts with one slot each, both held until the gate is open.
struct Full {
    simulator: Simulator,
    proxy: Proxy,
    gate: Gate,
    running: Vec<Client>,
}

impl Full {
    fn start(global: &str) -> Self {
        let ids = ["a1", "a2"];
        let simulator = simulator_of(&ids);
        let config = Config::of(&simulator, &ids).global(global);
        let proxy = ids
            .iter()
            .fold(config, |config, id| {
                config.account(id, "max_concurrency = 1")
            })
            .start();
        let gate = Gate::new();
        let held = gate.clone();
        simulator.set_chooser(Some(std::sync::Arc::new(move |request: &Recorded| {
            is_chat(request).then(|| answer_after(&held, request, "at last"))
        })));
        let running = (0..2).map(|_| sent(&proxy)).collect();
        assert!(simulator.wait_for(|simulator| simulator.active_calls() == 2, DEADLINE));
        Self {
            simulator,
            proxy,
            gate,
            running,
        }
    }

    /// Opens the gate; all that run end well.
    fn finish(&mut self) {
        self.gate.open();
        for mut client in self.running.drain(..) {
            assert_good(&client.response("POST"));
        }
    }
}

/// A chat on a connection of its own, whose answer nobody reads yet.
fn sent(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    send_chat(&mut client, &ask("grok", false, "Hello"));
    client
}

fn hello(proxy: &Proxy) -> Response {
    proxy.chat(&ask("grok", false, "Hello"))
}

fn number(stats: &serde_json::Value, name: &str) -> u64 {
    stats[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} in {stats}"))
}

#[test]
fn a_request_that_finds_the_queue_full_is_refused_at_once_though_workers_are_idle() {
    let mut full = Full::start("queue_size = 2");
    let waiting = [sent(&full.proxy), sent(&full.proxy)];
    wait_for_queue(&full.proxy, 2);
    let refused = hello(&full.proxy);
    refused.assert_error(503, Some("queue_full"));
    assert!(refused.header("retry-after").is_some());
    let queue = stats(&full.proxy, "queue");
    for (name, expected) in [
        ("capacity", 2),
        ("length", 2),
        ("peak", 2),
        ("enqueued", 4),
        ("rejected", 1),
        ("expired", 0),
    ] {
        assert_eq!(number(&queue, name), expected, "{name}");
    }
    full.finish();
    for mut client in waiting {
        assert_good(&client.response("POST"));
    }
    let queue = stats(&full.proxy, "queue");
    assert_eq!((number(&queue, "length"), number(&queue, "peak")), (0, 2));
    assert!(queue["wait_ms"]["p99"].is_u64(), "{queue}");
    assert_eq!(chats(&full.simulator).len(), 4);
}

#[test]
fn a_request_that_waits_too_long_for_a_slot_is_told_so_and_never_goes_upstream() {
    let mut full = Full::start("queue_timeout = 1s");
    let began = Instant::now();
    let late = hello(&full.proxy);
    late.assert_error(503, Some("queue_timeout"));
    assert!(began.elapsed().as_millis() >= 1000);
    assert!(late.header("retry-after").is_some());
    let queue = stats(&full.proxy, "queue");
    assert_eq!(
        (number(&queue, "expired"), number(&queue, "length")),
        (1, 0)
    );
    full.finish();
    assert_good(&hello(&full.proxy));
    assert_eq!(chats(&full.simulator).len(), 3);
}

#[test]
fn who_leaves_while_it_waits_for_a_slot_frees_its_place() {
    let mut full = Full::start("queue_size = 1");
    let leaving = sent(&full.proxy);
    wait_for_queue(&full.proxy, 1);
    hello(&full.proxy).assert_error(503, Some("queue_full"));
    drop(leaving);
    wait_for_queue(&full.proxy, 0);
    let mut next = sent(&full.proxy);
    wait_for_queue(&full.proxy, 1);
    full.finish();
    assert_good(&next.response("POST"));
    assert_eq!(chats(&full.simulator).len(), 3, "who left was not served");
    eventually("its line in the log", || {
        lines_with(&full.proxy, " attempts=0 status=499 ") == 1
    });
}

#[test]
fn slots_go_to_those_who_wait_in_the_order_of_their_arrival() {
    let mut full = Full::start("");
    let mut waiting = Vec::new();
    for count in 1..=6 {
        let mut client = full.proxy.connect();
        send_chat(&mut client, &ask("grok", false, &format!("number {count}")));
        wait_for_queue(&full.proxy, count);
        waiting.push(client);
    }
    full.finish();
    for mut client in waiting {
        assert_good(&client.response("POST"));
    }
    let requests = full.simulator.requests();
    let numbers: Vec<usize> = requests
        .iter()
        .filter_map(|request| {
            let body = String::from_utf8(request.body.to_vec()).unwrap();
            let (_, rest) = body.split_once("number ")?;
            rest[..1].parse().ok()
        })
        .collect();
    assert_eq!(numbers.len(), 6);
    // Two accounts free their slots independently, so two neighbours may change places on their way.
    for (place, number) in (1..).zip(numbers.iter()) {
        assert!(number.abs_diff(place) <= 1, "{numbers:?}");
    }
}

#[test]
fn a_request_that_pauses_before_it_is_repeated_takes_nobody_s_place() {
    let (simulator, proxy) = fleet(&["a1"], "queue_size = 1", "");
    simulator.enqueue(error(500));
    let mut pausing = sent(&proxy);
    proxy.wait_for_log(" attempt 1 at a1 failed");
    assert_good(&hello(&proxy));
    assert_good(&pausing.response("POST"));
    assert_eq!(breaker(&proxy, "a1")["trips"], 0);
}

/// Lets this process open as many files as the system allows; how many that is.
#[cfg(unix)]
fn raised_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
    maximum.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

#[cfg(not(unix))]
fn raised_file_limit() -> usize {
    usize::MAX
}

#[test]
fn two_thousand_requests_wait_and_are_served_while_health_and_statistics_answer() {
    const RUNNING: usize = 30;
    // The program has four files open for each request; on a small system fewer wait.
    let files = raised_file_limit();
    let queued = 2000.min(files.saturating_sub(600) / 5);
    let global = "global_max_concurrency = 30\nqueue_timeout = 10m\nload_balance_strategy = least_connections";
    let (simulator, proxy) = fleet(&["a1", "a2", "a3"], global, "");
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(std::sync::Arc::new(move |request: &Recorded| {
        is_chat(request).then(|| answer_after(&held, request, "at last"))
    })));
    let mut clients: Vec<Client> = (0..RUNNING).map(|_| sent(&proxy)).collect();
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == RUNNING, DEADLINE));
    clients.extend((0..queued).map(|_| sent(&proxy)));
    wait_for_queue(&proxy, queued);
    assert_eq!(proxy.get("/health").json()["status"], "ok");
    assert_eq!(proxy.get("/ready").status, 200);
    assert_eq!(proxy.get("/v1/models").status, 200);
    for what in ["accounts", "concurrency", "circuit-breaker"] {
        stats(&proxy, what);
    }
    let queue = stats(&proxy, "queue");
    assert_eq!(number(&queue, "peak"), queued as u64);
    assert_eq!(number(&queue, "enqueued"), (RUNNING + queued) as u64);
    if queued == 2000 {
        hello(&proxy).assert_error(503, Some("queue_full"));
    }
    gate.open();
    // While they are served, too.
    let ended = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for client in &mut clients {
                assert_good(&client.response("POST"));
            }
        });
        while !reader.is_finished() {
            assert_eq!(proxy.get("/health").status, 200);
            stats(&proxy, "queue");
        }
        reader.join()
    });
    ended.unwrap();
    assert_eq!(simulator.peak_calls(), RUNNING);
    wait_for_queue(&proxy, 0);
}
