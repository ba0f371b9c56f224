//! Name look-up with a memory. ureq resolves a name for every request, those on pooled connections too, so answers
//! are kept for a while; and when DNS fails, the last good answer goes on serving, because the addresses behind a name
//! outlive the trouble of the resolver far more often than not. Knows nothing of connections.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::call;

/// How long an answer is used without asking again. std does not tell the time to live of an answer; cloud load
/// balancers announce about this much.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// How long an old answer serves without asking again, after asking has failed.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How long one request waits for a new answer while there is an old one. The others use the old one at once.
const PATIENCE_WITH_AN_OLD_ANSWER: Duration = Duration::from_secs(1);

/// Names kept, and look-ups (each a thread) under way at once. A fleet has one name a region, and perhaps a proxy's.
const MAX_NAMES: usize = 256;

/// Asks for the addresses of `host:port`.
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Give one to each agent: clones share nothing.
pub(super) struct CachingResolver {
    shared: Arc<Shared>,
    /// The longest wait for a name that was never resolved.
    timeout: Duration,
}

struct Shared {
    lookup: Box<Lookup>,
    fresh_for: Duration,
    names: Mutex<HashMap<String, Name>>,
}

struct Name {
    /// The last good answer, until it is to be renewed.
    good: Option<(Vec<SocketAddr>, Instant)>,
    asking: Option<Arc<Asking>>,
    used: Instant,
}

/// One look-up under way, which any number of requests wait for.
#[derive(Default)]
struct Asking {
    answer: Mutex<Option<Result<Vec<SocketAddr>, String>>>,
    changed: Condvar,
}

/// What a request finds.
enum Found {
    Addresses(Vec<SocketAddr>),
    /// Wait for this look-up; an old answer may stand in for it.
    Asking(Arc<Asking>, Option<Vec<SocketAddr>>),
}

impl CachingResolver {
    /// `timeout`: the connect time-out, which look-ups must keep to as well.
    pub(super) fn new(timeout: Duration) -> Self {
        let lookup = |name: &str| Ok(name.to_socket_addrs()?.collect());
        Self::with_lookup(timeout, FRESH_FOR, Box::new(lookup))
    }

    fn with_lookup(timeout: Duration, fresh_for: Duration, lookup: Box<Lookup>) -> Self {
        Self {
            shared: Arc::new(Shared {
                lookup,
                fresh_for,
                names: Mutex::default(),
            }),
            timeout,
        }
    }

    fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ureq::Error> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let name = format!("{}:{port}", host.to_ascii_lowercase());
        match self.shared.find(&name, Instant::now())? {
            Found::Addresses(addresses) => Ok(addresses),
            Found::Asking(asking, old) => self.wait(&asking, old),
        }
    }

    fn wait(
        &self,
        asking: &Asking,
        old: Option<Vec<SocketAddr>>,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        let started = Instant::now();
        let limit = started.checked_add(self.timeout);
        loop {
            // Asks the hook, so it must not happen under the lock.
            let pause = call::pause(limit)?;
            let mut answer = asking.answer.lock();
            if answer.is_none() {
                asking.changed.wait_for(&mut answer, pause);
            }
            match (answer.as_ref(), &old) {
                (Some(Ok(addresses)), _) => return Ok(addresses.clone()),
                (Some(Err(_)), Some(old)) => return Ok(old.clone()),
                (Some(Err(why)), None) => {
                    return Err(io::Error::new(io::ErrorKind::NotFound, why.clone()).into());
                }
                (None, Some(old)) if started.elapsed() >= PATIENCE_WITH_AN_OLD_ANSWER => {
                    return Ok(old.clone());
                }
                (None, _) => {}
            }
        }
    }
}

impl Shared {
    fn find(self: &Arc<Self>, name: &str, now: Instant) -> Result<Found, ureq::Error> {
        let mut names = self.names.lock();
        if !names.contains_key(name) {
            make_room(&mut names)?;
        }
        let entry = names.entry(name.to_owned()).or_insert_with(|| Name {
            good: None,
            asking: None,
            used: now,
        });
        entry.used = now;
        let old = match (&entry.good, &entry.asking) {
            (Some((addresses, until)), None) if now < *until => {
                return Ok(Found::Addresses(addresses.clone()));
            }
            // Somebody else is renewing it.
            (Some((addresses, _)), Some(_)) => return Ok(Found::Addresses(addresses.clone())),
            (None, Some(asking)) => return Ok(Found::Asking(Arc::clone(asking), None)),
            (Some((addresses, _)), None) => Some(addresses.clone()),
            (None, None) => None,
        };
        let asking = Arc::new(Asking::default());
        entry.asking = Some(Arc::clone(&asking));
        drop(names);
        self.start(name, &asking);
        Ok(Found::Asking(asking, old))
    }

