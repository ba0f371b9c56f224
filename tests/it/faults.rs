//! An upstream that fails, in every way there is, whole and streamed: what the client gets and how often OCI was asked.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use ociai_proxy::simulator::{Framing, Script, Step};
use serde_json::{Value, json};

use crate::harness::{DEADLINE, Proxy, Response, chats, config, simulator};

const ONE_RETRY: &str = "[GLOBAL]\nretry_attempts = 1";

fn chat(proxy: &Proxy, stream: bool) -> Response {
    proxy.chat(&json!({"model": "grok", "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}))
}

/// One row: an upstream's answer, and what becomes of it.
struct Row {
    status: u16,
    /// A file under `tests/fixtures/errors`, or the body itself.
    body: &'static str,
    client: u16,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<&'static str>,
    attempts: u32,
}

const fn row(
    status: u16,
    body: &'static str,
    client: (
        u16,
        &'static str,
        Option<&'static str>,
        Option<&'static str>,
    ),
    attempts: u32,
) -> Row {
    let (client, kind, code, param) = client;
    Row {
        status,
        body,
        client,
        kind,
        code,
        param,
        attempts,
    }
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";
const NO_MODEL: (u16, &str, Option<&str>, Option<&str>) =
    (404, INVALID, Some("model_not_found"), Some("model"));
const REFUSED: (u16, &str, Option<&str>, Option<&str>) =
    (502, SERVER, Some("upstream_credentials"), None);
const BUSY: (u16, &str, Option<&str>, Option<&str>) =
    (429, "rate_limit_error", Some("rate_limit_exceeded"), None);
const FAILED: (u16, &str, Option<&str>, Option<&str>) = (502, SERVER, Some("upstream_error"), None);

const STATUSES: [Row; 25] = [
    row(
        400,
        "400.InvalidParameter.json",
        (400, INVALID, Some("InvalidParameter"), None),
        1,
    ),
    row(
        400,
        "400.double-encoded-openai-error.json",
        (400, INVALID, Some("unsupported_value"), Some("temperature")),
        1,
    ),
    row(
        400,
        "400.multi-agent-model-on-chat.json",
        (400, INVALID, None, Some("model")),
        1,
    ),
    row(
        400,
        "400.openai-error-envelope.json",
        (
            400,
            INVALID,
            Some("unsupported_parameter"),
            Some("max_tokens"),
        ),
        // The limit goes out under its other name, which the model refuses as well.
        2,
    ),
    row(
        400,
        "400.string-numeric-code.maxTokens.json",
        (
            400,
            INVALID,
            Some("unsupported_parameter"),
            Some("max_tokens"),
        ),
        2,
    ),
    row(400, "", (400, INVALID, None, None), 1),
    row(401, "401.NotAuthenticated.json", REFUSED, 1),
    row(
        403,
        r#"{"code":"NotAuthorized","message":"ocid1.user.oc1..aaaa may not"}"#,
        REFUSED,
        1,
    ),
    row(404, "404.NotAuthorizedOrNotFound.json", NO_MODEL, 1),
    row(404, "404.numeric-code.unknown-model.json", NO_MODEL, 1),
    row(
        409,
        r#"{"code":"IncorrectState","message":"not now"}"#,
        FAILED,
        2,
    ),
    row(
        413,
        r#"{"code":"RequestEntityTooLarge","message":"too large"}"#,
        (413, INVALID, Some("request_too_large"), None),
        1,
    ),
    row(
        422,
        r#"{"error":{"message":"bad shape","type":"x","param":"messages","code":"bad"}}"#,
        (422, INVALID, Some("bad"), Some("messages")),
        1,
    ),
    row(429, "429.TooManyRequests.json", BUSY, 1),
    row(429, "<html><title>Slow down</title></html>", BUSY, 1),
    row(500, "500.InternalServerError.json", FAILED, 2),
    row(
        501,
        r#"{"code":"NotImplemented","message":"never"}"#,
        FAILED,
        1,
    ),
    row(502, "502.html-gateway.txt", FAILED, 2),
    row(502, "", FAILED, 2),
    row(503, "503.ServiceUnavailable.json", FAILED, 2),
    row(504, "{\"code\":", FAILED, 2),
    row(302, "", FAILED, 1),
    // What says 200 and is none of OCI's answers.
    row(200, "502.html-gateway.txt", FAILED, 2),
    row(200, "", FAILED, 2),
    row(200, r#"{"modelId":"xai.grok-4.3","chatRes"#, FAILED, 2),
];

/// The body's bytes and their type.
fn body_of(row: &Row) -> (Vec<u8>, &'static str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/errors")
        .join(row.body);
    let kind = if row.body.ends_with(".txt") || row.body.starts_with('<') {
        "text/html"
    } else {
        "application/json"
    };
    let is_file = !row.body.is_empty() && path.is_file();
    (
        if is_file {
            fs::read(path).unwrap()
        } else {
            row.body.as_bytes().to_vec()
        },
        kind,
    )
}

fn check_statuses(stream: bool) {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, ONE_RETRY);
    for row in &STATUSES {
        let (body, kind) = body_of(row);
        let headers = [
            ("content-type", kind),
            ("retry-after", "17"),
            ("location", "http://127.0.0.1:1/"),
        ];
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        simulator.set_default(Some(Script::Status {
            status: row.status,
            headers,
            body,
        }));
        let before = chats(&simulator).len();
        let answer = chat(&proxy, stream);
        let what = format!("{} {} {}", row.status, row.body, answer.text());
        answer.assert_error(row.client, row.code);
        let error = answer.json()["error"].clone();
        assert_eq!(
            (error["type"].as_str(), error["param"].as_str()),
            (Some(row.kind), row.param),
            "{what}"
        );
        assert_eq!(
            chats(&simulator).len() - before,
            usize::try_from(row.attempts).unwrap(),
            "{what}"
        );
        let line = proxy.line_of(&answer);
        assert!(
            line.contains(&format!(
                " attempts={} status={} ",
                row.attempts, row.client
            )),
            "{line}"
        );
        let wait = (row.client == 429).then_some("17");
        assert_eq!(answer.header("retry-after"), wait, "{what}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-ociai-account"), Some("default"));
        let is_error = row.status >= 300;
        assert_eq!(
            answer.header("opc-request-id"),
            answer.header("x-request-id").filter(|_| is_error),
            "{what}"
        );
        for hidden in ["ocid1.", "<html"] {
            assert!(!answer.text().contains(hidden), "{what}");
        }
    }
}

#[test]
fn each_status_of_oci_becomes_the_one_that_clients_expect() {
    check_statuses(false);
}

#[test]
fn each_status_of_oci_becomes_the_same_for_a_stream() {
    check_statuses(true);
}

#[test]
fn ocis_own_words_reach_the_client() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nretry_attempts = 0");
    for (status, message, seen) in [
        (
            400,
            "Invalid 'temperature': too hot",
            "Invalid 'temperature': too hot",
        ),
        (
            404,
            "Entity with key xai.grok-9 not found",
            "Entity with key xai.grok-9 not found",
        ),
        (
            429,
            "Tenancy ocid1.tenancy.oc1..aaaa is throttled",
            "Tenancy <ocid> is throttled",
        ),
        (500, "the model failed", "the model failed"),
    ] {
        simulator.enqueue(Script::status(
            status,
            json!({"code": "X", "message": message}).to_string(),
        ));
        let answer = chat(&proxy, false);
        assert!(
            answer.json()["error"]["message"]
                .as_str()
                .unwrap()
                .contains(seen),
            "{}",
            answer.text()
        );
    }
}

fn head(framing: Framing, content_type: &str) -> Step {
    Step::Head {
        status: 200,
        content_type: content_type.to_owned(),
        framing,
    }
}

fn events(text: &str) -> Step {
    Step::Bytes(text.as_bytes().to_vec())
}

const FIRST_EVENT: &str = "data: {\"index\":0,\"message\":{\"role\":\"ASSISTANT\",\"content\":[{\"type\":\"TEXT\",\"text\":\"Hi\"}]}}\n\n";

#[test]
fn what_goes_wrong_on_the_way_to_an_answer_is_tried_again() {
    check_tried_again(false);
}

#[test]
fn what_goes_wrong_on_the_way_to_the_first_event_is_tried_again() {
    check_tried_again(true);
}

fn check_tried_again(stream: bool) {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, ONE_RETRY);
    let sse = || head(Framing::Chunked, "text/event-stream");
    let json = |length| head(Framing::Length(length), "application/json");
    for (what, script, code) in [
        (
            "closed before the head",
            Script::CloseBeforeHead,
            "upstream_unreachable",
        ),
        ("garbage for a head", Script::GarbageHead, "upstream_error"),
        (
            "half a head",
            Script::Steps(vec![events("HTTP/1.1 200 OK\r\nConte"), Step::Cut]),
            "upstream_error",
        ),
        (
            "half a whole body",
            Script::Steps(vec![
                json(1000),
                events("{\"modelId\":\"x\",\"chatResponse\":{"),
                Step::Cut,
            ]),
            "upstream_error",
        ),
        (
            "half an event",
            Script::Steps(vec![sse(), events("data: {\"index\":0,"), Step::Cut]),
            "upstream_error",
        ),
        (
            "nothing but a comment",
            Script::Steps(vec![sse(), events(": ping\n\n"), Step::CloseCleanly]),
            "upstream_error",
        ),
        (
            "nothing but an end",
            Script::Steps(vec![sse(), events("data: [DONE]\n\n"), Step::CloseCleanly]),
            "upstream_error",
        ),
    ] {
        simulator.set_default(Some(script));
        let answer = chat(&proxy, stream);
        answer.assert_error(502, Some(code));
        let line = proxy.line_of(&answer);
        assert!(line.contains(" attempts=2 status=502 "), "{what} {line}");
        // And the next one is not harmed by it.
        simulator.set_default(None);
        let answer = chat(&proxy, stream);
        assert!(proxy.line_of(&answer).contains(" attempts=1 "), "{what}");
        assert_eq!(
            (answer.status, answer.whole),
            (200, true),
            "{what} {}",
            answer.text()
        );
    }
}

#[test]
fn a_first_failure_is_made_good_and_counted_in_the_log() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for stream in [false, true] {
        simulator.enqueue(Script::status(
            500,
            r#"{"code":"InternalServerError","message":"once"}"#,
        ));
        simulator.enqueue(Script::status(503, ""));
        let answer = chat(&proxy, stream);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(proxy.line_of(&answer).contains(" attempts=3 status=200 "));
        let id = answer.header("x-request-id").unwrap();
        let told: Vec<_> = proxy
            .log()
            .into_iter()
            .filter(|line| line.contains(id) && line.contains("failed, tried again"))
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        // Each attempt is signed anew, under the same id.
        let tail = chats(&simulator).split_off(chats(&simulator).len() - 3);
        assert!(
            tail.iter()
                .all(|request| request.is_signed() && request.header("opc-request-id") == Some(id))
        );
    }
}

