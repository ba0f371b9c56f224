//! The necessary parts of a request, one by one, for the benchmark: what it measures the whole against. Not for use in a
//! program.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::accounts::fleet::{Acquired, Ask, Enlisted, Fleet};
use crate::accounts::seat::Ending;
use crate::accounts::tried::Tried;
use crate::accounts::{BreakerSettings, FleetSettings, SeatSettings, Strategy};
use crate::crypto;
use crate::names::AccountId;
use crate::oci::keys::PrivateKey;
use crate::oci::signer::{Request, Signer};

/// Signs as a request does.
#[derive(Debug)]
pub struct Signing(Signer);

impl Signing {
    /// `pem`: an RSA key.
    ///
    /// # Errors
    /// Why it is none that can sign.
    pub fn new(pem: &str) -> Result<Self, String> {
        let told = |error: crate::oci::keys::KeyError| error.to_string();
        let key = PrivateKey::parse(pem, None).map_err(told)?;
        Signer::new(key, "tenancy/user/fingerprint".to_owned())
            .map(Self)
            .map_err(told)
    }

    /// One signature of a request without a body, thrown away.
    pub fn sign(&self) {
        let request = Request {
            method: "POST",
            target: "/20231130/actions/chat",
            host: Some("localhost"),
            body: None,
        };
        black_box(self.0.sign(&request, SystemTime::now()));
    }
}

/// The hash of a body, thrown away.
pub fn hash(body: &[u8]) {
    black_box(crypto::sha256(body));
}

/// The fleet behind a lock, as requests use it: what a turn costs is what all of them wait for each other.
#[derive(Debug)]
pub struct Turns(Mutex<Fleet>);

impl Turns {
    /// So many accounts, which have `in_flight` requests all the time.
    #[must_use]
    pub fn new(accounts: u16, in_flight: u16) -> Self {
        let now = Instant::now();
        let settings = FleetSettings {
            strategy: Strategy::LeastConnections,
            health_check_interval: None,
            breaker: BreakerSettings {
                max_failures: 5,
                reset_timeout: Duration::from_secs(30),
                failure_rate: 0.5,
                min_requests: 20,
            },
        };
        let enlisted = (0..accounts).map(|number| Enlisted {
            settings: SeatSettings {
                id: AccountId::new(format!("account-{number}")),
                weight: NonZeroU32::MIN,
                max_concurrency: NonZeroU32::MIN.saturating_add(999),
                paths: crate::accounts::paths::Paths::Either,
            },
            unusable: None,
            is_new: true,
        });
        let mut fleet = Fleet::new(&settings, now);
        fleet.reconfigure(&settings, enlisted.collect(), now);
        for _ in 0..in_flight {
            fleet.acquire(ask(), now);
        }
        Self(Mutex::new(fleet))
    }

    /// One request: it gets an account, and settles.
    pub fn turn(&self) {
        let acquired = self.0.lock().acquire(ask(), Instant::now());
        if let Acquired::Granted(grant) = acquired {
            let latency = Duration::from_millis(1);
            let ending = Ending::Success { latency };
            self.0.lock().settle(&grant, ending, None, Instant::now());
        }
    }
}

fn ask() -> Ask {
    Ask {
        model: Arc::from("xai.grok-4.3"),
        paths: crate::accounts::paths::Paths::Either,
        tried: Tried::default(),
        repeat_from: None,
    }
}
