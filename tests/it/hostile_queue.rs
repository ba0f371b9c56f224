//! More requests than there are workers: who waits is bounded in number and in time, and who leaves makes room.

use std::time::{Duration, Instant};

use ociai_proxy::simulator::Gate;

use crate::harness::{Client, DEADLINE, Response, eventually};
use crate::hostile::{CHAT, PROMPT, Site, body_ends, chat_request, gated_stream, stream_body};

/// One worker, which is held until the gate opens.
fn held_site(limits: &str) -> (Site, Gate, Client) {
    let site = Site::start(&format!("global_max_concurrency = 1\n{limits}"));
    let gate = Gate::new();
    site.simulator.enqueue(gated_stream(&gate));
    let mut running = site.proxy.connect();
    running.send(chat_request(&stream_body().to_string()));
    assert_eq!(running.head().status, 200);
    (site, gate, running)
}

/// Two further chats for one place in the queue: gives the answer of the one that was refused, and the other's client.
fn one_too_many(site: &Site) -> (Response, Client) {
    let mut clients = [site.proxy.connect(), site.proxy.connect()];
    for client in &mut clients {
        client.send(chat_request(CHAT));
    }
    let began = Instant::now();
    eventually("one of two to be refused", || {
        clients.iter().any(has_answer)
    });
    assert!(began.elapsed() < PROMPT);
    let [mut first, mut second] = clients;
    if has_answer(&first) {
        (first.response("POST"), second)
    } else {
        (second.response("POST"), first)
    }
}

/// Whether something can be read, or the connection has ended.
fn has_answer(client: &Client) -> bool {
    client.stream.set_nonblocking(true).unwrap();
    let peeked = client.stream.peek(&mut [0]);
    client.stream.set_nonblocking(false).unwrap();
    peeked.is_ok()
}

#[test]
fn a_request_that_finds_the_queue_full_is_told_so_at_once() {
    let (site, gate, mut running) = held_site("queue_size = 1\n");
    let before = site.chats();
    let (refused, mut queued) = one_too_many(&site);
    refused.assert_error(503, Some("queue_full"));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    // What needs no worker is answered.
    assert_eq!(site.proxy.get("/health").status, 200);
    assert_eq!(site.proxy.get("/v1/models").status, 200);
    gate.open();
    assert!(body_ends(&mut running));
    assert_eq!(queued.response("POST").status, 200);
    assert_eq!(site.chats(), before + 1);
    site.assert_unharmed();
}

#[test]
fn a_request_that_waited_too_long_is_told_so_though_no_worker_is_free_and_never_goes_upstream() {
    let (site, gate, mut running) = held_site("queue_timeout = 1s\n");
    let before = site.chats();
    let mut client = site.proxy.connect();
    let began = Instant::now();
    client.send(chat_request(CHAT));
    let late = client.response("POST");
    late.assert_error(503, Some("queue_timeout"));
    assert!(late.header("retry-after").is_some());
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < PROMPT);
    gate.open();
    assert!(body_ends(&mut running));
    // The connection lives on, and the request is not served after all.
    client.send(chat_request(CHAT));
    assert_eq!(client.response("POST").status, 200);
    assert_eq!(site.chats(), before + 1);
    site.assert_unharmed();
}

#[test]
fn who_leaves_the_queue_frees_its_place() {
    let (site, gate, mut running) = held_site("queue_size = 1\n");
    let before = site.chats();
    let (refused, queued) = one_too_many(&site);
    refused.assert_error(503, Some("queue_full"));
    drop(queued);
    let mut next = None;
    eventually("the place to be free", || {
        let mut client = site.proxy.connect();
        client.send(chat_request(CHAT));
        // Who finds the queue full is told at once; who hears nothing for a second waits in it.
        client
            .stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let waits = client.stream.peek(&mut [0]).is_err();
        client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        next = Some(client);
        waits
    });
    gate.open();
    assert!(body_ends(&mut running));
    assert_eq!(next.unwrap().response("POST").status, 200);
    assert_eq!(site.chats(), before + 1, "who left was not served");
    site.assert_unharmed();
}