#[test]
fn silence_before_the_answer_ends_after_request_timeout() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nrequest_timeout = 1s");
    let silent_head = Script::Steps(vec![
        head(Framing::Chunked, "text/event-stream"),
        events(": ping\n\n"),
        Step::Hang,
    ]);
    for script in [Script::HangBeforeHead, silent_head] {
        for stream in [false, true] {
            simulator.enqueue(script.clone());
            let answer = chat(&proxy, stream);
            answer.assert_error(504, Some("upstream_timeout"));
            assert!(answer.text().contains("1 s"), "{}", answer.text());
            let line = proxy.line_of(&answer);
            assert!(
                line.contains(" attempts=1 status=504 "),
                "the time is used up: {line}"
            );
            assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
        }
    }
    assert_eq!(chat(&proxy, true).status, 200);
}

#[test]
fn silence_within_a_stream_ends_after_stream_idle_timeout() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nstream_idle_timeout = 1s");
    simulator.enqueue(Script::Steps(vec![
        head(Framing::Chunked, "text/event-stream"),
        events(FIRST_EVENT),
        Step::Hang,
    ]));
    let answer = chat(&proxy, true);
    assert_eq!((answer.status, answer.whole), (200, true));
    let last: Value = serde_json::from_str(answer.events().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "upstream_timeout", "{last}");
    assert!(!answer.text().contains("[DONE]"));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
    assert!(proxy.line_of(&answer).contains(" attempts=1 status=200 "));
}

