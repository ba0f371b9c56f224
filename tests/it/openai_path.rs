//! OCI's OpenAI-compatible API as the way upstream: what the client wrote arrives as it was, and so does what upstream answers.

use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Account, Framing, Gate, Options, Recorded, Script, Simulator, Step};
use serde_json::{Value, json};

use crate::harness::{KEY, PEM, Proxy, account, config, furnished, program};

mod responses;

const ACTIONS: &str = "/20231130/actions/v1/chat/completions";
const NEWER: &str = "/openai/v1/chat/completions";
const NATIVE: &str = "/20231130/actions/chat";

/// What upstream answers in these tests, as no program would write it.
const WHOLE: &str = "{ \"id\":\"x-1\", \"object\":\"chat.completion\",\"created\":1.0e3,\"model\":\"grok-4.3\",\n\"choices\":[ {\"index\":0,\
                     \"message\":{\"role\":\"assistant\",\"content\":\"gr\\u00fc\u{df}e \u{1F642}\"},\"finish_reason\":\"stop\"}],\
                     \"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12},\"new_field\":[1, 2] }\r\n";
const FIRST: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"gr\u{fc}\u{df}e \u{1F642}\"},\"finish_reason\":null}]}\n\n";
const LAST: &str = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const USAGE: &str = "data: {\"id\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const COMMENT: &str = ": ping\n\n";

