//! The accounts' lists of models: who has said what, and who is to be asked again when. A list that cannot be had anew is kept; an
//! account that may not list, or lists nothing, is taken to have what the others have. Pure: clock and randomness are passed in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accounts::fleet::lacking::Unlisted;
use crate::accounts::seat::SeatNumber;
use crate::translate::listed::{self, Listed};

/// The pause between two lists of one account.
const REFRESH_INTERVAL: Duration = Duration::from_secs(3600);
/// The pause after a list that could not be had; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// The longest such pause.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// An account whose list could not be had so often in a row is not hoped for any more, as long as others have theirs.
const HOPEFUL_FAILURES: u32 = 3;
/// Pauses are up to this part shorter, so that many proxies and accounts do not ask together.
const JITTER_DIVISOR: u32 = 5;

/// What an account has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    List {
        models: Vec<Listed>,
        /// There are no more than these.
        is_whole: bool,
    },
    /// It may not list, by policy.
    Forbidden,
    Failed,
}

#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    accounts: Vec<Account>,
}

#[derive(Debug)]
struct Account {
    seat: SeatNumber,
    /// `None`: there is no list of it.
    list: Option<List>,
    /// It has answered, be it that it has no list.
    is_heard: bool,
    failures: u32,
    due: Instant,
}

#[derive(Debug, PartialEq, Eq)]
struct List {
    models: Vec<Listed>,
    is_whole: bool,
}

impl Catalogue {
    /// The accounts from now on, and of each whether nothing that is known holds any more. All are asked again.
    pub(crate) fn enlist(&mut self, seats: &[(SeatNumber, bool)], now: Instant) {
        let mut before = std::mem::take(&mut self.accounts);
        for (seat, is_new) in seats {
            let stays = before.iter().position(|account| account.seat == *seat);
            let stays = stays.map(|at| before.swap_remove(at));
            let account = stays.filter(|_| !is_new).unwrap_or(Account {
                seat: *seat,
                list: None,
                is_heard: false,
                failures: 0,
                due: now,
            });
            self.accounts.push(Account {
                due: now,
                ..account
            });
        }
    }

    /// Forgets all lists.
    pub(crate) fn clear(&mut self, now: Instant) {
        let seats: Vec<_> = self.accounts.iter().map(|a| (a.seat, true)).collect();
        self.enlist(&seats, now);
    }

