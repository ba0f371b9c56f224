//! One account of three fails, in every way there is: the clients must not notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ociai_proxy::simulator::{Framing, Recorded, Script, Step};
use serde_json::Value;

use super::site::{
    Config, account, ask, assert_good, breaker, chats, chats_of, choose_for, crowd, error, event,
    fleet, head, hello, is_chat, lines_with, served_by, simulator_of, sse_head, three,
    wants_stream,
};
use crate::harness::{DEADLINE, Proxy, eventually};

const ALL: [&str; 3] = ["a1", "a2", "a3"];
const CLIENTS: usize = 8;
const TURNS: usize = 30;
/// So many chats have been served before the account fails.
const BEFORE: usize = 40;

/// A crowd of clients of which none may see anything but good answers; `fail` is called in the middle.
fn crowd_without_a_failure(proxy: &Proxy, streams: bool, fail: impl Fn() + Sync) {
    let served = AtomicUsize::new(0);
    crowd(proxy, CLIENTS, |number, talker| {
        for turn in 0..TURNS {
            let stream = streams && (number + turn) % 2 == 0;
            let answer = talker.chat(&ask("grok", stream, "Hello"));
            assert_good(&answer);
            if served.fetch_add(1, Ordering::SeqCst) == BEFORE {
                fail();
            }
        }
    });
    assert_eq!(served.into_inner(), CLIENTS * TURNS);
}

/// One account begins to answer like this under load.
fn kill_by(global: &str, script: impl Fn(&Recorded) -> Script + Send + Sync + 'static) -> Proxy {
    let (simulator, proxy) = three(global, "");
    let (dead, hits) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (is_dead, its_hits) = (Arc::clone(&dead), Arc::clone(&hits));
    choose_for(&simulator, "a2", move |request| {
        let is_hit = is_dead.load(Ordering::SeqCst) && is_chat(request);
        is_hit.then(|| {
            its_hits.fetch_add(1, Ordering::SeqCst);
            script(request)
        })
    });
    crowd_without_a_failure(&proxy, true, || dead.store(true, Ordering::SeqCst));
    assert!(hits.load(Ordering::SeqCst) > 0, "it was never asked");
    let failures = account(&proxy, "a2")["failures"].as_u64().unwrap();
    assert!(failures > 0);
    for id in ["a1", "a3"] {
        assert_eq!(account(&proxy, id)["failures"], 0);
    }
    proxy
}

#[track_caller]
fn assert_open(proxy: &Proxy) {
    assert_eq!(breaker(proxy, "a2")["state"], "open");
    assert_eq!(account(proxy, "a2")["state"], "open");
}

#[test]
fn nobody_notices_that_an_account_is_no_longer_reached() {
    let simulators = ALL.map(|id| simulator_of(&[id]));
    let mut config = Config::of(&simulators[0], &["a1"]);
    for (id, simulator) in ALL.iter().zip(&simulators).skip(1) {
        config = config.with(id, &simulator.endpoint(), "");
    }
    let proxy = config.start();
    let [first, second, third] = simulators;
    let second = std::sync::Mutex::new(Some(second));
    // Whole answers only: a stream that has begun cannot be saved.
    crowd_without_a_failure(&proxy, false, || drop(second.lock().unwrap().take()));
    assert_open(&proxy);
    assert!(first.total_requests() > 0 && third.total_requests() > 0);
}

#[test]
fn nobody_notices_that_an_account_says_nothing_any_more() {
    let proxy = kill_by("request_timeout = 5s", |_| Script::HangBeforeHead);
    assert_open(&proxy);
}

#[test]
fn nobody_notices_that_an_account_fails_with_500() {
    assert_open(&kill_by("", |_| error(500)));
}

#[test]
fn nobody_notices_that_an_account_is_throttled() {
    let proxy = kill_by("", |_| error(429));
    assert_eq!(breaker(&proxy, "a2")["trips"], 0);
    assert_eq!(breaker(&proxy, "a2")["consecutive_failures"], 0);
}

