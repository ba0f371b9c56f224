//! Slots and leases: the fleet behind the one lock, and the threads that wait for it. Who is next, whether it is admitted, and
//! taking it are one step; a slot that becomes free goes straight to the longest waiter that it fits. The lock is held for
//! decisions only, never across I/O or logging.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::accounts::FleetSettings;
use crate::accounts::fleet::lacking::Unlisted;
use crate::accounts::fleet::{Acquired, Ask, Enlisted, Fleet, FleetView, NoAccount, WaitNumber};
use crate::accounts::health::Check;
use crate::accounts::seat::{Ending, Grant, SeatNumber};
use crate::dispatch::Account;
use crate::names::AccountId;

/// How often a waiter looks whether its client is still there.
const TICK: Duration = Duration::from_millis(100);

/// The fleet, for all threads. It outlives reloads.
#[derive(Debug)]
pub(crate) struct Slots {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    fleet: Fleet,
    accounts: HashMap<SeatNumber, Arc<Account>>,
    waiting: HashMap<WaitNumber, Waiter>,
}

#[derive(Debug, Default)]
struct Waiter {
    wake: Arc<Condvar>,
    answer: Option<Result<(Grant, Arc<Account>), NoAccount>>,
}

/// A slot held. Dropping it, for whatever reason, frees it; `settle` says how the attempt went.
#[derive(Debug)]
pub(crate) struct Lease<'a> {
    slots: &'a Slots,
    grant: Grant,
    account: Arc<Account>,
    settled: bool,
}

/// Why no slot was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// None became free before the deadline.
    TooLate,
    /// The client left while it waited.
    Gone,
    /// No account could serve it.
    NoAccount(NoAccount),
}

impl Slots {
    pub(crate) fn new(settings: &FleetSettings) -> Self {
        let state = State {
            fleet: Fleet::new(settings, Instant::now()),
            accounts: HashMap::new(),
            waiting: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Takes these accounts into service, in this order, and lets go of all others once their attempts have ended.
    /// Their seats, in that order.
    pub(crate) fn enlist(
        &self,
        settings: &FleetSettings,
        accounts: Vec<(Enlisted, Account)>,
    ) -> Vec<SeatNumber> {
        let (enlisted, accounts): (Vec<_>, Vec<_>) = accounts.into_iter().unzip();
        let mut state = self.state.lock();
        let numbers = state.fleet.reconfigure(settings, enlisted, Instant::now());
        let accounts = accounts.into_iter().map(Arc::new);
        let before = std::mem::replace(
            &mut state.accounts,
            numbers.iter().copied().zip(accounts).collect(),
        );
        state.deliver();
        drop(state);
        // Keys and connections go without the lock.
        drop(before);
        numbers
    }

    /// Takes a slot, or waits for one in the order of arrival.
    pub(crate) fn acquire(
        &self,
        ask: Ask,
        deadline: Instant,
        gone: &dyn Fn() -> bool,
    ) -> Result<Lease<'_>, Denied> {
        let mut state = self.state.lock();
        let acquired = state.fleet.acquire(ask, Instant::now());
        state.deliver();
        let number = match acquired {
            Acquired::Granted(grant) => {
                let answer = state.with_account(grant);
                drop(state);
                return self.lease(answer);
            }
            Acquired::Denied(denied) => return Err(Denied::NoAccount(denied)),
            Acquired::Waiting(number) => number,
        };
        let wake = Arc::default();
        let waiter = Waiter {
            wake: Arc::clone(&wake),
            answer: None,
        };
        state.waiting.insert(number, waiter);
        self.wait(state, number, &wake, deadline, gone)
    }

    /// Gets one more attempt out of the retry budget; `false` if it is used up.
    pub(crate) fn draw_retry(&self) -> bool {
        self.state.lock().fleet.draw_retry(Instant::now())
    }

    /// An attempt that was drawn is not made.
    pub(crate) fn refund_retry(&self) {
        self.state.lock().fleet.refund_retry();
    }

    /// A request has come that will acquire.
    pub(crate) fn arrived(&self) {
        self.state.lock().fleet.arrived();
    }

    /// Whether the account has what it signs with now, or why not; `is_new`: it is another than before.
    pub(crate) fn credential(&self, number: SeatNumber, lacks: Option<String>, is_new: bool) {
        self.change(|fleet| fleet.credential(number, lacks, is_new, Instant::now()));
    }

    pub(crate) fn checked(&self, number: SeatNumber, check: Check) {
        self.change(|fleet| fleet.checked(number, check, Instant::now()));
    }

    /// What each account does not list and others do.
    pub(crate) fn set_unlisted(&self, unlisted: Unlisted) {
        self.change(|fleet| fleet.set_unlisted(unlisted, Instant::now()));
    }

    /// The ids of those that were reset.
    pub(crate) fn reset(&self, only: Option<&AccountId>) -> Vec<AccountId> {
        self.change(|fleet| fleet.reset(only, Instant::now()))
    }

    pub(crate) fn ready(&self) -> Result<(), NoAccount> {
        self.state.lock().fleet.ready(Instant::now())
    }

    /// Requests that wait for a slot.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state.lock();
        state.fleet.waiting() - state.fleet.pausing(Instant::now())
    }