    /// A thread of its own, because a look-up cannot be interrupted: the request may give it up, and whoever comes
    /// later finds its answer.
    fn start(self: &Arc<Self>, name: &str, asking: &Arc<Asking>) {
        let (shared, its_name, its_asking) =
            (Arc::clone(self), name.to_owned(), Arc::clone(asking));
        let started = thread::Builder::new()
            .name("look-up".to_owned())
            .spawn(move || {
                let answer = match (shared.lookup)(&its_name) {
                    Ok(addresses) if addresses.is_empty() => Err("it has no address".to_owned()),
                    Ok(addresses) => Ok(addresses),
                    Err(error) => Err(error.to_string()),
                };
                shared.finish(&its_name, &its_asking, answer);
            });
        if let Err(error) = started {
            self.finish(name, asking, Err(format!("no thread for it: {error}")));
        }
    }

    fn finish(&self, name: &str, asking: &Asking, answer: Result<Vec<SocketAddr>, String>) {
        let now = Instant::now();
        let mut names = self.names.lock();
        if let Some(entry) = names.get_mut(name) {
            entry.asking = None;
            match (&answer, &mut entry.good) {
                (Ok(addresses), good) => *good = Some((addresses.clone(), now + self.fresh_for)),
                (Err(_), Some((_, until))) => *until = now + ASK_AGAIN_AFTER,
                // A failure is not remembered: the next request asks again.
                (Err(_), None) => {
                    names.remove(name);
                }
            }
        }
        drop(names);
        let answer = answer.map_err(|why| format!("look-up of {name} failed: {why}"));
        *asking.answer.lock() = Some(answer);
        asking.changed.notify_all();
    }
}

/// Forgets the name that was not used for the longest time, if there are too many.
fn make_room(names: &mut HashMap<String, Name>) -> Result<(), ureq::Error> {
    if names.len() < MAX_NAMES {
        return Ok(());
    }
    let oldest = names
        .iter()
        .filter(|(_, entry)| entry.asking.is_none())
        .min_by_key(|(_, entry)| entry.used)
        .map(|(name, _)| name.clone());
    match oldest {
        Some(name) => {
            names.remove(&name);
            Ok(())
        }
        None => Err(io::Error::other("too many name look-ups at once").into()),
    }
}

impl Resolver for CachingResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let default_port = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let mut resolved = self.empty();
        for address in self.addresses(host, uri.port_u16().unwrap_or(default_port))? {
            // A full list is long enough.
            if resolved.try_push(address).is_err() {
                break;
            }
        }
        Ok(resolved)
    }
}

