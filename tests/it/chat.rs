//! Chats through the whole program: every model family, whole and streamed, with everything a client may ask for. The
//! simulator checks signatures and schemas for itself, so an answer says that the request was right.

use ociai_proxy::simulator::{Options, Simulator};
use serde_json::{Value, json};

mod said;

use crate::chat::said::{both, text_of};
use crate::harness::{MODELS, Proxy, account, chats, config, simulator};

fn last_request(simulator: &Simulator) -> Value {
    serde_json::from_slice(&chats(simulator).last().unwrap().body).unwrap()
}

fn user(content: impl Into<Value>) -> Value {
    json!([{"role": "user", "content": content.into()}])
}

fn weather_tool() -> Value {
    let city =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let function = json!({"name": "get_weather", "description": "The weather", "parameters": city});
    json!([{"type": "function", "function": function}])
}

#[test]
fn every_family_says_the_same_whole_and_streamed() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, id) in MODELS {
        let request = json!({"model": name, "messages": user("Hello")});
        let said = both(&proxy, &request);
        assert_eq!(said.len(), 1);
        assert!(said[0].text.contains(id), "{said:?}");
        assert_eq!((said[0].finish.as_str(), said[0].calls.len()), ("stop", 0));
        let answer = proxy.chat(&request);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body = answer.json();
        assert_eq!(body["model"], name);
        assert!(text_of(&body["id"]).starts_with("chatcmpl-"), "{body}");
        assert!(body["created"].as_u64().unwrap() > 1_700_000_000);
        let count = |field: &str| body["usage"][field].as_u64().unwrap();
        assert!(count("prompt_tokens") > 0 && count("completion_tokens") > 0);
        assert_eq!(
            count("total_tokens"),
            count("prompt_tokens") + count("completion_tokens")
        );
        let line = proxy.line_of(&answer);
        let tokens = format!(
            " tokens={}+{}",
            count("prompt_tokens"),
            count("completion_tokens")
        );
        assert!(
            line.contains(&tokens)
                && line.contains(" whole account=default attempts=1 status=200 "),
            "{line}"
        );
    }
}

#[test]
fn every_family_calls_tools_in_parallel_and_takes_their_results() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        let question = "What is the weather in Paris and in Rome?";
        let mut request = json!({"model": name, "messages": user(question), "tools": weather_tool(), "tool_choice": "auto"});
        let said = both(&proxy, &request);
        let calls = &said[0].calls;
        assert_eq!(
            (said[0].finish.as_str(), calls.len()),
            ("tool_calls", 2),
            "{name} {said:?}"
        );
        for ((id, tool, arguments), city) in calls.iter().zip(["Paris", "Rome"]) {
            assert!(!id.is_empty() && tool == "get_weather", "{name} {calls:?}");
            assert_eq!(
                serde_json::from_str::<Value>(arguments).unwrap(),
                json!({"city": city})
            );
        }
        assert_ne!(calls[0].0, calls[1].0, "{name}");
        let messages = request["messages"].as_array_mut().unwrap();
        let told: Vec<_> = calls
            .iter()
            .map(|(id, name, arguments)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}))
            .collect();
        messages.push(json!({"role": "assistant", "content": null, "tool_calls": told}));
        for ((id, _, _), weather) in calls.iter().zip(["sunny, 31 degrees", "rain, 12 degrees"]) {
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": weather}));
        }
        let said = both(&proxy, &request);
        assert_eq!(
            (said[0].finish.as_str(), said[0].calls.len()),
            ("stop", 0),
            "{name} {said:?}"
        );
        assert!(
            said[0].text.contains("sunny, 31 degrees") && said[0].text.contains("rain"),
            "{said:?}"
        );
    }
}

#[test]
fn tool_choice_and_parallel_tool_calls_reach_the_model() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (field, value, calls) in [
        ("tool_choice", json!("none"), 0),
        ("tool_choice", json!("required"), 2),
        (
            "tool_choice",
            json!({"type": "function", "function": {"name": "get_weather"}}),
            2,
        ),
        ("parallel_tool_calls", json!(false), 1),
    ] {
        let mut request =
            json!({"model": "grok", "messages": user("Paris or Rome?"), "tools": weather_tool()});
        request[field] = value;
        assert_eq!(both(&proxy, &request)[0].calls.len(), calls, "{request}");
    }
}

