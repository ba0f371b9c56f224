//! What the simulator's threads share: who is connected, what came in, which scripts wait. One lock, held only for
//! short steps without I/O, and a condvar that tells of every change. Knows no HTTP.

use std::collections::{HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::identity::Identities;
use super::listed::ListedModel;
use super::reply::Clock;
use super::script::Script;
use super::verify::Keyring;
use super::{Chooser, Options, Recorded};

/// Connections at once; a further one is closed at once.
pub(super) const MAX_CONNECTIONS: usize = 4096;
/// Requests that are remembered, and the bytes of their bodies; the oldest are forgotten first.
const MAX_RECORDED: usize = 4096;
const MAX_RECORDED_BYTES: usize = 64 * 1024 * 1024;
/// Scripts that may wait; further ones are ignored.
const MAX_SCRIPTS: usize = 100_000;
/// How often a waiting test looks even if nothing is reported: its condition may be about something else.
const LOOK_TICK: Duration = Duration::from_millis(20);

pub(super) struct Shared {
    pub(super) keyring: Keyring,
    pub(super) identities: Identities,
    pub(super) models: Vec<String>,
    /// Between two events of a stream.
    pub(super) pace: Duration,
    pub(super) strict: bool,
    pub(super) linger: bool,
    pub(super) clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stopping: bool,
    /// Grows with every change.
    generation: u64,
    connections: HashMap<u64, TcpStream>,
    accepted: u64,
    calls: Tally,
    /// Those whose answers are not about to end.
    counted: Tally,
    counted_of: HashMap<String, Tally>,
    recorded: VecDeque<Recorded>,
    recorded_bytes: usize,
    total_requests: u64,
    queued: VecDeque<Script>,
    chooser: Option<Chooser>,
    default: Option<Script>,
    by_account: HashMap<String, Script>,
    control: Option<Script>,
    /// By account; of all others under the empty name.
    listed: HashMap<String, Vec<ListedModel>>,
    /// `None`: as many as are asked for.
    page_models: Option<usize>,
}

/// How many there are, and how many there were at most.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    now: usize,
    peak: usize,
}

/// A chat call being answered; over when it is dropped.
pub(super) struct ActiveCall<'a> {
    shared: &'a Shared,
    account: Option<String>,
    /// For the peaks.
    is_counted: bool,
}

/// A connection in the register; out of it when this is dropped.
pub(super) struct Registered<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Shared {
    pub(super) fn new(keyring: Keyring, identities: Identities, options: Options) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Self {
            keyring,
            identities,
            models: options.models,
            pace: options.pace,
            strict: options.strict,
            linger: options.linger,
            clock: Clock::ahead_by(options.clock_offset),
            state,
            changed,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        state.generation += 1;
        let result = change(&mut state);
        drop(state);
        self.changed.notify_all();
        result
    }

    /// Registers a connection; `None` if there are too many, or the simulator stops. The handle is there to close it.
    pub(super) fn register(&self, handle: TcpStream) -> Option<u64> {
        self.change(|state| {
            if state.stopping || state.connections.len() >= MAX_CONNECTIONS {
                return None;
            }
            state.accepted += 1;
            state.connections.insert(state.accepted, handle);
            Some(state.accepted)
        })
    }

