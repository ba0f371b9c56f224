//! Fleets for tests: simulators, a configuration of several accounts, clients, and answers for choosers.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ociai_proxy::simulator::{
    Account, Chooser, Framing, Gate, Options, Recorded, Script, Simulator, Step,
};
use serde_json::{Value, json};

use crate::harness::{
    Client, KEY, MODELS, PEM, Proxy, Response, TempDir, eventually, program, write_private,
};

/// The file of the configuration, as the log names it.
pub(super) const FILE: &str = "multi_config.conf";
/// Nothing listens there.
pub(super) const NOWHERE: &str = "http://127.0.0.1:9";

/// Those that do not chat. In the configuration behind [`MODELS`], of whoever asks for them.
pub(super) const MORE_MODELS: [(&str, &str); 4] = [
    ("embed", "cohere.embed-v4.0"),
    ("embed-v3", "cohere.embed-multilingual-v3.0"),
    ("rerank", "cohere.rerank-v3.5"),
    (
        "dedicated",
        "ocid1.generativeaiendpoint.oc1.us-phoenix-1.amaaaaaatest",
    ),
];

/// A simulator for accounts of these ids, without any pause in its streams.
pub(super) fn simulator_of(ids: &[&str]) -> Simulator {
    simulator_with(ids, &MODELS)
}

/// The same, with [`MORE_MODELS`] too.
pub(super) fn simulator_of_more(ids: &[&str]) -> Simulator {
    simulator_with(ids, &[&MODELS[..], &MORE_MODELS].concat())
}

fn simulator_with(ids: &[&str], models: &[(&str, &str)]) -> Simulator {
    let account = |id: &&str| Account::from_pem(id, PEM).unwrap();
    let options = Options {
        accounts: ids.iter().map(account).collect(),
        models: models.iter().map(|(_, id)| (*id).to_owned()).collect(),
        pace: Duration::ZERO,
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// What is written into `multi_config.conf`, bit by bit. Unless a test says otherwise there are no health checks.
#[derive(Clone)]
pub(super) struct Config {
    global: String,
    breaker: String,
    /// Lines of `[MODELS]`; empty: those of all tests.
    models: String,
    accounts: Vec<Seat>,
}

#[derive(Clone)]
struct Seat {
    id: String,
    endpoint: String,
    lines: String,
}

impl Config {
    /// Accounts of these ids, all at `simulator`.
    pub(super) fn of(simulator: &Simulator, ids: &[&str]) -> Self {
        let config = Self {
            global: String::new(),
            breaker: String::new(),
            models: String::new(),
            accounts: Vec::new(),
        };
        let add = |config: Self, id: &&str| config.with(id, &simulator.endpoint(), "");
        ids.iter().fold(config, add)
    }

    /// Further lines of `[GLOBAL]`.
    pub(super) fn global(mut self, lines: &str) -> Self {
        self.global += &format!("{lines}\n");
        self
    }

    /// With [`MORE_MODELS`].
    pub(super) fn more_models(self) -> Self {
        let all = MODELS.iter().chain(&MORE_MODELS);
        let lines: Vec<_> = all.map(|(name, id)| format!("{name} = {id}")).collect();
        self.models(&lines.join("\n"))
    }

    /// Lines of `[CIRCUIT_BREAKER]`.
    pub(super) fn breaker(mut self, lines: &str) -> Self {
        self.breaker += &format!("{lines}\n");
        self
    }

    /// These lines of `[MODELS]` instead.
    pub(super) fn models(mut self, lines: &str) -> Self {
        self.models += &format!("{lines}\n");
        self
    }

    /// One more account, in a section `[ACCOUNT_n]`.
    pub(super) fn with(mut self, id: &str, endpoint: &str, lines: &str) -> Self {
        self.accounts.push(Seat {
            id: id.to_owned(),
            endpoint: endpoint.to_owned(),
            lines: lines.to_owned(),
        });
        self
    }

    /// Further lines of one account.
    pub(super) fn account(mut self, id: &str, lines: &str) -> Self {
        let seat = self.accounts.iter_mut().find(|seat| seat.id == id).unwrap();
        seat.lines += &format!("{lines}\n");
        self
    }

    /// Without this account.
    pub(super) fn without(mut self, id: &str) -> Self {
        self.accounts.retain(|seat| seat.id != id);
        self
    }

    pub(super) fn text(&self) -> String {
        let checks = if self.global.contains("health_check_interval") {
            ""
        } else {
            "health_check_interval = 0\n"
        };
        let mut text = format!("api_key = {KEY}\n\n[GLOBAL]\n{checks}{}\n", self.global);
        text += "[MODELS]\n";
        text += &self.models;
        for (name, id) in MODELS.iter().filter(|_| self.models.is_empty()) {
            text += &format!("{name} = {id}\n");
        }
        text += &format!("\n[CIRCUIT_BREAKER]\n{}\n", self.breaker);
        for (number, seat) in (1..).zip(&self.accounts) {
            let account = Account::from_pem(&seat.id, PEM).unwrap();
            let key_file = if seat.lines.contains("key_file") {
                ""
            } else {
                "key_file = ./key.pem\n"
            };
            text += &format!(
                "[ACCOUNT_{number}]\nid = {}\nuser = {}\ntenancy = {}\nfingerprint = {}\n{key_file}\
                 region = us-phoenix-1\nendpoint = {}\n{}\n",
                account.id,
                account.user,
                account.tenancy,
                account.fingerprint,
                seat.endpoint,
                seat.lines
            );
        }
        text
    }

    /// A directory with this and the key.
    pub(super) fn dir(&self) -> TempDir {
        let dir = TempDir::new();
        write_private(&dir.path().join(FILE), self.text());
        write_private(&dir.path().join("key.pem"), PEM);
        dir
    }

    /// The program with this configuration, listening.
    pub(super) fn start(&self) -> Proxy {
        let dir = self.dir();
        let mut command = program(dir.path());
        command.args(["-multi-account", "-config", FILE]);
        command.args(["-port", "0", "-host", "127.0.0.1"]);
        Proxy::spawn(dir, command)
    }
}

/// Three accounts at one simulator, and the program in front of it.
pub(super) fn three(global: &str, breaker: &str) -> (Simulator, Proxy) {
    fleet(&["a1", "a2", "a3"], global, breaker)
}

/// Accounts of these ids at one simulator, and the program in front of it.
pub(super) fn fleet(ids: &[&str], global: &str, breaker: &str) -> (Simulator, Proxy) {
    let simulator = simulator_of(ids);
    let config = Config::of(&simulator, ids);
    let proxy = config.global(global).breaker(breaker).start();
    (simulator, proxy)
}

/// A chat request.
pub(super) fn ask(model: &str, stream: bool, text: &str) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]})
}

