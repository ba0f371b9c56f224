//! What `-init` asks, and what it makes of the answers. Pure: flags, environment, profiles, the key's file and whoever answers are
//! handed in. A value that was given is not asked for; one that a profile has is offered. A key is opened before its fingerprint
//! is believed.

use std::io;

use zeroize::Zeroizing;

use super::words::{missing, question};
use crate::config::{self, DEFAULT_PROFILE, Item, NewFile, Profiles};
use crate::names::Secret;
use crate::oci::keys::KeyError;

/// Wrong answers to one question before it is given up: a program that answers would be asked for ever.
const MAX_TRIES: u32 = 10;
/// No profile at all.
const NO_PROFILE: &str = "-";
/// One of each family, for who does not know which ones to take.
const USUAL_MODELS: &str = "grok-4.3=xai.grok-4.3, llama-3.3-70b=meta.llama-3.3-70b-instruct, \
                            gemini-2.5-flash=google.gemini-2.5-flash, gpt-oss-120b=openai.gpt-oss-120b, \
                            command-a=cohere.command-a-03-2025";

/// What is said to the user.
pub(super) enum Line<'a> {
    Say(&'a str),
    Ask(&'a str),
    /// The answer is not to be shown.
    AskSecret(&'a str),
}

/// Says a line; the answer, if it asks for one. `None`: there is nobody any more.
pub(super) type Talk<'a> = dyn FnMut(Line<'_>) -> io::Result<Option<Zeroizing<String>>> + 'a;

/// The fingerprint of the key in a file, opened with this pass phrase.
pub(super) type OpenKey<'a> = dyn Fn(&str, Option<&Secret>) -> Result<String, KeyError> + 'a;

/// What there is without asking.
pub(super) struct World<'a> {
    /// A value, and the flag or variable that it comes from.
    pub(super) given: &'a dyn Fn(Item) -> Option<(Zeroizing<String>, &'static str)>,
    pub(super) profiles: Option<Found<'a>>,
    /// The profile that was chosen.
    pub(super) profile: Option<String>,
    pub(super) open_key: &'a OpenKey<'a>,
}

/// The configuration of OCI's own tools.
pub(super) struct Found<'a> {
    pub(super) path: String,
    pub(super) profiles: &'a Profiles,
}

