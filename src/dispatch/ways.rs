//! Which accounts have OCI's OpenAI-compatible API for which model, as far as is known: learned from answers, for models that are
//! asked through it where it is to be had. Pure: the clock is passed in. Forgotten with a reload of the configuration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::names::AccountId;
use crate::translate::passthrough::Action;

/// How long an account that lacks it is not asked again: Oracle brings it to further regions.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60 * 60);
/// Pairs of account and model that are remembered; of more than that the oldest is forgotten.
const MAX_REMEMBERED: usize = 4096;

/// What is asked for, and of which model: an account may have a model's chats and not its responses.
pub(crate) type Wanted = (Action, Arc<str>);

/// Which API a call goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Native,
    OpenAi,
}

#[derive(Debug, Default)]
pub(crate) struct Ways {
    known: HashMap<(AccountId, Wanted), Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    has_it: bool,
    since: Instant,
}

impl Ways {
    /// How to ask that account for that model.
    pub(crate) fn choose(&self, account: &AccountId, model: &Wanted, now: Instant) -> Way {
        match self.get(account, model) {
            Some(known)
                if !known.has_it
                    && now.saturating_duration_since(known.since) < FORGOTTEN_AFTER =>
            {
                Way::Native
            }
            Some(_) | None => Way::OpenAi,
        }
    }

    /// Whether it has been answered there: then an error is one of this request, or of this day.
    pub(crate) fn has_worked(&self, account: &AccountId, model: &Wanted) -> bool {
        self.get(account, model).is_some_and(|known| known.has_it)
    }

    /// It has been answered there.
    pub(crate) fn works(&mut self, account: &AccountId, model: &Wanted, now: Instant) {
        if !self.has_worked(account, model) {
            self.note(account, model, true, now);
        }
    }

    /// It was refused there, and the native API has answered.
    pub(crate) fn lacks(&mut self, account: &AccountId, model: &Wanted, now: Instant) {
        self.note(account, model, false, now);
    }

    fn get(&self, account: &AccountId, model: &Wanted) -> Option<Known> {
        let pair = (account.clone(), model.clone());
        self.known.get(&pair).copied()
    }

    fn note(&mut self, account: &AccountId, model: &Wanted, has_it: bool, since: Instant) {
        let pair = (account.clone(), model.clone());
        if self.known.len() >= MAX_REMEMBERED && !self.known.contains_key(&pair) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.since);
            if let Some(oldest) = oldest.map(|(pair, _)| pair.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(pair, Known { has_it, since });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(account: &str, model: &str) -> (AccountId, Wanted) {
        (
            AccountId::new(account),
            (Action::ChatCompletions, model.into()),
        )
    }

    #[test]
    fn an_account_that_lacks_it_is_asked_again_after_a_while() {
        let t0 = Instant::now();
        let mut ways = Ways::default();
        let ((a, grok), (b, llama)) = (ids("a", "grok"), ids("b", "llama"));
        assert_eq!(ways.choose(&a, &grok, t0), Way::OpenAi);
        ways.lacks(&a, &grok, t0);
        assert_eq!(ways.choose(&a, &grok, t0), Way::Native);
        let responses = (Action::Responses, Arc::clone(&grok.1));
        for (account, model) in [(&a, &llama), (&b, &grok), (&a, &responses)] {
            assert_eq!(ways.choose(account, model, t0), Way::OpenAi);
        }
        let nearly = t0 + FORGOTTEN_AFTER - Duration::from_secs(1);
        assert_eq!(ways.choose(&a, &grok, nearly), Way::Native);
        assert_eq!(ways.choose(&a, &grok, t0 + FORGOTTEN_AFTER), Way::OpenAi);
        assert!(!ways.has_worked(&a, &grok));
        ways.works(&a, &grok, t0);
        assert!(ways.has_worked(&a, &grok));
        assert_eq!(ways.choose(&a, &grok, t0), Way::OpenAi);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes() {
        let t0 = Instant::now();
        let mut ways = Ways::default();
        for number in 0..=MAX_REMEMBERED {
            let (account, model) = ids("a", &number.to_string());
            let at = t0 + Duration::from_millis(u64::try_from(number).unwrap_or(0));
            ways.lacks(&account, &model, at);
        }
        assert_eq!(ways.known.len(), MAX_REMEMBERED);
        let now = t0 + Duration::from_secs(60);
        let (account, first) = ids("a", "0");
        assert_eq!(ways.choose(&account, &first, now), Way::OpenAi);
        assert_eq!(ways.choose(&account, &ids("a", "1").1, now), Way::Native);
    }
}