fn simulator() -> Simulator {
    let models = [
        "xai.grok-4.3",
        "openai.gpt-5",
        "meta.llama-3.3-70b-instruct",
        "xai.grok-4.20-multi-agent-0309",
        "cohere.command-a-03-2025",
    ];
    let options = Options {
        accounts: vec![account()],
        models: models.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// One account, `upstream_api = openai`, and lines of `[MODELS]` besides.
fn proxy(simulator: &Simulator, more: &str, models: &str) -> Proxy {
    let config = config(
        &simulator.endpoint(),
        &format!("upstream_api = openai\n{more}"),
    );
    Proxy::with_config(&format!("{config}{models}"))
}

/// The calls of either API that came in.
fn calls(simulator: &Simulator) -> Vec<Recorded> {
    let mut calls = simulator.requests();
    calls.retain(|call| call.method == "POST");
    calls
}

fn targets(simulator: &Simulator) -> Vec<String> {
    let calls = calls(simulator);
    calls.into_iter().map(|call| call.target).collect()
}

fn ask(model: &str, more: &Value) -> Value {
    let mut body = json!({ "model": model, "messages": [{ "role": "user", "content": "Hello" }] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

fn stream(usage: bool) -> Value {
    ask(
        "grok",
        &json!({ "stream": true, "stream_options": { "include_usage": usage } }),
    )
}

fn head(framing: Framing) -> Step {
    Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing,
    }
}

/// A stream in these pieces, and its proper end.
fn pieces(pieces: &[&str]) -> Script {
    let mut steps = vec![head(Framing::Chunked)];
    steps.extend(
        pieces
            .iter()
            .map(|piece| Step::Bytes(piece.as_bytes().to_vec())),
    );
    steps.push(Step::CloseCleanly);
    Script::Steps(steps)
}

#[test]
fn a_request_arrives_as_the_client_wrote_it() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let image = "iVBORw0KGgo".repeat(10_000);
    let messages = format!(
        "[ {{\"role\":\"user\", \"content\":[{{\"type\":\"image_url\",\"image_url\":{{\"url\":\"data:image/png;base64,{image}\"}}}},\
         {{\"type\":\"text\",\"text\":\"gr\\u00fc\u{df}e\"}}]}}]"
    );
    let sent = format!(
        "{{ \"messages\" :{messages},\t\"store\": false, \"temperature\":1.50,\n \"model\" : \"grok\" }}\r\n"
    );
    let mut client = proxy.connect();
    let bearer = format!("Bearer {KEY}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("OpenAI-Project", "proj_1"),
        ("OpenAI-Organization", "org_1"),
        ("Accept-Encoding", "gzip, zstd"),
    ];
    client.send_request("POST", "/v1/chat/completions", &headers, &sent);
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("opc-request-id").is_some());
    assert_eq!(answer.header("x-ociai-account"), Some("default"));
    let calls = calls(&simulator);
    let [call] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(call.target, ACTIONS);
    assert!(call.is_signed() && call.body.len() > 107 * 1024);
    let expected = format!(
        "{{ \"messages\" :{messages}, \"temperature\":1.50,\n \"model\" : \"xai.grok-4.3\",\"max_tokens\":4000 }}\r\n"
    );
    let arrived = std::str::from_utf8(&call.body).unwrap();
    assert!(arrived == expected, "{}", arrived.replace(&image, "…"));
    let tenancy = account().tenancy;
    for name in ["opc-compartment-id", "compartmentid"] {
        assert_eq!(call.header(name), Some(tenancy.as_str()), "{name}");
    }
    assert_eq!(call.header("accept-encoding"), Some("identity"));
    assert_eq!(call.header("openai-project"), None);
    assert_eq!(call.header("openai-organization"), None);
    let signature = call.header("authorization").unwrap();
    assert!(
        !signature.to_lowercase().contains("compartment"),
        "{signature}"
    );
}

#[test]
fn a_whole_answer_arrives_byte_for_byte() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    simulator.enqueue(Script::status(200, WHOLE));
    let answer = proxy.chat(&ask("grok", &json!({})));
    assert_eq!((answer.status, answer.text()), (200, WHOLE));
    let line = proxy.line_of(&answer);
    assert!(line.contains("tokens=7+5"), "{line}");
    let shown = proxy.get("/metrics").text().to_owned();
    assert!(shown.contains("ociai_"), "{shown}");
}

#[test]
fn a_stream_arrives_byte_for_byte_however_it_is_cut() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let whole = [FIRST, COMMENT, LAST, USAGE, DONE].concat();
    let windows = crlf(&whole);
    for text in [&whole, &windows] {
        let bytes = Step::ByteByByte(text.as_bytes().to_vec());
        let steps = vec![head(Framing::Chunked), bytes, Step::CloseCleanly];
        simulator.enqueue(Script::Steps(steps));
        simulator.enqueue(pieces(&[text]));
        let (left, right) = text.split_at(text.find("\u{df}").unwrap());
        simulator.enqueue(pieces(&[left, right]));
        for way in ["byte by byte", "at once", "within"] {
            let answer = proxy.chat(&stream(true));
            assert_eq!(
                (answer.text(), answer.whole),
                (text.as_str(), true),
                "{way}"
            );
            assert!(proxy.line_of(&answer).contains("tokens=7+5"), "{way}");
        }
    }
}

#[test]
fn the_usage_is_for_who_asked_and_the_end_is_told_once() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let answer = |usage: bool| [FIRST, LAST, if usage { USAGE } else { "" }, DONE].concat();
    for (sent, usage) in [
        (vec![FIRST, LAST, USAGE, DONE], false),
        (vec![FIRST, LAST, USAGE, DONE], true),
        // Without an end of its own.
        (vec![FIRST, LAST, USAGE], true),
        (vec![FIRST, LAST, USAGE], false),
        (vec![FIRST, LAST], false),
        // Comments before the first event, and what nobody waits for.
        (vec![COMMENT, FIRST, LAST, USAGE, DONE, FIRST], true),
    ] {
        simulator.enqueue(pieces(&sent));
        let told = proxy.chat(&stream(usage));
        let expected = answer(usage && sent.contains(&USAGE));
        assert_eq!(
            (told.text(), told.whole),
            (expected.as_str(), true),
            "{sent:?}"
        );
    }
    // The connection stays open behind the finish, or behind the usage.
    for sent in [[FIRST, LAST].concat(), [FIRST, LAST, USAGE].concat()] {
        let steps = vec![
            head(Framing::Chunked),
            Step::Bytes(sent.clone().into_bytes()),
            Step::Hang,
        ];
        simulator.enqueue(Script::Steps(steps));
        let told = proxy.chat(&stream(true));
        assert_eq!(told.text(), sent + DONE);
    }
    assert!(calls(&simulator).iter().all(|call| {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        body["stream_options"] == json!({ "include_usage": true })
    }));
}

