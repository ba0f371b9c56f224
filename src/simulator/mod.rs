//! A fake OCI Generative AI service on loopback: the demo and the black-box tests use the same one.
//!
//! It is a second opinion on the proxy, so it shares no code with it: its own HTTP on std sockets, its own check of
//! request signatures with the public keys of made accounts, its own strict schemas. Follows the OCI API 20231130:
//! `POST /20231130/actions/chat` in the formats GENERIC, COHERE and COHEREV2, streamed or not, `…/embedText` and `…/rerankText`,
//! `GET /20231130/models` and `GET /20231130/guardrailVersions`, and OCI's OpenAI-compatible API, all on one port; anything else is
//! 404. With `Options::instance` that port is also the metadata service of an instance (`/opc/v2`) and the federation service
//! (`POST /v1/x509`), whose tokens sign like keys.
//!
//! # What it answers
//! Every request must be signed within five minutes of the simulator's clock (else 401), well-formed (else 400) and for a model that it serves (else 404). Then a
//! `Script` is played, if somebody left one: of a chat call the next of the queue, else the one that the `Chooser` picks,
//! else the account's, else the default; of the list of models the chooser's, else that of `set_control`; of the
//! guardrails' versions only the chooser's. Otherwise the pretended model answers, the same to the same request:
//! - a text that depends on the question (greetings, code, Chinese, everything else), cut at `maxTokens`, a token being
//!   a word or a Chinese character; `numGenerations` times; with `logProbs` if asked;
//! - JSON for `responseFormat` JSON_OBJECT and JSON_SCHEMA, with the schema's properties filled in;
//! - a call of the first tool, or of the one that `toolChoice` names, when the user spoke last and `toolChoice` is not
//!   NONE, its arguments made from the tool's schema: one call for every city that the user names, two if the user says
//!   "twice", one if `isParallelToolCalls` is false. After a tool's result it answers with a text about all results
//!   since the user spoke;
//! - `reasoningContent` from `xai.grok-3-mini*` always, from `xai.grok-4.3` and `openai.gpt-oss*` when `reasoningEffort`
//!   is given and not NONE; `openai.gpt-5*` and `google.gemini-2.5*` then think unseen, which only the usage tells;
//!   thoughts from `cohere.command-a-reasoning*` unless `thinking` is DISABLED, from a dedicated endpoint if it is
//!   ENABLED.
//!
//! Streams are framed as the vendors' are: `[DONE]` from `meta.*` only, usage in an event of its own and only if asked,
//! tool calls whole or in pieces. COHERE restates text and calls at the end, with text before calls; its last event
//! holds the usage, and its `finishReason` is null when the request has `stopSequences`. A user can choose its shape:
//! "merged" makes history and finish one event, "split" two (as they are with tool calls), "undivided" leaves out the
//! deltas. COHEREV2 restates nothing.
//!
//! `cohere.embed*` and `cohere.rerank*` know a text by its words: vectors of texts with the same words are near each other, and
//! documents are ranked by the words that they share with the question. A call of theirs counts and takes scripts as a chat does.
//!
//! A user can ask for a failure, to see how a client shows it; the vendor's own error comes then:
//! - "simulate throttling": 429 with `Retry-After`; "simulate a long prompt": 400; "simulate a fault": 500;
//! - "simulate a filter": 400, from `xai.*` 403, in COHERE an answer without text whose `finishReason` is ERROR_TOXIC;
//! - "simulate a broken stream": the connection ends after a few events, a whole answer is as usual.
//!
//! `POST …/v1/chat/completions`, below `/20231130/actions` and `/openai`, is the same model in OpenAI's words: plain JSON, streams with
//! `[DONE]`, refusals in OpenAI's shape, Cohere's models and dedicated endpoints 404. A request there needs both compartment headers,
//! a limit, the usage of its stream asked for, and no `store`; a field that OpenAI does not know is a 400.
//!
//! # What it refuses
//! A prompt longer than the context: Grok's and Gemini's has a million tokens, Cohere's 256 000, others' 128 000. Then:
//! - `cohere.*` speaks COHERE, but COHEREV2 where the name has `command-a-vision` or `command-a-reasoning`, and both as
//!   `cohere.command-a-03-2025`; a dedicated endpoint (a model whose name begins with `ocid1.`) all; others GENERIC;
//! - `openai.*` (without gpt-oss) refuses `maxTokens`, and gpt-5 every `temperature` and `topP` but 1, with the vendor's
//!   error in a string. So refuses gpt-5.6 `reasoningEffort` MINIMAL, and `tools` unless `reasoningEffort` is NONE;
//!   gpt-5.4 and gpt-5.5 refuse `tools` if it is given and not NONE;
//! - Llama 3 refuses `isParallelToolCalls: true`, and every Llama `$ref` in a tool's schema; it fails with 500 on an
//!   assistant's turn with tool calls and empty content;
//! - Gemini refuses `$ref`, `const` and `exclusiveMinimum` in a tool's schema, system messages behind others, every turn with
//!   calls but one call with its result behind it, and calls right behind an assistant or behind nobody;
//! - `cohere.embed*` and `cohere.rerank*` do not chat, and others do nothing else; a call has 96 inputs at most, and only
//!   `cohere.embed-v4*` takes `outputDimensions`;
//! - `xai.grok-4.20-multi-agent*` does not chat; only the COHEREV2 models for vision take images.

