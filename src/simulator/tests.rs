//! The running simulator, asked over sockets by a client of the tests' own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::io::Read;
use std::net::Shutdown;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::*;
use client::{Client, Reply, signed};

mod client;
mod fleet;
mod formats;

const KEY: &str = include_str!("../../tests/fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const STREAM: &str = include_str!("../../tests/fixtures/stream/generic.llama.text.usage.done.sse");
/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(10);

fn account() -> Account {
    Account::from_pem("one", KEY).unwrap()
}

fn start() -> Simulator {
    Simulator::start(Options {
        accounts: vec![account()],
        ..Options::default()
    })
    .unwrap()
}

fn request(model: &str, more: Value) -> Value {
    let mut request = json!({
        "compartmentId": "ocid1.tenancy.oc1..a",
        "servingMode": {"servingType": "ON_DEMAND", "modelId": model},
        "chatRequest": {"apiFormat": "GENERIC", "maxTokens": 500,
            "messages": [{"role": "USER", "content": [{"type": "TEXT", "text": "hm"}]}]},
    });
    let chat = request["chatRequest"].as_object_mut().unwrap();
    chat.extend(more.as_object().unwrap().clone());
    request
}

fn stream_request() -> Value {
    request(
        "xai.grok-4.3",
        json!({"isStream": true, "streamOptions": {"isIncludeUsage": true}}),
    )
}

#[test]
fn a_connection_serves_streams_answers_lists_and_refusals_one_after_the_other() {
    let simulator = start();
    let mut client = Client::connect(&simulator);

    let reply = client.chat(&stream_request());
    assert_eq!((reply.status, reply.complete), (200, true));
    assert_eq!(reply.header("content-type"), "text/event-stream");
    assert_eq!(reply.header("opc-request-id"), "ABC/1");
    let text = reply.text();
    let events: Vec<_> = text.split_inclusive("\n\n").map(str::len).collect();
    assert_eq!(events, reply.chunks, "one chunk an event");
    assert!(text.contains("\"finishReason\":\"stop\"") && text.contains("\"usage\""));
    assert!(!text.contains("[DONE]"));

    let reply = client.chat(&request("meta.llama-3.3-70b-instruct", json!({})));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.json()["modelVersion"], "1.0");

    let reply =
        client.get("/20231130/models?compartmentId=ocid1.tenancy.oc1..a&capability=CHAT&limit=3");
    assert_eq!(reply.json()["items"].as_array().unwrap().len(), 3);
    assert_eq!(reply.json()["items"][0]["displayName"], "xai.grok-4.3");
    assert_eq!(reply.header("opc-next-page"), "3+/==");
    let reply = client
        .get("/20231130/models?compartmentId=ocid1.tenancy.oc1..a&limit=3&page=3%2B%2F%3D%3D");
    assert_eq!(reply.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/20231130/models").status, 400);

    let reply = client.chat(&request("cohere.does-not-exist", json!({})));
    let body = json!({"code": 404, "message": "Entity with key cohere.does-not-exist not found"});
    assert_eq!((reply.status, reply.json()), (404, body));
    assert_eq!(
        client
            .chat(&request("xai.grok-4.3", json!({"user": "me"})))
            .status,
        400
    );
    assert_eq!(client.chat(&json!({})).json()["code"], "MissingParameter");
    assert_eq!(client.get("/").status, 404);
    assert_eq!(client.get("/20231130/actions/chat").status, 404);

    assert_eq!(simulator.open_connections(), 1);
    let requests = simulator.requests();
    assert_eq!((requests.len(), simulator.total_requests()), (10, 10));
    assert!(requests.iter().all(Recorded::is_signed));
    assert_eq!(requests[0].account.as_deref(), Some("one"));
    assert_eq!(requests[0].header("content-type"), Some("application/json"));
    assert_eq!(
        requests[0].body[..],
        *stream_request().to_string().as_bytes()
    );
    drop(client);
    assert!(simulator.wait_for(|simulator| simulator.open_connections() == 0, DEADLINE));
}

#[test]
fn without_a_good_signature_the_answer_is_401() {
    let simulator = start();
    let mut client = Client::connect(&simulator);
    let host = client.host.clone();
    client.send(&format!(
        "GET /20231130/models HTTP/1.1\r\nhost: {host}\r\n\r\n"
    ));
    let reply = client.read();
    assert_eq!(
        (reply.status, reply.json()["code"].clone()),
        (401, json!("NotAuthenticated"))
    );
    assert_eq!(reply.header("opc-request-id").len(), 32);
    let elsewhere = signed(
        "GET",
        "/20231130/models?compartmentId=a",
        "example.com",
        None,
    );
    client.send(&elsewhere.replace("host: example.com", &format!("host: {host}")));
    assert_eq!(client.read().status, 401);
    assert_eq!(simulator.requests()[1].account.as_deref(), Some("one"));
    assert!(simulator.requests()[1].refusal.is_some());
}

#[test]
fn a_body_without_a_length_is_refused() {
    let check = |head: &str, status: u16| {
        let simulator = start();
        let mut client = Client::connect(&simulator);
        client.send(&format!(
            "POST /20231130/actions/chat HTTP/1.1\r\nhost: a\r\n{head}\r\n"
        ));
        assert_eq!(client.read().status, status, "{head:?}");
        assert!(client.is_at_end());
    };
    check("", 411);
    check("transfer-encoding: chunked\r\n", 411);
    check("content-length: 67108865\r\n", 413);
    check("content-length: 1\r\ncontent-length: 1\r\n", 400);
    check("content-length: +1\r\n", 400);
    check("not a header\r\n", 400);
    check(
        &format!("a: {}\r\n", "b".repeat(connection::MAX_HEAD_BYTES)),
        431,
    );
}

#[test]
fn a_body_is_asked_for_when_the_client_expects_that() {
    let simulator = start();
    let mut client = Client::connect(&simulator);
    let whole = signed(
        "POST",
        "/20231130/actions/chat",
        &client.host,
        Some(&stream_request().to_string()),
    );
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    client.send(&format!("{head}\r\nexpect: 100-continue\r\n\r\n"));
    assert_eq!(client.read_head().status, 100);
    client.send(body);
    assert_eq!(client.read().status, 200);
}

#[test]
fn scripts_are_used_in_order_and_then_the_defaults() {
    let simulator = start();
    simulator.enqueue(Script::Status {
        status: 429,
        headers: vec![("Retry-After".to_owned(), "7".to_owned())],
        body: b"{}".to_vec(),
    });
    let html = ("Content-Type".to_owned(), "text/html".to_owned());
    simulator.enqueue(Script::Status {
        status: 502,
        headers: vec![html],
        body: b"<html>".to_vec(),
    });
    simulator.enqueue(Script::Sse(STREAM.as_bytes().to_vec()));
    simulator.enqueue(Script::DefaultAfter(Duration::from_millis(1)));
    simulator.set_default(Some(Script::status(503, "")));
    let mut client = Client::connect(&simulator);
    let reply = client.chat(&stream_request());
    assert_eq!((reply.status, reply.header("Retry-After")), (429, "7"));
    assert_eq!(
        client.chat(&json!({})).status,
        400,
        "a bad request takes no script"
    );
    let reply = client.chat(&stream_request());
    assert_eq!(
        (reply.status, reply.header("Content-Type"), &*reply.text()),
        (502, "text/html", "<html>")
    );
    let reply = client.chat(&stream_request());
    assert_eq!(
        (reply.text(), reply.chunks.len(), reply.complete),
        (STREAM.to_owned(), 6, true)
    );
    assert_eq!(client.chat(&stream_request()).status, 200);
    assert_eq!(client.chat(&stream_request()).status, 503);
    simulator.set_for_account("one", Some(Script::status(500, "")));
    assert_eq!(client.chat(&stream_request()).status, 500);
    simulator.set_for_account("one", None);
    simulator.set_default(None);
    assert_eq!(client.chat(&stream_request()).status, 200);
    let mut cohere = stream_request();
    cohere["chatRequest"] = json!({"apiFormat": "COHERE", "message": "hm", "maxTokens": 5});
    assert_eq!(client.chat(&cohere).status, 400, "not the model's format");
    simulator.enqueue(Script::Sse(STREAM.as_bytes().to_vec()));
    assert_eq!(client.chat(&cohere).status, 200);
    simulator.set_control(Some(Script::status(403, "{}")));
    assert_eq!(client.get("/20231130/models?compartmentId=a").status, 403);
}

fn head(framing: Framing) -> Step {
    Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing,
    }
}