    /// Takes over a registered connection: it leaves the register with the guard.
    pub(super) fn registered(&self, number: u64) -> Registered<'_> {
        Registered {
            shared: self,
            number,
        }
    }

    pub(super) fn begin_call(&self) -> ActiveCall<'_> {
        self.change(|state| {
            state.calls.add();
            state.counted.add();
        });
        ActiveCall {
            shared: self,
            account: None,
            is_counted: true,
        }
    }

    pub(super) fn record(&self, request: Recorded) {
        self.change(|state| {
            state.total_requests += 1;
            state.recorded_bytes += request.body.len();
            state.recorded.push_back(request);
            while state.recorded.len() > MAX_RECORDED || state.recorded_bytes > MAX_RECORDED_BYTES {
                let Some(oldest) = state.recorded.pop_front() else {
                    break;
                };
                state.recorded_bytes -= oldest.body.len();
            }
        });
    }

    /// The script for a chat call, if there is one.
    pub(super) fn next_script(&self, request: &Recorded) -> Option<Script> {
        let queued = self.change(|state| state.queued.pop_front());
        queued.or_else(|| self.chosen(request)).or_else(|| {
            let account = request.account.as_deref().unwrap_or_default();
            let state = self.state.lock();
            let its = state.by_account.get(account);
            its.or(state.default.as_ref()).cloned()
        })
    }

    /// The script for a request for the list of models, if there is one.
    pub(super) fn control_script(&self, request: &Recorded) -> Option<Script> {
        let chosen = self.chosen(request);
        chosen.or_else(|| self.state.lock().control.clone())
    }

    /// What the chooser says, if there is one. It is asked without the lock: it may ask the simulator.
    pub(super) fn chosen(&self, request: &Recorded) -> Option<Script> {
        let chooser = self.state.lock().chooser.clone();
        chooser.and_then(|chooser| chooser(request))
    }

    pub(super) fn enqueue(&self, script: Script) {
        self.change(|state| {
            if state.queued.len() < MAX_SCRIPTS {
                state.queued.push_back(script);
            } else {
                log::debug!("simulator: {MAX_SCRIPTS} scripts wait already, one more is ignored");
            }
        });
    }

    pub(super) fn set_default(&self, script: Option<Script>) {
        self.change(|state| state.default = script);
    }

    pub(super) fn set_for_account(&self, account: &str, script: Option<Script>) {
        self.change(|state| match script {
            Some(script) => drop(state.by_account.insert(account.to_owned(), script)),
            None => drop(state.by_account.remove(account)),
        });
    }

    pub(super) fn set_control(&self, script: Option<Script>) {
        self.change(|state| state.control = script);
    }

    pub(super) fn set_listed(&self, account: &str, models: Option<Vec<ListedModel>>) {
        self.change(|state| match models {
            Some(models) => drop(state.listed.insert(account.to_owned(), models)),
            None => drop(state.listed.remove(account)),
        });
    }

    /// What is listed for this account; `None`: what is served.
    pub(super) fn listed(&self, account: Option<&str>) -> Option<Vec<ListedModel>> {
        let state = self.state.lock();
        let its = account.and_then(|account| state.listed.get(account));
        its.or_else(|| state.listed.get("")).cloned()
    }

    pub(super) fn set_page_models(&self, most: usize) {
        self.change(|state| state.page_models = Some(most));
    }

    pub(super) fn page_models(&self) -> usize {
        self.state.lock().page_models.unwrap_or(usize::MAX)
    }

    pub(super) fn set_chooser(&self, chooser: Option<Chooser>) {
        self.change(|state| state.chooser = chooser);
    }

    pub(super) fn recorded(&self) -> Vec<Recorded> {
        self.state.lock().recorded.iter().cloned().collect()
    }

    pub(super) fn total_requests(&self) -> u64 {
        self.state.lock().total_requests
    }

    pub(super) fn open_connections(&self) -> usize {
        self.state.lock().connections.len()
    }

    pub(super) fn active_calls(&self) -> usize {
        self.state.lock().calls.now
    }

    pub(super) fn peak_calls(&self) -> usize {
        self.state.lock().counted.peak
    }

    pub(super) fn peak_calls_of(&self, account: &str) -> usize {
        let state = self.state.lock();
        state.counted_of.get(account).map_or(0, |tally| tally.peak)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.state.lock().stopping
    }

    /// From now on nobody is let in, and everybody's connection is closed: a thread that reads, writes or waits on one
    /// wakes up.
    pub(super) fn stop(&self) {
        self.change(|state| {
            state.stopping = true;
            for handle in state.connections.values() {
                drop(handle.shutdown(Shutdown::Both)); // it may be closed already
            }
        });
    }

    /// Waits until `what` is true, at most `timeout`, and says whether it is. `what` runs without the lock.
    pub(super) fn wait_for(&self, mut what: impl FnMut() -> bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.state.lock().generation;
            if what() {
                return true;
            }
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            let mut state = self.state.lock();
            if state.generation == seen {
                self.changed
                    .wait_until(&mut state, deadline.min(now + LOOK_TICK));
            }
        }
    }
}

impl Tally {
    fn add(&mut self) {
        self.now += 1;
        self.peak = self.peak.max(self.now);
    }

    fn remove(&mut self) {
        self.now = self.now.saturating_sub(1);
    }
}

impl ActiveCall<'_> {
    /// Counts it as a call of this account too.
    pub(super) fn is_of(&mut self, account: &str) {
        if self.is_counted && self.account.is_none() {
            let id = account.to_owned();
            let count = |state: &mut State| state.counted_of.entry(id).or_default().add();
            self.shared.change(count);
            self.account = Some(account.to_owned());
        }
    }

    /// Its answer is about to end, and the peer may begin its next call before this one is over: from here on it does
    /// not count for the peaks.
    pub(super) fn stop_counting(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.shared.change(|state| {
                state.counted.remove();
                let account = self.account.as_ref();
                if let Some(tally) = account.and_then(|id| state.counted_of.get_mut(id)) {
                    tally.remove();
                }
            });
        }
    }
}

impl Drop for ActiveCall<'_> {
    fn drop(&mut self) {
        self.stop_counting();
        self.shared.change(|state| state.calls.remove());
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.shared
            .change(|state| drop(state.connections.remove(&self.number)));
    }
}
