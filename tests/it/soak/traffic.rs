//! Who asks, and what OCI makes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{
    Account, Chooser, Framing, Options, Recorded, Script, Simulator, Step,
};
use serde_json::{Value, json};

use crate::harness::{Client, DEADLINE, KEY, MODELS, Proxy, eventually, furnished};

const PEM: &str = include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const CHAT: &str = "/v1/chat/completions";
/// Between two requests of a client.
const THINK: Duration = Duration::from_millis(2);
/// Between two events.
const PACE: Duration = Duration::from_millis(1);
/// A client opens a new connection after as many requests.
const REQUESTS_A_CONNECTION: u64 = 50;
/// `a2` is throttled, and `a3` fails, for the first so many seconds of each period.
const TROUBLE_SECONDS: u64 = 3;
const THROTTLED_PERIOD: u64 = 10;
const FAILING_PERIOD: u64 = 17;
/// Of the streams of `a3`, one in as many breaks off, at any time.
const CUT_STREAMS: u64 = 20;

pub(super) struct World {
    pub(super) proxy: Proxy,
    simulator: Simulator,
    /// Streams that OCI has begun and cut.
    cut: Arc<AtomicU64>,
}

/// What the clients have seen.
#[derive(Default)]
pub(super) struct Tally {
    whole: AtomicU64,
    streams: AtomicU64,
    tools: AtomicU64,
    left: AtomicU64,
    refused: AtomicU64,
    looked: AtomicU64,
    broken_off: AtomicU64,
}

impl World {
    pub(super) fn start() -> Self {
        let accounts: Vec<_> = ["a1", "a2", "a3"]
            .map(|id| Account::from_pem(id, PEM).unwrap())
            .into();
        let simulator = Simulator::start(Options {
            accounts: accounts.clone(),
            models: MODELS.iter().map(|(_, id)| (*id).to_owned()).collect(),
            pace: PACE,
            ..Options::default()
        })
        .unwrap();
        let cut = Arc::default();
        simulator.set_chooser(Some(troubles(&cut)));
        let models: String = MODELS
            .iter()
            .map(|(name, id)| format!("{name} = {id}\n"))
            .collect();
        let mut config = format!(
            "api_key = {KEY}\n[GLOBAL]\nglobal_max_concurrency = 32\nhealth_check_interval = 2s\n[CIRCUIT_BREAKER]\nreset_timeout = 1s\n[MODELS]\n{models}"
        );
        for account in &accounts {
            config += &format!(
                "[ACCOUNT_{}]\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\nregion = us-phoenix-1\nendpoint = {}\n",
                account.id,
                account.user,
                account.tenancy,
                account.fingerprint,
                simulator.endpoint()
            );
        }
        let more = ["-multi-account", "-config", "config.conf"];
        Self {
            proxy: Proxy::in_dir(furnished(&config), &more),
            simulator,
            cut,
        }
    }

    /// After all clients have gone: no call, no slot and no place in the queue is held, and nothing broke off that OCI had not cut.
    pub(super) fn assert_sound(&self, tally: &Tally) {
        assert!(
            self.simulator
                .wait_for(|oci| oci.active_calls() == 0, DEADLINE)
        );
        let (broken_off, cut) = (get(&tally.broken_off), self.cut.load(Ordering::Relaxed));
        assert!(
            broken_off <= cut,
            "{broken_off} broken off, {cut} cut by OCI"
        );
        // The slot of a client that left is given back a moment after the call.
        eventually("all slots to be free", || {
            self.proxy.get("/stats/concurrency").json()["global"]["in_flight"] == 0
        });
        let queue = self.proxy.get("/stats/queue").json();
        for none in ["length", "rejected", "expired"] {
            assert_eq!(queue[none], 0, "{queue}");
        }
        println!("{}", self.proxy.get("/stats/accounts").text());
    }
}

/// `a1` is always well, so that every good request can be answered.
fn troubles(cut: &Arc<AtomicU64>) -> Chooser {
    let (began, cut, streams) = (Instant::now(), Arc::clone(cut), AtomicU64::new(0));
    Arc::new(move |request: &Recorded| {
        let second = began.elapsed().as_secs();
        let is_chat = request.target.ends_with("/actions/chat");
        match request.account.as_deref() {
            Some("a2") if is_chat && second % THROTTLED_PERIOD < TROUBLE_SECONDS => {
                Some(Script::Status {
                    status: 429,
                    headers: vec![("retry-after".to_owned(), "1".to_owned())],
                    body: br#"{"code":"TooManyRequests","message":"slow down"}"#.to_vec(),
                })
            }
            Some("a3") if second % FAILING_PERIOD < TROUBLE_SECONDS => Some(match second % 3 {
                0 => Script::status(500, r#"{"code":"InternalServerError","message":"no"}"#),
                1 => Script::CloseBeforeHead,
                _ => Script::GarbageHead,
            }),
            Some("a3") if is_chat && asks_for_stream(request) => {
                let number = streams.fetch_add(1, Ordering::Relaxed);
                number.is_multiple_of(CUT_STREAMS).then(|| {
                    cut.fetch_add(1, Ordering::Relaxed);
                    broken_stream()
                })
            }
            Some(_) | None => None,
        }
    })
}

fn asks_for_stream(request: &Recorded) -> bool {
    String::from_utf8_lossy(&request.body).contains("\"isStream\":true")
}

fn broken_stream() -> Script {
    let event = br#"data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"Hel"}]}}

"#;
    let head = Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    };
    Script::Steps(vec![head, Step::Bytes(event.to_vec()), Step::Cut])
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// One client, until it is over. Its choices depend on its number alone.
pub(super) fn run(world: &World, number: u64, over: &AtomicBool, tally: &Tally) {
    let mut client = world.proxy.connect();
    for turn in 0.. {
        if over.load(Ordering::Acquire) {
            return;
        }
        // Knuth's multiplier mixes well enough.
        let dice = (turn * 8 + number).wrapping_mul(6_364_136_223_846_793_005) >> 33;
        let (model, _) = MODELS[usize::try_from(dice % 5).unwrap()];
        let lives = match dice / 5 % 16 {
            0..5 => whole(&mut client, model, tally),
            5..10 => stream(&mut client, model, tally),
            10..12 => tools(&mut client, model, dice.is_multiple_of(2), tally),
            12 => leave(&mut client, model, dice, tally),
            13..15 => mistake(&mut client, dice / 80, tally),
            _ => look(&mut client, tally),
        };
        if !lives || turn.is_multiple_of(REQUESTS_A_CONNECTION) {
            client = world.proxy.connect();
        }
        thread::sleep(THINK);
    }
}

fn send(client: &mut Client, method: &str, path: &str, key: &str, body: &str) {
    let bearer = format!("Bearer {key}");
    client.send_request(method, path, &[("Authorization", &bearer)], body);
}

fn body(model: &str, stream: bool) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream})
}