#[test]
fn images_reasoning_choices_and_schemas_arrive_in_both_ways_of_answering() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"}});
    let parts = json!([{"type": "text", "text": "What is this?"}, image]);
    let said = both(&proxy, &json!({"model": "gemini", "messages": user(parts)}));
    assert!(said[0].text.contains("1 image"), "{said:?}");
    let part = &last_request(&simulator)["chatRequest"]["messages"][0]["content"][1];
    assert_eq!(
        (&part["type"], &part["imageUrl"]["url"]),
        (
            &json!("IMAGE"),
            &json!("data:image/png;base64,iVBORw0KGgo=")
        )
    );

    let said = both(
        &proxy,
        &json!({"model": "grok", "messages": user("Why?"), "reasoning_effort": "high"}),
    );
    assert!(
        said[0].reasoning.contains("The user asks") && !said[0].text.is_empty(),
        "{said:?}"
    );

    for (name, _) in MODELS {
        let said = both(
            &proxy,
            &json!({"model": name, "messages": user("Hello"), "n": 2}),
        );
        assert_eq!(said.len(), 2, "{name}");
        assert!(
            said[1].text.starts_with("Put differently") && said[1].finish == "stop",
            "{name} {said:?}"
        );

        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city", "days"], "additionalProperties": false});
        let format = json!({"type": "json_schema", "json_schema": {"name": "trip", "strict": true, "schema": schema}});
        let said = both(
            &proxy,
            &json!({"model": name, "messages": user("Rome"), "response_format": format}),
        );
        let trip: Value = serde_json::from_str(&said[0].text).unwrap();
        assert!(
            trip["city"].is_string() && trip["days"].is_i64(),
            "{name} {trip}"
        );
    }
}

#[test]
fn an_answer_that_is_cut_at_its_limit_says_length() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for (name, _) in MODELS {
        for field in ["max_tokens", "max_completion_tokens"] {
            let mut request =
                json!({"model": name, "messages": user("Tell me everything about the sea")});
            request[field] = json!(3);
            let said = both(&proxy, &request);
            assert_eq!(said[0].finish, "length", "{name} {field}");
            assert!(said[0].text.len() <= 36, "{said:?}");
        }
    }
    let said = both(
        &proxy,
        &json!({"model": "gpt-oss", "messages": user("Hello"), "stop": ["simulated"]}),
    );
    assert_eq!(
        (said[0].text.as_str(), said[0].finish.as_str()),
        ("Hello! I am a ", "stop")
    );
}

#[test]
fn a_request_without_a_limit_gets_the_configured_one() {
    let simulator = simulator();
    for (line, default) in [("", 4000), ("default_max_tokens = 77", 77)] {
        let proxy = Proxy::start(&simulator, line);
        for (name, field) in [
            ("grok", "maxTokens"),
            ("llama", "maxTokens"),
            ("gpt-oss", "maxTokens"),
            ("gpt", "maxCompletionTokens"),
        ] {
            let request = json!({"model": name, "messages": user("Hello")});
            assert_eq!(proxy.chat(&request).status, 200);
            assert_eq!(
                last_request(&simulator)["chatRequest"][field],
                default,
                "{name}"
            );
            let request = json!({"model": name, "messages": user("Hello"), "max_tokens": 123});
            assert_eq!(proxy.chat(&request).status, 200);
            assert_eq!(
                last_request(&simulator)["chatRequest"][field],
                123,
                "{name}"
            );
        }
    }
}

#[test]
fn everything_upstream_is_signed_and_carries_the_clients_request_id() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let mut ids = Vec::new();
    for (name, _) in MODELS {
        for stream in [false, true] {
            let answer =
                proxy.chat(&json!({"model": name, "messages": user("你好"), "stream": stream}));
            assert_eq!(answer.status, 200);
            ids.push(answer.header("x-request-id").unwrap().to_owned());
        }
    }
    let requests = chats(&simulator);
    let sent: Vec<_> = requests
        .iter()
        .map(|request| request.header("opc-request-id").unwrap())
        .collect();
    assert_eq!(sent, ids);
    for request in &requests {
        assert!(request.is_signed(), "{:?}", request.refusal);
        assert_eq!(request.account.as_deref(), Some("test"));
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("POST", "/20231130/actions/chat")
        );
        assert_eq!(
            request.header("accept"),
            Some("application/json, text/event-stream")
        );
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["compartmentId"], account().tenancy);
        // Nothing of the client's own credentials goes further.
        assert!(
            !request
                .headers
                .iter()
                .any(|(_, value)| value.contains(crate::harness::KEY))
        );
    }
}

#[test]
fn models_that_are_not_there() {
    let simulator = simulator();
    let more = "retired = xai.grok-2\n";
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + more));
    for (model, status, code, calls) in [
        ("nothing", 404, "model_not_found", 0),
        ("GROK", 404, "model_not_found", 0),
        ("retired", 404, "model_not_found", 1),
    ] {
        for stream in [false, true] {
            let before = chats(&simulator).len();
            let answer =
                proxy.chat(&json!({"model": model, "messages": user("Hello"), "stream": stream}));
            answer.assert_error(status, Some(code));
            assert_eq!(answer.json()["error"]["param"], "model", "{model}");
            assert_eq!(chats(&simulator).len() - before, calls, "{model}");
        }
    }
}