    /// The most that ever waited for one at once.
    pub(crate) fn peak_waiting(&self) -> usize {
        self.state.lock().fleet.peak_waiting()
    }

    /// The fleet as it is at the returned moment.
    pub(crate) fn view(&self) -> (FleetView, Instant) {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.fleet.advance(now);
        let view = state.fleet.view(now);
        state.deliver();
        (view, now)
    }

    /// The accounts in service.
    pub(crate) fn accounts(&self) -> Vec<(SeatNumber, Arc<Account>)> {
        let state = self.state.lock();
        let mut accounts: Vec<_> = state
            .accounts
            .iter()
            .map(|(number, account)| (*number, Arc::clone(account)))
            .collect();
        drop(state);
        accounts.sort_unstable_by_key(|(number, _)| *number);
        accounts
    }

    fn change<T>(&self, change: impl FnOnce(&mut Fleet) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state.fleet);
        state.deliver();
        result
    }

    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        number: WaitNumber,
        wake: &Condvar,
        deadline: Instant,
        gone: &dyn Fn() -> bool,
    ) -> Result<Lease<'_>, Denied> {
        loop {
            let now = Instant::now();
            state.fleet.advance(now);
            state.deliver();
            // The answer is looked at before the reasons to give up: a slot handed over is never lost.
            let answer = state
                .waiting
                .get_mut(&number)
                .and_then(|waiter| waiter.answer.take());
            if let Some(answer) = answer {
                state.waiting.remove(&number);
                drop(state);
                return self.lease(answer);
            }
            let denied = if gone() {
                Some(Denied::Gone)
            } else {
                (now >= deadline).then_some(Denied::TooLate)
            };
            if let Some(denied) = denied {
                state.waiting.remove(&number);
                state.fleet.leave(number);
                return Err(denied);
            }
            let look = deadline.min(now + TICK);
            let until = state
                .fleet
                .next_change()
                .map_or(look, |change| change.min(look));
            wake.wait_until(&mut state, until);
        }
    }

    fn lease(&self, answer: Result<(Grant, Arc<Account>), NoAccount>) -> Result<Lease<'_>, Denied> {
        let (grant, account) = answer.map_err(Denied::NoAccount)?;
        Ok(Lease {
            slots: self,
            grant,
            account,
            settled: false,
        })
    }
}

impl State {
    /// Hands the fleet's answers to those who wait for them.
    fn deliver(&mut self) {
        for (number, answer) in self.fleet.take_woken() {
            let answer = answer.and_then(|grant| self.with_account(grant));
            if let Some(waiter) = self.waiting.get_mut(&number) {
                waiter.answer = Some(answer);
                waiter.wake.notify_one();
            }
        }
    }

    /// The account goes with the grant: a reload may take it out of service before the waiter wakes up.
    fn with_account(&self, grant: Grant) -> Result<(Grant, Arc<Account>), NoAccount> {
        let account = self.accounts.get(&grant.seat).map(Arc::clone);
        debug_assert!(account.is_some(), "a seat without an account");
        let account = account.ok_or(NoAccount {
            returns_at: None,
            is_impossible: false,
            is_missing: false,
        })?;
        Ok((grant, account))
    }
}

impl Lease<'_> {
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn seat(&self) -> SeatNumber {
        self.grant.seat
    }

    /// The account has begun to answer.
    pub(crate) fn answered(&mut self) {
        let grant = &mut self.grant;
        self.slots
            .change(|fleet| fleet.answered(grant, Instant::now()));
    }

    /// Frees the slot and says how the attempt went.
    pub(crate) fn settle(mut self, ending: Ending, why: Option<String>) {
        self.end(ending, why);
    }

    fn end(&mut self, ending: Ending, why: Option<String>) {
        if !std::mem::replace(&mut self.settled, true) {
            let grant = &self.grant;
            self.slots
                .change(|fleet| fleet.settle(grant, ending, why, Instant::now()));
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.end(Ending::Unknown, None);
    }
}