    /// Those that are to be asked now. Each is named once: should nothing be heard of it, it is named again after a while.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<SeatNumber> {
        let due = self.accounts.iter_mut().filter(|a| a.due <= now);
        due.map(|account| {
            account.due = now + MAX_RETRY;
            account.seat
        })
        .collect()
    }

    /// When the next one is to be asked.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.accounts.iter().map(|account| account.due).min()
    }

    /// An account has answered; `random` is any number. `true`: the lists have changed.
    pub(crate) fn heard(
        &mut self,
        seat: SeatNumber,
        heard: Heard,
        random: u32,
        now: Instant,
    ) -> bool {
        let mut accounts = self.accounts.iter_mut();
        let Some(account) = accounts.find(|account| account.seat == seat) else {
            return false;
        };
        account.is_heard = true;
        let (list, pause) = match heard {
            Heard::Failed => {
                let doubled = FIRST_RETRY.saturating_mul(1 << account.failures.min(16));
                account.failures = account.failures.saturating_add(1);
                account.due = now + jittered(doubled.min(MAX_RETRY), random);
                return false;
            }
            Heard::Forbidden => (None, REFRESH_INTERVAL),
            // Nobody serves nothing: it is not shown what there is.
            Heard::List { models, .. } if models.is_empty() => (None, REFRESH_INTERVAL),
            Heard::List { models, is_whole } => (Some(List { models, is_whole }), REFRESH_INTERVAL),
        };
        account.failures = 0;
        account.due = now + jittered(pause, random);
        let changed = account.list != list;
        account.list = list;
        changed
    }

    /// Whether all have answered, however.
    pub(crate) fn is_heard(&self) -> bool {
        self.accounts.iter().all(|account| account.is_heard)
    }

    /// Whether a list is yet to come: of an account that has failed a few times only, or of any as long as there is no list at all.
    pub(crate) fn is_incomplete(&self) -> bool {
        let has_any = self.accounts.iter().any(|account| account.list.is_some());
        let is_hopeful = |account: &Account| match account.failures {
            0 => !account.is_heard,
            failures => !has_any || failures <= HOPEFUL_FAILURES,
        };
        let mut without = self.accounts.iter().filter(|a| a.list.is_none());
        without.any(is_hopeful)
    }

    /// The models of this account's list.
    pub(crate) fn list_of(&self, seat: SeatNumber) -> Option<&[Listed]> {
        let mut accounts = self.accounts.iter();
        let account = accounts.find(|account| account.seat == seat)?;
        Some(account.list.as_ref()?.models.as_slice())
    }

    /// What all lists have together.
    pub(crate) fn union(&self) -> Vec<Listed> {
        let lists = self.accounts.iter().filter_map(|a| a.list.as_ref());
        listed::union(lists.map(|list| list.models.as_slice()))
    }

    /// What each account does not list and another does. Nothing of those whose list is not known, or not to its end.
    pub(crate) fn unlisted(&self, union: &[Listed]) -> Unlisted {
        let whole = self.accounts.iter().filter_map(|account| {
            let list = account.list.as_ref().filter(|list| list.is_whole)?;
            Some((account.seat, list))
        });
        whole
            .map(|(seat, list)| {
                let own: BTreeSet<&str> = list.models.iter().map(|m| m.target.id()).collect();
                let others = union.iter().map(|model| model.target.id());
                let missing = others.filter(|id| !own.contains(id)).map(Arc::from);
                (seat, missing.collect())
            })
            .collect()
    }
}