/// Why there is no file.
#[derive(Debug)]
pub(super) enum Stop {
    /// One line each.
    Problems(Vec<String>),
    /// Whoever was asked has left.
    Ended,
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Stop {
    fn problem(problem: impl Into<String>) -> Self {
        Self::Problems(vec![problem.into()])
    }
}

/// Without anybody to ask: all from flags, environment and profile, and every problem at once.
pub(super) fn gather(world: &World<'_>) -> Result<NewFile, Stop> {
    let mut problems = Vec::new();
    let profile = chosen(world).map_err(Stop::problem)?;
    let mut value = |item: Item, is_needed: bool| {
        let (value, from) = match (world.given)(item) {
            Some((value, from)) => (value, from.to_owned()),
            None => match (offered(world, profile.as_deref(), item), is_needed) {
                (Some(value), _) => (value, format!("profile {}", profile.as_deref()?)),
                (None, false) => return None,
                (None, true) => {
                    problems.push(missing(item));
                    return None;
                }
            },
        };
        match config::accept(item, &value) {
            Ok(()) => Some(value),
            Err(expected) => {
                problems.push(format!("{from}: {expected}"));
                None
            }
        }
    };
    let user = value(Item::User, true);
    let tenancy = value(Item::Tenancy, true);
    let region = value(Item::Region, true);
    let key_file = value(Item::KeyFile, true);
    let fingerprint = value(Item::Fingerprint, false);
    let phrase = value(Item::PassPhrase, false).map(|phrase| Secret::new(phrase.as_str()));
    let compartment = value(Item::Compartment, false);
    let models = value(Item::Models, false);
    let opened = key_file.as_ref().and_then(|key_file| {
        let fingerprint = fingerprint.as_ref().map(|text| text.as_str());
        key_without_asking(world, key_file, phrase, fingerprint)
            .map_err(|problem| problems.push(problem))
            .ok()
    });
    let parts = user.zip(tenancy).zip(region.zip(key_file)).zip(opened);
    let (Some((((user, tenancy), (region, key_file)), opened)), true) =
        (parts, problems.is_empty())
    else {
        return Err(Stop::Problems(problems));
    };
    let models = models.map_or_else(|| USUAL_MODELS.to_owned(), |models| models.to_string());
    Ok(NewFile {
        user: user.to_string(),
        tenancy: tenancy.to_string(),
        fingerprint: opened.fingerprint,
        key_file: key_file.to_string(),
        region: region.to_string(),
        pass_phrase: opened.pass_phrase,
        compartment: compartment.map(|compartment| compartment.to_string()),
        models: config::models(&models).map_err(Stop::problem)?,
    })
}

/// A key that opens.
struct OpenedKey {
    fingerprint: String,
    /// If it needs one.
    pass_phrase: Option<Secret>,
}

fn key_without_asking(
    world: &World<'_>,
    key_file: &str,
    phrase: Option<Secret>,
    fingerprint: Option<&str>,
) -> Result<OpenedKey, String> {
    let (computed, pass_phrase) = match ((world.open_key)(key_file, None), phrase) {
        (Ok(computed), _) => (computed, None),
        (Err(error), Some(phrase)) if needs_phrase(&error) => {
            let computed =
                (world.open_key)(key_file, Some(&phrase)).map_err(|error| error.to_string())?;
            (computed, Some(phrase))
        }
        (Err(error), None) if needs_phrase(&error) => {
            return Err(format!(
                "{key_file}: the key is encrypted: {}",
                missing(Item::PassPhrase)
            ));
        }
        (Err(error), _) => return Err(error.to_string()),
    };
    match fingerprint {
        Some(configured) if !configured.eq_ignore_ascii_case(&computed) => {
            Err(mismatch(key_file, configured, &computed))
        }
        Some(_) | None => Ok(OpenedKey {
            fingerprint: computed,
            pass_phrase,
        }),
    }
}

fn mismatch(key_file: &str, configured: &str, computed: &str) -> String {
    let error = KeyError::FingerprintMismatch {
        configured: configured.to_owned(),
        computed: computed.to_owned(),
    };
    format!("{key_file}: {error}")
}

fn needs_phrase(error: &KeyError) -> bool {
    match error {
        KeyError::InFile { error, .. } => needs_phrase(error),
        KeyError::PassPhraseNeeded | KeyError::WrongPassPhrase => true,
        _ => false,
    }
}

/// The profile that was asked for, or the default one if there is one. `Ok(None)`: none.
fn chosen(world: &World<'_>) -> Result<Option<String>, String> {
    match (&world.profile, &world.profiles) {
        (Some(name), Some(found)) if found.profiles.has(name) => Ok(Some(name.clone())),
        (Some(name), Some(found)) => Err(format!(
            "{}: there is no profile {name:?}, there are: {}",
            found.path,
            found.profiles.names().join(", ")
        )),
        (Some(name), None) => Err(format!(
            "there is no ~/.oci/config with a profile {name:?}: leave -profile out, or name the file with OCI_CONFIG_FILE"
        )),
        (None, Some(found)) => Ok(found
            .profiles
            .has(DEFAULT_PROFILE)
            .then(|| DEFAULT_PROFILE.to_owned())),
        (None, None) => Ok(None),
    }
}

/// What the profile says.
fn offered(world: &World<'_>, profile: Option<&str>, item: Item) -> Option<Zeroizing<String>> {
    match item {
        Item::User
        | Item::Tenancy
        | Item::Fingerprint
        | Item::KeyFile
        | Item::Region
        | Item::PassPhrase
        | Item::Compartment => world.profiles.as_ref()?.profiles.value(profile?, item),
        // Profiles know none.
        Item::Models => None,
    }
}

/// With somebody to ask.
pub(super) fn ask(world: &World<'_>, talk: &mut Talk<'_>) -> Result<NewFile, Stop> {
    let mut asking = Asking {
        world,
        talk,
        profile: None,
    };
    asking.choose_profile()?;
    let user = asking.value(Item::User)?;
    let tenancy = asking.value(Item::Tenancy)?;
    let region = asking.value(Item::Region)?;
    let (key_file, opened) = asking.key()?;
    asking.compare(&key_file, &opened.fingerprint)?;
    let compartment = asking.value(Item::Compartment)?;
    let models = asking.value(Item::Models)?;
    Ok(NewFile {
        user: user.to_string(),
        tenancy: tenancy.to_string(),
        fingerprint: opened.fingerprint,
        key_file: key_file.to_string(),
        region: region.to_string(),
        pass_phrase: opened.pass_phrase,
        compartment: Some(compartment.to_string())
            .filter(|text| !text.is_empty() && *text != *tenancy),
        models: config::models(&models).map_err(Stop::problem)?,
    })
}

struct Asking<'a, 'b, 'c> {
    world: &'a World<'b>,
    talk: &'a mut Talk<'c>,
    profile: Option<String>,
}

