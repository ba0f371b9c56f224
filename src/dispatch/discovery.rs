//! The discovery of models: each account's list is fetched in the background, now and then, and never on a request's path. The one
//! thing that a request may do is wait a moment for the first lists after a start. What follows from a list is decided in
//! `catalogue`; who asks when, by who calls `refresh_lists`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};

use crate::accounts::fleet::lacking::Unlisted;
use crate::accounts::seat::SeatNumber;
use crate::dispatch::catalogue::{Catalogue, Heard};
use crate::dispatch::{Account, Dispatch, health};
use crate::names::RequestId;
use crate::oci::error::OciError;
use crate::translate::listed::{self, Listed};

/// Longest wait of a request for the first lists after a start. A list takes a second at most where the control plane is well.
pub(crate) const FIRST_LISTS_WAIT: Duration = Duration::from_secs(5);

/// The lists, for all threads. They outlive reloads.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    catalogue: Catalogue,
    /// What all accounts list together.
    union: Arc<Vec<Listed>>,
    /// Since when requests may wait for a first list.
    since: Option<Instant>,
    /// Accounts whose trouble with their list is told.
    told: Vec<SeatNumber>,
    /// Lists that have come, and that those who answer from a copy do not have yet.
    unpublished: usize,
}

impl State {
    /// Whether all accounts have answered, and everybody knows.
    fn is_heard(&self) -> bool {
        self.unpublished == 0 && self.catalogue.is_heard()
    }
}

impl Discovery {
    /// The accounts from now on, and of each whether it is another one than before. What each of them does not list.
    pub(crate) fn enlist(&self, seats: &[(SeatNumber, bool)]) -> Unlisted {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.catalogue.enlist(seats, now);
        state.union = Arc::new(state.catalogue.union());
        state.since = Some(now);
        state.catalogue.unlisted(&state.union)
    }

    /// What all accounts list together.
    pub(crate) fn union(&self) -> Arc<Vec<Listed>> {
        Arc::clone(&self.state.lock().union)
    }

    /// Waits until `found` has what it looks for, or until all accounts have answered, `FIRST_LISTS_WAIT` after the start at most.
    fn wait<T>(&self, found: impl Fn(&[Listed]) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            let result = found(&state.union);
            let until = state.since.map(|since| since + FIRST_LISTS_WAIT);
            let over = state.is_heard() || until.is_none_or(|at| at <= Instant::now());
            match until {
                Some(until) if result.is_none() && !over => {
                    self.changed.wait_until(&mut state, until);
                }
                Some(_) | None => return result,
            }
        }
    }
}

impl Dispatch {
    /// What all accounts list together.
    pub(crate) fn discovered(&self) -> Arc<Vec<Listed>> {
        self.lasting.discovery.union()
    }

    /// The model of this name. Right after a start it waits for the first lists.
    pub(crate) fn await_model(&self, name: &str) -> Option<Listed> {
        let of_name = |model: &&Listed| model.name.as_str() == name;
        let find = |models: &[Listed]| models.iter().find(of_name).cloned();
        self.lasting.discovery.wait(find)
    }

    /// Waits for the first lists of all accounts, if this is right after a start.
    pub(crate) fn await_lists(&self) {
        self.lasting.discovery.wait(|_| None::<()>);
    }

    /// Whether such a wait would be one.
    pub(crate) fn awaits_lists(&self) -> bool {
        let state = self.lasting.discovery.state.lock();
        let is_fresh = |since: Instant| since.elapsed() < FIRST_LISTS_WAIT;
        !state.is_heard() && state.since.is_some_and(is_fresh)
    }

    /// When a list that could not be had is asked for again; `None`: there is none such.
    pub(crate) fn incomplete_for(&self) -> Option<Duration> {
        let state = self.lasting.discovery.state.lock();
        let due = state.catalogue.next_due()?;
        let is_incomplete = state.catalogue.is_incomplete();
        is_incomplete.then(|| due.saturating_duration_since(Instant::now()))
    }

