//! Health checks: what they find out, what they do not, and when an account comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use ociai_proxy::simulator::{Gate, Recorded, Script, Simulator, Step};

use super::site::{
    Config, NOWHERE, account, ask, assert_good, breaker, chats, choose_for, error, hello, is_chat,
    is_of, lines_with, simulator_of, three, wait_for_state,
};
use crate::harness::{DEADLINE, Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];
const OFTEN: &str = "health_check_interval = 150ms";
const COUNT: &str = "健康账户数量: ";

fn is_control(request: &Recorded) -> bool {
    request.target.starts_with("/20231130/models?")
}

fn is_inference(request: &Recorded) -> bool {
    request.target.starts_with("/20231130/guardrailVersions")
}

/// Waits for further rounds of checks of this account.
fn wait_for_checks(simulator: &Simulator, id: &str, rounds: usize) {
    let count = |simulator: &Simulator| {
        let requests = simulator.requests().into_iter();
        requests
            .filter(|request| is_of(request, id) && is_control(request))
            .count()
    };
    let before = count(simulator);
    // The last of them ends with the beginning of one more.
    let all = |simulator: &Simulator| count(simulator) > before + rounds;
    assert!(
        simulator.wait_for(all, DEADLINE),
        "no further checks of {id}"
    );
}

#[test]
fn a_check_asks_for_one_chat_model_and_costs_no_tokens() {
    let (simulator, proxy) = three(OFTEN, "");
    proxy.wait_for_log("健康账户数量: 3/3");
    for id in ALL {
        wait_for_checks(&simulator, id, 2);
    }
    for request in simulator.requests() {
        assert!(request.is_signed() && is_control(&request), "{request:?}");
        for part in ["compartmentId=ocid1.tenancy.", "limit=1", "capability=CHAT"] {
            assert!(request.target.contains(part), "{}", request.target);
        }
    }
    let its = account(&proxy, "a1");
    assert_eq!(
        (&its["requests"], &its["successes"]),
        (&0.into(), &0.into())
    );
    assert_eq!(lines_with(&proxy, COUNT), 1);
}

#[test]
fn a_check_that_is_merely_forbidden_takes_no_account_down() {
    for (control, inference) in [(403, 404), (404, 403), (403, 200), (429, 429), (500, 404)] {
        let simulator = simulator_of(&ALL);
        choose_for(&simulator, "a2", move |request| match request {
            control_ if is_control(control_) => Some(error(control)),
            inference_ if is_inference(inference_) => (inference != 200).then(|| error(inference)),
            _ => None,
        });
        let proxy = Config::of(&simulator, &ALL).global(OFTEN).start();
        proxy.wait_for_log("健康账户数量: 3/3");
        wait_for_checks(&simulator, "a2", 3);
        let its = account(&proxy, "a2");
        assert_eq!(
            (&its["state"], &its["healthy"]),
            (&"available".into(), &true.into()),
            "{control} {inference}"
        );
        assert_eq!(lines_with(&proxy, COUNT), 1, "{:#?}", proxy.log());
    }
}

#[test]
fn a_control_plane_that_is_not_reached_says_nothing_of_an_inference_service_that_is() {
    let simulator = simulator_of(&ALL);
    let unreachable = format!("control_endpoint = {NOWHERE}");
    let proxy = Config::of(&simulator, &ALL)
        .global(OFTEN)
        .account("a2", &unreachable)
        .start();
    proxy.wait_for_log("健康账户数量: 3/3");
    wait_for_checks(&simulator, "a1", 3);
    assert_eq!(lines_with(&proxy, COUNT), 1);
    let asked = simulator.requests();
    let asked = asked.iter().filter(|request| is_of(request, "a2"));
    assert!(asked.clone().count() > 0 && asked.clone().all(is_inference));
}

#[test]
fn an_account_that_the_first_check_cannot_reach_is_down_and_is_told_once() {
    let simulator = simulator_of(&ALL);
    let proxy = Config::of(&simulator, &["a1", "a3"])
        .global(OFTEN)
        .with("a2", NOWHERE, "")
        .start();
    proxy.wait_for_log("健康账户数量: 2/3");
    for _ in 0..4 {
        hello(&proxy);
    }
    wait_for_checks(&simulator, "a1", 4);
    assert_eq!(lines_with(&proxy, COUNT), 1);
    assert_eq!(lines_with(&proxy, "account a2 is unhealthy"), 1);
    let its = account(&proxy, "a2");
    assert_eq!(
        (&its["state"], &its["requests"]),
        (&"unhealthy".into(), &0.into())
    );
    assert!(!its["reason"].as_str().unwrap().is_empty());
    assert!(!its["last_error"].is_null());
    assert_eq!(
        breaker(&proxy, "a2")["consecutive_failures"],
        0,
        "checks never touch it"
    );
}

/// An account of which all that is listed fails as long as the flag is set; its chats are as they should be.
fn failing(simulator: &Simulator, status: u16) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(true));
    let is_bad = Arc::clone(&flag);
    choose_for(simulator, "a2", move |request| {
        let fails = !is_chat(request) && is_bad.load(Ordering::SeqCst);
        fails.then(|| error(status))
    });
    flag
}

