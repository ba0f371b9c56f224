//! What the fleet does about accounts that do not have a model. They are as if they were not there; when none is left, one request
//! is let through now and then, and an account that has the model again casts doubt on what is known of the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Ask, Fleet, Pick};
use crate::accounts::paths::Paths;
use crate::accounts::seat::{Seat, SeatNumber};
use crate::accounts::strategy::choose;

/// The models that an account does not list and others do.
pub(crate) type Unlisted = Vec<(SeatNumber, BTreeSet<Arc<str>>)>;

impl Fleet {
    /// What each account does not list from now on; of one that is not named nothing is known, and it is asked for everything.
    pub(crate) fn set_unlisted(&mut self, mut unlisted: Unlisted, now: Instant) {
        for seat in &mut self.seats {
            let found = unlisted
                .iter()
                .position(|(number, _)| *number == seat.number());
            let models = found.map(|at| unlisted.swap_remove(at).1);
            seat.set_unlisted(models.unwrap_or_default());
        }
        self.serve_waiting(now);
    }

    /// An account that is asked for a model although it does not have it, as nobody has; only of a request that has asked nobody:
    /// another account's error says more than a further 404.
    pub(super) fn pick_lacking(&mut self, ask: &Ask, now: Instant) -> Option<Pick> {
        if !ask.tried.is_empty() {
            return None;
        }
        let is_due = |seat: &Seat| {
            seat.serves(ask.paths) && seat.has_room() && seat.is_trial_of_lacking(&ask.model, now)
        };
        choose(self.strategy, &mut self.turn, &mut self.seats, is_due).map(Pick::Seat)
    }

    /// Whether all accounts that could be asked are known not to have it. One that is out for its health says nothing about it,
    /// one that is out for a moment may have it.
    pub(super) fn is_missing(&self, model: &str, paths: Paths, now: Instant) -> bool {
        let could = |seat: &Seat| seat.serves(paths) && seat.is_healthy(now);
        let asked = |seat: &&Seat| could(seat) && !seat.is_unlisted(model);
        let mut asked = self.seats.iter().filter(asked).peekable();
        asked.peek().is_some() && asked.all(|seat| seat.lacks(model, now))
    }

    /// An account that was known not to have this model has answered: whatever has changed may have changed for the others.
    pub(super) fn found_again(&mut self, model: &str, now: Instant) {
        for seat in &mut self.seats {
            seat.doubt_lacking(model, now);
        }
    }
}