/// Plays steps to a client, and hands over what it read, and itself.
fn played(simulator: &Simulator, steps: Vec<Step>) -> (Reply, Client) {
    simulator.enqueue(Script::Steps(steps));
    let mut client = Client::connect(simulator);
    let reply = client.chat(&stream_request());
    (reply, client)
}

#[test]
fn steps_decide_about_every_byte_and_the_end() {
    let simulator = start();
    let hello = || Step::Bytes(b"hello".to_vec());
    let (reply, mut client) = played(
        &simulator,
        vec![head(Framing::Chunked), hello(), Step::CloseCleanly],
    );
    assert_eq!((&*reply.text(), reply.complete), ("hello", true));
    assert_eq!(
        client.chat(&stream_request()).status,
        200,
        "the connection is still good"
    );

    let bytes = vec![
        head(Framing::Chunked),
        Step::ByteByByte(b"abc".to_vec()),
        Step::CloseCleanly,
        Step::Cut,
    ];
    let (reply, mut client) = played(&simulator, bytes);
    assert_eq!((reply.chunks, reply.complete), (vec![1, 1, 1], true));
    assert!(client.is_at_end());

    let (reply, _) = played(&simulator, vec![head(Framing::Chunked), hello(), Step::Cut]);
    assert_eq!((&*reply.text(), reply.complete), ("hello", false));
    let (reply, _) = played(
        &simulator,
        vec![head(Framing::Length(9)), hello(), Step::Cut],
    );
    assert_eq!((&*reply.text(), reply.complete), ("hello", false));
    let (reply, _) = played(
        &simulator,
        vec![head(Framing::Length(9)), hello(), Step::CloseCleanly],
    );
    assert!(!reply.complete, "too short: closed");
    let (reply, _) = played(
        &simulator,
        vec![head(Framing::UntilClose), hello(), Step::CloseCleanly],
    );
    assert_eq!(reply.text(), "hello");
    let raw = b"HTTP/1.1 418 x\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let (reply, _) = played(&simulator, vec![Step::Bytes(raw)]);
    assert_eq!((reply.status, &*reply.text()), (418, "ok"));
}