#[test]
fn a_stream_that_is_cut_never_looks_whole_before_its_finish() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "[GLOBAL]\nretry_attempts = 0", "");
    let text = [FIRST, LAST, USAGE].concat();
    let finish = FIRST.len() + LAST.len();
    for at in (1..text.len()).step_by(7).chain([finish - 1, finish]) {
        simulator.enqueue(Script::Steps(vec![
            head(Framing::Chunked),
            Step::Bytes(text.as_bytes()[..at].to_vec()),
            Step::Cut,
        ]));
        let answer = proxy.chat(&stream(false));
        let shown = format!("cut at {at}: {} {}", answer.status, answer.text());
        if at < FIRST.len() {
            assert_eq!(answer.status, 502, "{shown}");
        } else if at < finish {
            let rest = answer
                .text()
                .strip_prefix(FIRST)
                .unwrap_or_else(|| panic!("{shown}"));
            assert!(rest.starts_with("data: {\"error\":"), "{shown}");
            assert!(!rest.contains("[DONE]"), "{shown}");
        } else {
            assert_eq!(answer.text(), [FIRST, LAST, DONE].concat(), "{shown}");
        }
    }
}

#[test]
fn events_come_one_by_one_as_upstream_sends_them() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let (first, second) = (Gate::new(), Gate::new());
    let text = |text: &str| Step::Bytes(text.as_bytes().to_vec());
    let (begin, rest) = FIRST.split_at(40);
    simulator.enqueue(Script::Steps(vec![
        head(Framing::Chunked),
        text(begin),
        text(rest),
        Step::WaitFor(first.clone()),
        text(LAST),
        Step::WaitFor(second.clone()),
        text(DONE),
        Step::CloseCleanly,
    ]));
    let mut client = proxy.connect();
    let bearer = format!("Bearer {KEY}");
    client.send_request(
        "POST",
        "/v1/chat/completions",
        &[("Authorization", &bearer)],
        &stream(false).to_string(),
    );
    assert_eq!(client.head().status, 200);
    let mut next = || String::from_utf8(client.chunk().unwrap()).unwrap();
    assert_eq!(next(), FIRST);
    first.open();
    assert_eq!(next(), LAST);
    second.open();
    assert_eq!(next(), DONE);
}

#[test]
fn a_client_that_wants_a_stream_gets_one_of_a_whole_answer() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "force_non_stream = true", "");
    simulator.enqueue(Script::status(200, WHOLE));
    let answer = proxy.chat(&stream(true));
    let chunks = answer.chunks();
    assert_eq!(chunks.len(), 3, "{chunks:?}");
    let delta = &chunks[0]["choices"][0]["delta"];
    assert_eq!(delta["content"], "grüße 🙂");
    assert_eq!(chunks[0]["id"], "x-1");
    assert_eq!(chunks[0]["new_field"], json!([1, 2]));
    assert_eq!(chunks[1]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[2]["usage"]["total_tokens"], 12);
    let body: Value = serde_json::from_slice(&calls(&simulator)[0].body).unwrap();
    assert_eq!(body["stream"], false);
    assert_eq!(body.get("stream_options"), None);
}

