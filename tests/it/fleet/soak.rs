//! Many requests over three accounts that fail at random: every request gets its own answer, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ociai_proxy::simulator::{Framing, Recorded, Script, Simulator, Step};

use super::site::{
    account, answer, ask, assert_good, body_of, crowd, error, head, is_chat, sse_head, stats,
    text_of, three, wants_stream,
};
use crate::harness::{Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];
const SEED: u64 = 20_261_126;
const CLIENTS: usize = 32;
/// Of a hundred calls so many fail.
const FAULTS: u64 = 30;
/// A request meets no more faults than it may make further attempts, less the call that an attempt repeats when a pooled
/// connection was closed.
const MOST_FAULTS: u32 = 8;
/// The number of a request stands in its message behind this.
const MARK: &str = "number ";

/// What a request has met at the simulator.
#[derive(Debug, Default, Clone, Copy)]
struct Met {
    calls: u32,
    faults: u32,
    answers: u32,
}

type Journal = Arc<Mutex<HashMap<u64, Met>>>;

/// The same number for the same input, as if it were thrown (SplitMix64).
fn thrown(number: u64, calls: u32) -> u64 {
    let input = SEED ^ (number << 8) ^ u64::from(calls);
    let mut z = input.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The fault that a call meets; which one depends on nothing but the request's number and how often it was seen.
fn fault(number: u64, calls: u32, request: &Recorded) -> Option<Script> {
    let dice = thrown(number, calls);
    if dice % 100 >= FAULTS {
        return None;
    }
    Some(match (dice / 100) % 5 {
        0 => error(500),
        1 => error(503),
        2 => Script::CloseBeforeHead,
        3 => Script::GarbageHead,
        _ => {
            let (head, half) = if wants_stream(request) {
                (sse_head(), "data: {\"index\":0,")
            } else {
                let length = Framing::Length(1000);
                (head("application/json", length), "{\"modelId\":\"x\",")
            };
            Script::Steps(vec![head, Step::Bytes(half.as_bytes().to_vec()), Step::Cut])
        }
    })
}

/// The number that a request carries.
fn number_of(request: &Recorded) -> u64 {
    let body = body_of(request).to_string();
    let (_, rest) = body.split_once(MARK).unwrap();
    let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap();
    rest[..end].parse().unwrap()
}

/// Has the simulator fail and answer as above; what it does is written down.
fn trouble(simulator: &Simulator) -> Journal {
    let journal = Journal::default();
    let written = Arc::clone(&journal);
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        if !is_chat(request) {
            return None;
        }
        let number = number_of(request);
        let mut journal = written.lock().unwrap();
        let met = journal.entry(number).or_default();
        met.calls += 1;
        let fault = fault(number, met.calls, request).filter(|_| met.faults < MOST_FAULTS);
        if fault.is_some() {
            met.faults += 1;
        } else {
            met.answers += 1;
        }
        drop(journal);
        Some(fault.unwrap_or_else(|| answer(request, &format!("this is {MARK}{number}."))))
    })));
    journal
}

fn check_books(proxy: &Proxy, journal: &Journal, requests: u64) {
    let journal = journal.lock().unwrap();
    assert_eq!(journal.len() as u64, requests);
    for (number, met) in journal.iter() {
        assert_eq!(met.answers, 1, "{number}: {met:?}");
        assert_eq!(met.calls, met.faults + 1, "{number}: {met:?}");
    }
    let (mut calls, mut faults) = (0, 0);
    for met in journal.values() {
        calls += u64::from(met.calls);
        faults += u64::from(met.faults);
    }
    // A fair throw: about as many as were ordered.
    assert!(
        (25..=35).contains(&(faults * 100 / calls)),
        "{faults} of {calls}"
    );
    eventually("all slots to be free", || {
        stats(proxy, "concurrency")["global"]["in_flight"] == 0
    });
    let sum = |name: &str| -> u64 {
        let its = ALL.map(|id| account(proxy, id)[name].as_u64().unwrap());
        its.iter().sum()
    };
    assert_eq!(sum("successes"), requests);
    assert_eq!(sum("requests"), sum("successes") + sum("failures"));
    // An attempt whose pooled connection was closed makes its call once more; the simulator has seen both.
    assert!(sum("failures") <= faults && sum("failures") > faults / 2);
    let queue = stats(proxy, "queue");
    assert_eq!(
        (&queue["length"], &queue["rejected"], &queue["expired"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(queue["enqueued"], requests);
}

fn soak(requests: u64) {
    let global = "retry_attempts = 8\nload_balance_strategy = least_connections";
    let breaker = "max_failures = 1000000\nfailure_rate = 1\nmin_requests = 1000000";
    let (simulator, proxy) = three(global, breaker);
    let journal = trouble(&simulator);
    let next = AtomicU64::new(0);
    crowd(&proxy, CLIENTS, |_, talker| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return;
            }
            let question = format!("{MARK}{number}?");
            let got = talker.chat(&ask("grok", number.is_multiple_of(2), &question));
            assert_good(&got);
            assert_eq!(text_of(&got), format!("this is {MARK}{number}."));
        }
    });
    check_books(&proxy, &journal, requests);
}

#[test]
fn of_four_thousand_requests_none_is_lost_doubled_or_crossed_though_a_third_of_the_calls_fail() {
    soak(4_000);
}

#[test]
#[ignore = "longer than the others: cargo test --test it fleet::soak -- --ignored"]
fn nor_of_twenty_thousand() {
    soak(20_000);
}
