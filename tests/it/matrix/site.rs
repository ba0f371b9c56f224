//! The program in front of a simulator, with one account or three, of which one is faulty: the one that a request asks first.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ociai_proxy::simulator::{Account, Gate, Options, Recorded, Script, Simulator};
use serde_json::{Value, json};

use crate::harness::{Client, DEADLINE, KEY, Proxy, Response, eventually, furnished, program};
use crate::matrix::faults::{Words, closing};

const PEM: &str = include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
/// Clients' names of the models, and their ids at OCI: one of each format, and of those that do not chat.
const MODELS: [(&str, &str); 5] = [
    ("grok", "xai.grok-4.3"),
    ("command", "cohere.command-a-03-2025"),
    ("reasoning", "cohere.command-a-reasoning-08-2025"),
    ("embed", "cohere.embed-v4.0"),
    ("rerank", "cohere.rerank-v3.5"),
];
pub(crate) const IDS: [&str; 3] = ["a1", "a2", "a3"];

/// A connection that ends is gone after this, or another one is open.
const CLOSING: Duration = Duration::from_millis(200);

/// How many accounts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fleet {
    One,
    Three,
}

impl Fleet {
    pub(crate) fn ids(self) -> &'static [&'static str] {
        match self {
            Self::One => &["a1"],
            Self::Three => &IDS,
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    Chat,
    /// A chat through OCI's OpenAI-compatible API.
    Copied,
    Embeddings,
    Rerank,
}

impl Api {
    /// Of OCI's answer.
    pub(crate) fn words(self) -> Words {
        match self {
            Self::Copied => Words::OpenAi,
            Self::Chat | Self::Embeddings | Self::Rerank => Words::Native,
        }
    }
}

/// What the faulty account does, and who was asked since it does.
#[derive(Default)]
struct Armed {
    script: Option<Script>,
    asked: Vec<String>,
}

pub(crate) struct Site {
    pub(crate) simulator: Simulator,
    pub(crate) proxy: Proxy,
    armed: Arc<Mutex<Armed>>,
}

/// What an account has counted, and how it is.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
    pub(crate) in_flight: u64,
}

impl Site {
    /// `global` are further lines of `[GLOBAL]`.
    pub(crate) fn start(fleet: Fleet, global: &str) -> Self {
        Self::with_endpoint(fleet, global, None, None)
    }

    /// `faulty`: where the first account is, if not at the simulator. `trusted`: a file of certificates instead of the system's.
    pub(crate) fn with_endpoint(
        fleet: Fleet,
        global: &str,
        faulty: Option<&str>,
        trusted: Option<&Path>,
    ) -> Self {
        let accounts: Vec<_> = IDS
            .iter()
            .map(|id| Account::from_pem(id, PEM).unwrap())
            .collect();
        let options = Options {
            accounts: accounts.clone(),
            models: MODELS.iter().map(|(_, id)| (*id).to_owned()).collect(),
            pace: Duration::ZERO,
            ..Options::default()
        };
        let simulator = Simulator::start(options).unwrap();
        let armed = Arc::default();
        simulator.set_chooser(Some(chooser(&armed)));
        let mut config = format!(
            "api_key = {KEY}\n[GLOBAL]\nglobal_max_concurrency = 8\nhealth_check_interval = 0\n{global}\n[MODELS]\n"
        );
        for (name, id) in MODELS {
            config += &format!("{name} = {id}\n");
        }
        config += "passed = xai.grok-4.3 | openai\n";
        for (number, id) in fleet.ids().iter().enumerate() {
            let account = accounts.iter().find(|account| account.id == *id).unwrap();
            let own = simulator.endpoint();
            let endpoint = faulty.filter(|_| number == 0).unwrap_or(&own);
            config += &format!(
                "[ACCOUNT_{number}]\nid = {id}\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\n\
                 region = us-phoenix-1\nendpoint = {endpoint}\n",
                account.user, account.tenancy, account.fingerprint
            );
        }
        let dir = furnished(&config);
        let mut command = program(dir.path());
        command.args(["-port", "0", "-host", "127.0.0.1"]);
        command.args(["-multi-account", "-config", "config.conf"]);
        if let Some(file) = trusted {
            command.env("SSL_CERT_FILE", file);
        }
        let proxy = Proxy::spawn(dir, command);
        Self {
            simulator,
            proxy,
            armed,
        }
    }

    /// The account that the next request asks first does this from now on, and the others answer well.
    pub(crate) fn arm(&self, script: Option<Script>) {
        *lock(&self.armed) = Armed {
            script,
            asked: Vec::new(),
        };
    }

    /// No connection to OCI is left open.
    pub(crate) fn close_pool(&self) {
        self.arm(Some(closing()));
        eventually("the pool to be empty", || {
            let (answer, _) = self.chat("grok", false);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let gone = |simulator: &Simulator| simulator.open_connections() == 0;
            self.simulator.wait_for(gone, CLOSING)
        });
    }