/// A short chat with the first model, which is served; by whom.
#[track_caller]
pub(super) fn hello(proxy: &Proxy) -> String {
    served_by(&proxy.chat(&ask("grok", false, "Hello")))
}

/// The account that gave this answer, which must be a good one.
#[track_caller]
pub(super) fn served_by(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.whole, "{}", answer.text());
    answer.header("x-ociai-account").unwrap().to_owned()
}

/// A good answer of either kind: as it must be to its last byte.
#[track_caller]
pub(super) fn assert_good(answer: &Response) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    if is_stream(answer) {
        assert!(!answer.chunks().is_empty());
    } else {
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "stop");
    }
}

fn is_stream(answer: &Response) -> bool {
    let kind = answer.header("content-type").unwrap();
    kind.starts_with("text/event-stream")
}

/// A client that keeps its connection as long as it may.
pub(super) struct Talker<'a> {
    proxy: &'a Proxy,
    client: Option<Client>,
}

impl<'a> Talker<'a> {
    pub(super) fn new(proxy: &'a Proxy) -> Self {
        Self {
            proxy,
            client: None,
        }
    }

    pub(super) fn chat(&mut self, body: &Value) -> Response {
        let proxy = self.proxy;
        let client = self.client.get_or_insert_with(|| proxy.connect());
        send_chat(client, body);
        let answer = client.response("POST");
        if answer.header("connection") == Some("close") || !answer.whole {
            self.client = None;
        }
        answer
    }
}

/// Sends a chat and does not wait for its answer.
pub(super) fn send_chat(client: &mut Client, body: &Value) {
    let key = format!("Bearer {KEY}");
    let headers = [("Authorization", key.as_str())];
    client.send_request("POST", "/v1/chat/completions", &headers, &body.to_string());
}