#[test]
fn a_connection_that_oci_closed_while_it_was_idle_is_nobodys_failure() {
    let simulator = simulator();
    // One worker: what it has answered, it has finished with before the next request. And no connection of a health check.
    let alone =
        "[GLOBAL]\nglobal_max_concurrency = 1\nretry_attempts = 0\nhealth_check_interval = 0";
    let proxy = Proxy::start(&simulator, alone);
    let body = json!({"modelId": "xai.grok-4.3", "chatResponse": {"apiFormat": "GENERIC", "choices": [
        {"index": 0, "message": {"role": "ASSISTANT", "content": [{"type": "TEXT", "text": "Hi"}]}, "finishReason": "stop"}
    ]}})
    .to_string();
    for stream in [false, true] {
        let closing = vec![
            head(Framing::Length(body.len()), "application/json"),
            events(&body),
            Step::CloseCleanly,
            Step::Cut,
        ];
        simulator.enqueue(Script::Steps(closing));
        assert_eq!(
            chat(&proxy, false).json()["choices"][0]["message"]["content"],
            "Hi"
        );
        assert!(simulator.wait_for(|simulator| simulator.open_connections() == 0, DEADLINE));
        let answer = chat(&proxy, stream);
        assert_eq!(answer.status, 200, "{}", answer.text());
        // And one that is closed only when the request has been sent. A whole answer leaves its connection in the pool for
        // sure; a stream does if its end comes soon.
        assert_eq!(chat(&proxy, false).status, 200);
        let before = chats(&simulator).len();
        simulator.enqueue(Script::CloseBeforeHead);
        let answer = chat(&proxy, stream);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(proxy.line_of(&answer).contains(" attempts=1 "));
        assert_eq!(chats(&simulator).len() - before, 2);
    }
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let proxy = Proxy::with_config(&config(&format!("http://127.0.0.1:{port}"), ONE_RETRY));
    for stream in [false, true] {
        let answer = chat(&proxy, stream);
        answer.assert_error(502, Some("upstream_unreachable"));
        assert_eq!(answer.header("opc-request-id"), None);
        assert!(
            !answer.text().contains(&port.to_string()),
            "{}",
            answer.text()
        );
        assert!(proxy.line_of(&answer).contains(" attempts=2 status=502 "));
    }
    let trial = proxy.get("/test-oci");
    assert_eq!(trial.status, 502);
    assert!(
        trial.json()["accounts"][0]["hint"]
            .as_str()
            .unwrap()
            .contains("endpoint"),
        "{}",
        trial.text()
    );
}