mod account;
mod actions;
mod answer;
mod connection;
mod ending;
mod failures;
mod identity;
mod listed;
mod lists;
mod meaning;
mod openai;
mod prose;
mod quirks;
mod reply;
mod sample;
pub(crate) mod schema;
mod script;
mod server;
mod state;
mod stream;
mod verify;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use account::Account;
pub use identity::Instance;
pub use listed::ListedModel;
pub use script::{Framing, Gate, Script, Step};

use identity::Identities;
use state::Shared;
use verify::Keyring;

/// How long `drop` waits for the simulator's threads, all in all about twice this.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the wake-up call of the accepting thread may take.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// A running simulator. Dropping it stops it, closes its connections and ends its threads, within seconds.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

/// Picks how a request is answered; `None`: as without it. It sees who asks in `Recorded::account`, and for what in
/// `Recorded::target`. It is asked on the thread of the request's connection, and several may ask it at once.
pub type Chooser = Arc<dyn Fn(&Recorded) -> Option<Script> + Send + Sync>;

/// How to start a simulator. `Default`: no accounts, a Grok, a Llama, a Gemini and a gpt-oss, no pace, a free port, and
/// nothing that only some have seen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who may call. Requests of others are answered 401.
    pub accounts: Vec<Account>,
    /// Names of the models that it serves, and OCIDs of dedicated endpoints. Who made a model, and so how it answers,
    /// is read from the name.
    pub models: Vec<String>,
    /// Pause before each event of a stream. Zero in tests; some 40 ms are a pleasure to read.
    pub pace: Duration,
    /// A loopback address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Refuse also what only the vendors themselves are known to refuse, though nobody has seen OCI do so: Grok's
    /// reasoning models `presencePenalty`, `frequencyPenalty` and `stop`, whatever their value; all but three Groks, and
    /// every Llama, `reasoningEffort`; Cohere's models that do not reason `thinking`.
    pub strict: bool,
    /// Streams of the pretended models never come to their proper end: after the last event the connection stays open
    /// until the client closes it, as the service was seen to do.
    pub linger: bool,
    /// Seconds that its clock is ahead of this machine's, negative: behind. It shows in each answer's `Date`, and a request
    /// whose date is more than five minutes off it is refused.
    pub clock_offset: i64,
    /// Of whom the metadata service and the federation service know, which answer on the same port; `None`: there are none.
    pub instance: Option<Instance>,
}

