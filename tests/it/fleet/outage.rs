//! All accounts, or all but one, are out or busy at once: what waits, what is given up, and what an outage costs upstream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Gate, Recorded, Script, Simulator};

use super::site::{
    Config, account, answer_after, ask, assert_good, breaker, chats, chats_of, crowd, error, fleet,
    hello, is_chat, is_of, send_chat, served_by, simulator_of, stats, three, throttled,
    wait_for_queue,
};
use crate::harness::{Client, DEADLINE, Proxy, eventually};

/// Two accounts with one slot each; the chats of the first are held until the gate is open.
fn held(breaker: &str) -> (Simulator, Proxy, Gate) {
    let simulator = simulator_of(&["a1", "a2"]);
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let is_its = is_chat(request) && is_of(request, "a1");
        is_its.then(|| answer_after(&held, request, "at last"))
    })));
    let proxy = Config::of(&simulator, &["a1", "a2"])
        .account("a1", "max_concurrency = 1")
        .breaker(breaker)
        .start();
    (simulator, proxy, gate)
}

fn sent(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    send_chat(&mut client, &ask("grok", true, "Hello"));
    client
}

#[test]
fn who_waits_for_a_slot_also_takes_the_trial_of_a_breaker_whose_time_has_come() {
    let (simulator, proxy, gate) = held("max_failures = 1\nreset_timeout = 1s");
    let mut running = sent(&proxy);
    assert!(simulator.wait_for(|simulator| chats_of(simulator, "a1") == 1, DEADLINE));
    simulator.set_for_account("a2", Some(error(500)));
    // It finds a2 failing, and then nothing but the slot that is taken; a2's own recovery comes first.
    let mut waiting = sent(&proxy);
    eventually("the breaker to open", || {
        breaker(&proxy, "a2")["trips"] != 0
    });
    simulator.set_for_account("a2", None);
    let mut late = sent(&proxy);
    assert_eq!(served_by(&late.response("POST")), "a2");
    gate.open();
    assert_good(&running.response("POST"));
    assert_good(&waiting.response("POST"));
}

#[test]
fn who_waits_for_a_slot_also_takes_the_end_of_a_cooldown() {
    let (simulator, proxy, gate) = held("");
    let mut running = sent(&proxy);
    assert!(simulator.wait_for(|simulator| chats_of(simulator, "a1") == 1, DEADLINE));
    simulator.set_for_account("a2", Some(throttled(1)));
    let mut waiting = sent(&proxy);
    eventually("a2 to cool", || account(&proxy, "a2")["failures"] != 0);
    simulator.set_for_account("a2", None);
    let mut late = sent(&proxy);
    assert_eq!(served_by(&late.response("POST")), "a2");
    gate.open();
    assert_good(&running.response("POST"));
    assert_good(&waiting.response("POST"));
}

#[test]
fn who_waits_when_the_last_account_goes_is_told_so_at_once() {
    let simulator = simulator_of(&["a1", "a2"]);
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        is_chat(request).then(|| match held.is_open() {
            true => error(500),
            // The peer sees nothing but the end of its connection.
            false => Script::Steps(vec![ociai_proxy::simulator::Step::WaitFor(held.clone())]),
        })
    })));
    let proxy = Config::of(&simulator, &["a1", "a2"])
        .global("queue_timeout = 10m")
        .account("a1", "max_concurrency = 1")
        .account("a2", "max_concurrency = 1")
        .breaker("max_failures = 1\nreset_timeout = 1h")
        .start();
    let mut running = [sent(&proxy), sent(&proxy)];
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 2, DEADLINE));
    let mut waiting: Vec<_> = (0..4).map(|_| sent(&proxy)).collect();
    wait_for_queue(&proxy, 4);
    gate.open();
    for client in &mut waiting {
        client
            .response("POST")
            .assert_error(503, Some("no_account_available"));
    }
    for client in &mut running {
        assert_eq!(client.response("POST").status, 502);
    }
    assert_eq!(stats(&proxy, "queue")["length"], 0);
}