fn whole(client: &mut Client, model: &str, tally: &Tally) -> bool {
    send(client, "POST", CHAT, KEY, &body(model, false).to_string());
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{:?} {}", answer.headers, answer.text());
    let json = answer.json();
    assert_eq!(json["choices"][0]["finish_reason"], "stop", "{json}");
    count(&tally.whole);
    true
}

fn stream(client: &mut Client, model: &str, tally: &Tally) -> bool {
    let mut body = body(model, true);
    body["stream_options"] = json!({"include_usage": true});
    send(client, "POST", CHAT, KEY, &body.to_string());
    read_stream(client, &tally.streams, tally)
}

/// `false`: it broke off, and its connection with it.
fn read_stream(client: &mut Client, kind: &AtomicU64, tally: &Tally) -> bool {
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{:?} {}", answer.headers, answer.text());
    if answer
        .events()
        .last()
        .is_some_and(|event| event == "[DONE]")
    {
        assert!(!answer.chunks().is_empty());
        count(kind);
        return true;
    }
    let last = answer.events().pop().unwrap();
    assert!(last.contains("\"upstream_error\""), "{}", answer.text());
    count(&tally.broken_off);
    false
}

fn tools(client: &mut Client, model: &str, streams: bool, tally: &Tally) -> bool {
    let mut body = body(model, streams);
    body["messages"][0]["content"] = json!("Paris and Rome");
    body["tools"] = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]);
    send(client, "POST", CHAT, KEY, &body.to_string());
    if streams {
        return read_stream(client, &tally.tools, tally);
    }
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{:?} {}", answer.headers, answer.text());
    let json = answer.json();
    assert_eq!(json["choices"][0]["finish_reason"], "tool_calls", "{json}");
    count(&tally.tools);
    true
}

/// Leaves before the answer, or within it.
fn leave(client: &mut Client, model: &str, dice: u64, tally: &Tally) -> bool {
    send(client, "POST", CHAT, KEY, &body(model, true).to_string());
    if dice.is_multiple_of(2) {
        assert_eq!(client.head().status, 200);
        client.chunk();
    }
    count(&tally.left);
    false
}

fn mistake(client: &mut Client, dice: u64, tally: &Tally) -> bool {
    let unknown = body("nobody", false).to_string();
    let good = body("grok", false).to_string();
    let deep = format!("{{\"model\":\"grok\",\"messages\":{}", "[".repeat(10_000));
    let (method, path, key, body, status) = [
        ("POST", CHAT, KEY, "{\"model\":", 400),
        ("POST", CHAT, KEY, deep.as_str(), 400),
        (
            "POST",
            CHAT,
            KEY,
            "{\"model\":\"grok\",\"messages\":7}",
            400,
        ),
        ("POST", CHAT, KEY, unknown.as_str(), 404),
        ("POST", CHAT, "wrong", good.as_str(), 401),
        ("GET", "/v1/nothing", KEY, "", 404),
        ("DELETE", CHAT, KEY, "", 405),
    ][usize::try_from(dice % 7).unwrap()];
    send(client, method, path, key, body);
    let answer = client.response(method);
    assert_eq!(answer.status, status, "{method} {path} {}", answer.text());
    count(&tally.refused);
    answer.header("connection") != Some("close")
}

fn look(client: &mut Client, tally: &Tally) -> bool {
    for path in [
        "/health",
        "/ready",
        "/stats/accounts",
        "/stats/queue",
        "/v1/models",
    ] {
        send(client, "GET", path, KEY, "");
        assert_eq!(client.response("GET").status, 200, "{path}");
        count(&tally.looked);
    }
    true
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} whole answers, {} streams, {} with tools, {} clients left, {} mistakes refused, {} looks, {} streams cut by OCI",
            get(&self.whole),
            get(&self.streams),
            get(&self.tools),
            get(&self.left),
            get(&self.refused),
            get(&self.looked),
            get(&self.broken_off)
        )
    }
}
