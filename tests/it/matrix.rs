//! The fault matrix: each thing that can go wrong upstream, for a whole answer and a stream, before and behind its first event, with
//! one account and with three. `rows` is the table; here each line of it is made true.

mod apis;
mod bytes;
mod endpoints;
mod faults;
#[cfg(target_os = "linux")]
mod memory;
mod readme;
mod rows;
mod site;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Gate, Script};
use serde_json::Value;

use crate::harness::{Client, KEY, Response};
use crate::matrix::faults::{FIRST_TEXT, LAST_TEXT};
use crate::matrix::rows::{Asked, BODIES, COPIED, EMBEDDINGS, EVENTS, End, HEADS, RERANKINGS, Row};
use crate::matrix::site::{Api, Fleet, Site, Standing, said};

/// Programs at once: most of the time is pauses between attempts.
const SHARDS: usize = 12;
/// One repetition, and limits of time that no fault here reaches.
const PATIENT: &str = "retry_attempts = 1\nrequest_timeout = 600s";
/// For what ends by a limit of time only.
const SHORT: &str = "retry_attempts = 1\nrequest_timeout = 3s\nstream_idle_timeout = 2s";

/// The shortest cooldown: a slow machine may not see it.
const COOLDOWN: Duration = Duration::from_secs(1);

/// One cell of the matrix.
#[derive(Clone, Copy)]
struct Case {
    row: &'static Row,
    fleet: Fleet,
    api: Api,
    stream: bool,
    begun: bool,
    end: End,
}

impl Case {
    fn of(row: &'static Row, fleet: Fleet, api: Api) -> Vec<Self> {
        let end = match fleet {
            Fleet::One => row.alone,
            Fleet::Three => row.fleet,
        };
        let case = |stream, begun, end| Self {
            row,
            fleet,
            api,
            stream,
            begun,
            end,
        };
        if matches!(api, Api::Embeddings | Api::Rerank) {
            return vec![case(false, false, end)];
        }
        let mut cases = match row.asked {
            Asked::Whole => vec![case(false, false, end)],
            Asked::Stream => vec![case(true, false, end)],
            Asked::Both => vec![case(false, false, end), case(true, false, end)],
            Asked::Begun => vec![case(true, true, end)],
        };
        cases.extend(row.begun.map(|end| case(true, true, end)));
        cases
    }

    fn name(self) -> String {
        let stream = match (self.stream, self.begun) {
            (false, _) => "whole",
            (true, false) => "stream",
            (true, true) => "stream, begun",
        };
        format!(
            "{} ({:?}, {stream}, {:?})",
            self.row.name, self.api, self.fleet
        )
    }
}

fn check_all(rows: &'static [Row], api: Api) {
    let cases = || {
        let fleets = [Fleet::One, Fleet::Three];
        let rows = move |fleet| rows.iter().flat_map(move |row| Case::of(row, fleet, api));
        fleets.into_iter().flat_map(rows)
    };
    let (waiting, others): (Vec<_>, Vec<_>) = cases().partition(|case| case.row.fault.waits());
    let mut shards: Vec<(&str, Vec<Case>)> = Vec::new();
    for fleet in [Fleet::One, Fleet::Three] {
        let same: Vec<_> = others.iter().filter(|case| case.fleet == fleet).collect();
        let size = same.len().div_ceil(SHARDS / 2);
        let pieces = same.chunks(size);
        shards.extend(pieces.map(|piece| (PATIENT, piece.iter().map(|case| **case).collect())));
    }
    shards.extend(waiting.into_iter().map(|case| (SHORT, vec![case])));
    thread::scope(|scope| {
        for (limits, cases) in shards {
            scope.spawn(move || check_shard(limits, &cases));
        }
    });
}

