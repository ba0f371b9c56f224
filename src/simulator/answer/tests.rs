//! What the pretended model decides.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

const GROK: &str = "xai.grok-4.3";

fn user(text: &str) -> Value {
    json!({"role": "USER", "content": [{"type": "TEXT", "text": text}]})
}

/// A request with one question and further fields.
fn chat(question: &str, more: Value) -> Value {
    let mut chat = json!({"apiFormat": "GENERIC", "messages": [user(question)], "maxTokens": 1000});
    let more = more.as_object().unwrap().clone();
    chat.as_object_mut().unwrap().extend(more);
    chat
}

fn weather() -> Value {
    json!([
        {"type": "FUNCTION", "name": "get_weather", "parameters": {"type": "object",
            "properties": {"city": {"type": "string"}}, "required": ["city"]}},
        {"type": "FUNCTION", "name": "get_time"}
    ])
}

fn first(model: &str, chat: &Value) -> Choice {
    plan(model, chat, "0123456789abcdef0123456789abcdef")
        .choices
        .swap_remove(0)
}

#[test]
fn tokens_join_to_the_text_and_are_short() {
    let text = "  Hello,  world!\n天空是 a verylongwordthatiscut 蓝色。";
    let tokens = tokens(text);
    assert_eq!(tokens.concat(), text);
    assert!(
        tokens
            .iter()
            .all(|token| token.chars().count() <= MAX_TOKEN_CHARS)
    );
    assert!(tokens.contains(&"天".to_owned()), "{tokens:?}");
}

#[test]
fn the_limit_cuts_the_answer_and_says_so() {
    for (model, reason) in [(GROK, "length"), ("google.gemini-2.5-flash", "max_tokens")] {
        let choice = first(model, &chat("why?", json!({"maxTokens": 3})));
        assert_eq!((choice.text.len(), choice.finish), (3, Finish::Length));
        assert_eq!(Vendor::of(model).finish_reason(choice.finish), reason);
    }
    let thinking = json!({"maxCompletionTokens": 5, "reasoningEffort": "LOW"});
    let choice = first(GROK, &chat("why?", thinking));
    assert_eq!(
        (choice.reasoning.len(), choice.text.len(), choice.finish),
        (5, 0, Finish::Length)
    );
    let choice = first(GROK, &chat("why?", json!({})));
    assert_eq!(choice.finish, Finish::Stop);
    let stopped = first(GROK, &chat("why?", json!({"stop": ["only a"]})));
    assert_eq!(stopped.text.concat(), "You asked: \"why?\". I am ");
    assert_eq!(stopped.finish, Finish::StopString);
}

#[test]
fn tools_are_called_as_the_request_chooses() {
    let calls = |question: &str, more: Value| {
        let mut more = more;
        more.as_object_mut()
            .unwrap()
            .insert("tools".to_owned(), weather());
        let choice = first(GROK, &chat(question, more));
        let calls = choice
            .calls
            .into_iter()
            .map(|call| format!("{} {}", call.name, call.arguments));
        calls.collect::<Vec<_>>()
    };
    let paris = r#"get_weather {"city":"Paris"}"#;
    let rome = r#"get_weather {"city":"Rome"}"#;
    assert_eq!(calls("hm", json!({})), [paris]);
    assert_eq!(
        calls("hm", json!({"toolChoice": {"type": "REQUIRED"}})),
        [paris]
    );
    assert!(calls("hm", json!({"toolChoice": {"type": "NONE"}})).is_empty());
    let named = json!({"toolChoice": {"type": "FUNCTION", "name": "get_time"}});
    assert_eq!(calls("hm", named), ["get_time {}"]);
    assert_eq!(calls("Rome or Paris?", json!({})), [rome, paris]);
    assert_eq!(calls("Rome, twice", json!({})), [rome, rome]);
    assert_eq!(
        calls("Rome, twice", json!({"isParallelToolCalls": false})),
        [rome]
    );
}

#[test]
fn ids_of_calls_differ_and_gemini_has_none() {
    let both = chat("Rome or Paris?", json!({"tools": weather()}));
    for model in [
        GROK,
        "meta.llama-3.3-70b-instruct",
        "openai.gpt-oss-120b",
        "openai.gpt-5",
    ] {
        let choice = first(model, &both);
        let ids: Vec<_> = choice
            .calls
            .iter()
            .map(|call| call.id.clone().unwrap())
            .collect();
        assert_eq!(ids.len(), 2);
        assert_ne!(ids.first(), ids.last());
        assert_eq!(choice.finish, Finish::ToolCalls);
    }
    let choice = first("google.gemini-2.5-pro", &both);
    assert!(choice.calls.iter().all(|call| call.id.is_none()));
    assert_eq!(Vendor::Google.finish_reason(choice.finish), "stop");
}

