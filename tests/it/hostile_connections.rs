//! Many connections, many requests on one, and clients that do not read: none of them may keep another from being served.

use std::io::Write;
use std::sync::{Arc, Barrier};
use std::thread;

use ociai_proxy::simulator::{Gate, Script, Step};

use crate::harness::{Client, DEADLINE, KEY, Proxy, eventually, simulator};
use crate::hostile::{
    CHAT, Site, assert_refused, body_ends, call, chat_request, event, gated_stream, last_event,
    stream_body, stream_head,
};

#[test]
fn clients_that_keep_their_connections_are_all_served_from_a_cold_start() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nglobal_max_concurrency = 4\n");
    let barrier = Arc::new(Barrier::new(64));
    let address = proxy.address;
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            thread::spawn(move || {
                let mut client = Client::connect(address);
                barrier.wait();
                for _ in 0..3 {
                    client.send(chat_request(CHAT));
                    assert_eq!(client.response("POST").status, 200);
                    client.send_request("GET", "/health", &[], "");
                    assert_eq!(client.response("GET").status, 200);
                }
                // Held open until all are served: nobody waits for a connection to end.
                barrier.wait();
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    Site::watch(simulator, proxy).assert_unharmed();
}

#[test]
fn thousands_of_pipelined_requests_are_answered_in_order_and_held_by_nobody() {
    const REQUESTS: usize = 4000;
    let site = Site::start("");
    let mut client = site.proxy.connect();
    let mut sender = client.stream.try_clone().unwrap();
    let sending = thread::spawn(move || {
        for number in 0..REQUESTS {
            let request = format!(
                "GET /v1/models/number-{number} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n\r\n"
            );
            sender.write_all(request.as_bytes()).unwrap();
        }
    });
    let mut most = site.usage();
    for number in 0..REQUESTS {
        let answer = client.response("GET");
        answer.assert_error(404, Some("model_not_found"));
        assert!(
            answer.text().contains(&format!("'number-{number}'")),
            "{}",
            answer.text()
        );
        if number % 500 == 0 {
            let now = site.usage();
            most.threads = most.threads.max(now.threads);
            site.assert_grew_at_most(16 * 1024);
        }
    }
    sending.join().unwrap();
    assert!(most.threads < 40, "{} threads", most.threads);
    drop(client);
    site.assert_unharmed();
}

#[test]
fn requests_behind_a_slow_stream_wait_for_it_and_hold_nobody_else_up() {
    let site = Site::start("");
    let gate = Gate::new();
    let request = chat_request(&stream_body().to_string());
    let mut client = call(&site, gated_stream(&gate), &request);
    for _ in 0..8 {
        client.send_request("GET", "/health", &[], "");
    }
    client.send(chat_request(CHAT));
    for _ in 0..50 {
        assert_eq!(site.proxy.get("/health").status, 200);
    }
    assert_eq!(site.answer(chat_request(CHAT)).0.status, 200);
    assert!(!gate.is_open());
    gate.open();
    let streamed = client.response("POST");
    assert!(streamed.whole && streamed.text().contains("first"));
    assert_eq!(streamed.events().last().map(String::as_str), Some("[DONE]"));
    for _ in 0..8 {
        assert_eq!(client.response("GET").json()["status"], "ok");
    }
    assert_eq!(client.response("POST").status, 200);
    drop(client);
    site.assert_unharmed();
}

#[test]
fn a_client_that_stops_reading_holds_only_its_own_worker_and_only_while_it_is_there() {
    let site = Site::start("global_max_concurrency = 2\n");
    let mut steps = vec![stream_head()];
    // More than the sockets on the way can hold.
    steps.extend((0..1500).map(|_| Step::Bytes(event(&"x".repeat(32 * 1024)))));
    steps.extend([Step::Bytes(last_event()), Step::CloseCleanly]);
    site.simulator.enqueue(Script::Steps(steps));
    let mut deaf = site.proxy.connect();
    deaf.send(chat_request(&stream_body().to_string()));
    assert_eq!(deaf.head().status, 200);
    for _ in 0..20 {
        assert_eq!(site.answer(chat_request(CHAT)).0.status, 200);
    }
    assert!(site.simulator.wait_for(|s| s.active_calls() == 1, DEADLINE));
    site.assert_grew_at_most(32 * 1024);
    drop(deaf);
    assert!(site.simulator.wait_for(|s| s.active_calls() == 0, DEADLINE));
    site.assert_unharmed();
}

#[test]
#[ignore = "waits for half a minute"]
fn a_client_that_reads_nothing_is_cut_off_and_blamed_on_nobody() {
    let site = Site::start("global_max_concurrency = 1\n");
    let mut steps = vec![stream_head()];
    steps.extend((0..1500).map(|_| Step::Bytes(event(&"x".repeat(32 * 1024)))));
    steps.push(Step::Hang);
    site.simulator.enqueue(Script::Steps(steps));
    let mut deaf = site.proxy.connect();
    deaf.send(chat_request(&stream_body().to_string()));
    assert_eq!(deaf.head().status, 200);
    let limit = 2 * DEADLINE;
    assert!(site.simulator.wait_for(|s| s.active_calls() == 0, limit));
    site.proxy
        .wait_for_log("cut off: the client read nothing for 30 s");
    site.proxy.wait_for_log("status=499");
    site.assert_unharmed();
    let accounts = site.proxy.get("/stats/accounts").json();
    assert_eq!(accounts["accounts"][0]["failures"], 0);
}

#[test]
fn a_client_that_sends_requests_and_reads_no_answer_fills_no_memory() {
    let site = Site::start("");
    let mut deaf = site.proxy.connect();
    deaf.stream.set_nonblocking(true).unwrap();
    let request =
        "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx-api-key: test-key\r\n\r\n".repeat(500);
    let mut refusals = 0;
    // Until its own socket takes no more for a while: then nobody reads it any further.
    while refusals < 100 {
        if deaf.try_send(&request) {
            refusals = 0;
        } else {
            refusals += 1;
            assert_eq!(site.proxy.get("/health").status, 200);
        }
    }
    site.assert_grew_at_most(16 * 1024);
    drop(deaf);
    site.assert_unharmed();
}

#[test]
fn at_the_limit_of_connections_an_idle_one_makes_room() {
    let site = Site::start("max_connections = 3\n");
    let ask = |client: &mut Client| {
        client.try_send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.response("GET").status
    };
    let is_closed = |client: &Client| {
        client.stream.set_nonblocking(true).unwrap();
        let peeked = client.stream.peek(&mut [0]);
        client.stream.set_nonblocking(false).unwrap();
        matches!(peeked, Ok(0))
    };
    // Who had an answer has it before the gate knows that it is idle: a newcomer may have to come again, and while those
    // that were here before have not quite left, one of these makes room.
    let mut held: Vec<Client> = Vec::new();
    let newcomer = || loop {
        let mut client = site.proxy.connect();
        match ask(&mut client) {
            200 => return client,
            status => assert_eq!(status, 503),
        }
    };
    while held.len() < 3 {
        held.push(newcomer());
        held.retain(|client| !is_closed(client));
    }
    let mut newcomer = newcomer();
    // Closed without a word.
    eventually("one of three to be closed", || held.iter().any(is_closed));
    held.retain(|client| !is_closed(client));
    assert_eq!(held.len(), 2);
    for client in held.iter_mut().chain([&mut newcomer]) {
        assert_eq!(ask(client), 200);
    }
    site.assert_unharmed();
}

#[test]
fn at_the_limit_of_connections_with_none_idle_a_newcomer_is_told_to_come_back() {
    let site = Site::start("max_connections = 2\n");
    let gate = Gate::new();
    let mut busy: Vec<Client> = (0..2)
        .map(|_| {
            site.simulator.enqueue(gated_stream(&gate));
            let mut client = site.proxy.connect();
            client.send(chat_request(&stream_body().to_string()));
            assert_eq!(client.head().status, 200);
            client
        })
        .collect();
    for _ in 0..5 {
        let mut client = site.proxy.connect();
        let answer = client.response("GET");
        assert!(answer.header("retry-after").is_some());
        assert_refused((answer, client), 503, Some("too_many_connections"));
    }
    gate.open();
    for client in &mut busy {
        assert!(body_ends(client));
    }
    // The two are about to be idle, and then make room.
    eventually("a newcomer to be served", || {
        site.answer(chat_request(CHAT)).0.status == 200
    });
    drop(busy);
    site.assert_unharmed();
}

#[test]
fn heads_that_drip_are_given_up_at_their_deadline() {
    let site = Site::start("");
    let mut dripping: Vec<Client> = (0..30).map(|_| site.proxy.connect()).collect();
    for client in &mut dripping {
        client.send("GET /health HTTP/1.1\r\nHost: loc");
    }
    assert_eq!(site.proxy.get("/health").status, 200);
    for mut client in dripping {
        client.try_send("a");
        let answer = client.response("GET");
        assert_refused((answer, client), 408, None);
    }
    site.assert_unharmed();
    eventually("the log to tell of them", || {
        site.proxy
            .log()
            .iter()
            .filter(|line| line.contains(" refused with 408"))
            .count()
            == 30
    });
}
