//! SIGHUP: accounts come, go and stay, and nobody who is served notices.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ociai_proxy::simulator::{Gate, Recorded, Simulator};
use serde_json::Value;

use super::site::{
    Config, FILE, account, answer_after, ask, assert_good, breaker, chats, chats_of, crowd, error,
    hello, is_chat, is_of, lines_with, send_chat, simulator_of, stats, text_of, throttled,
    wait_for_queue, wait_for_state,
};
use crate::harness::{DEADLINE, Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];

/// Has the program read this file; waits for the log to say what became of it.
fn reload(proxy: &Proxy, text: &str, outcome: &str) {
    let before = lines_with(proxy, outcome);
    fs::write(proxy.dir.path().join(FILE), text).unwrap();
    proxy.signal("HUP");
    eventually(outcome, || lines_with(proxy, outcome) > before);
}

fn ids(proxy: &Proxy) -> Vec<String> {
    let stats = stats(proxy, "accounts");
    let accounts = stats["accounts"].as_array().unwrap().iter();
    accounts
        .map(|account| account["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Holds the chats of one account until the gate is open.
fn hold(simulator: &Simulator, id: &'static str) -> Gate {
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let is_its = is_chat(request) && is_of(request, id);
        is_its.then(|| answer_after(&held, request, "at last"))
    })));
    gate
}

#[test]
fn accounts_that_stay_keep_what_is_known_of_them_removed_ones_vanish_and_new_ones_serve() {
    let simulator = simulator_of(&ALL);
    let all = Config::of(&simulator, &ALL).breaker("max_failures = 2\nreset_timeout = 1h");
    let (first, second) = (all.clone().without("a3"), all.without("a1"));
    let proxy = first.start();
    simulator.set_for_account("a2", Some(error(500)));
    for _ in 0..8 {
        hello(&proxy);
    }
    let (before, its_breaker) = (account(&proxy, "a2"), breaker(&proxy, "a2"));
    assert_eq!(
        (&before["state"], &before["requests"]),
        (&"open".into(), &2.into())
    );
    reload(
        &proxy,
        &second.account("a2", "weight = 7").text(),
        "Reloaded multi_config.conf",
    );
    assert_eq!(ids(&proxy), ["a2", "a3"]);
    let after = account(&proxy, "a2");
    for name in ["state", "requests", "successes", "failures", "latency_ms"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(after["weight"], 7);
    let now = breaker(&proxy, "a2");
    for name in ["state", "consecutive_failures", "window", "trips"] {
        assert_eq!(now[name], its_breaker[name], "{name}");
    }
    assert_eq!(account(&proxy, "a3")["requests"], 0);
    let asked = chats_of(&simulator, "a1");
    for _ in 0..4 {
        assert_eq!(hello(&proxy), "a3");
    }
    assert_eq!(
        (chats_of(&simulator, "a1"), chats_of(&simulator, "a2")),
        (asked, 2)
    );
}

#[test]
fn a_reload_changes_nothing_of_health_and_cooldowns_of_who_stays() {
    let simulator = simulator_of(&ALL);
    let config = Config::of(&simulator, &ALL);
    let proxy = config.start();
    simulator.set_for_account("a1", Some(throttled(120)));
    simulator.set_for_account("a2", Some(error(401)));
    hello(&proxy);
    hello(&proxy);
    let known = |proxy: &Proxy| -> Vec<Value> {
        let of = |id| {
            let its = account(proxy, id);
            (
                its["state"].clone(),
                its["reason"].clone(),
                its["cooldowns"].as_array().unwrap().len(),
            )
        };
        ["a1", "a2"]
            .map(of)
            .into_iter()
            .map(|known| serde_json::json!(known))
            .collect()
    };
    let before = known(&proxy);
    assert_eq!(before[0][2], 1, "{before:?}");
    assert_eq!(before[1][0], "unhealthy", "{before:?}");
    reload(
        &proxy,
        &config.global("retry_attempts = 5").text(),
        "Reloaded multi_config.conf",
    );
    assert_eq!(known(&proxy), before);
}

#[test]
fn an_account_with_other_credentials_begins_anew() {
    let simulator = simulator_of(&ALL);
    let other = simulator_of(&ALL);
    let config =
        Config::of(&simulator, &["a1", "a3"]).breaker("max_failures = 1\nreset_timeout = 1h");
    let proxy = config.clone().with("a2", &simulator.endpoint(), "").start();
    simulator.set_for_account("a2", Some(error(500)));
    for _ in 0..3 {
        hello(&proxy);
    }
    assert_eq!(account(&proxy, "a2")["state"], "open");
    let moved = config.with("a2", &other.endpoint(), "");
    reload(&proxy, &moved.text(), "Reloaded multi_config.conf");
    assert_eq!(account(&proxy, "a2")["state"], "available");
    for _ in 0..3 {
        hello(&proxy);
    }
    assert_eq!(chats_of(&other, "a2"), 1);
}

#[test]
fn what_runs_on_a_removed_account_finishes_as_it_began() {
    let simulator = simulator_of(&ALL);
    let config = Config::of(&simulator, &ALL);
    let proxy = config.start();
    let gate = hold(&simulator, "a1");
    let mut clients = Vec::new();
    for stream in [false, true] {
        let mut client = proxy.connect();
        send_chat(&mut client, &ask("grok", stream, "Hello"));
        clients.push(client);
        let asked = clients.len();
        assert!(simulator.wait_for(|simulator| chats_of(simulator, "a1") == asked, DEADLINE));
        // The others' turns.
        if !stream {
            hello(&proxy);
            hello(&proxy);
        }
    }
    reload(
        &proxy,
        &config.without("a1").text(),
        "Reloaded multi_config.conf",
    );
    assert_eq!(ids(&proxy), ["a2", "a3"]);
    assert_eq!(stats(&proxy, "concurrency")["global"]["in_flight"], 2);
    for _ in 0..4 {
        assert_ne!(hello(&proxy), "a1");
    }
    gate.open();
    for mut client in clients {
        let answer = client.response("POST");
        assert_good(&answer);
        assert_eq!(text_of(&answer), "at last");
        assert_eq!(answer.header("x-ociai-account"), Some("a1"));
    }
    eventually("all slots to be free", || {
        stats(&proxy, "concurrency")["global"]["in_flight"] == 0
    });
}

#[test]
fn a_request_that_waits_for_a_slot_gets_one_of_an_account_that_a_reload_brings() {
    let simulator = simulator_of(&ALL);
    let one = Config::of(&simulator, &["a1"]).account("a1", "max_concurrency = 1");
    let proxy = one.start();
    let gate = hold(&simulator, "a1");
    let mut running = proxy.connect();
    send_chat(&mut running, &ask("grok", false, "Hello"));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 1, DEADLINE));
    let mut waiting = proxy.connect();
    send_chat(&mut waiting, &ask("grok", true, "Hello"));
    wait_for_queue(&proxy, 1);
    let two = one.clone().with("a2", &simulator.endpoint(), "");
    reload(&proxy, &two.text(), "Reloaded multi_config.conf");
    let answer = waiting.response("POST");
    assert_good(&answer);
    assert_eq!(answer.header("x-ociai-account"), Some("a2"));
    // More room on the same account helps as well.
    reload(&proxy, &one.text(), "Reloaded multi_config.conf");
    let mut waiting = proxy.connect();
    send_chat(&mut waiting, &ask("grok", true, "Hello"));
    wait_for_queue(&proxy, 1);
    let wider = Config::of(&simulator, &["a1"]).account("a1", "max_concurrency = 2");
    reload(&proxy, &wider.text(), "Reloaded multi_config.conf");
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 2, DEADLINE));
    gate.open();
    assert_good(&waiting.response("POST"));
    assert_good(&running.response("POST"));
}