#[test]
fn connections_can_end_before_a_head_or_say_garbage() {
    let simulator = start();
    simulator.enqueue(Script::CloseBeforeHead);
    simulator.enqueue(Script::GarbageHead);
    for expected in ["", "\x16\x03\x01 this is no HTTP"] {
        let mut client = Client::connect(&simulator);
        let body = stream_request().to_string();
        client.send_signed("POST", "/20231130/actions/chat", Some(&body));
        let mut all = String::new();
        client.stream.read_to_string(&mut all).unwrap();
        assert_eq!(all.trim_end_matches("\r\n"), expected);
    }
}

#[test]
fn a_gate_holds_an_answer_until_the_test_opens_it() {
    let simulator = start();
    let gate = Gate::new();
    simulator.enqueue(Script::Steps(vec![
        head(Framing::Chunked),
        Step::Bytes(b"one".to_vec()),
        Step::WaitFor(gate.clone()),
        Step::Bytes(b"two".to_vec()),
        Step::CloseCleanly,
    ]));
    let mut client = Client::connect(&simulator);
    client.send_signed(
        "POST",
        "/20231130/actions/chat",
        Some(&stream_request().to_string()),
    );
    let mut reply = client.read_head();
    assert_eq!(client.read_chunk(&mut reply), Some(true));
    assert_eq!((&*reply.text(), simulator.active_calls()), ("one", 1));
    assert!(!gate.is_open());
    gate.open();
    assert_eq!(client.read_chunk(&mut reply), Some(true));
    assert_eq!(client.read_chunk(&mut reply), Some(false));
    assert_eq!(reply.text(), "onetwo");
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}