impl Asking<'_, '_, '_> {
    fn say(&mut self, text: &str) -> Result<(), Stop> {
        (self.talk)(Line::Say(text))?;
        Ok(())
    }

    fn choose_profile(&mut self) -> Result<(), Stop> {
        self.profile = chosen(self.world).map_err(Stop::problem)?;
        let Some(found) = &self.world.profiles else {
            return Ok(());
        };
        let names = found.profiles.names();
        if self.world.profile.is_none() && (names.len() > 1 || self.profile.is_none()) {
            let text = format!(
                "Profile of {} ({}; {NO_PROFILE} for none)",
                found.path,
                names.join(", ")
            );
            let offer = self
                .profile
                .clone()
                .unwrap_or_else(|| NO_PROFILE.to_owned());
            let answer = self.answer(&text, Some(&offer), |answer| {
                if answer == NO_PROFILE || names.contains(&answer) {
                    Ok(())
                } else {
                    Err("expected one of these names".to_owned())
                }
            })?;
            self.profile = Some(answer.to_string()).filter(|name| name != NO_PROFILE);
        }
        if let Some(profile) = &self.profile {
            let text = format!(
                "Values of the profile {profile} of {} are offered in brackets: Enter takes one.",
                found.path
            );
            self.say(&text)?;
        }
        Ok(())
    }

    /// One value: given, or asked for.
    fn value(&mut self, item: Item) -> Result<Zeroizing<String>, Stop> {
        if let Some(value) = self.given(item)? {
            return Ok(value);
        }
        let offer = offered(self.world, self.profile.as_deref(), item)
            .filter(|offer| config::accept(item, offer).is_ok());
        let offer = match item {
            Item::Models => Some(Zeroizing::new(USUAL_MODELS.to_owned())),
            // Nothing: the tenancy.
            Item::Compartment => Some(offer.unwrap_or_default()),
            Item::User
            | Item::Tenancy
            | Item::Fingerprint
            | Item::KeyFile
            | Item::Region
            | Item::PassPhrase => offer,
        };
        let offer = offer.as_ref().map(|offer| offer.as_str());
        self.answer(question(item), offer, |answer| config::accept(item, answer))
    }

    /// A value that a flag or the environment has; it must be good.
    fn given(&mut self, item: Item) -> Result<Option<Zeroizing<String>>, Stop> {
        let Some((value, from)) = (self.world.given)(item) else {
            return Ok(None);
        };
        config::accept(item, &value)
            .map_err(|expected| Stop::problem(format!("{from}: {expected}")))?;
        Ok(Some(value))
    }

    /// The key's file, opened. With a pass phrase that was asked for if it needs one.
    fn key(&mut self) -> Result<(Zeroizing<String>, OpenedKey), Stop> {
        let is_given = (self.world.given)(Item::KeyFile).is_some();
        for _ in 0..MAX_TRIES {
            let key_file = self.value(Item::KeyFile)?;
            match (self.world.open_key)(&key_file, None) {
                Ok(fingerprint) => {
                    let opened = OpenedKey {
                        fingerprint,
                        pass_phrase: None,
                    };
                    return Ok((key_file, opened));
                }
                Err(error) if needs_phrase(&error) => {
                    let opened = self.unlock(&key_file)?;
                    return Ok((key_file, opened));
                }
                Err(error) if is_given => return Err(Stop::problem(error.to_string())),
                Err(error) => self.say(&error.to_string())?,
            }
        }
        Err(too_many())
    }

    fn unlock(&mut self, key_file: &str) -> Result<OpenedKey, Stop> {
        let known = match self.given(Item::PassPhrase)? {
            Some(given) => Some(given),
            None => offered(self.world, self.profile.as_deref(), Item::PassPhrase),
        };
        let mut known = known.filter(|phrase| config::accept(Item::PassPhrase, phrase).is_ok());
        for _ in 0..MAX_TRIES {
            let phrase = match known.take() {
                Some(phrase) => phrase,
                None => {
                    let asked = (self.talk)(Line::AskSecret(question(Item::PassPhrase)))?;
                    asked.ok_or(Stop::Ended)?
                }
            };
            if let Err(expected) = config::accept(Item::PassPhrase, &phrase) {
                self.say(&expected)?;
                continue;
            }
            let phrase = Secret::new(phrase.as_str());
            match (self.world.open_key)(key_file, Some(&phrase)) {
                Ok(fingerprint) => {
                    return Ok(OpenedKey {
                        fingerprint,
                        pass_phrase: Some(phrase),
                    });
                }
                Err(error) => self.say(&error.to_string())?,
            }
        }
        Err(too_many())
    }

    /// The key's fingerprint with what else is said of it.
    fn compare(&mut self, key_file: &str, computed: &str) -> Result<(), Stop> {
        let is_same = |text: &str| text.eq_ignore_ascii_case(computed);
        if let Some(given) = self.given(Item::Fingerprint)? {
            if is_same(&given) {
                return Ok(());
            }
            return Err(Stop::problem(mismatch(key_file, &given, computed)));
        }
        let offer = offered(self.world, self.profile.as_deref(), Item::Fingerprint);
        if let Some(offer) = offer.filter(|offer| !is_same(offer)) {
            self.say(&mismatch(key_file, &offer, computed))?;
        }
        self.answer(question(Item::Fingerprint), Some(computed), |answer| {
            config::accept(Item::Fingerprint, answer)?;
            if is_same(answer) {
                Ok(())
            } else {
                Err(mismatch(key_file, answer, computed))
            }
        })?;
        Ok(())
    }

    /// Asks until the answer is good. Nothing but Enter is the offer, if there is one.
    fn answer(
        &mut self,
        question: &str,
        offer: Option<&str>,
        accept: impl Fn(&str) -> Result<(), String>,
    ) -> Result<Zeroizing<String>, Stop> {
        let text = match offer {
            Some(offer) if !offer.is_empty() => format!("{question} [{offer}]"),
            Some(_) | None => question.to_owned(),
        };
        for _ in 0..MAX_TRIES {
            let answer = (self.talk)(Line::Ask(&text))?.ok_or(Stop::Ended)?;
            let answer = answer.trim();
            match offer {
                Some(offer) if answer.is_empty() => return Ok(Zeroizing::new(offer.to_owned())),
                Some(_) | None => {}
            }
            match accept(answer) {
                Ok(()) => return Ok(Zeroizing::new(answer.to_owned())),
                Err(expected) => self.say(&expected)?,
            }
        }
        Err(too_many())
    }
}

fn too_many() -> Stop {
    Stop::problem(format!(
        "{MAX_TRIES} answers were wrong, nothing was written"
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
mod tests;
