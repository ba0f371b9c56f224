//! A stop: who runs, who waits for a slot and who waits for a worker are all answered before the end.

use std::net::TcpStream;
use std::sync::Arc;

use ociai_proxy::simulator::{Gate, Recorded};

use super::site::{
    Config, answer_after, ask, assert_good, is_chat, send_chat, simulator_of, stats, wait_for_queue,
};
use crate::harness::{Client, DEADLINE, eventually};

/// Of each of the two accounts.
const SLOTS: usize = 3;
/// Twice three of them call OCI, the other four wait for a slot.
const WORKERS: usize = 10;
/// Half of them find no worker free.
const REQUESTS: usize = 20;

#[test]
fn a_stop_loses_nobody_who_waits_for_a_slot_or_a_worker() {
    let ids = ["a1", "a2"];
    let simulator = simulator_of(&ids);
    let global = format!("global_max_concurrency = {WORKERS}\nqueue_timeout = 10m");
    let config = Config::of(&simulator, &ids).global(&global);
    let limit = format!("max_concurrency = {SLOTS}");
    let mut proxy = ids
        .iter()
        .fold(config, |config, id| config.account(id, &limit))
        .start();
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        is_chat(request).then(|| answer_after(&held, request, "at last"))
    })));
    let clients: Vec<Client> = (0..REQUESTS)
        .map(|number| {
            let mut client = proxy.connect();
            send_chat(&mut client, &ask("grok", number % 2 == 0, "Hello"));
            client
        })
        .collect();
    wait_for_queue(&proxy, REQUESTS - 2 * SLOTS);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 2 * SLOTS, DEADLINE));
    assert_eq!(
        stats(&proxy, "concurrency")["global"]["in_flight"],
        2 * SLOTS
    );
    proxy.signal("TERM");
    eventually("the port to close", || {
        TcpStream::connect(proxy.address).is_err()
    });
    gate.open();
    for mut client in clients {
        assert_good(&client.response("POST"));
    }
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    assert_eq!(simulator.peak_calls(), 2 * SLOTS);
}