#[test]
fn the_default_model_serves_unknown_names_under_the_name_that_was_asked_for() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "default_model = llama");
    let answer = proxy.chat(&json!({"model": "gpt-4o-mini", "messages": user("Hello")}));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["model"], "gpt-4o-mini");
    assert_eq!(
        last_request(&simulator)["servingMode"]["modelId"],
        MODELS[1].1
    );
    proxy
        .get("/v1/models/gpt-4o-mini")
        .assert_error(404, Some("model_not_found"));
}

#[test]
fn a_dedicated_endpoint_is_asked_by_its_ocid() {
    const ENDPOINT: &str = "ocid1.generativeaiendpoint.oc1.us-chicago-1.amaaaaaaxyz";
    let simulator = Simulator::start(Options {
        accounts: vec![account()],
        models: vec![ENDPOINT.to_owned()],
        ..Options::default()
    })
    .unwrap();
    let proxy =
        Proxy::with_config(&(config(&simulator.endpoint(), "") + &format!("mine = {ENDPOINT}\n")));
    let said = both(&proxy, &json!({"model": "mine", "messages": user("Hello")}));
    assert_eq!(said[0].finish, "stop");
    assert_eq!(
        last_request(&simulator)["servingMode"],
        json!({"servingType": "DEDICATED", "endpointId": ENDPOINT})
    );
    assert_eq!(proxy.get("/v1/models/mine").json()["owned_by"], "oci");
}

#[test]
fn a_wrong_request_is_refused_and_told_which_field_is_wrong() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let hello = r#""messages":[{"role":"user","content":"Hello"}]"#;
    for (body, param) in [
        (String::new(), None),
        ("{".to_owned(), None),
        ("not json".to_owned(), None),
        ("[]".to_owned(), None),
        ("{}".to_owned(), Some("model")),
        (format!("{{{hello}}}"), Some("model")),
        (r#"{"model":"grok"}"#.to_owned(), Some("messages")),
        (
            r#"{"model":"grok","messages":[]}"#.to_owned(),
            Some("messages"),
        ),
        (
            r#"{"model":"grok","messages":"Hello"}"#.to_owned(),
            Some("messages"),
        ),
        (
            r#"{"model":"grok","messages":[{"role":"nobody","content":"x"}]}"#.to_owned(),
            Some("messages[0].role"),
        ),
        (format!(r#"{{"model":7,{hello}}}"#), Some("model")),
        (
            format!(r#"{{"model":"grok",{hello},"stream":"yes"}}"#),
            Some("stream"),
        ),
        (
            format!(r#"{{"model":"grok",{hello},"temperature":"hot"}}"#),
            Some("temperature"),
        ),
        (
            format!(r#"{{"model":"grok",{hello},"max_tokens":0}}"#),
            Some("max_tokens"),
        ),
        (format!(r#"{{"model":"grok",{hello},"n":129}}"#), Some("n")),
    ] {
        let answer = proxy.request("POST", "/v1/chat/completions", &body);
        answer.assert_error(400, None);
        let error = &answer.json()["error"];
        assert_eq!(error["param"].as_str(), param, "{body} {error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    assert_eq!(chats(&simulator).len(), 0);
}

#[test]
fn every_letter_arrives_as_it_was_sent() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let text = "你好 🦀 naïve “quotes” \\ \"q\" \u{2028} \u{0007} 👩‍👩‍👧 \r\n\t end";
    let tool = json!([{"type": "function", "function": {"name": "echo", "parameters": {"type": "object", "properties": {}}}}]);
    let mut messages = user(text);
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "echo", "arguments": "{\"a\":\"é\"}"}});
    messages.as_array_mut().unwrap().extend([
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "tool", "tool_call_id": "call_1", "content": text}),
    ]);
    let said = both(
        &proxy,
        &json!({"model": "gpt-oss", "messages": messages, "tools": tool}),
    );
    assert!(
        said[0].text.contains("你好 🦀 naïve “quotes”") && said[0].text.contains("👩‍👩‍👧"),
        "{said:?}"
    );
    let sent = last_request(&simulator);
    for at in [0, 2] {
        assert_eq!(
            sent["chatRequest"]["messages"][at]["content"][0]["text"],
            text
        );
    }
    assert_eq!(
        sent["chatRequest"]["messages"][1]["toolCalls"][0]["arguments"],
        "{\"a\":\"é\"}"
    );
    let log = proxy.log().join("\n");
    assert!(!log.contains("naïve") && !log.contains("你好"), "{log}");
}

#[test]
fn a_body_of_two_megabytes_is_served() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let text = "word ".repeat(2 * 1024 * 1024 / 5);
    for stream in [false, true] {
        let answer = proxy
            .chat(&json!({"model": "grok", "messages": user(text.as_str()), "stream": stream}));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            last_request(&simulator)["chatRequest"]["messages"][0]["content"][0]["text"],
            text.as_str()
        );
    }
}
