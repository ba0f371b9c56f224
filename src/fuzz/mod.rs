//! A seeded fuzzer within the test binary, for stable Rust: makes inputs out of a corpus by small damages and hands them
//! to a check that panics when a promise is broken. Knows nothing of what it attacks: the targets stand in the rooms, in
//! a file `fuzz.rs` each.
//!
//! An execution follows from its seed alone. `cargo test` runs a fixed number of executions with the same seeds each
//! time. `FUZZ_SECONDS=60 cargo test --lib fuzz -- --nocapture` runs each target for that long, with new seeds, or with those
//! from `FUZZ_FIRST=7` on. `FUZZ_SEED=7` runs only the execution of that seed, which a failure has printed.

#![expect(clippy::panic, reason = "a broken promise ends the test")]

mod corpus;
mod json;
mod mutate;
mod random;
mod shrink;

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use corpus::{fixtures, golden, texts};
pub(crate) use random::Random;

/// Bytes of an input. What grows beyond is cut: the bounds of the program are tried by its own tests.
const MAX_INPUT_BYTES: usize = 64 * 1024;

/// Characters of an input that a failure prints. `FUZZ_SEED` has the rest.
const MAX_SHOWN: usize = 4000;

/// Most damages of one input, as a power of two. Most inputs get one or two: who breaks everything at once only ever tries
/// the first check.
const MAX_DAMAGES_LOG2: usize = 4;

/// What an input looks like, which says how it can be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines of text: heads, configuration files.
    Lines,
    Json,
    /// Lines of which some are `data:` and JSON.
    Events,
}

/// Code under attack.
pub(crate) struct Target<'a> {
    /// The path of its test, for the line that says how to run it again.
    pub(crate) name: &'static str,
    /// In a plain `cargo test`.
    pub(crate) executions: u64,
    pub(crate) form: Form,
    /// Good inputs, and some bad ones of interest. Never empty.
    pub(crate) corpus: &'a [Vec<u8>],
    /// Words that mean something to the code.
    pub(crate) words: &'a [&'a str],
}

impl Target<'_> {
    /// Runs the executions. `check` panics when a promise is broken, and says whether the code took the input for good:
    /// were that never so, only the first of its checks would be tried.
    pub(crate) fn run(&self, check: impl Fn(&[u8], &mut Random) -> bool) {
        let begun = Instant::now();
        let wanted = Wanted::from_environment(self.executions);
        let first = wanted.first_seed();
        let (mut executions, mut taken) = (0, 0);
        while wanted.goes_on(executions, begun) {
            taken += u64::from(self.execute(first.wrapping_add(executions), &check));
            executions += 1;
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "{}: {executions} executions from seed {first}, {taken} of them with good input, {:.0} a second, nothing found",
            self.name,
            f64::from(u32::try_from(executions).unwrap_or(u32::MAX)) / seconds
        );
        assert!(
            taken > 0 || matches!(wanted, Wanted::One(_)),
            "{}: no input was good, so that nothing was tried",
            self.name
        );
    }

    fn execute(&self, seed: u64, check: &impl Fn(&[u8], &mut Random) -> bool) -> bool {
        let mut random = Random::new(seed);
        let input = self.input(&mut random);
        let attempt = |input: &[u8]| {
            let mut random = random.clone();
            catch_unwind(AssertUnwindSafe(|| check(input, &mut random)))
        };
        match attempt(&input) {
            Ok(taken) => taken,
            Err(panic) => {
                let smallest = shrink::shrink(&input, |input| attempt(input).is_err());
                panic!(
                    "{}\n  run again: FUZZ_SEED={seed} cargo test --lib {}\n  input: {}\n  smallest that breaks a promise: {}",
                    said(&*panic),
                    self.name,
                    shown(&input),
                    shown(&smallest)
                );
            }
        }
    }

    fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut input = random.of(self.corpus).clone();
        let most = 1 << random.below(MAX_DAMAGES_LOG2 + 1);
        let damages = 1 + random.below(most);
        let damages = if random.one_in(32) { 0 } else { damages };
        for _ in 0..damages {
            match self.form {
                Form::Json if !random.one_in(8) => json::damage(&mut input, self, random),
                Form::Events if !random.one_in(3) => json::damage_event(&mut input, self, random),
                Form::Lines | Form::Events if random.one_in(2) => {
                    mutate::damage_lines(&mut input, self.corpus, random);
                }
                Form::Lines | Form::Json | Form::Events => {
                    mutate::damage(&mut input, self.corpus, self.words, random);
                }
            }
            input.truncate(MAX_INPUT_BYTES);
        }
        input
    }
}

/// How much is to be run.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    One(u64),
    Many(u64),
    For { duration: Duration, first: u64 },
}

impl Wanted {
    fn from_environment(usual: u64) -> Self {
        let number = |name| {
            let text = env::var(name).ok()?;
            let number = text.parse::<u64>();
            Some(number.unwrap_or_else(|_| panic!("{name}: expected a number, got {text:?}")))
        };
        match (number("FUZZ_SEED"), number("FUZZ_SECONDS")) {
            (Some(seed), _) => Self::One(seed),
            (None, Some(seconds)) => Self::For {
                duration: Duration::from_secs(seconds),
                first: number("FUZZ_FIRST").unwrap_or_else(new_seed),
            },
            (None, None) => Self::Many(usual),
        }
    }

    fn first_seed(self) -> u64 {
        match self {
            Self::One(seed) => seed,
            Self::Many(_) => 0,
            Self::For { first, .. } => first,
        }
    }

    fn goes_on(self, executions: u64, begun: Instant) -> bool {
        match self {
            Self::One(_) => executions < 1,
            Self::Many(usual) => executions < usual,
            Self::For { duration, .. } => begun.elapsed() < duration,
        }
    }
}

/// Another one each second. Seeds are spread by `Random` and need not be.
fn new_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() << 24)
}

/// As a literal of Rust's; its beginning if it is long.
fn shown(input: &[u8]) -> String {
    let text = input.escape_ascii().to_string();
    match text.get(..MAX_SHOWN) {
        Some(beginning) if text.len() > MAX_SHOWN => {
            format!("b\"{beginning}\" and more, {} bytes in all", input.len())
        }
        Some(_) | None => format!("b\"{text}\""),
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
    text.unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests;