/// A request as it arrived; recorded before it is answered.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// Path and query as sent.
    pub target: String,
    /// Names in lower case, values as sent, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Arc<[u8]>,
    /// The id of the account that its `keyId` names, if that is known.
    pub account: Option<String>,
    /// What is wrong with its signature; `None`: it is good.
    pub refusal: Option<String>,
    /// When it had arrived with its whole body.
    pub when: Instant,
}

impl Default for Options {
    fn default() -> Self {
        let models = [
            "xai.grok-4.3",
            "meta.llama-3.3-70b-instruct",
            "google.gemini-2.5-flash",
            "openai.gpt-oss-120b",
        ];
        Self {
            accounts: Vec::new(),
            models: models.map(str::to_owned).to_vec(),
            pace: Duration::ZERO,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            strict: false,
            linger: false,
            clock_offset: 0,
            instance: None,
        }
    }
}

impl Recorded {
    /// The first value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        connection::find(&self.headers, name)
    }

    /// Whether its signature is good.
    pub fn is_signed(&self) -> bool {
        self.refusal.is_none()
    }
}

impl Simulator {
    /// Listens and serves until it is dropped.
    ///
    /// # Errors
    /// `InvalidInput` for an address that is not loopback, `InvalidData` for an account without a usable key, and what
    /// the system says when it cannot listen or start a thread.
    pub fn start(options: Options) -> io::Result<Self> {
        if !options.address.ip().is_loopback() {
            let why = "the simulator serves on loopback only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut keyring = Keyring::new();
        for account in &options.accounts {
            keyring.add(account.key_id(), account.id.clone(), account.public_key()?);
        }
        let listener = TcpListener::bind(options.address)?;
        let address = listener.local_addr()?;
        let identities = Identities::new(options.instance.clone())?;
        let shared = Arc::new(Shared::new(keyring, identities, options));
        let their = Arc::clone(&shared);
        let accepting = thread::Builder::new()
            .name("simulator-accept".to_owned())
            .spawn(move || server::accept_all(&listener, &their))?;
        log::debug!("simulator: listening on {address}");
        Ok(Self {
            shared,
            address,
            accepting: Some(accepting),
        })
    }

    /// Base URL of both planes, such as `http://127.0.0.1:40123`: for `endpoint` in a configuration.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The latest requests, oldest first: up to 4096, with up to 64 MiB of bodies.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorded()
    }

    /// How many requests there were in all.
    pub fn total_requests(&self) -> u64 {
        self.shared.total_requests()
    }

    /// Connections that neither side has closed, idle ones included.
    pub fn open_connections(&self) -> usize {
        self.shared.open_connections()
    }

    /// Chat calls being answered now: from the request's last byte to the answer's. One whose client hangs up ends at
    /// once while it waits, and otherwise with the next write.
    pub fn active_calls(&self) -> usize {
        self.shared.active_calls()
    }

    /// The most chat calls that were being answered at once since the start. A call begins to count as in `active_calls`,
    /// and stops before that: just before the write that tells the end of its answer, so that a peer whose next call
    /// comes as soon as it has read the end never counts twice. That write is the whole answer, or the first event with a
    /// finish reason, the usage or an error; with `Step`s also a head of an error, and at the latest the last step that
    /// writes, so that a script which is to be counted waits before it. The one reading that is too high: a call whose
    /// client hung up counts until that is noticed, which takes a moment.
    pub fn peak_calls(&self) -> usize {
        self.shared.peak_calls()
    }

    /// The same of one account alone. A call counts from when the account is known from its signature, which is a moment
    /// after `active_calls` counts it, and before it is among the `requests`.
    pub fn peak_calls_of(&self, account: &str) -> usize {
        self.shared.peak_calls_of(account)
    }

    /// Adds a script to the queue: each is used for one chat call, in order, whatever its account. Only calls with a
    /// good signature and a good request take one. What a model would refuse does not count: it may even be unknown,
    /// and the format may be one that it does not speak.
    pub fn enqueue(&self, script: Script) {
        self.shared.enqueue(script);
    }