#[test]
fn an_outage_is_not_multiplied() {
    const REQUESTS: usize = 240;
    let global = "retry_attempts = 4";
    let breaker = "max_failures = 1000000\nfailure_rate = 1\nmin_requests = 1000000";
    let (simulator, proxy) = three(global, breaker);
    simulator.set_default(Some(error(503)));
    let began = Instant::now();
    crowd(&proxy, 12, |_, talker| {
        for _ in 0..REQUESTS / 12 {
            let answer = talker.chat(&ask("grok", false, "Hello"));
            answer.assert_error(502, Some("upstream_error"));
        }
    });
    // Each request has its second attempt for free; the others come out of one purse: 100 at the start, a fifth of the
    // requests, and ten a second.
    let seconds = began.elapsed().as_secs_f64();
    let calls = chats(&simulator).len();
    let purse = 100.0 + 0.2 * REQUESTS as f64 + 10.0 * seconds;
    assert!(calls >= 2 * REQUESTS, "{calls}");
    assert!(
        (calls as f64) <= 2.0 * REQUESTS as f64 + purse + 1.0,
        "{calls} in {seconds} s"
    );
}

#[test]
fn a_request_of_which_all_attempts_hang_ends_after_twice_request_timeout() {
    let (simulator, proxy) = three("request_timeout = 2s\nretry_attempts = 20", "");
    simulator.set_default(Some(Script::HangBeforeHead));
    let began = Instant::now();
    let answer = proxy.chat(&ask("grok", true, "Hello"));
    let took = began.elapsed();
    answer.assert_error(504, Some("upstream_timeout"));
    assert!(proxy.line_of(&answer).contains(" attempts=2 status=504 "));
    assert!(took >= Duration::from_secs(4), "{took:?}");
    assert_eq!(chats(&simulator), ["a1", "a2"]);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}

#[test]
fn who_is_throttled_by_all_hears_of_the_soonest_return() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "");
    simulator.set_for_account("a1", Some(throttled(60)));
    simulator.set_for_account("a2", Some(throttled(200)));
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    answer.assert_error(429, Some("rate_limit_exceeded"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=60).contains(&wait), "{wait}");
}

#[test]
fn a_throttled_account_and_a_failing_one_give_the_last_error_and_then_503() {
    let (simulator, proxy) = fleet(
        &["a1", "a2"],
        "retry_attempts = 1",
        "max_failures = 1\nreset_timeout = 1h",
    );
    simulator.set_for_account("a1", Some(throttled(30)));
    simulator.set_for_account("a2", Some(error(500)));
    proxy
        .chat(&ask("grok", false, "Hello"))
        .assert_error(502, Some("upstream_error"));
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    answer.assert_error(503, Some("no_account_available"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    // The other model has an account that is not out.
    simulator.set_for_account("a1", None);
    assert_eq!(served_by(&proxy.chat(&ask("llama", true, "Hello"))), "a1");
}

#[test]
fn a_stop_waits_for_those_who_wait_for_a_slot() {
    let simulator = simulator_of(&["a1", "a2"]);
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        is_chat(request).then(|| answer_after(&held, request, "at last"))
    })));
    let mut proxy = Config::of(&simulator, &["a1", "a2"])
        .account("a1", "max_concurrency = 1")
        .account("a2", "max_concurrency = 1")
        .start();
    let mut clients: Vec<_> = (0..6).map(|_| sent(&proxy)).collect();
    wait_for_queue(&proxy, 4);
    proxy.signal("TERM");
    proxy.wait_for_log("Stopping: ");
    gate.open();
    for client in &mut clients {
        assert_good(&client.response("POST"));
    }
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
}

#[test]
fn a_crowd_that_leaves_in_all_ways_leaves_no_slot_behind() {
    let (simulator, proxy) = fleet(
        &["a1", "a2"],
        "global_max_concurrency = 8",
        "max_failures = 1",
    );
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        is_chat(request).then(|| answer_after(&held, request, "at last"))
    })));
    for _ in 0..3 {
        // Some are being served, and the others wait.
        let crowd: Vec<_> = (0..20).map(|_| sent(&proxy)).collect();
        assert!(simulator.wait_for(|simulator| simulator.active_calls() == 8, DEADLINE));
        wait_for_queue(&proxy, 12);
        drop(crowd);
        eventually("all slots to be free", || {
            let is_free = stats(&proxy, "concurrency")["global"]["in_flight"] == 0;
            is_free && stats(&proxy, "queue")["length"] == 0
        });
        assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
    }
    gate.open();
    for id in ["a1", "a2"] {
        let its = account(&proxy, id);
        assert_eq!(
            (&its["failures"], &its["state"]),
            (&0.into(), &"available".into())
        );
    }
    hello(&proxy);
}