#[test]
fn a_bad_file_changes_nothing() {
    let simulator = simulator_of(&ALL);
    let config = Config::of(&simulator, &["a1", "a2"]);
    let proxy = config.start();
    for _ in 0..2 {
        hello(&proxy);
    }
    let (good, before) = (config.text(), stats(&proxy, "accounts"));
    let twice = config.clone().with("a1", &simulator.endpoint(), "");
    let keyless = config
        .clone()
        .account("a1", "key_file = ./no.pem")
        .account("a2", "key_file = ./no.pem");
    for (bad, why) in [
        (good.replace("[MODELS]", "[MODLES]"), "[MODELS]"),
        (twice.text(), "has this id too"),
        (keyless.text(), "no.pem"),
        (good.replace("id = a2", "id = a2\nweight = 0"), "weight"),
        (String::new(), "multi_config.conf:1: "),
    ] {
        reload(&proxy, &bad, "multi_config.conf was not reloaded");
        proxy.wait_for_log(why);
        assert_eq!(stats(&proxy, "accounts"), before, "{why}");
    }
    for _ in 0..2 {
        hello(&proxy);
    }
    assert_eq!(chats(&simulator), ["a1", "a2", "a1", "a2"]);
}

#[test]
fn an_account_whose_key_appears_serves_after_a_reload() {
    let simulator = simulator_of(&ALL);
    let config = Config::of(&simulator, &ALL).account("a2", "key_file = ./late.pem");
    let proxy = config.start();
    proxy.wait_for_log("健康账户数量: 2/3");
    assert_eq!(account(&proxy, "a2")["state"], "unusable");
    fs::copy(
        proxy.dir.path().join("key.pem"),
        proxy.dir.path().join("late.pem"),
    )
    .unwrap();
    reload(&proxy, &config.text(), "Reloaded multi_config.conf");
    wait_for_state(&proxy, "a2", "available");
    proxy.wait_for_log("健康账户数量: 3/3");
    let mut by: Vec<_> = (0..3).map(|_| hello(&proxy)).collect();
    by.sort();
    assert_eq!(by, ALL);
}

#[test]
fn accounts_that_come_and_go_under_load_are_not_noticed() {
    let simulator = simulator_of(&ALL);
    let all = Config::of(&simulator, &ALL);
    let proxy = all.start();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients = scope.spawn(|| {
            crowd(&proxy, 8, |number, talker| {
                while !is_over.load(Ordering::SeqCst) {
                    assert_good(&talker.chat(&ask("grok", number % 2 == 0, "Hello")));
                }
            });
        });
        for turn in 0..12 {
            let some = all.clone().without(ALL[turn % ALL.len()]);
            let before = lines_with(&proxy, "Reloaded ");
            fs::write(proxy.dir.path().join(FILE), some.text()).unwrap();
            proxy.signal("HUP");
            eventually("the reload", || {
                lines_with(&proxy, "Reloaded ") > before || clients.is_finished()
            });
            // Some are served by these accounts.
            let enough = simulator.total_requests() + 20;
            eventually("some requests", || {
                simulator.total_requests() >= enough || clients.is_finished()
            });
        }
        is_over.store(true, Ordering::SeqCst);
    });
    eventually("all slots to be free", || {
        stats(&proxy, "concurrency")["global"]["in_flight"] == 0
    });
    assert!(simulator.peak_calls() <= 8);
}