#[test]
fn a_compressed_answer_is_refused_with_a_reason() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "[GLOBAL]\nretry_attempts = 0", "");
    simulator.enqueue(Script::Status {
        status: 200,
        headers: vec![("content-encoding".to_owned(), "zstd".to_owned())],
        body: WHOLE.as_bytes().to_vec(),
    });
    let answer = proxy.chat(&ask("grok", &json!({})));
    answer.assert_error(502, Some("upstream_error"));
    assert!(
        answer.text().contains("compressed (zstd)"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_client_that_leaves_ends_the_call() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    simulator.enqueue(Script::Steps(vec![
        head(Framing::Chunked),
        Step::Bytes(FIRST.as_bytes().to_vec()),
        Step::Hang,
    ]));
    let mut client = proxy.connect();
    let bearer = format!("Bearer {KEY}");
    client.send_request(
        "POST",
        "/v1/chat/completions",
        &[("Authorization", &bearer)],
        &stream(false).to_string(),
    );
    client.head();
    client.chunk().unwrap();
    let left = Instant::now();
    drop(client);
    let quiet = simulator.wait_for(
        |simulator| simulator.active_calls() == 0,
        Duration::from_secs(20),
    );
    assert!(quiet, "after {:?}", left.elapsed());
    proxy.wait_for_log("status=499");
}

#[test]
fn a_refused_parameter_is_left_out_and_remembered() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    let asked = ask("gpt", &json!({ "temperature": 0.2, "max_tokens": 9 }));
    for expected in [2, 1] {
        let before = calls(&simulator).len();
        let answer = proxy.chat(&asked);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-ociai-dropped-params"), Some("temperature"));
        let calls = calls(&simulator);
        assert_eq!(calls.len() - before, expected);
        let sent = std::str::from_utf8(&calls.last().unwrap().body).unwrap();
        assert!(sent.contains(r#""max_completion_tokens":9"#), "{sent}");
        assert!(!sent.contains("temperature"), "{sent}");
    }
}

#[test]
fn the_path_is_a_matter_of_configuration() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "openai_path = /openai/v1", "");
    let answer = proxy.chat(&ask("grok", &json!({})));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(targets(&simulator), [NEWER]);
}

/// `auto` for all models, and with it the chooser's answers on the OpenAI path by account.
fn fleet(simulator: &Simulator, models: &str) -> Proxy {
    let mut config = format!(
        "api_key = {KEY}\nupstream_api = auto\n[GLOBAL]\nhealth_check_interval = 0\n[MODELS]\n{models}"
    );
    for id in ["a1", "a2"] {
        let account = Account::from_pem(id, PEM).unwrap();
        config += &format!(
            "[ACCOUNT_{id}]\nid = {id}\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\nregion = us-phoenix-1\n\
             endpoint = {}\n",
            account.user,
            account.tenancy,
            account.fingerprint,
            simulator.endpoint()
        );
    }
    let dir = furnished(&config);
    let mut command = program(dir.path());
    command.args(["-port", "0", "-host", "127.0.0.1"]);
    command.args(["-multi-account", "-config", "config.conf"]);
    Proxy::spawn(dir, command)
}