#[test]
fn an_account_that_is_down_comes_back_with_one_good_check() {
    for status in [401, 503] {
        let simulator = simulator_of(&ALL);
        let bad = failing(&simulator, status);
        let proxy = Config::of(&simulator, &ALL).global(OFTEN).start();
        proxy.wait_for_log("健康账户数量: 2/3");
        for _ in 0..4 {
            assert_ne!(hello(&proxy), "a2");
        }
        wait_for_checks(&simulator, "a2", 2);
        assert_eq!(
            (
                lines_with(&proxy, COUNT),
                lines_with(&proxy, "健康账户数量: 2/3")
            ),
            (1, 1)
        );
        bad.store(false, Ordering::SeqCst);
        proxy.wait_for_log("健康账户数量: 3/3");
        proxy.wait_for_log("account a2 is healthy again");
        let by: Vec<_> = (0..3).map(|_| hello(&proxy)).collect();
        assert!(by.contains(&"a2".to_owned()), "{by:?}");
        assert_eq!(account(&proxy, "a2")["state"], "available");
        assert_eq!(lines_with(&proxy, COUNT), 2);
    }
}

#[test]
fn an_account_that_requests_found_refused_comes_back_with_a_good_check() {
    let (simulator, proxy) = three(OFTEN, "");
    proxy.wait_for_log("健康账户数量: 3/3");
    let refused = Arc::new(AtomicBool::new(true));
    let is_refused = Arc::clone(&refused);
    choose_for(&simulator, "a2", move |_| {
        is_refused.load(Ordering::SeqCst).then(|| error(401))
    });
    eventually("a2 to be refused", || {
        hello(&proxy);
        account(&proxy, "a2")["state"] == "unhealthy"
    });
    proxy.wait_for_log("健康账户数量: 2/3");
    let before = chats(&simulator).len();
    wait_for_checks(&simulator, "a2", 3);
    for _ in 0..4 {
        assert_ne!(hello(&proxy), "a2");
    }
    assert_eq!(chats(&simulator).len(), before + 4);
    refused.store(false, Ordering::SeqCst);
    wait_for_state(&proxy, "a2", "available");
    eventually("the log to say so", || {
        lines_with(&proxy, "健康账户数量: 3/3") == 2
    });
}

/// Chats until this account has answered one.
fn chat_with(proxy: &Proxy, id: &str) {
    let is_there = (0..ALL.len()).any(|_| hello(proxy) == id);
    assert!(is_there, "{id} was not asked");
}

#[test]
fn successful_traffic_counts_as_health_whatever_the_checks_say() {
    let simulator = simulator_of(&ALL);
    // The checks of a2 are held before their last answer, which is a bad one.
    let (bad, gates) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Mutex::new(Vec::<Gate>::new())),
    );
    let (is_bad, its_gates) = (Arc::clone(&bad), Arc::clone(&gates));
    choose_for(&simulator, "a2", move |request| {
        if is_chat(request) || !is_bad.load(Ordering::SeqCst) {
            return None;
        }
        if is_control(request) {
            return Some(error(503));
        }
        let gate = Gate::new();
        its_gates.lock().unwrap().push(gate.clone());
        Some(Script::Steps(vec![Step::WaitFor(gate), Step::Cut]))
    });
    let proxy = Config::of(&simulator, &ALL).global(OFTEN).start();
    proxy.wait_for_log("健康账户数量: 3/3");
    bad.store(true, Ordering::SeqCst);
    for round in 1..=4 {
        eventually("a check to be under way", || {
            gates.lock().unwrap().len() >= round
        });
        chat_with(&proxy, "a2");
        gates.lock().unwrap()[round - 1].open();
    }
    eventually("the fourth one to have ended", || {
        gates.lock().unwrap().len() >= 5
    });
    assert_eq!(account(&proxy, "a2")["state"], "available");
    assert_eq!(lines_with(&proxy, COUNT), 1, "{:#?}", proxy.log());
    // Without traffic two in a row are enough.
    for round in 5..=6 {
        eventually("a check to be under way", || {
            gates.lock().unwrap().len() >= round
        });
        gates.lock().unwrap()[round - 1].open();
    }
    proxy.wait_for_log("健康账户数量: 2/3");
    assert_eq!(account(&proxy, "a2")["state"], "unhealthy");
    assert_good(&proxy.chat(&ask("grok", true, "Hello")));
    for gate in gates.lock().unwrap().iter() {
        gate.open();
    }
}

#[test]
fn slow_checks_hold_nobody_up() {
    let simulator = simulator_of(&ALL);
    choose_for(&simulator, "a2", |request| {
        (!is_chat(request)).then_some(Script::HangBeforeHead)
    });
    let mut proxy = Config::of(&simulator, &ALL).global(OFTEN).start();
    let rounds = |simulator: &Simulator| {
        let requests = simulator.requests();
        requests
            .iter()
            .filter(|request| is_of(request, "a2") && is_control(request))
            .count()
    };
    assert!(simulator.wait_for(|simulator| rounds(simulator) == 1, DEADLINE));
    for _ in 0..6 {
        hello(&proxy);
    }
    // Reloads and a stop do not wait for the end of a round, which takes ten seconds.
    for count in 1..=5 {
        proxy.signal("HUP");
        eventually("the reload", || lines_with(&proxy, "Reloaded ") == count);
    }
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    assert!(rounds(&simulator) <= 2, "{:#?}", proxy.log());
}
