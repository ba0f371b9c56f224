//! A stop while all workers are busy.

use std::net::TcpStream;

use ociai_proxy::simulator::Gate;

use crate::harness::{Proxy, eventually, simulator};
use crate::life::{Running, assert_both_words, gated, request, send};

const STREAMS: usize = 200;
/// Requests that wait for a worker.
const WAITING: usize = 40;

#[test]
fn a_stop_under_200_streams_loses_neither_them_nor_who_waits() {
    let simulator = simulator();
    let mut proxy = Proxy::start(
        &simulator,
        &format!("[GLOBAL]\nglobal_max_concurrency = {STREAMS}\nqueue_timeout = 10m"),
    );
    let gate = Gate::new();
    simulator.set_default(Some(gated(&gate)));
    let running: Vec<_> = (0..STREAMS)
        .map(|_| Running::behind(gate.clone(), &proxy))
        .collect();
    let mut waiting: Vec<_> = (0..WAITING)
        .map(|_| {
            let mut client = proxy.connect();
            send(&mut client, &request(true));
            client
        })
        .collect();
    eventually("all to wait for a worker", || {
        proxy.get("/stats/queue").json()["length"] == WAITING
    });
    assert_eq!(simulator.active_calls(), STREAMS);
    proxy.signal("TERM");
    eventually("the port to close", || {
        TcpStream::connect(proxy.address).is_err()
    });
    let mut finished = 0;
    for running in running {
        assert_both_words(&running.finish().1);
        finished += 1;
    }
    for client in &mut waiting {
        let answer = client.response("POST");
        assert_both_words(&answer);
        assert_eq!(answer.header("connection"), Some("close"));
        finished += 1;
    }
    eprintln!(
        "SIGTERM: {} of {} lost",
        STREAMS + WAITING - finished,
        STREAMS + WAITING
    );
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
}

#[test]
fn from_the_signal_on_answers_end_their_connections_and_nobody_is_turned_away() {
    let simulator = simulator();
    let mut proxy = Proxy::start(&simulator, "[GLOBAL]\ndrain_delay = 10m");
    let (mut kept, mut new) = (proxy.connect(), proxy.connect());
    send(&mut kept, &request(false));
    assert_eq!(kept.response("POST").header("connection"), None);
    proxy.signal("TERM");
    eventually("the end to be announced", || {
        proxy.get("/health").header("connection") == Some("close")
    });
    for client in [&mut kept, &mut new] {
        send(client, &request(true));
        let answer = client.response("POST");
        assert!(!answer.chunks().is_empty());
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(1));
}