#[test]
fn nobody_notices_that_an_accounts_answers_are_cut_before_their_first_event() {
    assert_open(&kill_by("", |request| {
        let (head, half) = if wants_stream(request) {
            (sse_head(), "data: {\"index\":0,")
        } else {
            let length = Framing::Length(1000);
            (head("application/json", length), "{\"modelId\":\"x\",")
        };
        Script::Steps(vec![head, Step::Bytes(half.as_bytes().to_vec()), Step::Cut])
    }));
}

#[test]
fn nobody_notices_that_an_accounts_connections_are_cut_before_the_answer() {
    assert_open(&kill_by("", |_| Script::CloseBeforeHead));
}

#[test]
fn nobody_notices_that_an_account_answers_with_garbage() {
    assert_open(&kill_by("", |_| Script::GarbageHead));
}

#[test]
fn nobody_notices_that_an_account_answers_200_with_what_is_no_answer() {
    assert_open(&kill_by("", |_| {
        Script::status(200, "<html>Sign in</html>")
    }));
}

#[test]
fn a_stream_that_breaks_off_after_its_first_event_is_told_once_and_not_repeated() {
    let (simulator, proxy) = three("", "");
    simulator.enqueue(Script::Steps(vec![sse_head(), event("Once"), Step::Cut]));
    let answer = proxy.chat(&ask("grok", true, "Hello"));
    assert_eq!((answer.status, answer.whole), (200, true));
    let events = answer.events();
    let errors: Vec<Value> = events
        .iter()
        .map(|event| serde_json::from_str(event).unwrap_or_default())
        .filter(|event: &Value| !event["error"].is_null())
        .collect();
    assert_eq!(errors.len(), 1, "{events:?}");
    let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_error", "{last}");
    assert!(answer.text().contains("Once") && !answer.text().contains("[DONE]"));
    assert!(
        proxy
            .line_of(&answer)
            .contains(" account=a1 attempts=1 status=200 ")
    );
    assert_eq!(chats(&simulator), ["a1"]);
    assert_eq!(account(&proxy, "a1")["failures"], 1);
    assert_eq!(breaker(&proxy, "a1")["consecutive_failures"], 1);
}

#[test]
fn a_failover_goes_at_once_to_the_next_account_and_the_log_and_the_answer_say_so() {
    let (simulator, proxy) = three("", "");
    simulator.enqueue(error(500));
    simulator.enqueue(error(503));
    let answer = proxy.chat(&ask("grok", true, "Hello"));
    assert_eq!(served_by(&answer), "a3");
    assert!(
        proxy
            .line_of(&answer)
            .contains(" account=a3 attempts=3 status=200 ")
    );
    let id = answer.header("x-request-id").unwrap();
    let attempts: Vec<_> = simulator.requests().into_iter().filter(is_chat).collect();
    assert_eq!(chats(&simulator), ALL);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.header("opc-request-id") == Some(id))
    );
    // A pause before the same account is asked again would be at least 250 ms, and the log would tell of it.
    assert_eq!(lines_with(&proxy, &format!("{id} attempt ")), 2);
}

#[test]
fn only_as_many_attempts_as_allowed_are_made_and_then_the_last_error_comes() {
    let (simulator, proxy) = three("retry_attempts = 1", "");
    for status in [500, 503, 500] {
        simulator.enqueue(error(status));
    }
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    answer.assert_error(502, Some("upstream_error"));
    assert_eq!(answer.header("x-ociai-account"), Some("a2"));
    assert_eq!(chats(&simulator), ["a1", "a2"]);
}

#[test]
fn when_all_accounts_have_failed_one_is_asked_again_after_a_pause() {
    let (simulator, proxy) = fleet(&["a1", "a2"], "retry_attempts = 3", "");
    for _ in 0..3 {
        simulator.enqueue(error(500));
    }
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    assert_good(&answer);
    let requests: Vec<_> = simulator.requests().into_iter().filter(is_chat).collect();
    assert_eq!(requests.len(), 4);
    let gap = |at: usize| {
        requests[at + 1]
            .when
            .duration_since(requests[at].when)
            .as_millis()
    };
    assert!(gap(1) >= 250 && gap(2) >= 250, "{} {}", gap(1), gap(2));
    let mut by: Vec<_> = chats(&simulator);
    by.sort();
    assert_eq!(
        by,
        ["a1", "a1", "a2", "a2"],
        "the one that was tried least often comes first"
    );
}

