//! What a random day is made of: the accounts and settings, and which account has what trouble when.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::accounts::fleet::Enlisted;
use crate::accounts::health::Check;
use crate::accounts::{BreakerSettings, FleetSettings, SeatSettings, Strategy};
use crate::dispatch::DispatchSettings;
use crate::dispatch::simulation::random::Random;
use crate::names::AccountId;
use crate::oci::error::{OciError, Phase, StatusError};

pub(super) const IDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
pub(super) const MODELS: [&str; 2] = ["xai.grok-4", "meta.llama-4"];

/// What an account suffers from for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection.
    Down,
    /// 503.
    Failing,
    Throttling {
        retry_after: Option<Duration>,
    },
    /// 401 or 403.
    Refusing(u16),
    /// 404.
    Missing,
    /// It never answers.
    Hanging,
    Slow,
    /// Streams begin and break off.
    Breaking,
    /// 409, which blames nobody.
    Conflicting,
}

/// From when to when which account has it.
pub(super) struct Outage {
    pub(super) account: usize,
    from: Instant,
    to: Instant,
    trouble: Trouble,
}

/// How one attempt goes.
pub(super) struct Course {
    /// When its stream begins, if it is one and does.
    pub(super) begins: Option<Instant>,
    pub(super) ends: Instant,
    /// `Err(None)`: the worker panics.
    pub(super) result: Result<(), Option<OciError>>,
}

pub(super) fn breaker(max_failures: u32, reset_timeout: Duration) -> BreakerSettings {
    BreakerSettings {
        max_failures,
        reset_timeout,
        failure_rate: 0.6,
        min_requests: 10,
    }
}

pub(super) fn enlisted(id: &str, weight: u32, max_concurrency: u32) -> Enlisted {
    Enlisted {
        settings: SeatSettings {
            id: AccountId::new(id),
            weight: NonZeroU32::new(weight).unwrap(),
            max_concurrency: NonZeroU32::new(max_concurrency).unwrap(),
            paths: crate::accounts::paths::Paths::Either,
        },
        unusable: None,
        is_new: false,
    }
}

pub(super) fn fleet_settings(random: &mut Random) -> FleetSettings {
    let max_failures = random.small(1, 5) * random.pick(&[1, 1, 1000]);
    let longest = random.pick(&[500, 5_000, 20_000]);
    let reset_timeout = random.millis(100, longest);
    FleetSettings {
        strategy: random.pick(&Strategy::ALL),
        health_check_interval: None,
        breaker: BreakerSettings {
            failure_rate: f64::from(random.small(1, 10)) / 10.0,
            min_requests: random.small(1, 20) * max_failures.div_ceil(100),
            ..breaker(max_failures, reset_timeout)
        },
    }
}

pub(super) fn dispatch_settings(random: &mut Random) -> DispatchSettings {
    let request_timeout = random.millis(500, 10_000);
    DispatchSettings {
        request_timeout,
        stream_idle_timeout: request_timeout * 2,
        queue_timeout: random.millis(50, 15_000),
        retry_attempts: random.small(0, 6),
    }
}

/// Some of the accounts, of which at least one can start.
pub(super) fn accounts(random: &mut Random, is_reload: bool) -> Vec<Enlisted> {
    let mut ids: Vec<&str> = IDS.into();
    let count = random.between(1, 6);
    let mut accounts = Vec::new();
    for _ in 0..count {
        let id = random.pick(&ids);
        ids.retain(|other| *other != id);
        let mut account = enlisted(id, random.small(1, 9), random.small(1, 4));
        account.is_new = is_reload && random.chance(20);
        if !accounts.is_empty() && random.chance(10) {
            account.unusable = Some("no key".to_owned());
        }
        accounts.push(account);
    }
    accounts
}

pub(super) fn outages(random: &mut Random, t0: Instant, length: Duration) -> Vec<Outage> {
    // Some days are for what is rare otherwise: the budget of all requests is used up, or a model is nowhere.
    match random.between(0, 19) {
        0 => return everywhere(Trouble::Conflicting, t0, length),
        1 => return everywhere(Trouble::Missing, t0, length * 3 / 4),
        _ => {}
    }
    let millis = u64::try_from(length.as_millis()).unwrap();
    // On some days little works, for one reason.
    let is_gloomy = random.chance(25);
    let gloom = random.pick(&[0, 1, 5]);
    let count = random.between(0, if is_gloomy { 30 } else { 10 });
    let mut outages = Vec::new();
    for _ in 0..count {
        let from = t0 + random.millis(0, millis);
        let kind = if is_gloomy {
            gloom
        } else {
            random.between(0, 9)
        };
        let trouble = match kind {
            0 => Trouble::Down,
            1 => Trouble::Failing,
            2 => Trouble::Throttling { retry_after: None },
            3 => Trouble::Throttling {
                retry_after: Some(random.millis(0, 20_000)),
            },
            4 => Trouble::Refusing(random.pick(&[401, 403])),
            5 => Trouble::Missing,
            6 => Trouble::Hanging,
            7 => Trouble::Slow,
            8 => Trouble::Conflicting,
            _ => Trouble::Breaking,
        };
        outages.push(Outage {
            account: random.pick(&[0, 1, 2, 3, 4, 5]),
            from,
            to: from + random.millis(10, millis),
            trouble,
        });
    }
    outages
}

