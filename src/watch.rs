//! The thread that watches the accounts' health: rounds of checks, and a line in the log for whatever changes. Wiring: what a
//! check asks and what follows from it are decided elsewhere. Follows the specification's §3 and §7.

pub(crate) mod models;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::api::Api;
use crate::config::Mode;
use crate::dispatch::health::Condition;
use crate::http;

/// How often it looks what traffic has done to the accounts between two rounds.
const TICK: Duration = Duration::from_secs(1);

/// Starts the thread. `interval`: between the starts of two rounds; `None`: no checks. `reloads`: new accounts are there, and
/// this is their interval; when it is closed the thread ends.
///
/// # Errors
/// The thread cannot be had.
pub(crate) fn start(
    api: Arc<Api>,
    mode: Mode,
    interval: Option<Duration>,
    reloads: Receiver<Option<Duration>>,
) -> io::Result<()> {
    let spawned = thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || {
            let known = api.live().dispatch.conditions();
            let mut watch = Watch {
                mode,
                known,
                counted: None,
            };
            watch.run(&api, interval, &reloads);
        });
    spawned.map(|_| ())
}

struct Watch {
    mode: Mode,
    /// What was told last.
    known: Vec<Condition>,
    /// Healthy accounts and all, as told last.
    counted: Option<(usize, usize)>,
}

impl Watch {
    fn run(
        &mut self,
        api: &Api,
        mut interval: Option<Duration>,
        reloads: &Receiver<Option<Duration>>,
    ) {
        let mut next_round = Instant::now();
        loop {
            let dispatch = &api.live().dispatch;
            let now = Instant::now();
            if dispatch.look_at_credentials() {
                next_round = now;
            }
            match interval {
                Some(interval) if now >= next_round => {
                    // Should a round take longer than that, the next one follows at once.
                    next_round = now + interval;
                    self.tell(dispatch.check_health(http::new_request_id));
                }
                Some(_) | None => self.tell(dispatch.conditions()),
            }
            let left = next_round.saturating_duration_since(Instant::now());
            let pause = interval.map_or(TICK, |_| left.min(TICK));
            match reloads.recv_timeout(pause) {
                Ok(new) => {
                    interval = new;
                    next_round = Instant::now();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Logs what has changed, once.
    fn tell(&mut self, conditions: Vec<Condition>) {
        for condition in &conditions {
            let known = self
                .known
                .iter()
                .find(|known| known.account == condition.account);
            let was_well = known.is_none_or(|known| known.trouble.is_none());
            match &condition.trouble {
                Some(why) if was_well => {
                    log::warn!("warning: account {} is unhealthy: {why}", condition.account);
                }
                None if !was_well => log::info!("account {} is healthy again", condition.account),
                Some(_) | None => {}
            }
        }
        let healthy = conditions
            .iter()
            .filter(|account| account.trouble.is_none());
        let counted = Some((healthy.count(), conditions.len()));
        if counted != self.counted
            && self.mode == Mode::Multi
            && let Some((healthy, all)) = counted
        {
            log::info!("健康账户数量: {healthy}/{all}");
        }
        self.counted = counted;
        self.known = conditions;
    }
}
