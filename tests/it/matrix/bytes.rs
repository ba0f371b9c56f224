//! The connection to OCI ends at each byte of an answer: what comes of it is the whole answer, an error, another account's answer or
//! an error event, and never a piece that looks whole.

use std::thread;

use ociai_proxy::simulator::{Script, Step};
use serde_json::{Value, json};

use crate::harness::Response;
use crate::matrix::site::{Fleet, Site};

/// No repetition where one account is alone, and no breaker, so that each position is seen by itself.
const LIMITS: &str =
    "request_timeout = 600s\n[CIRCUIT_BREAKER]\nmax_failures = 1000000\nmin_requests = 1000000";
/// Programs at once for one recording.
const SHARDS: usize = 2;

/// An answer as it came over the wire.
struct Recording {
    model: &'static str,
    stream: bool,
    bytes: Vec<u8>,
}

/// What a client can tell of an answer, apart from ids and dates.
#[derive(Debug, PartialEq, Eq)]
struct Heard {
    text: String,
    /// Of tool calls, all in one.
    arguments: String,
    finish: Option<String>,
    done: bool,
    error: Option<String>,
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn whole() -> Recording {
    let recorded = include_str!("../../fixtures/chat/response.generic.llama-3.3-70b.text.json");
    let body = serde_json::from_str::<Value>(recorded).unwrap().to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    Recording {
        model: "grok",
        stream: false,
        bytes: (head + &body).into_bytes(),
    }
}

/// An event a chunk.
fn chunked_stream() -> Recording {
    let recorded = include_str!("../../fixtures/stream/generic.llama.text.no-usage.done.sse");
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let events: String = recorded.split_inclusive("\n\n").map(chunk).collect();
    Recording {
        model: "grok",
        stream: true,
        bytes: format!("{head}{events}0\r\n\r\n").into_bytes(),
    }
}

/// Where the end of the connection is the end of the body, HTTP cannot tell a piece from the whole.
fn open_ended(model: &'static str, recorded: &str) -> Recording {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    Recording {
        model,
        stream: true,
        bytes: format!("{head}{recorded}").into_bytes(),
    }
}

fn hear(answer: &Response) -> Heard {
    assert!(answer.whole, "{}", answer.text());
    let (mut events, mut done) = (Vec::new(), false);
    if answer.header("content-type") == Some("application/json") {
        events.push(answer.json());
    } else {
        for event in answer.events() {
            assert!(!done, "{}", answer.text());
            match event.as_str() {
                "[DONE]" => done = true,
                event => events.push(serde_json::from_str(event).unwrap()),
            }
        }
    }
    let mut heard = Heard {
        text: String::new(),
        arguments: String::new(),
        finish: None,
        done,
        error: None,
    };
    for event in events {
        assert_eq!(
            heard.error,
            None,
            "something behind an error: {}",
            answer.text()
        );
        heard.error = event.get("error").map(|error| error["code"].to_string());
        let choice = &event["choices"][0];
        let said = match choice.get("delta") {
            Some(delta) => delta,
            None => &choice["message"],
        };
        heard.text += said["content"].as_str().unwrap_or_default();
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            heard.arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        let finish = choice["finish_reason"].as_str().map(str::to_owned);
        assert!(
            heard.finish.is_none() || finish.is_none(),
            "{}",
            answer.text()
        );
        heard.finish = heard.finish.or(finish);
    }
    heard.done |= heard.finish.is_some() && !answer.text().starts_with("data:");
    heard
}

/// The outcome at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Failed,
    AnotherAccount,
    BrokenOff,
    Whole,
}

