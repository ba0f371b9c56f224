//! The thread that keeps an account's token fresh: asks for a new one ahead of the old one's end, and again when that fails; what it
//! has stands ready for any call. It ends with the account. What is asked, and when, stand in `instance`, `files` and `schedule`.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::Login;
use super::files::Files;
use super::instance::Instance;
use super::schedule::Schedule;
use crate::crypto;
use crate::oci::exchange::Client;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a call that OCI has refused waits for files to be read again.
const REREAD_WAIT: Duration = Duration::from_millis(200);
/// Stack of the thread, as a worker's: a TLS handshake is the deepest it goes.
const STACK_BYTES: usize = 1024 * 1024;

/// Where tokens come from.
pub(super) enum Source {
    Files(Box<Files>),
    Instance(Box<Instance>),
}

pub(in crate::oci) struct Keeper {
    shared: Arc<Shared>,
    /// A call may wait for a newer token after a refusal.
    is_quick: bool,
    /// What to say of a token that has come to its end, if nothing else is known.
    expired: String,
}

#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    login: Option<Arc<Login>>,
    /// Why the latest try brought none.
    trouble: Option<String>,
    /// OCI has refused the present one.
    is_refused: bool,
    /// Tokens that have come.
    count: u64,
    /// Tries that have ended.
    tries: u64,
    /// Those among them that a refusal has asked for.
    forced: u64,
    is_over: bool,
}

impl Keeper {
    /// Starts the thread. `first`: what has been read already.
    pub(super) fn start(source: Source, first: Option<Login>, client: &Client) -> Self {
        let shared = Arc::new(Shared::default());
        let (is_quick, expired) = match &source {
            Source::Files(files) => (true, files.expired()),
            Source::Instance(_) => (
                false,
                "the token has expired, and the next one has not come yet".to_owned(),
            ),
        };
        if let Some(login) = first {
            let mut state = shared.state.lock();
            state.login = Some(Arc::new(login));
            state.tries = 1;
        }
        let (their, client) = (Arc::clone(&shared), client.clone());
        let spawned = thread::Builder::new()
            .name("token".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || keep(&their, source, &client));
        if let Err(error) = spawned {
            let why = format!("no thread can be had that asks for tokens: {error}");
            shared.state.lock().trouble = Some(why);
        }
        Self {
            shared,
            is_quick,
            expired,
        }
    }

    /// The token to sign with, or why there is none.
    pub(super) fn login(&self, now: Instant) -> Result<Arc<Login>, String> {
        let state = self.shared.state.lock();
        match &state.login {
            Some(login) if login.is_valid(now) => Ok(Arc::clone(login)),
            Some(_) => Err(state.trouble.as_ref().unwrap_or(&self.expired).clone()),
            None => Err(state
                .trouble
                .clone()
                .unwrap_or_else(|| "the first token has not come yet".to_owned())),
        }
    }

    /// See `Credential::refused`.
    pub(super) fn refused(&self, login: &Arc<Login>) -> Option<Arc<Login>> {
        let newer = |state: &State| {
            let present = state.login.as_ref()?;
            (!Arc::ptr_eq(present, login)).then(|| Arc::clone(present))
        };
        let mut state = self.shared.state.lock();
        if let Some(newer) = newer(&state) {
            return Some(newer);
        }
        let is_first = !std::mem::replace(&mut state.is_refused, true);
        if is_first {
            self.shared.changed.notify_all();
        }
        if !self.is_quick || !is_first {
            return None;
        }
        let forced = state.forced;
        let until = Instant::now() + REREAD_WAIT;
        while state.forced == forced {
            if self
                .shared
                .changed
                .wait_until(&mut state, until)
                .timed_out()
            {
                break;
            }
        }
        newer(&state)
    }

    /// How many tokens have come.
    pub(super) fn count(&self) -> u64 {
        self.shared.state.lock().count
    }