fn check_shard(limits: &str, cases: &[Case]) {
    let Some(first) = cases.first() else { return };
    let site = Site::start(first.fleet, limits);
    let (good, _) = site.ask(first.api, false);
    let good = said(&good);
    assert!(good.len() > 10, "{good}");
    // What an account refuses that has never answered there may be about that API alone.
    if first.api == Api::Copied {
        for _ in 1..first.fleet.ids().len() {
            site.ask(first.api, false);
        }
    }
    // All lines that are not so are told, not only the first.
    let fails =
        |case: &&Case| catch_unwind(AssertUnwindSafe(|| check(&site, **case, &good))).is_err();
    let failed: Vec<_> = cases.iter().filter(fails).map(|case| case.name()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// `good`: what an account without fault says.
fn check(site: &Site, case: Case, good: &str) {
    let (name, end, words) = (case.name(), case.end, case.api.words());
    if case.row.fault.looks_stale() {
        site.close_pool();
    }
    let before = site.standings();
    let began = Instant::now();
    let (answer, mut client) = if case.begun {
        let gate = Gate::new();
        site.arm(Some(case.row.fault.script(Some(&gate), words)));
        site.chat_until(words.model(), FIRST_TEXT, &gate)
    } else {
        site.arm(Some(case.row.fault.script(None, words)));
        site.ask(case.api, case.stream)
    };
    let shown = format!("{name}: {} {}", answer.status, short(&answer));
    assert_eq!(answer.status, end.status, "{shown}");
    let code = error_code(&answer);
    assert_eq!(code.as_deref(), end.code, "{shown}");
    assert_eq!(is_done(&answer, case.stream), end.done, "{shown}");
    assert!(answer.whole, "{shown}");
    check_text(case, &answer, good, &shown);

    let asked = site.asked();
    assert_eq!(asked.len(), end.calls, "{shown} {asked:?}");
    let faulty = &asked[0];
    let by = answer.header("x-ociai-account").unwrap();
    assert_eq!(by == faulty, end.by_faulty, "{shown} {asked:?}");
    let line = site.proxy.line_of(&answer);
    let told = format!(" attempts={} status={} ", end.calls, end.status);
    assert!(line.contains(&told), "{shown} {line}");
    site.assert_quiet(&shown);
    check_standings(site, faulty, &before, end, began, &shown);
    check_connection(&mut client, end.kept, &shown);

    // And nothing of it is left for the next one, on a pooled connection neither.
    site.forgive();
    site.arm(None);
    let (next, _) = site.ask(case.api, case.stream);
    assert_eq!(
        (next.status, said(&next).as_str()),
        (200, good),
        "after {shown}"
    );
    assert_eq!(site.asked().len(), 1, "after {shown}");
}

fn check_text(case: Case, answer: &Response, good: &str, shown: &str) {
    if answer.status != 200 {
        return;
    }
    let begun = if case.begun { FIRST_TEXT } else { "" };
    let rest = match (case.end.done, case.end.by_faulty) {
        (true, true) => LAST_TEXT,
        (true, false) => good,
        (false, _) => "",
    };
    assert_eq!(said(answer), format!("{begun}{rest}"), "{shown}");
}

/// Who failed has that on its account, and nobody else has.
fn check_standings(
    site: &Site,
    faulty: &str,
    before: &[Standing],
    end: End,
    began: Instant,
    shown: &str,
) {
    for (before, now) in before.iter().zip(site.standings()) {
        let counted = (
            now.successes - before.successes,
            now.failures - before.failures,
        );
        let shown = format!("{shown} {now:?}");
        if now.id == faulty {
            assert_eq!(counted, (end.successes, end.failures), "{shown}");
            let is_over = end.state == "cooling" && began.elapsed() > COOLDOWN;
            assert!(now.state == end.state || is_over, "{shown}");
        } else {
            assert_eq!((now.state.as_str(), counted.1), ("available", 0), "{shown}");
            assert!(counted.0 <= u64::from(!end.by_faulty), "{shown}");
        }
    }
}

/// Of the body, or of the last event.
fn error_code(answer: &Response) -> Option<String> {
    let error: Value = match answer.header("content-type") {
        Some("application/json") => answer.json(),
        _ => {
            let events = answer.events();
            let errors = events
                .iter()
                .filter(|event| event.starts_with("{\"error\""));
            assert!(errors.count() <= 1, "{events:?}");
            serde_json::from_str(events.last()?).ok()?
        }
    };
    let error = error.get("error")?;
    Some(error["code"].as_str().unwrap_or("none").to_owned())
}

fn is_done(answer: &Response, stream: bool) -> bool {
    if !stream || answer.status != 200 {
        let is_whole = |body: &Value| {
            let has = |name: &str| body[name].as_array().is_some_and(|list| list.len() == 2);
            body["choices"][0]["finish_reason"] == "stop" || has("data") || has("results")
        };
        return answer.status == 200 && is_whole(&answer.json());
    }
    let dones = answer.text().matches("[DONE]").count();
    assert!(dones <= 1, "{}", answer.text());
    dones == 1 && answer.text().ends_with("data: [DONE]\n\n")
}

/// One that is kept takes another request; one that is not ends by itself.
#[track_caller]
fn check_connection(client: &mut Client, kept: bool, shown: &str) {
    if kept {
        let bearer = format!("Bearer {KEY}");
        client.send_request("GET", "/v1/models", &[("Authorization", &bearer)], "");
        assert_eq!(client.response("GET").status, 200, "{shown}");
    } else {
        assert_eq!(client.rest(), b"", "{shown}");
    }
}

fn short(answer: &Response) -> String {
    String::from_utf8_lossy(&answer.body)
        .chars()
        .take(600)
        .collect()
}

#[test]
fn what_goes_wrong_before_the_body_ends_as_the_table_says() {
    check_all(HEADS, Api::Chat);
}

#[test]
fn what_goes_wrong_within_a_whole_answer_ends_as_the_table_says() {
    check_all(BODIES, Api::Chat);
}

#[test]
fn what_goes_wrong_within_a_stream_ends_as_the_table_says() {
    check_all(EVENTS, Api::Chat);
}

#[test]
fn what_goes_wrong_before_a_copied_body_ends_as_the_table_says() {
    check_all(HEADS, Api::Copied);
}

#[test]
fn what_goes_wrong_within_a_copied_answer_ends_as_the_table_says() {
    check_all(COPIED, Api::Copied);
}

#[test]
fn what_goes_wrong_with_embeddings_ends_as_the_table_says() {
    check_all(HEADS, Api::Embeddings);
    check_all(EMBEDDINGS, Api::Embeddings);
}

#[test]
fn what_goes_wrong_with_a_reranking_ends_as_the_table_says() {
    check_all(HEADS, Api::Rerank);
    check_all(RERANKINGS, Api::Rerank);
}

#[test]
fn a_wait_that_oci_names_is_told_within_reason() {
    let site = Site::start(Fleet::One, PATIENT);
    for (sent, told) in [
        (None, None),
        (Some("17"), Some("17")),
        (Some("99999999999999999999"), Some("300")),
        (Some("Fri, 01 Jan 2100 00:00:00 GMT"), Some("300")),
        (Some("Thu, 01 Jan 1970 00:00:00 GMT"), Some("0")),
        (Some("-1"), None),
        (Some("soon"), None),
    ] {
        let headers = sent.map(|sent| ("retry-after".to_owned(), sent.to_owned()));
        site.arm(Some(Script::Status {
            status: 429,
            headers: headers.into_iter().collect(),
            body: Vec::new(),
        }));
        let (answer, _) = site.chat("grok", true);
        answer.assert_error(429, Some("rate_limit_exceeded"));
        assert_eq!(answer.header("retry-after"), told, "{sent:?}");
    }
}