/// All accounts have it for this long.
fn everywhere(trouble: Trouble, t0: Instant, length: Duration) -> Vec<Outage> {
    let outage = |account| Outage {
        account,
        from: t0,
        to: t0 + length,
        trouble,
    };
    (0..IDS.len()).map(outage).collect()
}

/// Whether all conflict all day.
pub(super) fn is_stormy(outages: &[Outage]) -> bool {
    let conflicts = |outage: &Outage| outage.trouble == Trouble::Conflicting;
    outages.len() == IDS.len() && outages.iter().all(conflicts)
}

pub(super) fn trouble(outages: &[Outage], account: usize, now: Instant) -> Option<Trouble> {
    let mut of_it = outages.iter().filter(|outage| outage.account == account);
    let outage = of_it.find(|outage| outage.from <= now && now < outage.to)?;
    Some(outage.trouble)
}

/// What a health check finds.
pub(super) fn check(trouble: Option<Trouble>, random: &mut Random) -> Check {
    match trouble {
        Some(Trouble::Down | Trouble::Hanging | Trouble::Refusing(401)) => {
            Check::Bad("a bad check".to_owned())
        }
        Some(Trouble::Failing) if random.chance(50) => Check::Bad("503".to_owned()),
        Some(Trouble::Refusing(_) | Trouble::Throttling { .. }) => Check::Silent,
        _ => Check::Good,
    }
}

fn status(status: u16, retry_after: Option<Duration>) -> OciError {
    OciError::Status(Box::new(StatusError {
        status,
        code: None,
        message: "it went wrong".to_owned(),
        param: None,
        opc_request_id: None,
        retry_after,
    }))
}

/// An attempt that starts now and must have begun to answer by `by`.
pub(super) fn course(
    trouble: Option<Trouble>,
    random: &mut Random,
    now: Instant,
    by: Instant,
) -> Course {
    let soon = now + random.millis(0, 60);
    let fails = |error| Course {
        begins: None,
        ends: soon,
        result: Err(Some(error)),
    };
    let timeout = Course {
        begins: None,
        ends: by.max(now),
        result: Err(Some(OciError::Timeout {
            phase: Phase::Answer,
            after: by.saturating_duration_since(now),
        })),
    };
    let unreachable = || OciError::Unreachable {
        phase: Phase::Connect,
        why: "refused".to_owned(),
    };
    let broken = || OciError::Broken {
        why: "cut off".to_owned(),
    };
    let latency = match trouble {
        Some(Trouble::Down) => return fails(unreachable()),
        Some(Trouble::Failing) => return fails(status(503, None)),
        Some(Trouble::Throttling { retry_after }) => return fails(status(429, retry_after)),
        Some(Trouble::Refusing(code)) => return fails(status(code, None)),
        Some(Trouble::Missing) => return fails(status(404, None)),
        Some(Trouble::Conflicting) => return fails(status(409, None)),
        Some(Trouble::Hanging) => return timeout,
        Some(Trouble::Slow) => random.millis(200, 15_000),
        Some(Trouble::Breaking) | None => random.millis(1, 900),
    };
    match random.between(0, 99) {
        0 | 1 => return fails(status(500, None)),
        2..=4 => return fails(status(400, None)),
        5 => return fails(status(409, None)),
        6 => {
            return Course {
                result: Err(None),
                ..fails(broken())
            };
        }
        _ => {}
    }
    let begins = now + latency;
    if begins > by {
        return timeout;
    }
    let is_stream = random.chance(50);
    let breaks = trouble == Some(Trouble::Breaking) || random.chance(2);
    Course {
        begins: is_stream.then_some(begins),
        ends: if is_stream {
            begins + random.millis(0, 3_000)
        } else {
            begins
        },
        result: if breaks { Err(Some(broken())) } else { Ok(()) },
    }
}