#[test]
fn a_result_of_a_tool_is_told() {
    let mut chat = chat(
        "Weather in Rome?",
        json!({"tools": weather(), "toolChoice": {"type": "REQUIRED"}}),
    );
    let messages = chat
        .pointer_mut("/messages")
        .unwrap()
        .as_array_mut()
        .unwrap();
    messages.push(json!({"role": "ASSISTANT", "toolCalls": [
        {"id": "1", "type": "FUNCTION", "name": "get_weather", "arguments": "{}"}]}));
    messages.push(
        json!({"role": "TOOL", "toolCallId": "1", "content": [{"type": "TEXT", "text": "18C"}]}),
    );
    messages.push(
        json!({"role": "TOOL", "toolCallId": "2", "content": [{"type": "TEXT", "text": "sunny"}]}),
    );
    let choice = first(GROK, &chat);
    assert!(choice.calls.is_empty());
    assert!(
        choice
            .text
            .concat()
            .starts_with("The tool says: 18C; sunny.")
    );
    let one_by_one = chat
        .pointer_mut("/messages")
        .unwrap()
        .as_array_mut()
        .unwrap();
    let call = one_by_one.get(1).unwrap().clone();
    one_by_one.insert(3, call);
    let text = first(GROK, &chat).text.concat();
    assert!(text.starts_with("The tool says: 18C; sunny."), "{text}");
}

