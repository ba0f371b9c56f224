//! Reloads under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ociai_proxy::simulator::{Recorded, Simulator};

use super::load::Load;
use crate::harness::{Proxy, config, simulator};
use crate::life::reload;

const RELOADS: usize = 40;
/// Requests that are served between two of them.
const SERVED: usize = 5;

/// Counts the chat calls that come in.
fn count(simulator: &Simulator) -> Arc<AtomicUsize> {
    let calls = Arc::<AtomicUsize>::default();
    let counting = Arc::clone(&calls);
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        if request.target.ends_with("/actions/chat") {
            counting.fetch_add(1, Ordering::Relaxed);
        }
        None
    })));
    calls
}

#[test]
fn reloads_under_load_lose_nothing() {
    let (one, other) = (simulator(), simulator());
    let calls = [count(&one), count(&other)];
    let proxy = Proxy::start(&one, "");
    let good = [&one, &other].map(|at| config(&at.endpoint(), ""));
    let bad = good[0].replace("[MODELS]", "[MODLES]");
    let load = Load::start(proxy.address);
    for number in 0..RELOADS {
        load.wait_for(SERVED);
        match number % 4 {
            3 => reload(&proxy, &bad, "config.conf was not reloaded"),
            // The same account at the same place, and at another one.
            number => reload(&proxy, &good[number / 2], "Reloaded config.conf"),
        }
    }
    load.wait_for(SERVED);
    let seen = load.end();
    seen.assert_none_lost(&format!("{RELOADS} reloads"));
    // No call was made twice.
    let calls = calls.map(|calls| calls.load(Ordering::Relaxed));
    assert_eq!(calls.iter().sum::<usize>(), seen.served);
    assert!(calls.iter().all(|calls| *calls > 0), "{calls:?}");
}
