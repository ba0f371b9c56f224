//! Signals: stopping without losing an answer, and reading the file again while requests run.

use std::fs;
use std::net::TcpStream;

use ociai_proxy::simulator::{Framing, Gate, Script, Simulator, Step};
use serde_json::{Value, json};

use crate::harness::{
    Client, DEADLINE, KEY, Proxy, Response, account, chats, config, eventually, simulator,
};

fn text(text: &str) -> Step {
    let event = json!({"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]}});
    Step::Bytes(format!("data: {event}\n\n").into_bytes())
}

/// A stream that says "one", waits for the gate, and goes on.
pub(crate) fn gated(gate: &Gate) -> Script {
    Script::Steps(vec![
        Step::Head {
            status: 200,
            content_type: "text/event-stream".to_owned(),
            framing: Framing::Chunked,
        },
        text("one"),
        Step::WaitFor(gate.clone()),
        text(" two"),
        Step::Bytes(b"data: {\"finishReason\":\"stop\"}\n\n".to_vec()),
        Step::CloseCleanly,
    ])
}

pub(crate) fn request(stream: bool) -> Value {
    json!({"model": "grok", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]})
}

fn headers() -> [(&'static str, String); 1] {
    [("Authorization", format!("Bearer {KEY}"))]
}

pub(crate) fn send(client: &mut Client, body: &Value) {
    let [(name, value)] = headers();
    client.send_request(
        "POST",
        "/v1/chat/completions",
        &[(name, &value)],
        &body.to_string(),
    );
}

/// A stream under way: its first text has arrived, and it goes on when the gate is opened.
pub(crate) struct Running {
    client: Client,
    head: Response,
    so_far: Vec<u8>,
    gate: Gate,
}

impl Running {
    fn start(simulator: &Simulator, proxy: &Proxy) -> Self {
        let gate = Gate::new();
        simulator.enqueue(gated(&gate));
        Self::behind(gate, proxy)
    }

    /// The simulator has the script for it already.
    pub(crate) fn behind(gate: Gate, proxy: &Proxy) -> Self {
        let mut client = proxy.connect();
        send(&mut client, &request(true));
        let head = client.head();
        let mut so_far = Vec::new();
        while !String::from_utf8_lossy(&so_far).contains("\"one\"") {
            so_far.extend(client.chunk().unwrap());
        }
        Self {
            client,
            head,
            so_far,
            gate,
        }
    }

    /// Opens the gate and reads the rest.
    pub(crate) fn finish(mut self) -> (Client, Response) {
        self.gate.open();
        let mut answer = self.head;
        answer.body = self.so_far;
        loop {
            match self.client.chunk() {
                Some(chunk) if chunk.is_empty() => break,
                Some(chunk) => answer.body.extend(chunk),
                None => {
                    answer.whole = false;
                    break;
                }
            }
        }
        (self.client, answer)
    }
}

#[track_caller]
pub(crate) fn assert_both_words(answer: &Response) {
    let chunks = answer.chunks();
    let words: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(words, "one two");
}

#[test]
fn a_stop_announces_itself_and_finishes_the_stream_that_runs() {
    let simulator = simulator();
    let mut proxy = Proxy::start(&simulator, "[GLOBAL]\ndrain_delay = 3s");
    let running = Running::start(&simulator, &proxy);
    let mut idle = proxy.connect();
    idle.send_request("GET", "/health", &[], "");
    assert_eq!(idle.response("GET").status, 200);
    assert_eq!(proxy.get("/ready").status, 200);
    proxy.signal("TERM");
    eventually("/ready to say no", || {
        let ready = proxy.get("/ready");
        if ready.status == 503 {
            ready.assert_error(503, Some("draining"));
            assert_eq!(ready.header("retry-after"), Some("1"));
        }
        ready.status == 503
    });
    // Whoever has not heard of it yet is served.
    assert_eq!(proxy.chat(&request(false)).status, 200);
    assert_eq!(proxy.get("/health").status, 200);
    assert_eq!(idle.rest(), b"", "an idle connection is closed");
    eventually("the port to close", || {
        TcpStream::connect(proxy.address).is_err()
    });
    let (mut client, answer) = running.finish();
    assert_both_words(&answer);
    assert_eq!(client.rest(), b"", "and so is one whose answer is complete");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    let log = proxy.log().join("\n");
    assert!(
        log.contains(" Stopping: ") && log.contains(" Stopped"),
        "{log}"
    );
}

#[test]
fn requests_that_wait_for_a_worker_are_answered_before_the_end() {
    let simulator = simulator();
    let mut proxy = Proxy::start(
        &simulator,
        "[GLOBAL]\nglobal_max_concurrency = 1\ndrain_delay = 500ms",
    );
    let running = Running::start(&simulator, &proxy);
    let mut waiting = proxy.connect();
    // With the answer to Expect its connection is known to be busy.
    let body = request(false).to_string();
    let [(name, value)] = headers();
    waiting.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{name}: {value}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    let mut invited = [0; 25];
    std::io::Read::read_exact(&mut waiting.stream, &mut invited).unwrap();
    assert_eq!(&invited, b"HTTP/1.1 100 Continue\r\n\r\n");
    waiting.send(&body);
    proxy.signal("INT");
    proxy.wait_for_log("Stopping: ");
    eventually("the port to close", || {
        TcpStream::connect(proxy.address).is_err()
    });
    assert_both_words(&running.finish().1);
    let answer = waiting.response("POST");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
}

#[test]
fn a_second_signal_stops_at_once() {
    let simulator = simulator();
    let mut proxy = Proxy::start(&simulator, "");
    let mut running = Running::start(&simulator, &proxy);
    proxy.signal("TERM");
    proxy.wait_for_log("Stopping: ");
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(1));
    proxy.wait_for_log("Stopped at once");
    assert_eq!(
        running.client.chunk(),
        None,
        "the stream does not look whole"
    );
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}

#[test]
fn a_stop_leaves_no_files_behind() {
    let simulator = simulator();
    let mut proxy = Proxy::start(&simulator, "");
    // The configuration, the key, and the private socket's directory.
    assert_eq!(fs::read_dir(proxy.dir.path()).unwrap().count(), 3);
    assert_eq!(proxy.chat(&request(true)).status, 200);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    let files = fs::read_dir(proxy.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = files.collect();
    left.sort();
    assert_eq!(left, ["config.conf", "key.pem"]);
}

/// Writes a new configuration and has it read; waits for the log to say what became of it.
pub(crate) fn reload(proxy: &Proxy, text: &str, outcome: &str) {
    let path = proxy.dir.path().join("config.conf");
    let count = || {
        proxy
            .log()
            .iter()
            .filter(|line| line.contains(outcome))
            .count()
    };
    let before = count();
    fs::write(path, text).unwrap();
    proxy.signal("HUP");
    eventually(&format!("the log to say {outcome:?}"), || count() > before);
}

fn status_with(proxy: &Proxy, key: &str, path: &str) -> u16 {
    let mut client = proxy.connect();
    client.send_request("GET", path, &[("x-api-key", key)], "");
    client.response("GET").status
}

#[test]
fn a_reload_brings_new_models_and_keys_and_a_bad_file_changes_nothing() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let old = config(&simulator.endpoint(), "");
    let new = old.replace(KEY, "second-key") + "newest = openai.gpt-oss-120b\n";
    assert_eq!(status_with(&proxy, KEY, "/v1/models/newest"), 404);
    reload(&proxy, &new, "Reloaded config.conf");
    assert_eq!(status_with(&proxy, KEY, "/v1/models"), 401);
    assert_eq!(status_with(&proxy, "second-key", "/v1/models/newest"), 200);

    let bad_fingerprint = new.replace("fingerprint = ", "fingerprint = 00:");
    let wrong_key = {
        let fingerprint = account().fingerprint;
        new.replace(
            &fingerprint,
            "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
        )
    };
    for (bad, why) in [
        (
            new.replace("region = us-phoenix-1", "region = nowhere at all"),
            "config.conf:6: region: ",
        ),
        (bad_fingerprint, "config.conf:4: fingerprint: "),
        (wrong_key, "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff"),
        (
            new.replace("[MODELS]", "[MODLES]")
                .replace("second-key", "third-key"),
            "[MODELS]",
        ),
        (String::new(), "config.conf:1: "),
    ] {
        reload(&proxy, &bad, "config.conf was not reloaded");
        proxy.wait_for_log(why);
        assert_eq!(status_with(&proxy, "third-key", "/v1/models"), 401);
        assert_eq!(status_with(&proxy, "second-key", "/v1/models/newest"), 200);
    }
    let log = proxy.log().join("\n");
    assert!(
        !log.contains("second-key") && !log.contains("third-key"),
        "{log}"
    );
    reload(&proxy, &old, "Reloaded config.conf");
    assert_eq!(status_with(&proxy, KEY, "/v1/models/newest"), 404);
    assert_eq!(proxy.chat(&request(true)).status, 200);
}

#[test]
fn a_reload_names_what_needs_a_restart() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let new = config(
        &simulator.endpoint(),
        "[GLOBAL]\nglobal_max_concurrency = 7\nqueue_size = 5\ndrain_delay = 1s",
    );
    reload(&proxy, &new, "Reloaded config.conf");
    for key in ["global_max_concurrency", "queue_size", "drain_delay"] {
        let line = proxy.wait_for_log(&format!("warning: {key} changed"));
        assert!(line.contains("restart"), "{line}");
    }
    assert_eq!(proxy.chat(&request(false)).status, 200);
}

#[test]
fn a_request_that_runs_over_a_reload_finishes_as_it_began() {
    let (simulator, other) = (simulator(), simulator());
    let proxy = Proxy::start(&simulator, "");
    let running = Running::start(&simulator, &proxy);
    let new = config(&other.endpoint(), "").replace(KEY, "second-key");
    reload(&proxy, &new, "Reloaded config.conf");
    let mut client = proxy.connect();
    let body = request(false).to_string();
    client.send_request(
        "POST",
        "/v1/chat/completions",
        &[("x-api-key", "second-key")],
        &body,
    );
    assert_eq!(client.response("POST").status, 200);
    assert_eq!((chats(&simulator).len(), chats(&other).len()), (1, 1));
    let (mut client, answer) = running.finish();
    assert_both_words(&answer);
    // The connection lives on, and its next request needs the new key.
    send(&mut client, &request(false));
    client
        .response("POST")
        .assert_error(401, Some("invalid_api_key"));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
}
