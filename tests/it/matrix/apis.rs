//! The same faults for the other APIs that a chat answers: each tells the same errors and ends in its own words. Accounts,
//! connections and pools are the chat's, and the chat's own rows look at them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use ociai_proxy::simulator::Gate;
use serde_json::{Value, json};

use crate::harness::{Client, KEY, Response};
use crate::matrix::faults::{FIRST_TEXT, LAST_TEXT, Words};
use crate::matrix::rows::{BODIES, EVENTS, HEADS};
use crate::matrix::site::{self, Fleet, Site, until};
use crate::matrix::{Case, PATIENT, short};

#[derive(Debug, Clone, Copy)]
enum Api {
    Responses,
    Completions,
    Messages,
}

/// How an answer has ended.
#[derive(Debug, PartialEq)]
struct Ended {
    status: u16,
    code: Option<String>,
    done: bool,
    text: String,
}

impl Api {
    fn ask(self, site: &Site, stream: bool) -> Client {
        let (path, mut body) = match self {
            Self::Responses => ("/v1/responses", json!({"model": "grok", "input": "Hello"})),
            Self::Completions => (
                "/v1/completions",
                json!({"model": "grok", "prompt": "Hello"}),
            ),
            Self::Messages => (
                "/v1/messages",
                json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]}),
            ),
        };
        body["stream"] = json!(stream);
        let mut client = site.proxy.connect();
        let bearer = format!("Bearer {KEY}");
        client.send_request(
            "POST",
            path,
            &[("Authorization", &bearer)],
            &body.to_string(),
        );
        client
    }

    fn ended(self, answer: &Response) -> Ended {
        let is_json = answer.header("content-type") == Some("application/json");
        let events: Vec<Value> = if is_json {
            vec![answer.json()]
        } else {
            let events = answer.events();
            events
                .iter()
                .filter_map(|event| serde_json::from_str(event).ok())
                .collect()
        };
        let last = events.last().unwrap_or(&Value::Null);
        let error = last.get("error").filter(|error| error.is_object());
        let code = error.map(|error| {
            let code = error["code"].as_str();
            let code = code.or_else(|| error["details"]["error_code"].as_str());
            code.unwrap_or("none").to_owned()
        });
        let (done, text) = match (self, is_json) {
            (Self::Responses, true) => {
                let item = &last["output"][0]["content"][0]["text"];
                (
                    last["status"] == "completed",
                    item.as_str().unwrap_or_default().to_owned(),
                )
            }
            (Self::Responses, false) => {
                let deltas = events
                    .iter()
                    .filter(|event| event["type"] == "response.output_text.delta");
                let text = deltas
                    .map(|event| event["delta"].as_str().unwrap())
                    .collect();
                // Whoever looks at the last event but one sees it too.
                let failed = events
                    .iter()
                    .any(|event| event["type"] == "response.failed");
                assert_eq!(failed, last["type"] == "error", "{}", short(answer));
                (last["type"] == "response.completed", text)
            }
            (Self::Completions, true) => {
                let choice = &last["choices"][0];
                (
                    choice["finish_reason"] == "stop",
                    choice["text"].as_str().unwrap_or_default().to_owned(),
                )
            }
            (Self::Completions, false) => {
                let texts = events
                    .iter()
                    .filter_map(|event| event["choices"][0]["text"].as_str());
                (answer.text().ends_with("data: [DONE]\n\n"), texts.collect())
            }
            (Self::Messages, true) => {
                let text = last["content"][0]["text"].as_str();
                (
                    last["stop_reason"] == "end_turn",
                    text.unwrap_or_default().to_owned(),
                )
            }
            (Self::Messages, false) => {
                let texts = events
                    .iter()
                    .filter_map(|event| event["delta"]["text"].as_str());
                (last["type"] == "message_stop", texts.collect())
            }
        };
        Ended {
            status: answer.status,
            code,
            done,
            text,
        }
    }
}

fn check(site: &Site, api: Api, case: Case, good: &str) {
    let name = format!("{api:?}: {}", case.name());
    if case.row.fault.looks_stale() {
        site.close_pool();
    }
    let gate = case.begun.then(Gate::new);
    site.arm(Some(case.row.fault.script(gate.as_ref(), Words::Native)));
    let mut client = api.ask(site, case.stream);
    let answer = match &gate {
        Some(gate) => until(&mut client, FIRST_TEXT, gate),
        None => client.response("POST"),
    };
    let begun = if case.begun { FIRST_TEXT } else { "" };
    let rest = match (case.end.done, case.end.by_faulty) {
        (true, true) => LAST_TEXT,
        (true, false) => good,
        (false, _) => "",
    };
    let expected = Ended {
        status: case.end.status,
        code: case.end.code.map(str::to_owned),
        done: case.end.done,
        text: format!("{begun}{rest}"),
    };
    assert_eq!(api.ended(&answer), expected, "{name}: {}", short(&answer));
    assert!(answer.whole, "{name}");
    assert_eq!(site.asked().len(), case.end.calls, "{name}");
    site.assert_quiet(&name);
    site.forgive();
    site.arm(None);
    let next = api.ask(site, case.stream).response("POST");
    assert_eq!(api.ended(&next).text, good, "after {name}");
}

fn check_all(api: Api) {
    thread::scope(|scope| {
        for (fleet, rows) in [Fleet::One, Fleet::Three]
            .into_iter()
            .flat_map(|fleet| [HEADS, BODIES, EVENTS].map(|rows| (fleet, rows)))
        {
            scope.spawn(move || {
                let site = Site::start(fleet, PATIENT);
                let good = api.ended(&api.ask(&site, false).response("POST")).text;
                assert!(good.len() > 10, "{good}");
                let cases = rows
                    .iter()
                    .flat_map(|row| Case::of(row, fleet, site::Api::Chat));
                // How long OCI is waited for does not depend on who asks.
                let cases = cases.filter(|case| !case.row.fault.waits());
                let fails = |case: &Case| {
                    let checked = || check(&site, api, *case, &good);
                    catch_unwind(AssertUnwindSafe(checked)).is_err()
                };
                let failed: Vec<_> = cases.filter(fails).map(Case::name).collect();
                assert!(failed.is_empty(), "{api:?}: {failed:#?}");
            });
        }
    });
}

#[test]
fn responses_end_as_the_table_says() {
    check_all(Api::Responses);
}

#[test]
fn completions_end_as_the_table_says() {
    check_all(Api::Completions);
}

#[test]
fn messages_end_as_the_table_says() {
    check_all(Api::Messages);
}