#[test]
fn json_formats_give_json() {
    let text = first(
        GROK,
        &chat("x", json!({"responseFormat": {"type": "JSON_OBJECT"}})),
    )
    .text;
    assert!(
        serde_json::from_str::<Value>(&text.concat())
            .unwrap()
            .get("answer")
            .is_some()
    );
    let schema = json!({"type": "object", "required": ["a", "b"], "additionalProperties": false,
        "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "boolean"}}}});
    let format = json!({"type": "JSON_SCHEMA", "jsonSchema": {"name": "n", "schema": schema}});
    let text = first(GROK, &chat("x", json!({"responseFormat": format}))).text;
    assert_eq!(
        serde_json::from_str::<Value>(&text.concat()).unwrap(),
        json!({"a": 1, "b": [true]})
    );
}

#[test]
fn attachments_are_noticed_and_choices_differ() {
    let mut request = chat("what is it?", json!({"numGenerations": 3}));
    let parts = request
        .pointer_mut("/messages/0/content")
        .unwrap()
        .as_array_mut()
        .unwrap();
    parts.push(json!({"type": "IMAGE", "imageUrl": {"url": "data:image/png;base64,AAAA"}}));
    let plan = plan(GROK, &request, "00");
    let texts: Vec<_> = plan
        .choices
        .iter()
        .map(|choice| choice.text.concat())
        .collect();
    assert_eq!(texts.len(), 3);
    assert!(
        texts
            .iter()
            .all(|text| text.contains("you attached 1 image. ")),
        "{texts:?}"
    );
    assert_ne!(texts.first(), texts.last());
    let tokens: usize = plan.choices.iter().map(|choice| choice.text.len()).sum();
    assert_eq!(plan.usage.completion, tokens);
}

#[test]
fn a_cohere_model_for_vision_sees_the_image() {
    let image = json!({"type": "IMAGE_URL", "imageUrl": {"url": "data:image/png;base64,AAAA"}});
    let content = json!([{"type": "TEXT", "text": "what is it?"}, image]);
    let chat = json!({"apiFormat": "COHEREV2", "messages": [{"role": "USER", "content": content}]});
    let text = first("cohere.command-a-vision-07-2025", &chat).text;
    let text = text.concat();
    assert!(
        text.starts_with("I can see that you attached 1 image. You asked: \"what is it?\""),
        "{text}"
    );
}

#[test]
fn reasoning_comes_from_the_models_that_show_it() {
    let effort = json!({"reasoningEffort": "HIGH"});
    let check = |model, more: &Value, expected: bool| {
        let choice = first(model, &chat("x = 5?", more.clone()));
        assert_eq!(!choice.reasoning.is_empty(), expected, "{model} {more}");
    };
    check("xai.grok-3-mini", &json!({}), true);
    check(GROK, &effort, true);
    check("openai.gpt-oss-120b", &effort, true);
    check("openai.gpt-oss-120b", &json!({}), false);
    check(GROK, &json!({}), false);
    check(GROK, &json!({"reasoningEffort": "NONE"}), false);
    check("meta.llama-3.3-70b-instruct", &effort, false);
    let v2 = |thinking: &str| json!({"apiFormat": "COHEREV2", "thinking": {"type": thinking}});
    let reasoning = "cohere.command-a-reasoning-08-2025";
    check(reasoning, &json!({"apiFormat": "COHEREV2"}), true);
    check(reasoning, &v2("DISABLED"), false);
    check("cohere.command-a-03-2025", &v2("ENABLED"), false);
    check("ocid1.generativeaiendpoint.oc1..a", &v2("ENABLED"), true);
    let budget =
        json!({"apiFormat": "COHEREV2", "thinking": {"type": "ENABLED", "tokenBudget": 3}});
    let thoughtful = plan(reasoning, &chat("why?", budget), "00");
    let usage = thoughtful.usage.to_json(thoughtful.vendor);
    let count = |name: &str| usage.pointer(name).and_then(Value::as_u64).unwrap();
    assert_eq!(count("/completionTokensDetails/reasoningTokens"), 3);
    assert_eq!(
        count("/totalTokens"),
        count("/promptTokens") + count("/completionTokens")
    );
}

#[test]
fn unseen_thoughts_are_paid_for_and_count_against_the_newer_limit() {
    let usage = |model: &str, more: Value| {
        let plan = plan(model, &chat("why?", more), "00");
        let choice = plan.choices.first().unwrap();
        assert!(choice.reasoning.is_empty(), "{model}");
        let usage = plan.usage.to_json(plan.vendor);
        let count = |name: &str| usage.pointer(name).and_then(Value::as_u64).unwrap_or(0);
        let unseen = count("/completionTokensDetails/reasoningTokens");
        let beside = count("/totalTokens") - count("/promptTokens") - count("/completionTokens");
        (choice.text.len(), unseen, beside)
    };
    for (model, all_in_completion) in [("openai.gpt-5", true), ("google.gemini-2.5-pro", false)] {
        let (_, unseen, beside) = usage(model, json!({"reasoningEffort": "LOW"}));
        assert!(unseen > 0);
        assert_eq!(beside, if all_in_completion { 0 } else { unseen });
        let tight = json!({"reasoningEffort": "LOW", "maxCompletionTokens": unseen + 2});
        assert_eq!(usage(model, tight), (2, unseen, beside));
        let tighter = json!({"reasoningEffort": "LOW", "maxCompletionTokens": 2});
        let (text, unseen, _) = usage(model, tighter);
        assert_eq!((text, unseen), (0, 2));
        assert_eq!(usage(model, json!({"reasoningEffort": "NONE"})).1, 0);
        assert_eq!(usage(model, json!({})).1, 0);
    }
}

/// The same question with and without tools, in both of Cohere's formats.
#[test]
fn cohere_is_asked_in_its_own_words_and_says_what_it_will_do() {
    let ask = |message: &str, more: Value| {
        let mut chat = json!({"apiFormat": "COHERE", "message": message, "maxTokens": 1000});
        chat.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        first("cohere.command-a-03-2025", &chat)
    };
    let tools = json!([{"name": "get_weather", "description": "", "parameterDefinitions": {
        "city": {"type": "str", "isRequired": true}, "days": {"type": "int", "isRequired": true}}}]);
    let called = ask("Rome or Paris?", json!({"tools": tools}));
    let arguments: Vec<_> = called.calls.iter().map(|call| &*call.arguments).collect();
    assert_eq!(
        arguments,
        [
            r#"{"city":"Rome","days":1}"#,
            r#"{"city":"Paris","days":1}"#
        ]
    );
    assert_eq!(
        called.text.concat(),
        "I will use the tool get_weather to find that out."
    );
    let result = json!([{"call": {"name": "get_weather", "parameters": {}}, "outputs": [{"output": "18C"}]}]);
    let history = json!([{"role": "USER", "message": "Rome?"},
        {"role": "CHATBOT", "message": " ", "toolCalls": [{"name": "get_weather", "parameters": {}}]}]);
    let told = ask(
        "",
        json!({"tools": tools, "toolResults": result, "chatHistory": history}),
    );
    assert!(told.calls.is_empty() && told.text.concat().starts_with("The tool says: 18C."));
    let stopped = ask("why?", json!({"stopSequences": ["only a"]}));
    assert_eq!(stopped.finish, Finish::StopString);

    let tools = json!([{"type": "FUNCTION", "function": {"name": "get_weather", "parameters": {"type": "object",
        "properties": {"city": {"type": "string"}}}}}]);
    let v2 = |more: Value| {
        let mut chat = chat("Rome?", more);
        chat.as_object_mut()
            .unwrap()
            .insert("apiFormat".to_owned(), json!("COHEREV2"));
        first("cohere.command-a-03-2025", &chat)
    };
    let called = v2(json!({"tools": tools}));
    let call = called.calls.first().unwrap();
    assert_eq!(
        (&*call.name, &*call.arguments),
        ("get_weather", r#"{"city":"Rome"}"#)
    );
    assert!(call.id.as_deref().unwrap().starts_with("tc-"));
    assert!(
        v2(json!({"tools": tools, "toolsChoice": "NONE"}))
            .calls
            .is_empty()
    );
}
