//! The formats of Cohere, and what a model refuses, over sockets.

use super::*;

const ENDPOINT: &str = "ocid1.generativeaiendpoint.oc1.us-chicago-1.a";

fn start_with(change: impl FnOnce(&mut Options)) -> Simulator {
    let models = [
        "cohere.command-a-03-2025",
        "cohere.command-a-reasoning-08-2025",
        "xai.grok-4.3",
        "xai.grok-4.20-multi-agent-0309",
        "openai.gpt-5",
        ENDPOINT,
    ];
    let mut options = Options {
        accounts: vec![account()],
        models: models.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    change(&mut options);
    Simulator::start(options).unwrap()
}

fn cohere(more: Value) -> Value {
    let mut request = request("cohere.command-a-03-2025", json!({}));
    request["chatRequest"] = json!({"apiFormat": "COHERE", "message": "hm", "maxTokens": 500});
    let chat = request["chatRequest"].as_object_mut().unwrap();
    chat.extend(more.as_object().unwrap().clone());
    request
}

#[test]
fn all_formats_are_answered_whole_and_streamed() {
    let simulator = start_with(|_| {});
    let mut client = Client::connect(&simulator);
    let text = client.chat(&cohere(json!({}))).json();
    assert_eq!(text["chatResponse"]["apiFormat"], "COHERE");
    assert_eq!(text["chatResponse"]["chatHistory"][0]["message"], "hm");
    let streamed = json!({"isStream": true, "streamOptions": {"isIncludeUsage": true}});
    let reply = client.chat(&cohere(streamed));
    assert_eq!((reply.status, reply.complete), (200, true));
    assert!(!reply.text().contains("[DONE]"));
    assert_eq!(
        reply.text().matches("\"usage\"").count(),
        1,
        "{}",
        reply.text()
    );

    let mut second = request("cohere.command-a-reasoning-08-2025", json!({}));
    second["chatRequest"]["apiFormat"] = json!("COHEREV2");
    let reply = client.chat(&second).json();
    assert_eq!(
        reply["chatResponse"]["message"]["content"][0]["type"],
        "THINKING"
    );
    for body in [
        cohere(json!({})),
        second,
        request("xai.grok-4.3", json!({})),
    ] {
        let mut body = body;
        body["servingMode"] = json!({"servingType": "DEDICATED", "endpointId": ENDPOINT});
        let reply = client.chat(&body).json();
        assert_eq!(reply["modelId"], ENDPOINT, "{reply}");
        let format = &body["chatRequest"]["apiFormat"];
        assert_eq!(&reply["chatResponse"]["apiFormat"], format);
    }
    let list = client.get("/20231130/models?compartmentId=a").json();
    assert_eq!(list["items"][0]["vendor"], "cohere");
}

#[test]
fn a_wrong_request_is_refused_also_if_a_script_waits() {
    let simulator = start_with(|_| {});
    let mut client = Client::connect(&simulator);
    simulator.enqueue(Script::status(503, "{}"));
    let reply = client.chat(&cohere(json!({"toolChoice": {"type": "AUTO"}})));
    assert_eq!(
        (reply.status, reply.json()),
        (
            400,
            json!({"code": "InvalidParameter", "message": "chatRequest.toolChoice: unknown field"})
        )
    );
    assert_eq!(client.chat(&cohere(json!({}))).status, 503);
}

#[test]
fn what_a_model_refuses_has_the_body_that_was_recorded() {
    let simulator = start_with(|options| options.strict = true);
    let mut client = Client::connect(&simulator);
    let recorded = |text: &str| (400, serde_json::from_str::<Value>(text).unwrap());
    let reply = client.chat(&request("xai.grok-4.20-multi-agent-0309", json!({})));
    assert_eq!(
        (reply.status, reply.json()),
        recorded(include_str!(
            "../../../tests/fixtures/errors/400.multi-agent-model-on-chat.json"
        ))
    );
    let reply = client.chat(&request("openai.gpt-5", json!({})));
    assert_eq!(
        (reply.status, reply.json()),
        recorded(include_str!(
            "../../../tests/fixtures/errors/400.string-numeric-code.maxTokens.json"
        ))
    );
    let reply = client.chat(&request("xai.grok-4.3", json!({"presencePenalty": 0})));
    let message = "Model xai.grok-4.3 does not support parameter presencePenalty";
    assert_eq!(
        (reply.status, reply.json()),
        (400, json!({"code": "400", "message": message}))
    );
    let mut long = cohere(json!({}));
    long["chatRequest"]["message"] = json!("word ".repeat(256_001));
    let reply = client.chat(&long);
    assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("400")));
    assert!(
        reply
            .text()
            .contains("tokens in the prompt cannot exceed 256000")
    );
}

#[test]
fn a_lingering_stream_stays_open_after_its_last_event() {
    let simulator = start_with(|options| options.linger = true);
    let mut client = Client::connect(&simulator);
    let body = cohere(json!({"isStream": true, "maxTokens": 1})).to_string();
    client.send_signed("POST", "/20231130/actions/chat", Some(&body));
    let mut reply = client.read_head();
    while !reply.text().contains("MAX_TOKENS") {
        assert_eq!(client.read_chunk(&mut reply), Some(true));
    }
    assert_eq!(simulator.active_calls(), 1);
    drop(client);
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));
    let reply = Client::connect(&simulator).chat(&cohere(json!({})));
    assert_eq!((reply.status, reply.complete), (200, true));
}

#[test]
fn a_user_can_ask_for_failures_in_every_format() {
    let simulator = start_with(|_| {});
    let mut client = Client::connect(&simulator);
    let grok = |question: &str, more: Value| {
        let mut body = request("xai.grok-4.3", more);
        body["chatRequest"]["messages"][0]["content"][0]["text"] = json!(question);
        body
    };
    let reply = client.chat(&grok("Simulate throttling!", json!({"isStream": true})));
    assert_eq!((reply.status, reply.header("retry-after")), (429, "2"));
    assert_eq!(reply.json()["code"], "TooManyRequests");
    let reply = client.chat(&grok("simulate a filter", json!({})));
    assert_eq!((reply.status, &reply.json()["code"]), (403, &json!("403")));

    let filter = json!({"message": "simulate a filter"});
    let reply = client.chat(&cohere(filter.clone())).json();
    assert_eq!(reply["chatResponse"]["finishReason"], "ERROR_TOXIC");
    assert_eq!(reply["chatResponse"]["text"], "");
    let mut streamed = cohere(filter);
    streamed["chatRequest"]["isStream"] = json!(true);
    let reply = client.chat(&streamed);
    assert_eq!((reply.status, reply.complete), (200, true));
    assert!(reply.text().contains("\"finishReason\":\"ERROR_TOXIC\""));

    let broken = "simulate a broken stream";
    assert_eq!(client.chat(&grok(broken, json!({}))).status, 200);
    let streamed = json!({"message": broken, "isStream": true});
    for body in [grok(broken, json!({"isStream": true})), cohere(streamed)] {
        let mut client = Client::connect(&simulator);
        let reply = client.chat(&body);
        assert_eq!((reply.status, reply.complete), (200, false));
        assert!(reply.text().contains("You") && !reply.text().contains("finishReason"));
        assert!(client.is_at_end());
    }
}
