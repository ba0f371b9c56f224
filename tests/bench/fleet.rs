//! The built program in front of three simulated accounts, each with a simulator of its own, so that one can die.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Account, Options, Script, Simulator};

use crate::client::Kind;
use crate::fault::Fault;
use crate::harness::{KEY, Proxy, TempDir, program};

/// The program's `request_timeout`: what a hanging account costs a request.
pub(crate) const REQUEST_TIMEOUT: &str = "1s";

const PEM: &str = include_str!("../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const MODEL: &str = "xai.grok-4.3";
const ACCOUNTS: [&str; 3] = ["a1", "a2", "a3"];
/// The position of the one that the fault strikes.
const STRUCK: usize = 2;

/// How long the log may take to tell of what was answered, and how often it is looked at.
const LOG_TIMEOUT: Duration = Duration::from_secs(5);
const LOG_TICK: Duration = Duration::from_millis(5);

/// How the program guards itself against an account that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Not at all, so that every request meets the fault when it is its turn.
    Off,
    /// By its defaults.
    Default,
}

/// A running program with its accounts.
pub(crate) struct Fleet {
    // The first to be dropped: it closes its connections to the simulators.
    proxy: Proxy,
    simulators: Vec<Mutex<Option<Simulator>>>,
}

impl Fleet {
    /// `latency`: what an account takes for an answer, or for the first event of a stream; `pace`: for each event.
    pub(crate) fn start(guard: Guard, latency: Duration, pace: Duration) -> Self {
        let mut config = format!("api_key = {KEY}\n{}", settings(guard));
        let mut simulators = Vec::new();
        for id in ACCOUNTS {
            let account = Account::from_pem(id, PEM).unwrap();
            let options = Options {
                accounts: vec![account.clone()],
                models: vec![MODEL.to_owned()],
                pace,
                ..Options::default()
            };
            let simulator = Simulator::start(options).unwrap();
            if !latency.is_zero() {
                simulator.set_default(Some(Script::DefaultAfter(latency)));
            }
            config += &section(&account, &simulator.endpoint());
            simulators.push(Mutex::new(Some(simulator)));
        }
        let dir = TempDir::new();
        std::fs::write(dir.path().join("config.conf"), config).unwrap();
        std::fs::write(dir.path().join("key.pem"), PEM).unwrap();
        let mut command = program(dir.path());
        command.args(["-port", "0", "-host", "127.0.0.1", "-multi-account"]);
        command.args(["-config", "config.conf"]);
        Self {
            proxy: Proxy::spawn(dir, command),
            simulators,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.address
    }

    /// From now on one account suffers this.
    pub(crate) fn strike(&self, fault: Fault, kind: Kind) {
        let mut simulator = self.simulators[STRUCK].lock().unwrap();
        fault.strike(&mut simulator, ACCOUNTS[STRUCK], kind);
    }

    /// The attempts of these requests, by their ids. A request's line in the log comes a moment after its answer.
    pub(crate) fn attempts(&self, ids: &[&str]) -> HashMap<String, u32> {
        let deadline = Instant::now() + LOG_TIMEOUT;
        loop {
            let log = self.proxy.log();
            let attempts: HashMap<_, _> = log.iter().filter_map(|line| parse(line)).collect();
            if ids.iter().all(|id| attempts.contains_key(*id)) || Instant::now() >= deadline {
                return attempts;
            }
            thread::sleep(LOG_TICK);
        }
    }
}

/// A request's id and its attempts out of its log line: date, time, id, `what`, `account=…`, `attempts=…`.
fn parse(line: &str) -> Option<(String, u32)> {
    let (_, attempts) = line.split_once(" attempts=")?;
    let attempts = attempts.split(' ').next()?.parse().ok()?;
    Some((line.split(' ').nth(2)?.to_owned(), attempts))
}

fn settings(guard: Guard) -> String {
    let (check, breaker) = match guard {
        Guard::Off => (
            "health_check_interval = 0\n",
            "[CIRCUIT_BREAKER]\nmax_failures = 1000000\nfailure_rate = 1\nmin_requests = 1000000\n",
        ),
        Guard::Default => ("", ""),
    };
    format!(
        "[GLOBAL]\nload_balance_strategy = round_robin\nrequest_timeout = {REQUEST_TIMEOUT}\n{check}\
         [MODELS]\ngrok = {MODEL}\n{breaker}"
    )
}

fn section(account: &Account, endpoint: &str) -> String {
    let Account {
        id,
        user,
        tenancy,
        fingerprint,
        private_key_pem: _,
    } = account;
    format!(
        "[ACCOUNT_{id}]\nid = {id}\nuser = {user}\ntenancy = {tenancy}\nfingerprint = {fingerprint}\n\
         key_file = ./key.pem\nregion = us-phoenix-1\nendpoint = {endpoint}\n"
    )
}
