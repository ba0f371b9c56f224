//! Restarts with a socket that outlives the program.

use ociai_proxy::simulator::Gate;

use super::Socket;
use super::load::Load;
use crate::harness::{Client, config, simulator};
use crate::life::{Running, gated, request, send};

/// Programs that follow one another.
const GENERATIONS: usize = 6;
/// Requests that each of them must serve before the next one comes.
const SERVED: usize = 60;
/// Streams under way when the program is killed.
const UNDER_WAY: usize = 20;
/// Clients that come while no program is there.
const WAITING: usize = 50;

#[test]
fn a_kill_and_a_restart_lose_only_what_was_under_way() {
    let (simulator, socket) = (simulator(), Socket::open());
    let config = config(&simulator.endpoint(), "");
    let mut old = socket.start(&config);
    let gate = Gate::new();
    simulator.set_default(Some(gated(&gate)));
    let running: Vec<_> = (0..UNDER_WAY)
        .map(|_| Running::behind(gate.clone(), &old))
        .collect();
    old.signal("KILL");
    assert!(!old.wait_for_exit().success());
    simulator.set_default(None);
    let mut waiting: Vec<_> = (0..WAITING)
        .map(|number| {
            let mut client = Client::connect(socket.address());
            send(&mut client, &request(number % 2 == 0));
            client
        })
        .collect();
    let lost = running.into_iter().map(Running::finish);
    let lost = lost.filter(|(_, answer)| !answer.whole).count();
    assert_eq!(lost, UNDER_WAY, "a cut stream looks whole");
    let _new = socket.start(&config);
    let answers = waiting.iter_mut().map(|client| client.response("POST"));
    let served = answers
        .filter(|answer| answer.status == 200 && answer.whole)
        .count();
    eprintln!(
        "SIGKILL: {lost} of {UNDER_WAY} under way lost, {served} of {WAITING} who came then served"
    );
    assert_eq!(served, WAITING);
}

/// `overlap`: the next program is there before the last one is told to stop.
fn roll(overlap: bool) {
    let (simulator, socket) = (simulator(), Socket::open());
    let config = config(
        &simulator.endpoint(),
        "[GLOBAL]\nglobal_max_concurrency = 16",
    );
    let mut current = socket.start(&config);
    let load = Load::start(socket.address());
    for _ in 1..GENERATIONS {
        load.wait_for(SERVED);
        let next = overlap.then(|| socket.start(&config));
        current.signal("TERM");
        assert_eq!(current.wait_for_exit().code(), Some(0));
        current = next.unwrap_or_else(|| socket.start(&config));
    }
    load.wait_for(SERVED);
    let what = if overlap {
        "with overlap"
    } else {
        "one after the other"
    };
    load.end()
        .assert_none_lost(&format!("{GENERATIONS} programs {what}"));
}

#[test]
fn restarts_under_load_lose_nothing() {
    roll(false);
}

#[test]
fn restarts_under_load_lose_nothing_when_the_next_program_is_there_first() {
    roll(true);
}