/// Up to a fifth shorter.
fn jittered(pause: Duration, random: u32) -> Duration {
    pause - (pause / JITTER_DIVISOR) * (random % 1000) / 1000
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::dispatch::simulation;
    use crate::names::ModelName;
    use crate::translate::listed::Capabilities;
    use crate::translate::models::ModelTarget;

    fn models(names: &[&str]) -> Vec<Listed> {
        let model = |name: &&str| Listed {
            name: ModelName::new(*name),
            target: ModelTarget::new(*name, None),
            capabilities: Capabilities::of_model_id(name),
            vendor: None,
            created: None,
        };
        names.iter().map(model).collect()
    }

    fn list(names: &[&str], is_whole: bool) -> Heard {
        let models = models(names);
        Heard::List { models, is_whole }
    }

    fn names(models: &[Listed]) -> Vec<&str> {
        models.iter().map(|model| model.name.as_str()).collect()
    }

    /// Three accounts, of which nothing is known.
    fn three(now: Instant) -> (Catalogue, Vec<SeatNumber>) {
        let seats = simulation::seats(3, now);
        let mut catalogue = Catalogue::default();
        let new: Vec<_> = seats.iter().map(|seat| (*seat, true)).collect();
        catalogue.enlist(&new, now);
        (catalogue, seats)
    }

    #[test]
    fn the_union_is_what_clients_see_and_an_account_lacks_what_only_others_list() {
        let now = Instant::now();
        let (mut catalogue, seats) = three(now);
        assert_eq!(catalogue.take_due(now), seats);
        assert!(catalogue.take_due(now).is_empty() && !catalogue.is_heard());
        assert!(catalogue.heard(seats[0], list(&["a", "b"], true), 0, now));
        assert!(catalogue.heard(seats[1], list(&["b", "c"], true), 0, now));
        assert!(catalogue.is_incomplete());
        assert!(!catalogue.heard(seats[2], Heard::Forbidden, 0, now));
        assert!(catalogue.is_heard() && !catalogue.is_incomplete());
        for _ in 0..=HOPEFUL_FAILURES {
            catalogue.heard(seats[2], Heard::Failed, 0, now);
        }
        assert!(!catalogue.is_incomplete(), "others have theirs");
        let union = catalogue.union();
        assert_eq!(names(&union), ["a", "b", "c"]);
        let unlisted = catalogue.unlisted(&union);
        let of = |at: usize| unlisted.iter().find(|(seat, _)| *seat == seats[at]);
        let text =
            |at: usize| of(at).map(|(_, ids)| ids.iter().map(|id| &**id).collect::<Vec<_>>());
        assert_eq!((text(0), text(1)), (Some(vec!["c"]), Some(vec!["a"])));
        assert_eq!(text(2), None, "it is taken to have all");
        // A list that was cut off says nothing about what is not in it; an empty one nothing at all.
        catalogue.heard(seats[0], list(&["a"], false), 0, now);
        catalogue.heard(seats[1], list(&[], true), 0, now);
        assert_eq!(names(&catalogue.union()), ["a"]);
        assert!(catalogue.unlisted(&union).is_empty());
    }

    #[test]
    fn a_failed_refresh_keeps_the_list_and_comes_again_soon() {
        let mut now = Instant::now();
        let (mut catalogue, seats) = three(now);
        catalogue.take_due(now);
        for seat in &seats {
            assert!(catalogue.heard(*seat, list(&["a"], true), 0, now));
            assert!(!catalogue.heard(*seat, list(&["a"], true), 0, now));
        }
        assert_eq!(catalogue.next_due(), Some(now + REFRESH_INTERVAL));
        now += REFRESH_INTERVAL;
        assert_eq!(catalogue.take_due(now), seats);
        catalogue.heard(seats[1], list(&["a"], true), 0, now);
        catalogue.heard(seats[2], list(&["a"], true), 0, now);
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            assert!(!catalogue.heard(seats[0], Heard::Failed, 0, now));
            let pause = Duration::from_secs(pause);
            assert_eq!(catalogue.next_due(), Some(now + pause));
            now += pause;
            assert_eq!(catalogue.take_due(now)[0], seats[0]);
            assert_eq!(names(&catalogue.union()), ["a"]);
        }
        assert!(!catalogue.is_incomplete(), "the old list holds");
        catalogue.heard(seats[0], list(&["b"], true), 0, now);
        assert_eq!(catalogue.list_of(seats[0]).map(names), Some(vec!["b"]));
        catalogue.heard(seats[0], Heard::Failed, 0, now);
        assert_eq!(catalogue.next_due(), Some(now + FIRST_RETRY));
    }

    #[test]
    fn a_reload_keeps_the_lists_of_accounts_that_stay_and_asks_all_again() {
        let now = Instant::now();
        let (mut catalogue, seats) = three(now);
        catalogue.take_due(now);
        for (seat, name) in seats.iter().zip(["a", "b", "c"]) {
            catalogue.heard(*seat, list(&[name], true), 0, now);
        }
        catalogue.enlist(&[(seats[0], false), (seats[2], true)], now);
        assert_eq!(names(&catalogue.union()), ["a"]);
        assert!(!catalogue.is_heard());
        assert_eq!(catalogue.take_due(now), [seats[0], seats[2]]);
        assert!(!catalogue.heard(seats[1], list(&["b"], true), 0, now));
        catalogue.clear(now);
        assert!(catalogue.union().is_empty() && catalogue.is_incomplete());
        for _ in 0..9 {
            catalogue.heard(seats[0], Heard::Failed, 0, now);
            catalogue.heard(seats[2], Heard::Failed, 0, now);
        }
        assert!(catalogue.is_incomplete(), "there is none at all");
    }

    #[test]
    fn pauses_are_spread() {
        let pause = Duration::from_secs(100);
        assert_eq!(jittered(pause, 0), pause);
        assert_eq!(jittered(pause, 500), Duration::from_secs(90));
        assert!(jittered(pause, 999) > Duration::from_secs(80));
    }
}
