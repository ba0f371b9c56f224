//! Puts the same load on a healthy fleet and on one with a fault, in turn: A B A B. What disturbs the machine meanwhile
//! disturbs both.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Answer, Client, Kind};
use crate::fault::Fault;
use crate::fleet::{Fleet, Guard};

/// Turns before the measurement, in which connections are made and caches filled. Both fleets are healthy then.
const WARM_UP: usize = 40;

/// What is measured of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Situation {
    /// No breaker, no cooldown, no health check: every request meets the fault when it is its turn.
    FirstHit,
    /// Default settings: the fault is soon avoided.
    Steady,
}

/// A request that was answered, or not.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) took: Duration,
    /// `None` if the program did not log the request.
    pub(crate) attempts: Option<u32>,
    pub(crate) error: Option<String>,
}

/// The samples of both fleets.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) healthy: Vec<Sample>,
    pub(crate) faulty: Vec<Sample>,
}

/// How one load is made.
struct Plan {
    kind: Kind,
    clients: usize,
    /// Before each turn the fleets forget what they hold against their accounts.
    resets: bool,
    begun: Instant,
    limit: Duration,
    healthy: Fleet,
    faulty: Fleet,
}

/// Turns that the clients take. In each a client asks both fleets.
struct Round {
    turns: usize,
    taken: AtomicUsize,
    strike: Option<Strike>,
}

/// The fault that one of the turns begins with.
struct Strike {
    fault: Fault,
    /// It comes with this turn, or, should the machine be slow, at that time.
    turn: usize,
    at: Instant,
    is_done: AtomicBool,
}

impl Situation {
    fn guard(self) -> Guard {
        match self {
            Self::FirstHit => Guard::Off,
            Self::Steady => Guard::Default,
        }
    }

    /// What an account takes for an answer. Without it many clients would measure the two cores.
    pub(crate) fn latency(self) -> Duration {
        match self {
            Self::FirstHit => Duration::ZERO,
            Self::Steady => Duration::from_millis(10),
        }
    }

    /// Requests to each fleet. So many that those which a hanging account holds at first, one a client and a few more until
    /// the breaker opens, are at most one of a hundred. The streams of the account that is killed take their time, so that there are
    /// some to kill.
    fn requests(self, fault: Fault) -> usize {
        match self {
            Self::FirstHit => 300,
            Self::Steady if fault == Fault::Killed => 300,
            Self::Steady if fault == Fault::Hang => 1200,
            Self::Steady => 1000,
        }
    }

    /// One alone shows what a failover takes; only where it takes a whole time-out, several wait at the same time.
    pub(crate) fn clients(self, fault: Fault) -> usize {
        match self {
            Self::FirstHit if fault != Fault::Hang => 1,
            Self::FirstHit | Self::Steady => 8,
        }
    }

    /// How much of a run's time it may take, compared with the others.
    pub(crate) fn weight(self, fault: Fault) -> u32 {
        match self {
            Self::FirstHit | Self::Steady if fault == Fault::Killed => 6,
            Self::FirstHit | Self::Steady if fault == Fault::Hang => 4,
            Self::FirstHit => 1,
            Self::Steady => 3,
        }
    }

    /// Measures it, for at most `limit` and one request more.
    pub(crate) fn measure(self, fault: Fault, kind: Kind, limit: Duration) -> Measured {
        let begun = Instant::now();
        let start = || Fleet::start(self.guard(), self.latency(), fault.pace());
        let plan = Plan {
            kind,
            clients: self.clients(fault),
            resets: self == Self::FirstHit,
            begun,
            limit,
            healthy: start(),
            faulty: start(),
        };
        plan.run(Round::new(WARM_UP, None));
        let requests = self.requests(fault);
        let turn = if fault.lasts() { 0 } else { requests / 2 };
        let strike = Strike {
            fault,
            turn,
            at: begun + limit / 2,
            is_done: AtomicBool::new(false),
        };
        plan.run(Round::new(requests, Some(strike)))
    }
}

impl Round {
    fn new(turns: usize, strike: Option<Strike>) -> Self {
        Self {
            turns,
            taken: AtomicUsize::new(0),
            strike,
        }
    }

    /// The number of the next turn, if there is one.
    fn next(&self) -> Option<usize> {
        Some(self.taken.fetch_add(1, Ordering::Relaxed)).filter(|turn| *turn < self.turns)
    }
}

impl Strike {
    /// Says so once.
    fn is_due(&self, turn: usize) -> bool {
        (turn >= self.turn || Instant::now() >= self.at)
            && !self.is_done.swap(true, Ordering::Relaxed)
    }
}

impl Plan {
    fn run(&self, round: Round) -> Measured {
        let (mut healthy, mut faulty) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            let clients: Vec<_> = (0..self.clients)
                .map(|_| scope.spawn(|| self.client(&round)))
                .collect();
            for client in clients {
                let (its_healthy, its_faulty) = client.join().unwrap();
                healthy.extend(its_healthy);
                faulty.extend(its_faulty);
            }
        });
        Measured {
            healthy: samples(&self.healthy, healthy),
            faulty: samples(&self.faulty, faulty),
        }
    }

    /// Takes turns until there are none left; the answers of both fleets.
    fn client(&self, round: &Round) -> (Vec<Answer>, Vec<Answer>) {
        let mut healthy = Client::new(self.healthy.address());
        let mut faulty = Client::new(self.faulty.address());
        let mut answers = (Vec::new(), Vec::new());
        while self.begun.elapsed() < self.limit {
            let Some(turn) = round.next() else { break };
            if let Some(strike) = &round.strike
                && strike.is_due(turn)
            {
                self.faulty.strike(strike.fault, self.kind);
            }
            if self.resets {
                healthy.reset();
                faulty.reset();
            }
            answers.0.push(healthy.chat(self.kind));
            answers.1.push(faulty.chat(self.kind));
        }
        answers
    }
}

/// Adds what the program's log says about each.
fn samples(fleet: &Fleet, answers: Vec<Answer>) -> Vec<Sample> {
    let ids = answers
        .iter()
        .filter_map(|answer| answer.request_id.as_deref());
    let attempts = fleet.attempts(&ids.collect::<Vec<_>>());
    let sample = |answer: Answer| Sample {
        took: answer.took,
        attempts: answer.request_id.and_then(|id| attempts.get(&id).copied()),
        error: answer.error,
    };
    answers.into_iter().map(sample).collect()
}