#[test]
fn a_refused_account_is_marked_and_left_out_and_no_client_hears_of_it() {
    for status in [401, 403] {
        let (simulator, proxy) = three("", "");
        simulator.set_for_account("a2", Some(error(status)));
        for _ in 0..9 {
            hello(&proxy);
        }
        assert_eq!(chats_of(&simulator, "a2"), 1, "{status}");
        let refused = account(&proxy, "a2");
        assert_eq!(
            (&refused["state"], &refused["healthy"]),
            (&"unhealthy".into(), &false.into())
        );
        let reason = refused["reason"].as_str().unwrap();
        assert!(reason.contains(&status.to_string()), "{reason}");
        assert!(!refused["unavailable_until"].is_null());
        assert_eq!(breaker(&proxy, "a2")["consecutive_failures"], 0);
        proxy.wait_for_log("account a2 is unhealthy");
        proxy.wait_for_log("健康账户数量: 2/3");
        let health = proxy.get("/health").json();
        assert_eq!(
            (&health["status"], &health["accounts"]["healthy"]),
            (&"degraded".into(), &2.into())
        );
        assert_eq!(proxy.get("/ready").status, 200);
        // Whoever has mended it says so.
        simulator.set_for_account("a2", None);
        let reset = proxy.request("POST", "/admin/circuit-breaker/reset?account=a2", "");
        assert_eq!(reset.status, 200);
        assert_eq!(account(&proxy, "a2")["state"], "available");
        for _ in 0..3 {
            hello(&proxy);
        }
        assert_eq!(chats_of(&simulator, "a2"), 2);
        eventually("the log to say so", || {
            lines_with(&proxy, "健康账户数量: 3/3") == 2
        });
    }
}

#[test]
fn a_model_that_one_account_does_not_have_is_served_by_another() {
    let (simulator, proxy) = three("", "");
    simulator.set_for_account("a1", Some(error(404)));
    for _ in 0..6 {
        assert_ne!(hello(&proxy), "a1");
    }
    let without = account(&proxy, "a1");
    assert_eq!(without["state"], "available", "it is not to blame");
    assert_eq!(breaker(&proxy, "a1")["window"]["failures"], 0);
}

#[test]
fn a_model_that_no_account_has_is_not_found() {
    let (simulator, proxy) = three("", "");
    simulator.set_default(Some(error(404)));
    for (model, stream) in [("grok", false), ("llama", true)] {
        let before = chats(&simulator).len();
        let answer = proxy.chat(&ask(model, stream, "Hello"));
        answer.assert_error(404, Some("model_not_found"));
        let mut asked = chats(&simulator).split_off(before);
        asked.sort();
        assert_eq!(asked, ALL, "each is asked once");
    }
    simulator.set_default(None);
    assert_good(&proxy.chat(&ask("gemini", false, "Hello")));
}

#[test]
fn the_clients_own_mistake_goes_to_one_account_and_is_nobodys_failure() {
    let (simulator, proxy) = three("", "max_failures = 1");
    simulator.set_default(Some(error(400)));
    for _ in 0..6 {
        assert_eq!(proxy.chat(&ask("grok", false, "Hello")).status, 400);
    }
    assert_eq!(chats(&simulator), ALL.repeat(2));
    for id in ALL {
        let its = account(&proxy, id);
        assert_eq!((&its["requests"], &its["failures"]), (&2.into(), &0.into()));
        assert!(its["success_rate"].is_null(), "{its}");
        assert_eq!(its["state"], "available");
    }
}

#[test]
fn a_client_that_leaves_blames_nobody_and_frees_its_slot() {
    let (simulator, proxy) = fleet(&["a1"], "", "max_failures = 1");
    simulator.set_default(Some(Script::HangBeforeHead));
    let mut client = proxy.connect();
    super::site::send_chat(&mut client, &ask("grok", true, "Hello"));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 1, DEADLINE));
    drop(client);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
    eventually("the slot to be free", || {
        account(&proxy, "a1")["in_flight"] == 0
    });
    let its = account(&proxy, "a1");
    assert_eq!(
        (&its["failures"], &its["state"]),
        (&0.into(), &"available".into())
    );
}