fn outcome(site: &Site, recording: &Recording, at: usize, own: &Heard, good: &Heard) -> Outcome {
    if at == 0 {
        // On a connection that was used before it would look as if OCI had closed that long ago, and be sent once more.
        site.close_pool();
    }
    let cut = vec![Step::Bytes(recording.bytes[..at].to_vec()), Step::Cut];
    site.arm(Some(Script::Steps(cut)));
    let (answer, _) = site.chat(recording.model, recording.stream);
    let calls = site.asked().len();
    let heard = hear(&answer);
    let shown = format!(
        "{at} of {}: {} {heard:?}",
        recording.bytes.len(),
        answer.status
    );
    if answer.status != 200 {
        let code = answer.json()["error"]["code"].clone();
        let known = [json!("upstream_error"), json!("upstream_unreachable")];
        assert!(answer.status == 502 && known.contains(&code), "{shown}");
        return Outcome::Failed;
    }
    if heard == *own {
        assert_eq!(calls, 1, "{shown}");
        return Outcome::Whole;
    }
    if heard == *good {
        assert_eq!(calls, 2, "{shown}");
        return Outcome::AnotherAccount;
    }
    // What the client has is the beginning of the answer, and it is told that it is no more.
    assert!(heard.error.is_some() && !heard.done, "{shown}");
    assert!(own.text.starts_with(&heard.text), "{shown}");
    assert!(own.arguments.starts_with(&heard.arguments), "{shown}");
    assert_eq!(calls, 1, "{shown}");
    Outcome::BrokenOff
}

/// All positions from `from` on. Each of `expected` comes at some of them, in this order, and no other.
fn check(fleet: Fleet, recording: &Recording, from: usize, expected: &[Outcome]) {
    let retries = match fleet {
        Fleet::One => "retry_attempts = 0\n",
        Fleet::Three => "retry_attempts = 1\n",
    };
    let shard = |number: usize| {
        let site = Site::start(fleet, &format!("{retries}{LIMITS}"));
        let good = hear(&site.chat(recording.model, recording.stream).0);
        let script = vec![Step::Bytes(recording.bytes.clone()), Step::Cut];
        site.arm(Some(Script::Steps(script)));
        let own = hear(&site.chat(recording.model, recording.stream).0);
        assert!(own.done && good.done && own != good, "{own:?} {good:?}");
        let positions = (from..=recording.bytes.len()).skip(number).step_by(SHARDS);
        let outcomes: Vec<_> = positions
            .map(|at| (at, outcome(&site, recording, at, &own, &good)))
            .collect();
        site.assert_quiet("cuts");
        outcomes
    };
    let mut outcomes: Vec<_> = thread::scope(|scope| {
        let shard = &shard;
        let running: Vec<_> = (0..SHARDS)
            .map(|number| scope.spawn(move || shard(number)))
            .collect();
        let done = running.into_iter().map(|shard| shard.join().unwrap());
        done.flatten().collect()
    });
    outcomes.sort_by_key(|(at, _)| *at);
    let mut seen: Vec<_> = outcomes.iter().map(|(_, outcome)| *outcome).collect();
    seen.dedup();
    assert_eq!(seen, expected, "{outcomes:?}");
}

#[test]
fn a_whole_answer_cut_at_each_byte_is_an_error_or_another_accounts() {
    let recording = whole();
    check(
        Fleet::One,
        &recording,
        0,
        &[Outcome::Failed, Outcome::Whole],
    );
    check(
        Fleet::Three,
        &recording,
        0,
        &[Outcome::AnotherAccount, Outcome::Whole],
    );
}

#[test]
fn a_stream_cut_at_each_byte_never_looks_whole() {
    use Outcome::{AnotherAccount, BrokenOff, Failed, Whole};
    let recording = chunked_stream();
    check(Fleet::One, &recording, 0, &[Failed, BrokenOff, Whole]);
    check(
        Fleet::Three,
        &recording,
        0,
        &[AnotherAccount, BrokenOff, Whole],
    );
}

#[test]
fn a_stream_that_ends_with_its_connection_never_looks_whole_before_its_finish() {
    use Outcome::{BrokenOff, Failed, Whole};
    for (model, recorded, expected) in [
        (
            "grok",
            include_str!("../../fixtures/stream/generic.two-calls-in-one-event.sse"),
            &[Failed, BrokenOff, Whole][..],
        ),
        (
            "command",
            include_str!("../../fixtures/stream/cohere.text.usage.sse"),
            &[Failed, BrokenOff, Whole],
        ),
        (
            "reasoning",
            include_str!("../../fixtures/stream/coherev2.text.connection-stays-open.sse"),
            &[Failed, BrokenOff, Whole],
        ),
    ] {
        let recording = open_ended(model, recorded);
        let body = recording.bytes.len() - recorded.len();
        check(Fleet::One, &recording, body, expected);
    }
}
