//! Hostile heads: lengths that lie, versions that are not spoken, heads without end, two readings of one request. Each is
//! refused in OpenAI's shape; afterwards the program serves as before, and holds not one thread or descriptor more.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Framing, Gate, Script, Simulator, Step};
use serde_json::{Value, json};

use crate::harness::{Client, KEY, Proxy, Response, chats, eventually, simulator};

/// A whole chat in the smallest form.
pub(crate) const CHAT: &str = r#"{"model":"grok","messages":[{"role":"user","content":"Hello"}]}"#;

/// Worker threads of a [`Site`].
pub(crate) const WORKERS: usize = 4;
/// What may come and go by itself: threads of the inner server that wait for work, pooled connections to OCI.
const SLACK: usize = WORKERS + 4;
/// A refusal or a chat that takes longer has waited for something that a hostile client holds: the gate's limits for a head and
/// for a body are 10 s and 60 s.
pub(crate) const PROMPT: Duration = Duration::from_secs(8);

/// The program in front of a simulator, and what it holds while nobody is there.
pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    pub(crate) proxy: Proxy,
    idle: Usage,
}

/// What the system says of the process; zero where it cannot be asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) threads: usize,
    pub(crate) files: usize,
    /// Resident memory, KiB.
    pub(crate) resident: usize,
}

impl Usage {
    #[cfg(target_os = "linux")]
    pub(crate) fn of(proxy: &Proxy) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        Self {
            threads: number("Threads:"),
            files: std::fs::read_dir(format!("/proc/{}/fd", proxy.pid()))
                .unwrap()
                .count(),
            resident: number("VmRSS:"),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: &Proxy) -> Self {
        Self::default()
    }
}

impl Site {
    /// `limits` are further lines of `[GLOBAL]`.
    pub(crate) fn start(limits: &str) -> Self {
        let simulator = simulator();
        let workers = if limits.contains("global_max_concurrency") {
            String::new()
        } else {
            format!("global_max_concurrency = {WORKERS}\n")
        };
        let proxy = Proxy::start(&simulator, &format!("[GLOBAL]\n{workers}{limits}"));
        Self::watch(simulator, proxy)
    }

    /// Lets it serve once, so that everything is there that is made at the first use.
    pub(crate) fn watch(simulator: Simulator, proxy: Proxy) -> Self {
        let site = Self {
            idle: Usage::default(),
            simulator,
            proxy,
        };
        site.assert_serves();
        let idle = Usage::of(&site.proxy);
        Self { idle, ..site }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage::of(&self.proxy)
    }

    /// Resident memory has not grown by more than `kib` since nobody was there.
    #[track_caller]
    pub(crate) fn assert_grew_at_most(&self, kib: usize) {
        let (before, now) = (self.idle.resident, self.usage().resident);
        assert!(now <= before + kib, "{before} KiB grew to {now} KiB");
    }

    #[track_caller]
    fn assert_serves(&self) {
        let began = Instant::now();
        let answer = self.proxy.request("POST", "/v1/chat/completions", CHAT);
        assert_eq!(
            answer.status,
            200,
            "{} {:#?}",
            answer.text(),
            self.proxy.log()
        );
        assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    }

    /// It serves, and holds no more than before the hostile ones came.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self) {
        self.assert_serves();
        eventually("threads and descriptors to be given back", || {
            let now = self.usage();
            now.threads <= self.idle.threads + SLACK && now.files <= self.idle.files + SLACK
        });
    }

    /// Sends `bytes` on a connection of its own and reads one answer.
    pub(crate) fn answer(&self, bytes: impl AsRef<[u8]>) -> (Response, Client) {
        let mut client = self.proxy.connect();
        client.send(bytes);
        (client.response("GET"), client)
    }

    /// Chats that reached OCI.
    pub(crate) fn chats(&self) -> usize {
        let requests = chats(&self.simulator);
        requests.iter().filter(|r| r.method == "POST").count()
    }
}

/// The head of a chat request with the key; `more` are whole header lines.
pub(crate) fn chat_head(more: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n{more}\r\n"
    )
}

/// A whole chat request with the key.
pub(crate) fn chat_request(body: &str) -> String {
    chat_head(&format!("Content-Length: {}\r\n", body.len())) + body
}

/// Sends a request for which OCI plays `script`, and waits until it does. A client that left before that would leave the
/// script to the next one.
pub(crate) fn call(site: &Site, script: Script, request: &str) -> Client {
    let before = site.chats();
    site.simulator.enqueue(script);
    let mut client = site.proxy.connect();
    client.send(request);
    eventually("the call to arrive at OCI", || site.chats() > before);
    client
}

/// One piece of text as OCI streams it.
pub(crate) fn event(text: &str) -> Vec<u8> {
    let event = json!({ "index": 0, "message": { "role": "ASSISTANT", "content": [{ "type": "TEXT", "text": text }] } });
    format!("data: {event}\n\n").into_bytes()
}

pub(crate) fn stream_head() -> Step {
    Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    }
}

