//! Where edges and cores are joined: a job that is translated comes in with its exchange, and leaves answered. Reads top
//! to bottom like a recipe: `serve` asks for a slot and repeats what may be repeated, `attempt` makes one upstream call
//! and brings its answer to the client (`asked` one that is no chat), `verdict` says what to do about an error, `journey` whether to go on. `health` checks
//! the accounts in the background, `probe` tries them for the operator. Never knows the configuration's file.

pub(crate) mod asked;
pub(crate) mod attempt;
mod catalogue;
mod copied;
pub(crate) mod discovery;
pub(crate) mod health;
mod journey;
pub(crate) mod probe;
pub(crate) mod problem;
mod pump;
pub(crate) mod repairs;
pub(crate) mod request;
pub(crate) mod serve;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]
mod simulation;
pub(crate) mod slots;
pub(crate) mod verdict;
mod ways;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::accounts::fleet::{Enlisted, FleetView, NoAccount};
use crate::accounts::paths::Paths;
use crate::accounts::seat::SeatNumber;
use crate::accounts::{FleetSettings, SeatSettings};
use crate::dispatch::discovery::Discovery;
use crate::dispatch::repairs::Repairs;
use crate::dispatch::request::Request;
use crate::dispatch::slots::Slots;
use crate::dispatch::ways::Ways;
use crate::http::body::Share;
use crate::names::{AccountId, ModelName, Region};
use crate::oci::error::{OciError, Phase};
use crate::oci::keys::KeyError;
use crate::oci::wire::{Ask, ChatRequest, ServingMode};
use crate::oci::{
    Answer, CallLimits, Client, Copied, Hook, JsonAnswer, Skew, Upstream, UpstreamSettings,
};
use crate::openai::error::ApiError;
use crate::openai::render::Render;
use crate::stats::Figures;
use crate::stats::queue::QueueStats;
use crate::translate::ReplyMeta;
use crate::translate::passthrough::Passed;

/// The status that stands in the log for a client that left; never sent.
pub(crate) const CLIENT_LEFT: u16 = 499;

/// Limits of time and number. Filled by the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DispatchSettings {
    /// One attempt's wait for OCI: to its answer, or of a stream to its first event. No attempt starts later than this
    /// after the first one started.
    pub(crate) request_timeout: Duration,
    /// Longest gap between two events of a stream.
    pub(crate) stream_idle_timeout: Duration,
    /// Longest wait for a worker and a slot, from arrival.
    pub(crate) queue_timeout: Duration,
    /// Further attempts after the first, 0-20.
    pub(crate) retry_attempts: u32,
}

/// One account as the program uses it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: AccountId,
    settings: UpstreamSettings,
    /// `Err`: its key does not load.
    upstream: Result<Upstream, KeyError>,
    /// Tokens that it had had when its credential was looked at last.
    seen_tokens: AtomicU64,
}

/// What outlives a reload.
#[derive(Debug, Clone)]
pub(crate) struct Lasting {
    pub(crate) slots: Arc<Slots>,
    /// What models have refused, for the life of the process.
    pub(crate) repairs: Arc<Repairs>,
    pub(crate) queue: Arc<QueueStats>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) discovery: Arc<Discovery>,
}

/// The accounts and how they are used.
#[derive(Clone)]
pub(crate) struct Dispatch {
    lasting: Lasting,
    settings: DispatchSettings,
    /// As long as the configuration: a reload forgets what accounts lack.
    ways: Arc<Mutex<Ways>>,
}

/// A chat request, ready to be sent.
pub(crate) struct Job {
    /// The model's name in the configuration.
    pub(crate) model: ModelName,
    pub(crate) serving: ServingMode,
    pub(crate) request: Request,
    /// What `request` holds of the memory for bodies.
    pub(crate) memory: Option<Share>,
    pub(crate) meta: ReplyMeta,
    /// Writes the answer as the client's API has it.
    pub(crate) render: Box<dyn Render>,
    /// The client asked for a stream; what OCI was asked for is in `request`.
    pub(crate) wants_stream: bool,
    /// The usage is to be among the chunks of a stream.
    pub(crate) include_usage: bool,
    /// How many choices were asked for.
    pub(crate) choices: u32,
    /// OpenAI's names of what was left out because the format has no word for it or the model refuses it.
    pub(crate) lost: Vec<String>,
}

impl Job {
    /// The ways into OCI that it can take: which accounts can serve it.
    fn paths(&self) -> Paths {
        self.request.paths()
    }

    /// The answer has begun, and no further attempt will be made: the request's memory is free, and a stream of some minutes
    /// does not hold it.
    fn is_answered(&mut self) {
        self.request = Request::none();
        self.memory = None;
    }

    /// Notes what is left out, once.
    fn loses(&mut self, name: String) {
        if !self.lost.contains(&name) {
            self.lost.push(name);
        }
    }
}

impl Account {
    /// Loads the account's key. That it does not load is an account that cannot serve. `before`: the account of this id that is in
    /// service; if its identity is the same, its token stays.
    pub(crate) fn open(
        seat: &SeatSettings,
        settings: &UpstreamSettings,
        client: &Client,
        before: Option<&Self>,
    ) -> Self {
        let before = before.and_then(|before| before.upstream.as_ref().ok());
        let upstream = Upstream::new(settings, client, before);
        let tokens = upstream.as_ref().map_or(0, Upstream::tokens);
        Self {
            id: seat.id.clone(),
            settings: settings.clone(),
            upstream,
            seen_tokens: AtomicU64::new(tokens),
        }
    }