    /// The accounts that were asked since then, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.armed).asked.clone()
    }

    /// Everything that speaks against an account is forgotten.
    pub(crate) fn forgive(&self) {
        let answer = self
            .proxy
            .request("POST", "/admin/circuit-breaker/reset", "");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Of all accounts, in the order of the file, once none has an attempt under way: the slot of an answer is given back a
    /// moment after its end.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let mut standings = Vec::new();
        eventually("all slots to be free", || {
            standings = self.standings_now();
            standings.iter().all(|account| account.in_flight == 0)
        });
        standings
    }

    fn standings_now(&self) -> Vec<Standing> {
        let stats = self.proxy.get("/stats/accounts").json();
        let accounts = stats["accounts"].as_array().unwrap();
        let standing = |account: &Value| {
            let text = |name: &str| account[name].as_str().unwrap().to_owned();
            let number = |name: &str| account[name].as_u64().unwrap();
            Standing {
                id: text("id"),
                state: text("state"),
                successes: number("successes"),
                failures: number("failures"),
                in_flight: number("in_flight"),
            }
        };
        accounts.iter().map(standing).collect()
    }

    /// The same of any kind; chats are Grok's.
    pub(crate) fn ask(&self, api: Api, stream: bool) -> (Response, Client) {
        let (path, body) = match api {
            Api::Chat | Api::Copied => return self.chat(api.words().model(), stream),
            Api::Embeddings => (
                "/v1/embeddings",
                json!({"model": "embed", "input": ["Hello", "World"], "dimensions": 256}),
            ),
            Api::Rerank => (
                "/v1/rerank",
                json!({"model": "rerank", "query": "Hello", "documents": ["Hello", "World"]}),
            ),
        };
        let mut client = self.proxy.connect();
        let bearer = format!("Bearer {KEY}");
        let headers = [("Authorization", bearer.as_str())];
        client.send_request("POST", path, &headers, &body.to_string());
        let answer = client.response("POST");
        (answer, client)
    }

    /// Sends a chat on a connection of its own and reads all of the answer.
    pub(crate) fn chat(&self, model: &str, stream: bool) -> (Response, Client) {
        let mut client = self.proxy.connect();
        ask(&mut client, model, stream);
        let answer = client.response("POST");
        (answer, client)
    }

    /// As `chat` for a stream; the gate is opened as soon as this text of it has arrived.
    pub(crate) fn chat_until(&self, model: &str, text: &str, gate: &Gate) -> (Response, Client) {
        let mut client = self.proxy.connect();
        ask(&mut client, model, true);
        let answer = until(&mut client, text, gate);
        (answer, client)
    }

    /// No call is under way upstream any more: nothing hangs on.
    #[track_caller]
    pub(crate) fn assert_quiet(&self, what: &str) {
        let quiet = self
            .simulator
            .wait_for(|simulator| simulator.active_calls() == 0, DEADLINE);
        assert!(quiet, "{what}: a call goes on upstream");
    }
}

/// Reads all of a stream; the gate is opened as soon as this text of it has arrived.
pub(crate) fn until(client: &mut Client, text: &str, gate: &Gate) -> Response {
    let mut answer = client.head();
    while !String::from_utf8_lossy(&answer.body).contains(text) {
        answer.body.extend(client.chunk().unwrap());
    }
    gate.open();
    loop {
        match client.chunk() {
            Some(chunk) if chunk.is_empty() => return answer,
            Some(chunk) => answer.body.extend(chunk),
            None => {
                answer.whole = false;
                return answer;
            }
        }
    }
}

/// Sends a chat and leaves its answer unread.
pub(crate) fn ask(client: &mut Client, model: &str, stream: bool) {
    let body = body(model, stream).to_string();
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    client.send_request("POST", "/v1/chat/completions", &headers, &body);
}

fn body(model: &str, stream: bool) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream});
    if stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

fn chooser(armed: &Arc<Mutex<Armed>>) -> ociai_proxy::simulator::Chooser {
    let armed = Arc::clone(armed);
    Arc::new(move |request: &Recorded| {
        let account = request.account.clone()?;
        let calls = ["/actions/", "/chat/completions"];
        if !calls.iter().any(|call| request.target.contains(call)) {
            return None;
        }
        let mut armed = lock(&armed);
        armed.asked.push(account);
        let is_faulty = armed.asked.first() == armed.asked.last();
        armed.script.clone().filter(|_| is_faulty)
    })
}

/// A test that failed while it held the lock has said so already.
fn lock(armed: &Mutex<Armed>) -> std::sync::MutexGuard<'_, Armed> {
    armed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an answer says, streamed or whole.
pub(crate) fn said(answer: &Response) -> String {
    let text = |choice: &Value| choice["content"].as_str().unwrap_or_default().to_owned();
    if answer.header("content-type") == Some("application/json") {
        let body = answer.json();
        // Of what is no chat, the result itself.
        for name in ["data", "results"] {
            if let Some(result) = body.get(name) {
                return result.to_string();
            }
        }
        return text(&body["choices"][0]["message"]);
    }
    let events = answer.events();
    let chunks = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok());
    chunks
        .map(|chunk| text(&chunk["choices"][0]["delta"]))
        .collect()
}