fn fleet_simulator() -> Simulator {
    let accounts = ["a1", "a2"].map(|id| Account::from_pem(id, PEM).unwrap());
    let options = Options {
        accounts: accounts.to_vec(),
        models: vec![
            "xai.grok-4.3".to_owned(),
            "xai.grok-4.20-multi-agent-0309".to_owned(),
            "cohere.command-a-03-2025".to_owned(),
        ],
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// That account answers so on the OpenAI path.
fn there(simulator: &Simulator, account: &'static str, status: u16, body: &'static str) {
    simulator.set_chooser(Some(std::sync::Arc::new(move |request: &Recorded| {
        let is_it = request.account.as_deref() == Some(account) && request.target == ACTIONS;
        is_it.then(|| Script::status(status, body))
    })));
}

const NOT_FOUND: &str = r#"{"code":"NotAuthorizedOrNotFound","message":"Authorization failed or requested resource not found."}"#;

#[test]
fn an_account_without_the_path_is_asked_natively_and_that_is_remembered() {
    let simulator = fleet_simulator();
    let proxy = fleet(&simulator, "grok = xai.grok-4.3\n");
    there(&simulator, "a1", 404, NOT_FOUND);
    // In turn: a1 without the path, a2 with it, and again.
    for round in 0..3 {
        for by in ["a1", "a2"] {
            let before = calls(&simulator).len();
            let answer = proxy.chat(&stream(true));
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("x-ociai-account"), Some(by));
            let line = proxy.line_of(&answer);
            assert!(line.contains(" attempts=1 status=200 "), "{line}");
            let expected: &[&str] = match (by, round) {
                ("a1", 0) => &[ACTIONS, NATIVE],
                ("a1", _) => &[NATIVE],
                _ => &[ACTIONS],
            };
            assert_eq!(targets(&simulator)[before..], *expected, "{by} {round}");
            answer.chunks();
        }
    }
    let stats = proxy.get("/stats/accounts").json();
    for account in stats["accounts"].as_array().unwrap() {
        assert_eq!(
            (&account["failures"], &account["successes"]),
            (&json!(0), &json!(3))
        );
    }
    proxy.signal("HUP");
    proxy.wait_for_log("Reloaded ");
    let before = calls(&simulator).len();
    proxy.chat(&stream(true));
    proxy.chat(&stream(true));
    assert_eq!(targets(&simulator)[before..], [ACTIONS, NATIVE, ACTIONS]);
}

#[test]
fn what_worked_before_is_an_error_like_any_other() {
    let simulator = fleet_simulator();
    let proxy = fleet(&simulator, "grok = xai.grok-4.3\n");
    for _ in 0..2 {
        assert_eq!(proxy.chat(&stream(true)).status, 200);
    }
    there(&simulator, "a1", 404, NOT_FOUND);
    let answer = proxy.chat(&stream(true));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-ociai-account"), Some("a2"));
    assert_eq!(targets(&simulator)[2..], [ACTIONS, ACTIONS]);
}

#[test]
fn a_fallback_never_hides_what_was_said_first() {
    let simulator = fleet_simulator();
    let models = "grok = xai.grok-4.3\nagents = xai.grok-4.20-multi-agent-0309\ncommand = cohere.command-a-03-2025\n";
    let proxy = fleet(&simulator, models);
    // Only the OpenAI path has agents: the native one is not asked.
    let answer = proxy.chat(&ask("agents", &json!({})));
    answer.assert_error(400, None);
    assert_eq!(targets(&simulator), [ACTIONS]);
    // Cohere's models are nowhere else.
    let answer = proxy.chat(&ask("command", &json!({})));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(targets(&simulator)[1..], [NATIVE]);
    // Both say no: the first one counts.
    simulator.set_chooser(Some(std::sync::Arc::new(|request: &Recorded| {
        let message = if request.target == ACTIONS {
            "first"
        } else {
            "second"
        };
        let body = json!({ "code": "404", "message": format!("no model, {message}") });
        Some(Script::status(404, body.to_string()))
    })));
    let answer = proxy.chat(&ask("grok", &json!({})));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("first"), "{}", answer.text());
}

#[test]
fn who_has_only_this_path_is_told_so() {
    let simulator = simulator();
    let proxy = proxy(
        &simulator,
        "",
        "command = cohere.command-a-03-2025\nown = meta.llama-3.3-70b-instruct | native\n",
    );
    proxy.wait_for_log("is known to lack it");
    let answer = proxy.chat(&ask("command", &json!({})));
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("upstream_api"), "{}", answer.text());
    let answer = proxy.chat(&ask("own", &json!({})));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(targets(&simulator), [ACTIONS, NATIVE]);
}

#[test]
fn what_cannot_go_through_is_explained_as_ever() {
    let simulator = simulator();
    let proxy = proxy(&simulator, "", "");
    for (body, param) in [
        (
            r#"{"model":"grok","messages":[],"stream":"yes"}"#,
            Some("stream"),
        ),
        (r#"{"model":7}"#, Some("model")),
        ("{", None),
    ] {
        let answer = proxy.request("POST", "/v1/chat/completions", body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.json()["error"]["param"].as_str(), param, "{body}");
    }
    let answer = proxy.chat(&ask("nobody", &json!({})));
    answer.assert_error(404, Some("model_not_found"));
    assert!(calls(&simulator).is_empty());
}