pub(crate) fn last_event() -> Vec<u8> {
    let event = json!({ "message": { "role": "ASSISTANT", "content": [{ "type": "TEXT", "text": "" }] }, "finishReason": "stop" });
    format!("data: {event}\n\n").into_bytes()
}

/// A streamed answer that stands still after its first event until the gate opens.
pub(crate) fn gated_stream(gate: &Gate) -> Script {
    Script::Steps(vec![
        stream_head(),
        Step::Bytes(event("first")),
        Step::WaitFor(gate.clone()),
        Step::Bytes(last_event()),
        Step::CloseCleanly,
    ])
}

/// A request for a stream.
pub(crate) fn stream_body() -> Value {
    json!({ "model": "grok", "stream": true, "messages": [{ "role": "user", "content": "Hello" }] })
}

/// Reads the rest of a chunked body; whether it ends as it should.
pub(crate) fn body_ends(client: &mut Client) -> bool {
    loop {
        match client.chunk() {
            Some(chunk) if chunk.is_empty() => return true,
            Some(_) => {}
            None => return false,
        }
    }
}

/// A refusal by the gate: OpenAI's shape, readable by a web page, and the end of the connection.
#[track_caller]
pub(crate) fn assert_refused(
    (response, mut client): (Response, Client),
    status: u16,
    code: Option<&str>,
) {
    response.assert_error(status, code);
    assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(response.whole);
    let rest = client.rest();
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn a_length_that_cannot_be_is_refused_without_asking_for_memory() {
    let site = Site::start("");
    for length in [
        "70368744177664",
        "18446744073709551615",
        "99999999999999999999999",
    ] {
        let framing = format!("Content-Length: {length}\r\n");
        let no_key =
            format!("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n");
        assert_refused(site.answer(no_key), 401, Some("invalid_api_key"));
        let no_path = format!("POST /v1/nope HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n");
        assert_refused(site.answer(no_path), 404, Some("unknown_url"));
        assert_refused(
            site.answer(chat_head(&framing)),
            413,
            Some("request_too_large"),
        );
    }
    site.assert_grew_at_most(16 * 1024);
    site.assert_unharmed();
}

#[test]
fn a_version_that_is_not_spoken_is_said_to_be_so_and_leaks_nothing() {
    let site = Site::start("");
    for _ in 0..20 {
        assert_refused(
            site.answer("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n"),
            505,
            None,
        );
        assert_refused(site.answer("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, None);
    }
    assert_refused(site.answer("\x16\x03\x01\x02\x00\x01\r\n\r\n"), 400, None);
    site.assert_unharmed();
}

#[test]
fn a_head_without_end_is_refused_and_costs_no_memory() {
    let site = Site::start("");
    for (begin, status) in [
        ("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ", 431),
        ("GET /", 414),
        ("\r\n\r\n\r\nGET /health HTTP/1.1\r\nX-Long: ", 431),
    ] {
        let mut client = site.proxy.connect();
        client.send(begin);
        client.send([b'a'; 40 * 1024]);
        let response = client.response("GET");
        // The gate reads on for a bounded while, so that the answer is not lost; it must not keep what it reads.
        let mut sent = 0;
        while sent < 128 << 20 && client.try_send([b'a'; 64 * 1024]) {
            sent += 64 * 1024;
        }
        site.assert_grew_at_most(16 * 1024);
        assert_refused((response, client), status, None);
    }
    let many = "a: b\r\n".repeat(101);
    let head = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_refused(site.answer(head), 431, None);
    site.assert_unharmed();
}

#[test]
fn a_body_that_never_comes_holds_nobody() {
    let site = Site::start("");
    let began = Instant::now();
    let wrong_key = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\nContent-Length: 2000\r\n\r\n";
    assert_refused(site.answer(wrong_key), 401, Some("invalid_api_key"));
    let chunked = wrong_key.replace("Content-Length: 2000", "Transfer-Encoding: chunked");
    assert_refused(site.answer(chunked), 401, Some("invalid_api_key"));
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());

    let mut waiting: Vec<Client> = (0..2 * WORKERS + SLACK)
        .map(|_| site.proxy.connect())
        .collect();
    for client in &mut waiting {
        client.send(chat_head("Content-Length: 2000\r\n") + "{");
    }
    if cfg!(target_os = "linux") {
        eventually("all of them to be read", || {
            site.usage().threads >= site.idle.threads + 2 * WORKERS
        });
    }
    // More of them than workers: who waits for a body holds none.
    site.assert_serves();
    drop(waiting);
    site.assert_unharmed();
}

#[test]
fn a_client_that_closes_its_half_is_taken_to_have_left() {
    // A hang-up and a half-close look the same from here, and an answer to nobody costs money: HTTP clients do not half-close.
    let site = Site::start("");
    let mut client = call(&site, Script::HangBeforeHead, &chat_request(CHAT));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(client.rest().is_empty());
    eventually("the call to be dropped", || {
        site.simulator.active_calls() == 0
    });
    site.assert_unharmed();
}