#[test]
fn a_client_that_hangs_up_ends_its_call_wherever_it_waits() {
    let simulator = start();
    let an_hour = Duration::from_secs(3600);
    let waits = [
        Script::HangBeforeHead,
        Script::DefaultAfter(an_hour),
        Script::Steps(vec![Step::WaitFor(Gate::new())]),
        Script::Steps(vec![head(Framing::Chunked), Step::Pause(an_hour)]),
        Script::Steps(vec![head(Framing::Chunked), Step::Hang]),
        Script::Steps(vec![head(Framing::Chunked), Step::KeepOpen]),
    ];
    for script in waits {
        let name = format!("{script:?}");
        simulator.enqueue(script);
        let mut client = Client::connect(&simulator);
        client.send_signed(
            "POST",
            "/20231130/actions/chat",
            Some(&stream_request().to_string()),
        );
        assert!(
            simulator.wait_for(|simulator| simulator.active_calls() == 1, DEADLINE),
            "{name}"
        );
        client.stream.get_mut().shutdown(Shutdown::Both).unwrap();
        assert!(
            simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE),
            "{name}"
        );
    }
}

#[test]
fn the_pace_is_kept_and_a_hang_up_between_two_words_is_seen() {
    let pace = Duration::from_secs(3600);
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        pace,
        ..Options::default()
    })
    .unwrap();
    let mut client = Client::connect(&simulator);
    client.send_signed(
        "POST",
        "/20231130/actions/chat",
        Some(&stream_request().to_string()),
    );
    assert_eq!(client.read_head().status, 200);
    assert_eq!(simulator.active_calls(), 1);
    drop(client);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}

#[test]
fn a_dropped_simulator_ends_all_its_connections_and_soon() {
    let simulator = start();
    simulator.enqueue(Script::HangBeforeHead);
    simulator.enqueue(Script::Steps(vec![Step::WaitFor(Gate::new())]));
    let mut clients: Vec<_> = (0..4).map(|_| Client::connect(&simulator)).collect();
    for client in clients.iter_mut().take(2) {
        client.send_signed(
            "POST",
            "/20231130/actions/chat",
            Some(&stream_request().to_string()),
        );
    }
    let ready =
        |simulator: &Simulator| (simulator.active_calls(), simulator.open_connections()) == (2, 4);
    assert!(simulator.wait_for(ready, DEADLINE));
    let address = simulator.address;
    let begun = Instant::now();
    drop(simulator);
    assert!(begun.elapsed() < STOP_TIMEOUT);
    assert!(clients.iter_mut().all(Client::is_at_end));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn accounts_are_made_from_keys() {
    let one = account();
    assert_eq!(
        one.fingerprint,
        "89:00:f8:85:df:37:74:24:13:17:a2:01:64:8a:92:48"
    );
    let labelled = include_str!(
        "../../tests/fixtures/signing/TEST-KEY-throwaway-pkcs8-with-OCI_API_KEY-label.pem"
    );
    assert_eq!(
        Account::from_pem("one", labelled).unwrap().key_id(),
        one.key_id()
    );
    assert_ne!(Account::from_pem("two", KEY).unwrap().tenancy, one.tenancy);
    assert_eq!(
        Account::from_pem("x", "no key").unwrap_err().kind(),
        io::ErrorKind::InvalidData
    );
    assert!(!format!("{one:?}").contains("PRIVATE"));
}

#[test]
fn it_serves_on_loopback_only() {
    let address = SocketAddr::from(([0, 0, 0, 0], 0));
    let refused = Simulator::start(Options {
        address,
        ..Options::default()
    });
    assert_eq!(refused.err().unwrap().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn its_clock_may_differ() {
    for (clock_offset, status) in [(0, 200), (240, 200), (-240, 200), (1200, 401), (-1200, 401)] {
        let simulator = Simulator::start(Options {
            accounts: vec![account()],
            clock_offset,
            ..Options::default()
        })
        .unwrap();
        let reply = Client::connect(&simulator).get("/20231130/models?compartmentId=c");
        assert_eq!(reply.status, status, "{clock_offset}");
        let date = httpdate::parse_http_date(reply.header("date")).unwrap();
        let off = match date.duration_since(SystemTime::now()) {
            Ok(ahead) => ahead.as_secs().cast_signed(),
            Err(behind) => -behind.duration().as_secs().cast_signed(),
        };
        assert!((off - clock_offset).abs() < 60, "{clock_offset}: {off}");
    }
}