    /// One chat call. An account whose key does not load is never asked for one.
    fn call(
        &self,
        serving: &ServingMode,
        request: &ChatRequest,
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<Answer, OciError> {
        self.usable()?.open(serving, request, limits, hook)
    }

    /// The same through the OpenAI-compatible API.
    fn call_copied(
        &self,
        passed: &Passed,
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<Copied, OciError> {
        let (path, body) = (passed.path(), passed.body());
        self.usable()?.open_copied(path, body, limits, hook)
    }

    /// One call that is no chat.
    fn ask(
        &self,
        serving: &ServingMode,
        ask: &Ask<'_>,
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<JsonAnswer, OciError> {
        self.usable()?.ask(serving, ask, limits, hook)
    }

    /// Errors: its key does not load.
    fn usable(&self) -> Result<&Upstream, OciError> {
        self.upstream
            .as_ref()
            .map_err(|problem| OciError::Unreachable {
                phase: Phase::Connect,
                why: problem.to_string(),
            })
    }

    /// Whether it signs, and so may call OCI's own API; also of one whose key does not load.
    pub(crate) fn signs(&self) -> bool {
        self.upstream.as_ref().map_or(true, Upstream::signs)
    }

    /// Why it cannot serve.
    pub(crate) fn problem(&self) -> Option<&KeyError> {
        self.upstream.as_ref().err()
    }

    /// How far OCI's clock was from this machine's in the latest answer, if there was one that told.
    pub(crate) fn skew(&self) -> Option<Skew> {
        self.upstream.as_ref().ok()?.skew()
    }

    /// Where it is; of an instance that has not heard it yet, `unknown`.
    pub(crate) fn region(&self) -> &str {
        let settings = self.settings.region.as_ref();
        let region = self
            .upstream
            .as_ref()
            .ok()
            .map_or(settings, Upstream::region);
        region.map_or("unknown", Region::as_str)
    }

    /// Why it has nothing to make calls with for now, although it is configured well.
    pub(crate) fn lacks_credential(&self) -> Option<String> {
        self.upstream.as_ref().ok()?.lacks_credential()
    }

    /// Whether another token has come since the last time that this was asked.
    fn has_new_token(&self) -> bool {
        let tokens = self.upstream.as_ref().map_or(0, Upstream::tokens);
        self.seen_tokens.swap(tokens, Ordering::Relaxed) != tokens
    }

    /// How long its token is good for, if it has one.
    pub(crate) fn credential_valid_for(&self) -> Option<Duration> {
        self.upstream.as_ref().ok()?.credential_valid_for()
    }

    /// Waits until it is known whether it has a token, for a first time.
    pub(crate) fn wait_for_credential(&self, until: Instant) {
        if let Ok(upstream) = &self.upstream {
            upstream.wait_for_credential(until);
        }
    }
}

impl Lasting {
    pub(crate) fn new(fleet: &FleetSettings) -> Self {
        let now = Instant::now();
        Self {
            slots: Arc::new(Slots::new(fleet)),
            repairs: Arc::default(),
            queue: Arc::new(QueueStats::new(now)),
            figures: Arc::new(Figures::new(now)),
            discovery: Arc::default(),
        }
    }
}

impl Dispatch {
    /// Takes the accounts into service; those that were there before and stay keep what is known of them.
    pub(crate) fn new(
        settings: DispatchSettings,
        fleet: &FleetSettings,
        accounts: Vec<(SeatSettings, Account)>,
        lasting: &Lasting,
    ) -> Self {
        let before = lasting.slots.accounts();
        let enlisted = accounts.into_iter().map(|(seat, account)| {
            let same = |old: &Account| old.id == account.id && old.settings == account.settings;
            let enlisted = Enlisted {
                settings: seat,
                unusable: account.problem().map(ToString::to_string),
                is_new: !before.iter().any(|(_, old)| same(old)),
            };
            (enlisted, account)
        });
        let enlisted: Vec<_> = enlisted.collect();
        let is_usable = |(enlisted, _): &(Enlisted, Account)| enlisted.unusable.is_none();
        let kinds: Vec<_> = enlisted
            .iter()
            .map(|one| is_usable(one).then_some(one.0.is_new))
            .collect();
        let seats = lasting.slots.enlist(fleet, enlisted);
        let listing = seats.into_iter().zip(kinds);
        let listing: Vec<_> = listing
            .filter_map(|(seat, kind)| Some((seat, kind?)))
            .collect();
        let unlisted = lasting.discovery.enlist(&listing);
        lasting.slots.set_unlisted(unlisted);
        Self {
            lasting: lasting.clone(),
            settings,
            ways: Arc::default(),
        }
    }

    /// The accounts in service.
    pub(crate) fn accounts(&self) -> Vec<(SeatNumber, Arc<Account>)> {
        self.lasting.slots.accounts()
    }

    /// The fleet as it is at the returned moment.
    pub(crate) fn view(&self) -> (FleetView, Instant) {
        self.lasting.slots.view()
    }

    /// Whether some account takes requests.
    pub(crate) fn ready(&self) -> Result<(), NoAccount> {
        self.lasting.slots.ready()
    }

    /// Forgets breaker, cooldowns and health of one account or of all; the ids of those.
    pub(crate) fn reset(&self, only: Option<&AccountId>) -> Vec<AccountId> {
        self.lasting.slots.reset(only)
    }

    /// Requests that wait for a slot.
    pub(crate) fn waiting(&self) -> usize {
        self.lasting.slots.waiting()
    }

    /// The most that ever waited for one at once.
    pub(crate) fn peak_waiting(&self) -> usize {
        self.lasting.slots.peak_waiting()
    }

    pub(crate) fn queue(&self) -> &QueueStats {
        &self.lasting.queue
    }

    /// What a request is told that has waited too long.
    pub(crate) fn queue_timeout(&self, retry_after: Duration) -> ApiError {
        ApiError::queue_timeout(self.settings.queue_timeout, retry_after)
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.lasting.figures
    }
}
