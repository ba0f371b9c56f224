//! Who can serve what: the fleet of accounts, its strategy, breakers and budget. Knows numbered seats and not what OCI is,
//! reads no clock and no file. Follows the specification's §2 (the settings), §6 and §7.

pub(crate) mod breaker;
mod budget;
mod cooldown;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod lacking;
pub(crate) mod paths;
pub(crate) mod seat;
mod strategy;
pub(crate) mod tried;
mod window;

use std::num::NonZeroU32;
use std::time::Duration;

use crate::accounts::paths::Paths;
use crate::names::AccountId;

/// One account as the balancer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeatSettings {
    /// Unique within the fleet.
    pub(crate) id: AccountId,
    /// Share of the requests, 1-1000. Read by `Strategy::Weighted` only.
    pub(crate) weight: NonZeroU32,
    /// Slots: how many attempts may be in flight at once, 1-10000.
    pub(crate) max_concurrency: NonZeroU32,
    /// The kinds of call that it can make.
    pub(crate) paths: Paths,
}

/// What holds for all seats alike.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FleetSettings {
    pub(crate) strategy: Strategy,
    /// Pause between two rounds of health checks, 100 ms to 24 h; `None`: no checks at all.
    pub(crate) health_check_interval: Option<Duration>,
    pub(crate) breaker: BreakerSettings,
}

/// When an account's breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BreakerSettings {
    /// Consecutive failures that open it, 1-1000000.
    pub(crate) max_failures: u32,
    /// How long it stays open before the first trial, 100 ms to 24 h.
    pub(crate) reset_timeout: Duration,
    /// Failures / requests over the sliding window that open it, 0.01-1.
    pub(crate) failure_rate: f64,
    /// Requests that the window must hold before `failure_rate` counts, 1-1000000.
    pub(crate) min_requests: u32,
}

/// How the next seat is chosen among those that can take the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Strict turn.
    RoundRobin,
    /// Smooth weighted round robin: 3:2:1 gives exactly 3:2:1 in any window of 6.
    Weighted,
    /// Fewest in flight, ties by turn.
    LeastConnections,
}

impl Strategy {
    pub(crate) const ALL: [Self; 3] = [Self::RoundRobin, Self::Weighted, Self::LeastConnections];

    /// The word that the configuration and the statistics use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::Weighted => "weighted",
            Self::LeastConnections => "least_connections",
        }
    }

    /// The strategy of that name, in any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str().eq_ignore_ascii_case(name))
    }
}