impl fmt::Debug for CachingResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachingResolver").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    use super::super::call::{Call, Flow};
    use super::super::error::OciError;
    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SOON: Duration = Duration::from_secs(5);

    /// Answers 10.0.0.N: N is the number of the look-up, from 1. 0 as a number: DNS is down.
    struct Dns {
        next: Arc<AtomicU32>,
        asked: Arc<AtomicUsize>,
    }

    impl Dns {
        fn resolver(fresh_for: Duration) -> (Self, CachingResolver) {
            let dns = Self {
                next: Arc::new(AtomicU32::new(1)),
                asked: Arc::default(),
            };
            let (next, asked) = (Arc::clone(&dns.next), Arc::clone(&dns.asked));
            let lookup = move |_: &str| {
                asked.fetch_add(1, Ordering::SeqCst);
                match next.load(Ordering::SeqCst) {
                    0 => Err(io::Error::other("DNS is down")),
                    number => Ok(vec![address(number)]),
                }
            };
            let resolver = CachingResolver::with_lookup(LONG, fresh_for, Box::new(lookup));
            (dns, resolver)
        }
    }

    fn address(number: u32) -> SocketAddr {
        format!("10.0.0.{number}:443").parse().unwrap()
    }

    fn call() -> Call {
        call_within(LONG, || Flow::Continue)
    }

    fn call_within(limit: Duration, hook: impl FnMut() -> Flow + 'static) -> Call {
        Call::enter(Box::new(hook), Instant::now() + limit, limit, LONG).unwrap()
    }

    #[test]
    fn an_answer_is_kept_while_it_is_fresh() {
        let (dns, resolver) = Dns::resolver(LONG);
        let _call = call();
        for name in ["a.test", "A.TEST", "a.test"] {
            assert_eq!(resolver.addresses(name, 443).unwrap(), [address(1)]);
        }
        assert_eq!(dns.asked.load(Ordering::SeqCst), 1);
        dns.next.store(2, Ordering::SeqCst);
        assert_eq!(resolver.addresses("b.test", 443).unwrap(), [address(2)]);
    }

    #[test]
    fn the_last_good_answer_survives_the_failure_of_dns() {
        let (dns, resolver) = Dns::resolver(Duration::ZERO);
        let _call = call();
        assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(1)]);
        dns.next.store(2, Ordering::SeqCst);
        assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(2)]);
        dns.next.store(0, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(2)]);
        }
        // It was asked once, and is left alone for a while.
        assert_eq!(dns.asked.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn the_last_good_answer_stands_in_for_an_empty_one_and_for_none() {
        let answers = Arc::new(AtomicU32::new(1));
        let next = Arc::clone(&answers);
        let never = Arc::new((Mutex::new(()), Condvar::new()));
        let lookup = move |_: &str| match next.load(Ordering::SeqCst) {
            0 => Ok(Vec::new()),
            1 => Ok(vec![address(1)]),
            _ => {
                never.1.wait_for(&mut never.0.lock(), LONG);
                Ok(vec![address(2)])
            }
        };
        let resolver = CachingResolver::with_lookup(LONG, Duration::ZERO, Box::new(lookup));
        let _call = call();
        assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(1)]);
        answers.store(2, Ordering::SeqCst);
        let started = Instant::now();
        // The first one is patient for a while, the others are not; none waits for the look-up.
        for _ in 0..3 {
            assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(1)]);
        }
        assert!(started.elapsed() < SOON);
        assert_eq!(resolver.shared.names.lock().len(), 1);

        answers.store(1, Ordering::SeqCst);
        assert_eq!(resolver.addresses("b.test", 443).unwrap(), [address(1)]);
        answers.store(0, Ordering::SeqCst);
        for _ in 0..3 {
            assert_eq!(resolver.addresses("b.test", 443).unwrap(), [address(1)]);
        }
        // One that has never been good says so.
        let error = resolver.addresses("c.test", 443).unwrap_err().to_string();
        assert!(error.contains("it has no address"), "{error}");
    }

    #[test]
    fn a_name_that_never_resolved_is_an_error_and_asked_again() {
        let (dns, resolver) = Dns::resolver(LONG);
        let _call = call();
        dns.next.store(0, Ordering::SeqCst);
        let error = resolver.addresses("a.test", 443).unwrap_err();
        assert_eq!(
            error.to_string(),
            "io: look-up of a.test:443 failed: DNS is down"
        );
        dns.next.store(1, Ordering::SeqCst);
        assert_eq!(resolver.addresses("a.test", 443).unwrap(), [address(1)]);
    }

    #[test]
    fn literal_addresses_are_not_looked_up() {
        let (dns, resolver) = Dns::resolver(LONG);
        for (host, expected) in [("127.0.0.1", "127.0.0.1:443"), ("[::1]", "[::1]:443")] {
            let expected: SocketAddr = expected.parse().unwrap();
            assert_eq!(resolver.addresses(host, 443).unwrap(), [expected]);
        }
        assert_eq!(dns.asked.load(Ordering::SeqCst), 0);
        assert!(resolver.shared.names.lock().is_empty());
    }

    #[test]
    fn a_look_up_that_hangs_ends_with_the_call() {
        let (asked, ask) = std::sync::mpsc::channel::<()>();
        let asked = Mutex::new(asked);
        let never = Arc::new((Mutex::new(()), Condvar::new()));
        let lookup = move |_: &str| {
            asked.lock().send(()).unwrap();
            never.1.wait_for(&mut never.0.lock(), LONG);
            Ok(Vec::new())
        };
        let hang = Duration::from_millis(150);
        let resolver = CachingResolver::with_lookup(hang, LONG, Box::new(lookup));
        let started = Instant::now();
        for (limit, questions) in [(LONG, 100), (Duration::from_millis(50), 100), (LONG, 0)] {
            let mut asked = 0;
            let call = call_within(limit, move || {
                asked += 1;
                if asked > questions {
                    Flow::Stop
                } else {
                    Flow::Continue
                }
            });
            let error = call.unanswered(resolver.addresses("a.test", 443).unwrap_err());
            match error {
                OciError::Cancelled => assert_eq!(questions, 0),
                OciError::Timeout { after, .. } => assert_eq!(after, limit.min(LONG)),
                other => assert_eq!(other, OciError::Cancelled),
            }
        }
        assert!(started.elapsed() < SOON);
        // All three waited for the same look-up.
        ask.recv_timeout(SOON).unwrap();
        ask.try_recv().unwrap_err();
    }

    #[test]
    fn names_are_forgotten_when_there_are_too_many() {
        let (dns, resolver) = Dns::resolver(LONG);
        let _call = call();
        for number in 0..MAX_NAMES + 10 {
            resolver.addresses(&format!("{number}.test"), 443).unwrap();
        }
        assert_eq!(resolver.shared.names.lock().len(), MAX_NAMES);
        let before = dns.asked.load(Ordering::SeqCst);
        resolver
            .addresses(&format!("{}.test", MAX_NAMES), 443)
            .unwrap();
        assert_eq!(dns.asked.load(Ordering::SeqCst), before);
        resolver.addresses("0.test", 443).unwrap();
        assert_eq!(dns.asked.load(Ordering::SeqCst), before + 1);
    }
}
