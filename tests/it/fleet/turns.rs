//! Whose turn it is, and how many calls an account has at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ociai_proxy::simulator::{Gate, Script, Simulator};
use serde_json::json;

use super::site::{
    Config, answer_after, ask, assert_good, chats, chats_of, choose_for, crowd, fleet, hello,
    is_chat, send_chat, simulator_of, stats, three, wait_for_queue,
};
use crate::harness::{Client, DEADLINE, Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];

/// Holds all chats until the gate is open.
fn hold_all(simulator: &Simulator) -> Gate {
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request| {
        is_chat(request).then(|| answer_after(&held, request, "at last"))
    })));
    gate
}

/// Sends so many chats, half of them for streams, each on a connection of its own.
fn send_all(proxy: &Proxy, count: usize) -> Vec<Client> {
    let clients = (0..count).map(|number| {
        let mut client = proxy.connect();
        send_chat(&mut client, &ask("grok", number % 2 == 0, "Hello"));
        client
    });
    clients.collect()
}

#[test]
fn round_robin_asks_the_accounts_strictly_by_turn() {
    let (simulator, proxy) = three("load_balance_strategy = round_robin", "");
    for number in 0..12 {
        assert_good(&proxy.chat(&ask("grok", number % 2 == 0, "Hello")));
    }
    assert_eq!(chats(&simulator), ALL.repeat(4));
    assert_eq!(stats(&proxy, "accounts")["strategy"], "round_robin");
}

#[test]
fn weights_of_3_2_1_hold_exactly_in_any_six_requests_and_over_600_of_many_clients() {
    let simulator = simulator_of(&ALL);
    let proxy = Config::of(&simulator, &ALL)
        .global("load_balance_strategy = weighted")
        .account("a1", "weight = 3")
        .account("a2", "weight = 2")
        .start();
    let count = |some: &[String], id| some.iter().filter(|account| *account == id).count();
    for _ in 0..36 {
        hello(&proxy);
    }
    let first = chats(&simulator);
    for six in first.windows(6) {
        assert_eq!(ALL.map(|id| count(six, id)), [3, 2, 1], "{six:?}");
    }
    crowd(&proxy, 8, |number, talker| {
        for turn in 0..75 {
            assert_good(&talker.chat(&ask("grok", (number + turn) % 2 == 0, "Hello")));
        }
    });
    let all = chats(&simulator);
    assert_eq!(ALL.map(|id| count(&all[36..], id)), [300, 200, 100]);
}

#[test]
fn least_connections_leaves_a_busy_account_alone() {
    let (simulator, proxy) = three("load_balance_strategy = least_connections", "");
    let gate = Gate::new();
    let held = gate.clone();
    choose_for(&simulator, "a1", move |request| {
        Some(answer_after(&held, request, "late"))
    });
    let mut slow = send_all(&proxy, 1).remove(0);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 1, DEADLINE));
    for _ in 0..20 {
        assert_ne!(hello(&proxy), "a1");
    }
    let by_account = ALL.map(|id| chats_of(&simulator, id));
    assert_eq!(by_account, [1, 10, 10], "ties go by turn");
    gate.open();
    assert_good(&slow.response("POST"));
    // Once it is as empty as the others, it has its turn again.
    let again: Vec<_> = (0..3).map(|_| hello(&proxy)).collect();
    assert!(again.contains(&"a1".to_owned()), "{again:?}");
}

#[test]
fn never_more_calls_at_once_than_an_account_and_the_whole_program_may_have() {
    let simulator = simulator_of(&ALL);
    let limits = BTreeMap::from([("a1", 2), ("a2", 3), ("a3", 4)]);
    let mut config = Config::of(&simulator, &ALL).global("global_max_concurrency = 7");
    for (id, limit) in &limits {
        config = config.account(id, &format!("max_concurrency = {limit}"));
    }
    let proxy = config.start();
    // First all that can be are held: no slot stays empty while somebody waits.
    let gate = hold_all(&simulator);
    let clients = send_all(&proxy, 20);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 7, DEADLINE));
    wait_for_queue(&proxy, 13);
    let concurrency = stats(&proxy, "concurrency");
    assert_eq!(
        concurrency["global"],
        json!({"max": 7, "in_flight": 7, "peak": 7, "available": 0})
    );
    gate.open();
    for mut client in clients {
        assert_good(&client.response("POST"));
    }
    // Then there is a crowd.
    simulator.set_chooser(None);
    simulator.set_default(Some(Script::DefaultAfter(Duration::from_millis(5))));
    crowd(&proxy, 24, |number, talker| {
        for turn in 0..20 {
            assert_good(&talker.chat(&ask("grok", (number + turn) % 2 == 0, "Hello")));
        }
    });
    assert_eq!(simulator.peak_calls(), 7);
    for (id, limit) in &limits {
        assert!(simulator.peak_calls_of(id) <= *limit, "{id}");
    }
    eventually("all slots to be free", || {
        stats(&proxy, "concurrency")["global"]["in_flight"] == 0
    });
    let concurrency = stats(&proxy, "concurrency");
    assert_eq!(concurrency["global"]["peak"], 7);
    for account in concurrency["accounts"].as_array().unwrap() {
        let limit = limits[account["id"].as_str().unwrap()];
        assert_eq!(
            (&account["max"], &account["available"]),
            (&limit.into(), &limit.into())
        );
        assert!(
            account["peak"].as_u64().unwrap() <= limit as u64,
            "{account}"
        );
    }
}

#[test]
fn who_finds_all_accounts_full_waits_for_the_first_slot() {
    let simulator = simulator_of(&["a1", "a2"]);
    let proxy = Config::of(&simulator, &["a1", "a2"])
        .account("a1", "max_concurrency = 1")
        .account("a2", "max_concurrency = 2")
        .start();
    let gate = hold_all(&simulator);
    let clients = send_all(&proxy, 8);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 3, DEADLINE));
    wait_for_queue(&proxy, 5);
    assert_eq!(stats(&proxy, "queue")["peak"], 5);
    gate.open();
    for mut client in clients {
        assert_good(&client.response("POST"));
    }
    assert_eq!(
        (simulator.peak_calls_of("a1"), simulator.peak_calls_of("a2")),
        (1, 2)
    );
    let queue = stats(&proxy, "queue");
    assert_eq!(
        (&queue["length"], &queue["enqueued"]),
        (&0.into(), &8.into())
    );
}

#[test]
fn unequal_weights_mean_nothing_to_round_robin() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "", "");
    drop(proxy);
    let proxy = Config::of(&simulator, &["a1", "a2"])
        .account("a1", "weight = 1000")
        .start();
    for _ in 0..6 {
        hello(&proxy);
    }
    assert_eq!(chats(&simulator), ["a1", "a2"].repeat(3));
}