    /// Waits for the end of the first try.
    pub(super) fn wait(&self, until: Instant) {
        let mut state = self.shared.state.lock();
        while state.tries == 0 {
            if self
                .shared
                .changed
                .wait_until(&mut state, until)
                .timed_out()
            {
                return;
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Whether the account is gone, and nobody wants a token any more.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().is_over
    }

    /// Waits until then, or until a call was refused: `Some(true)`. `None`: it is over.
    fn wait(&self, until: Instant, is_poked: bool) -> Option<bool> {
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                return None;
            }
            if state.is_refused && !is_poked {
                return Some(true);
            }
            if Instant::now() >= until {
                return Some(state.is_refused);
            }
            self.changed.wait_until(&mut state, until);
        }
    }

    /// Tells how a try ended.
    fn publish(&self, found: Result<Option<Login>, String>, forced: bool) {
        let mut state = self.state.lock();
        state.tries += 1;
        state.forced += u64::from(forced);
        let news = match found {
            Ok(Some(login)) => {
                let was = state.trouble.take();
                state.login = Some(Arc::new(login));
                state.count += 1;
                state.is_refused = false;
                was.map(|_| None)
            }
            Ok(None) => None,
            Err(why) => {
                // What follows the first colon may hold the id of a call, another one each time.
                let kind = |why: &String| why.split(':').next().map(str::to_owned);
                let is_news = state.trouble.as_ref().and_then(kind) != kind(&why);
                state.trouble = Some(why.clone());
                is_news.then_some(Some(why))
            }
        };
        let left = state
            .login
            .as_ref()
            .map(|login| login.valid_for(Instant::now()));
        drop(state);
        self.changed.notify_all();
        match news {
            Some(Some(why)) => match left.flatten().filter(|left| !left.is_zero()) {
                Some(left) => log::warn!(
                    "warning: no new token: {why}; the present one is good for {} s more",
                    left.as_secs()
                ),
                None => log::warn!("warning: no token: {why}"),
            },
            Some(None) => log::info!("tokens come again"),
            None => {}
        }
    }
}

fn keep(shared: &Arc<Shared>, source: Source, client: &Client) {
    match source {
        Source::Files(files) => keep_files(shared, *files, client),
        Source::Instance(instance) => keep_instance(shared, *instance, client),
    }
}

/// Looks at the files every second.
fn keep_files(shared: &Shared, mut files: Files, client: &Client) {
    let mut is_poked = false;
    loop {
        let Some(refused) = shared.wait(Instant::now() + LOOK, is_poked) else {
            return;
        };
        let forced = refused && !is_poked;
        is_poked = refused;
        let now = Instant::now();
        match files.load(forced, client.wall(), now) {
            Ok(None) if !forced => {}
            found => {
                is_poked &= !matches!(found, Ok(Some(_)));
                shared.publish(found.map_err(|error| error.to_string()), forced);
            }
        }
    }
}

fn keep_instance(shared: &Arc<Shared>, mut instance: Instance, client: &Client) {
    let mut schedule = Schedule::new(Instant::now());
    let mut is_poked = false;
    loop {
        let Some(refused) = shared.wait(schedule.due(), is_poked) else {
            return;
        };
        let now = Instant::now();
        if refused && !is_poked {
            is_poked = true;
            schedule.refused(now);
        }
        if now < schedule.due() {
            continue;
        }
        let found = instance.fetch(client, shared);
        let now = Instant::now();
        // Without a random source all machines come back at the same moment, and no worse.
        let random = u32::from_be_bytes(crypto::random().unwrap_or_default());
        match &found {
            Ok(login) => {
                is_poked = false;
                schedule.succeeded(login.valid_for(now).unwrap_or_default(), random, now);
            }
            Err(_) => schedule.failed(random, now),
        }
        shared.publish(found.map(Some), false);
        instance.prepare(schedule.due().saturating_duration_since(now));
    }
}

#[cfg(test)]
mod tests;