/// So many clients at once, each on a thread and a connection of its own; `each` gets its number.
pub(super) fn crowd(proxy: &Proxy, clients: usize, each: impl Fn(usize, &mut Talker<'_>) + Sync) {
    thread::scope(|scope| {
        for number in 0..clients {
            let each = &each;
            scope.spawn(move || each(number, &mut Talker::new(proxy)));
        }
    });
}

/// Chats that have reached the simulator: whose, in the order of arrival.
pub(super) fn chats(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests().into_iter();
    let chats = requests.filter(is_chat);
    chats.map(|request| request.account.unwrap()).collect()
}

/// How many of them were this account's.
pub(super) fn chats_of(simulator: &Simulator, id: &str) -> usize {
    chats(simulator)
        .iter()
        .filter(|account| *account == id)
        .count()
}

pub(super) fn is_chat(request: &Recorded) -> bool {
    request.method == "POST"
}

pub(super) fn is_of(request: &Recorded, id: &str) -> bool {
    request.account.as_deref() == Some(id)
}

/// What a chat asked for.
pub(super) fn body_of(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

/// Whether it asked for a stream.
pub(super) fn wants_stream(request: &Recorded) -> bool {
    body_of(request)["chatRequest"]["isStream"] == true
}

/// Lets a chooser answer all requests of one account for which it has something.
pub(super) fn choose_for(
    simulator: &Simulator,
    id: &'static str,
    choose: impl Fn(&Recorded) -> Option<Script> + Send + Sync + 'static,
) {
    let chooser = move |request: &Recorded| is_of(request, id).then(|| choose(request)).flatten();
    simulator.set_chooser(Some(std::sync::Arc::new(chooser) as Chooser));
}

/// One of OCI's errors.
pub(super) fn error(status: u16) -> Script {
    let code = match status {
        404 => "NotAuthorizedOrNotFound",
        _ => "Simulated",
    };
    let body = json!({"code": code, "message": "simulated"});
    Script::status(status, body.to_string())
}

/// 429 with `Retry-After`.
pub(super) fn throttled(seconds: u32) -> Script {
    Script::Status {
        status: 429,
        headers: vec![("retry-after".to_owned(), seconds.to_string())],
        body: br#"{"code":"TooManyRequests","message":"slow down"}"#.to_vec(),
    }
}

pub(super) fn head(content_type: &str, framing: Framing) -> Step {
    Step::Head {
        status: 200,
        content_type: content_type.to_owned(),
        framing,
    }
}

pub(super) fn sse_head() -> Step {
    head("text/event-stream", Framing::Chunked)
}

/// An event of a stream with this text.
pub(super) fn event(text: &str) -> Step {
    let message = json!({"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]});
    let event = json!({"index": 0, "message": message});
    Step::Bytes(format!("data: {event}\n\n").into_bytes())
}

/// The answer that a request asks for, with this text, once the gate is open.
pub(super) fn answer_after(gate: &Gate, request: &Recorded, text: &str) -> Script {
    let mut steps = vec![Step::WaitFor(gate.clone())];
    steps.extend(answer_steps(request, text));
    Script::Steps(steps)
}

/// The answer that a request asks for, with this text.
pub(super) fn answer(request: &Recorded, text: &str) -> Script {
    Script::Steps(answer_steps(request, text))
}

fn answer_steps(request: &Recorded, text: &str) -> Vec<Step> {
    if wants_stream(request) {
        let finish = Step::Bytes(b"data: {\"finishReason\":\"stop\"}\n\n".to_vec());
        return vec![sse_head(), event(text), finish, Step::CloseCleanly];
    }
    let message = json!({"role": "ASSISTANT", "content": [{"type": "TEXT", "text": text}]});
    let choice = json!({"index": 0, "message": message, "finishReason": "stop"});
    let response = json!({"apiFormat": "GENERIC", "choices": [choice]});
    let body = json!({"modelId": "xai.grok-4.3", "chatResponse": response}).to_string();
    vec![
        head("application/json", Framing::Length(body.len())),
        Step::Bytes(body.into_bytes()),
        Step::CloseCleanly,
    ]
}

/// What is listed, once the gate is open.
pub(super) fn list_after(gate: &Gate) -> Script {
    let body = br#"{"items":[]}"#;
    Script::Steps(vec![
        Step::WaitFor(gate.clone()),
        head("application/json", Framing::Length(body.len())),
        Step::Bytes(body.to_vec()),
        Step::CloseCleanly,
    ])
}

/// The text of an answer of either kind.
pub(super) fn text_of(answer: &Response) -> String {
    if is_stream(answer) {
        let chunks = answer.chunks();
        let texts = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        return texts.collect();
    }
    let content = &answer.json()["choices"][0]["message"]["content"];
    content.as_str().unwrap().to_owned()
}

/// One account of `/stats/accounts`.
pub(super) fn account(proxy: &Proxy, id: &str) -> Value {
    of_account(&stats(proxy, "accounts"), id)
}

/// One account of `/stats/circuit-breaker`.
pub(super) fn breaker(proxy: &Proxy, id: &str) -> Value {
    of_account(&stats(proxy, "circuit-breaker"), id)
}

pub(super) fn stats(proxy: &Proxy, what: &str) -> Value {
    let answer = proxy.get(&format!("/stats/{what}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn of_account(stats: &Value, id: &str) -> Value {
    let accounts = stats["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|account| account["id"] == id);
    found
        .unwrap_or_else(|| panic!("no {id} in {stats}"))
        .clone()
}

/// Waits until the program has this many requests that wait.
pub(super) fn wait_for_queue(proxy: &Proxy, length: usize) {
    eventually(&format!("{length} requests to wait"), || {
        stats(proxy, "queue")["length"] == length
    });
}

/// Waits until this account is in this state.
pub(super) fn wait_for_state(proxy: &Proxy, id: &str, state: &str) {
    eventually(&format!("{id} to be {state}"), || {
        account(proxy, id)["state"] == state
    });
}

/// How often the log says this.
pub(super) fn lines_with(proxy: &Proxy, text: &str) -> usize {
    proxy
        .log()
        .iter()
        .filter(|line| line.contains(text))
        .count()
}

/// Milliseconds since 1970 of a time as the statistics tell it.
pub(super) fn millis(time: &Value) -> i64 {
    let text = time.as_str().unwrap();
    let numbers: Vec<i64> = text
        .strip_suffix('Z')
        .unwrap()
        .split(['-', 'T', ':', '.'])
        .map(|number| number.parse().unwrap())
        .collect();
    let [year, month, day, hour, minute, second, milli] = numbers[..] else {
        panic!("{text}");
    };
    // Days of the civil calendar, by years that begin in March.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = 365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468;
    (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milli
}

/// Milliseconds since 1970.
pub(super) fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}