    /// How long until a list is to be fetched.
    pub(crate) fn lists_due_in(&self) -> Option<Duration> {
        let due = self.lasting.discovery.state.lock().catalogue.next_due()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// Fetches all lists that are due, at the same time; returns when the last one has come or failed. `changed` is called for each
    /// that has brought something new, before anybody is told who waits for it.
    pub(crate) fn refresh_lists(
        &self,
        new_id: impl Fn() -> RequestId,
        changed: &(dyn Fn() + Sync),
    ) {
        let discovery = &self.lasting.discovery;
        let due = discovery.state.lock().catalogue.take_due(Instant::now());
        let accounts = self.accounts().into_iter();
        let accounts = accounts.filter(|(seat, _)| due.contains(seat));
        let asked: Vec<_> = accounts.map(|(seat, a)| (seat, a, new_id())).collect();
        health::for_all(&asked, |(seat, account, id)| {
            let listed = account.list(id);
            self.heard(*seat, account, listed, changed);
        });
    }

    /// No model is to be discovered any more.
    pub(crate) fn forget_lists(&self) {
        let discovery = &self.lasting.discovery;
        let mut state = discovery.state.lock();
        state.catalogue.clear(Instant::now());
        state.union = Arc::default();
        drop(state);
        self.lasting.slots.set_unlisted(Vec::new());
    }

    fn heard(
        &self,
        seat: SeatNumber,
        account: &Arc<Account>,
        listed: Result<(Vec<Listed>, bool), OciError>,
        changed: &(dyn Fn() + Sync),
    ) {
        // A reload may have put another one into its place meanwhile, whose list is asked for by itself.
        let is_same = |(_, now): &(SeatNumber, Arc<Account>)| Arc::ptr_eq(now, account);
        if !self.accounts().iter().any(is_same) {
            return;
        }
        let why = listed.as_ref().err().cloned();
        let heard = match listed {
            Ok((models, is_whole)) => Heard::List { models, is_whole },
            Err(OciError::Status(status)) if matches!(status.status, 403 | 404) => Heard::Forbidden,
            Err(_) => Heard::Failed,
        };
        let discovery = &self.lasting.discovery;
        let mut state = discovery.state.lock();
        let now = Instant::now();
        let is_news = state.catalogue.heard(seat, heard, random(), now);
        let mut unlisted = None;
        if is_news {
            let union = state.catalogue.union();
            unlisted = Some(state.catalogue.unlisted(&union));
            state.union = Arc::new(union);
        }
        state.unpublished += 1;
        let count = state.catalogue.list_of(seat).map(<[Listed]>::len);
        let was_told = state.told.contains(&seat);
        state.told.retain(|told| *told != seat);
        if why.is_some() || count.is_none() {
            state.told.push(seat);
        }
        drop(state);
        if let Some(unlisted) = unlisted {
            self.lasting.slots.set_unlisted(unlisted);
            changed();
        }
        discovery.state.lock().unpublished -= 1;
        discovery.changed.notify_all();
        tell(account, count, is_news, why.as_ref(), was_told);
    }
}

/// The log's line, for what is new: `count` models are in the account's list, or there is none.
fn tell(
    account: &Account,
    count: Option<usize>,
    is_news: bool,
    why: Option<&OciError>,
    told: bool,
) {
    let id = &account.id;
    let kept = match count {
        Some(count) => format!("its {count} models of before are kept"),
        None => "it is asked for whatever others list".to_owned(),
    };
    match (why, count) {
        (None, Some(count)) if is_news => log::info!("account {id} lists {count} models"),
        (Some(why), _) if !told => {
            log::warn!("warning: account {id} does not list its models, {kept}: {why}");
        }
        (None, None) if !told => {
            log::warn!("warning: account {id} lists no models that it could serve: {kept}");
        }
        (Some(_) | None, _) => {}
    }
}

/// Any number, for jitter.
fn random() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.subsec_nanos())
}

impl Account {
    /// The models that it serves on demand, and whether these are all that it lists. An account whose key does not load is not asked,
    /// nor one whose credential opens no control plane: it is taken to have what the others have.
    pub(crate) fn list(&self, id: &RequestId) -> Result<(Vec<Listed>, bool), OciError> {
        let upstream = self.upstream.as_ref().ok();
        let Some(upstream) = upstream.filter(|upstream| upstream.signs()) else {
            return Ok((Vec::new(), true));
        };
        let list = upstream.list_models(id)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        Ok((listed::served(list.models, now), list.is_whole))
    }
}