    /// What a chat call gets for which no stronger script is left; `None`: the pretended model's answer.
    pub fn set_default(&self, script: Option<Script>) {
        self.shared.set_default(script);
    }

    /// As `set_default`, for one account, and stronger: for a test in which one account fails and others do not.
    pub fn set_for_account(&self, account: &str, script: Option<Script>) {
        self.shared.set_for_account(account, script);
    }

    /// What every request for the list of models gets, if its signature is good; `None`: the list.
    pub fn set_control(&self, script: Option<Script>) {
        self.shared.set_control(script);
    }

    /// What the control plane lists, for one account or for all that have no list of their own; `None`: the models that it
    /// serves. What it serves does not change.
    pub fn set_listed(&self, account: Option<&str>, models: Option<Vec<ListedModel>>) {
        self.shared.set_listed(account.unwrap_or_default(), models);
    }

    /// The most models of one page of a list, at least one.
    pub fn set_page_models(&self, most: usize) {
        self.shared.set_page_models(most.max(1));
    }

    /// Who picks the script of a request, for what no list of scripts can say: an account that fails now and then, and at
    /// every endpoint, those of the metadata and the federation service included. It is asked for each request with a good signature for a chat (if it is a good one too, and the
    /// queue is empty), for the list of models and for the guardrails' versions, and is stronger than `set_for_account`,
    /// `set_default` and `set_control`; `None`: nobody.
    pub fn set_chooser(&self, chooser: Option<Chooser>) {
        self.shared.set_chooser(chooser);
    }

    /// A token for a session with this private key, which is good for so long: as `oci session authenticate` gets one. Requests with
    /// it are recorded as this account's.
    ///
    /// # Errors
    /// `InvalidData` for what is no RSA private key in PKCS#1 or PKCS#8 without a pass phrase.
    pub fn issue_token(&self, account: &str, key_pem: &str, life: Duration) -> io::Result<String> {
        let (key, now) = (account::public_key(key_pem)?, self.shared.clock.now());
        Ok(self.shared.identities.issue(account, key, life, now))
    }

    /// How long further tokens of the federation service are good for: whole seconds, by default twenty minutes.
    pub fn set_token_life(&self, life: Duration) {
        self.shared.identities.set_life(life);
    }

    /// Whether further tokens of the federation service are for another key than the one that was asked for.
    pub fn set_token_of_wrong_key(&self, wrongly: bool) {
        self.shared.identities.set_binds_wrongly(wrongly);
    }

    /// An API key of the service is the account's from now on: good for the OpenAI-compatible API alone.
    pub fn add_api_key(&self, key: &str, account: &str) {
        self.shared.identities.add_api_key(key, account);
    }

    /// The tokens of this account are good no more.
    pub fn revoke_tokens(&self, account: &str) {
        self.shared.identities.revoke(account);
    }

    /// Waits until `what` is true, at most `timeout`, and says whether it is. It is asked at every change in the
    /// simulator, and now and then, so it may also be about something else.
    pub fn wait_for(&self, mut what: impl FnMut(&Self) -> bool, timeout: Duration) -> bool {
        self.shared.wait_for(|| what(self), timeout)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop();
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        // It sleeps in `accept`, and std can wake it only with a connection. One is enough, and a second one could reach
        // somebody else, who took over the port.
        drop(TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT));
        if !self
            .shared
            .wait_for(|| accepting.is_finished(), STOP_TIMEOUT)
        {
            log::debug!("simulator: the accepting thread does not end, and is left behind");
            return;
        }
        let all_gone = || self.shared.open_connections() == 0;
        if !self.shared.wait_for(all_gone, STOP_TIMEOUT) {
            log::debug!("simulator: connections do not end, and are left behind");
            return;
        }
        for thread in accepting.join().unwrap_or_default() {
            drop(thread.join()); // a thread that panicked has said so already
        }
    }
}

#[cfg(test)]
mod tests;
