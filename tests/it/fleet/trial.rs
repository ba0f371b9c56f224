//! `/test-oci` with several accounts, and who may look at a fleet.

use serde_json::{Value, json};

use super::site::{
    Config, NOWHERE, account, ask, breaker, chats, error, hello, simulator_of, three,
};
use crate::harness::{Client, Proxy, Response};

const ALL: [&str; 3] = ["a1", "a2", "a3"];

fn trials(answer: &Response) -> Vec<(String, String)> {
    let body = answer.json();
    let text = |trial: &Value, name: &str| trial[name].as_str().unwrap().to_owned();
    let accounts = body["accounts"].as_array().unwrap().iter();
    accounts
        .map(|trial| (text(trial, "account"), text(trial, "status")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, status): &(&str, &str)| ((*id).to_owned(), (*status).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn the_trial_asks_each_account_and_counts_for_nobody() {
    let (simulator, proxy) = three("", "max_failures = 1");
    let good = proxy.get("/test-oci");
    assert_eq!(good.status, 200, "{}", good.text());
    assert_eq!(
        trials(&good),
        pairs(&[("a1", "ok"), ("a2", "ok"), ("a3", "ok")])
    );
    simulator.set_for_account("a2", Some(error(500)));
    let bad = proxy.get("/test-oci");
    assert_eq!(bad.status, 502);
    assert_eq!(
        trials(&bad),
        pairs(&[("a1", "ok"), ("a2", "failed"), ("a3", "ok")])
    );
    assert_eq!(
        trials(&proxy.get("/test-oci?account=a3")),
        pairs(&[("a3", "ok")])
    );
    proxy
        .get("/test-oci?account=nobody")
        .assert_error(404, Some("account_not_found"));
    assert_eq!(chats(&simulator).len(), 7);
    for id in ALL {
        let its = account(&proxy, id);
        assert_eq!(
            (&its["requests"], &its["failures"]),
            (&0.into(), &0.into()),
            "{its}"
        );
        assert_eq!(breaker(&proxy, id)["state"], "closed");
    }
    // Nor does it take anybody's turn.
    simulator.set_for_account("a2", None);
    assert_eq!(ALL.map(|_| hello(&proxy)), ALL);
}

#[test]
fn the_trial_tells_of_an_account_that_cannot_start() {
    let simulator = simulator_of(&ALL);
    let proxy = Config::of(&simulator, &["a1", "a2"])
        .account("a2", "key_file = ./no.pem")
        .with("parked", NOWHERE, "enabled = off")
        .start();
    let answer = proxy.get("/test-oci");
    assert_eq!(answer.status, 502);
    assert_eq!(trials(&answer), pairs(&[("a1", "ok"), ("a2", "failed")]));
    let failed = &answer.json()["accounts"][1];
    assert!(
        failed["error"].as_str().unwrap().contains("no.pem"),
        "{failed}"
    );
}

/// A request with these headers and no others.
fn asked(proxy: &Proxy, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut client: Client = proxy.connect();
    client.send(text + "\r\n");
    client.response(method)
}

#[test]
fn statistics_and_the_reset_are_for_this_machine_and_for_who_has_the_key() {
    let (_simulator, proxy) = three("", "");
    let doors = [
        ("GET", "/stats/accounts"),
        ("GET", "/stats/concurrency"),
        ("GET", "/stats/circuit-breaker"),
        ("GET", "/stats/queue"),
        ("GET", "/stats/summary"),
        ("GET", "/metrics"),
        ("POST", "/admin/circuit-breaker/reset"),
    ];
    for (method, path) in doors {
        let status = |headers: &[(&str, &str)]| asked(&proxy, method, path, headers).status;
        assert_eq!(status(&[("Host", "localhost")]), 200, "{path}");
        for far in [
            &[("Host", "proxy.example")][..],
            &[("Host", "localhost"), ("X-Forwarded-For", "10.0.0.1")],
            &[("Host", "localhost"), ("Origin", "http://evil.example")],
        ] {
            assert_eq!(status(far), 401, "{path} {far:?}");
            let with_key = [far, &[("x-api-key", crate::harness::KEY)]].concat();
            assert_eq!(status(&with_key), 200, "{path} {far:?}");
        }
    }
}

#[test]
fn the_figures_of_an_account_add_up() {
    let (simulator, proxy) = three("", "");
    let fresh = account(&proxy, "a1");
    for name in ["success_rate", "last_error", "reason", "unavailable_until"] {
        assert!(fresh[name].is_null(), "{fresh}");
    }
    assert_eq!(fresh["latency_ms"], json!({"p50": null, "p99": null}));
    assert_eq!(
        (&fresh["region"], &fresh["weight"]),
        (&"us-phoenix-1".into(), &1.into())
    );
    simulator.enqueue(error(503));
    for stream in [false, true, false] {
        assert_eq!(proxy.chat(&ask("grok", stream, "Hello")).status, 200);
    }
    let its = account(&proxy, "a1");
    for (name, expected) in [
        ("requests", 2),
        ("successes", 1),
        ("failures", 1),
        ("in_flight", 0),
    ] {
        assert_eq!(its[name], expected, "{name} {its}");
    }
    assert_eq!(its["success_rate"], 0.5);
    assert!(its["latency_ms"]["p50"].is_u64(), "{its}");
    assert!(
        its["last_error"]["message"]
            .as_str()
            .unwrap()
            .contains("503"),
        "{its}"
    );
    let stats = super::site::stats(&proxy, "concurrency");
    assert_eq!(
        stats["accounts"][0],
        json!({"id": "a1", "max": 50, "in_flight": 0, "peak": 1, "available": 50})
    );
}
