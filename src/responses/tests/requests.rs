//! What is understood, what is refused, and under which name.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{asked, body};
use crate::openai::chat::{ReasoningEffort, ResponseFormatKind, Verbosity};
use crate::openai::error::ApiError;
use crate::openai::message::{Content, Message, PartKind, Role};
use crate::openai::render::Render;
use crate::openai::tools::ToolChoice;
use crate::responses::read;

fn check_refused(more: &Value, param: &str) {
    let error = read(body(more).as_bytes()).err().unwrap();
    assert_eq!(error.status, 400, "{more}");
    assert_eq!(
        error.param.as_deref(),
        Some(param),
        "{more} {}",
        error.message
    );
    assert!(error.message.contains(param), "{}", error.message);
}

#[test]
fn what_is_wrong_is_named_as_the_client_wrote_it() {
    for (more, param) in [
        (json!({"model": null}), "model"),
        (json!({"input": null}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 7}), "input"),
        (json!({"input": [7]}), "input[0]"),
        (
            json!({"input": [{"role": "user", "content": 7}]}),
            "input[0].content",
        ),
        (
            json!({"input": [{"role": "user", "content": "a"}, {"role": "wizard", "content": "b"}]}),
            "input[1].role",
        ),
        (json!({"input": [{"content": "a"}]}), "input[0].role"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}),
            "input[0].content[0].type",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
            "input[0].content[0].image_url",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}),
            "input[0].content[0].file_id",
        ),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}]}),
            "input[0].content[0].file_url",
        ),
        (
            json!({"input": [{"type": "item_reference", "id": "msg_1"}]}),
            "input[0]",
        ),
        (json!({"input": [{"id": "msg_1"}]}), "input[0]"),
        (
            json!({"input": [{"type": "computer_call", "id": "1"}]}),
            "input[0].type",
        ),
        (
            json!({"input": [{"type": "function_call", "call_id": "c"}]}),
            "input[0].name",
        ),
        (
            json!({"input": [{"type": "function_call", "name": "f"}]}),
            "input[0].call_id",
        ),
        (
            json!({"input": [{"type": "function_call_output", "output": "x"}]}),
            "input[0].call_id",
        ),
        (
            json!({"input": [{"type": "reasoning", "summary": []}]}),
            "input",
        ),
        (
            json!({"previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"background": true}), "background"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"max_output_tokens": 1.5}), "max_output_tokens"),
        (
            json!({"top_logprobs": -1, "include": ["message.output_text.logprobs"]}),
            "top_logprobs",
        ),
        (
            json!({"reasoning": {"effort": "extreme"}}),
            "reasoning.effort",
        ),
        (
            json!({"text": {"format": {"type": "xml"}}}),
            "text.format.type",
        ),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (
            json!({"tools": [{"type": "function", "name": "f", "parameters": 7}]}),
            "tools[0].parameters",
        ),
        (
            json!({"tools": [{"type": "web_search"}, {"type": "file_search"}]}),
            "tools[1].type",
        ),
        (json!({"tools": [{"type": "mcp"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "namespace", "name": "m"}]}]}),
            "tools[0].tools[0].type",
        ),
        (
            json!({"tool_choice": {"type": "file_search"}}),
            "tool_choice",
        ),
        (
            json!({"tool_choice": {"type": "function"}}),
            "tool_choice.name",
        ),
    ] {
        check_refused(&more, param);
    }
    assert!(read(b"[]").is_err() && read(b"{").is_err());
}

/// Whatever is absent may be written as `null`, and whatever is unknown is ignored.
#[test]
fn nulls_and_what_changes_nothing_are_ignored() {
    let mut more = json!({"store": true, "truncation": "auto", "service_tier": "auto", "user": "u", "safety_identifier": "s",
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "client_metadata": {"a": "b"}, "background": false,
        "include": ["reasoning.encrypted_content"], "max_tool_calls": 7, "stream_options": {"include_obfuscation": false},
        "context_management": [{"type": "compaction", "compact_threshold": 9}]});
    for name in [
        "instructions",
        "tools",
        "tool_choice",
        "reasoning",
        "text",
        "max_output_tokens",
        "temperature",
        "top_p",
        "top_logprobs",
        "metadata",
        "previous_response_id",
        "conversation",
        "prompt",
        "stream",
        "parallel_tool_calls",
        "moderation",
    ] {
        more[name] = Value::Null;
    }
    let chat = asked(&more).chat;
    assert_eq!(
        (chat.messages.len(), chat.stream, chat.logprobs),
        (1, None, None)
    );
    assert!(chat.wants_usage());
}

fn text(message: &Message) -> Cow<'_, str> {
    match message.content.as_ref().unwrap() {
        Content::Text(text) => text.read(),
        Content::Parts(parts) => parts[0].text.as_ref().unwrap().read(),
    }
}

#[test]
fn settings_go_where_a_chat_has_them() {
    let format = json!({"type": "json_schema", "name": "trip", "strict": true, "schema": {"type": "object"}});
    let chat = asked(&json!({"instructions": "Be brief", "stream": true, "max_output_tokens": 9.0, "temperature": 0.5, "top_p": 1,
        "top_logprobs": 3, "reasoning": {"effort": "xhigh", "summary": "auto"}, "parallel_tool_calls": false, "metadata": {"a": "b"},
        "text": {"verbosity": "low", "format": format}}))
    .chat;
    assert_eq!(chat.messages[0].role, Some(Role::System));
    assert_eq!(
        (&*text(&chat.messages[0]), &*text(&chat.messages[1])),
        ("Be brief", "Hello")
    );
    assert!(chat.wants_stream());
    assert_eq!(
        (chat.max_completion_tokens, chat.parallel_tool_calls),
        (Some(9), Some(false))
    );
    assert_eq!((chat.logprobs, chat.top_logprobs), (Some(true), Some(3)));
    assert_eq!(
        (chat.reasoning_effort, chat.verbosity),
        (Some(ReasoningEffort::Xhigh), Some(Verbosity::Low))
    );
    let format = chat.response_format.unwrap();
    assert_eq!(format.kind, Some(ResponseFormatKind::JsonSchema));
    let schema = format.json_schema.unwrap();
    assert_eq!(
        (schema.name.as_deref(), schema.strict),
        (Some("trip"), Some(true))
    );
    assert!(
        asked(&json!({"text": {"format": {"type": "text"}}}))
            .chat
            .response_format
            .is_none()
    );
}

#[test]
fn a_turn_of_several_items_is_one_message() {
    let input = json!([
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Rules"}]},
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}], "content": null, "encrypted_content": "…"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [{"type": "output_text", "text": "Let me see", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\"}"},
        {"type": "function_call", "call_id": "c2", "name": "weather", "namespace": "mcp__sky__", "arguments": {"city": "Oslo"}},
        {"type": "custom_tool_call", "call_id": "c3", "name": "apply_patch", "input": "*** Begin\n\"x\""},
        {"type": "local_shell_call", "call_id": "c4", "status": "completed", "action": {"type": "exec", "command": ["ls"], "env": {}}},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "rain"}, {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}]},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "Done"},
        {"type": "local_shell_call_output", "id": "c4", "output": {"stdout": "a"}},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}]},
    ]);
    let chat = asked(&json!({"input": input})).chat;
    let roles: Vec<_> = chat
        .messages
        .iter()
        .map(|message| message.role.unwrap())
        .collect();
    use Role::{Assistant, Developer, Tool, User};
    assert_eq!(
        roles,
        [Developer, User, Assistant, Tool, Tool, Tool, Tool, User]
    );
    assert_eq!(text(&chat.messages[2]), "Let me see");
    let calls: Vec<_> = chat.messages[2]
        .tool_calls
        .iter()
        .map(|call| {
            let function = call.function.as_ref().unwrap();
            (
                call.id.as_deref().unwrap(),
                function.name.as_deref().unwrap(),
                function.arguments.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("c1", "weather", r#"{"city":"Rome"}"#),
            ("c2", "mcp__sky__weather", r#"{"city":"Oslo"}"#),
            ("c3", "apply_patch", r#"{"input":"*** Begin\n\"x\""}"#),
            (
                "c4",
                "local_shell",
                r#"{"type":"exec","command":["ls"],"env":{}}"#
            ),
        ]
    );
    let results: Vec<_> = chat.messages[3..7]
        .iter()
        .map(|message| message.tool_call_id.as_deref().unwrap())
        .collect();
    assert_eq!(results, ["c1", "c2", "c3", "c4"]);
    let Some(Content::Parts(parts)) = &chat.messages[4].content else {
        panic!("no parts")
    };
    let image = parts[1].image_url.as_ref().unwrap();
    assert_eq!(
        (parts[1].kind, image.detail.as_deref()),
        (Some(PartKind::ImageUrl), Some("low"))
    );
    assert_eq!(text(&chat.messages[6]), r#"{"stdout":"a"}"#);
}

#[test]
fn calls_before_words_are_the_same_turn_and_results_end_it() {
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let result = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": ""});
    let said = json!({"role": "assistant", "content": "So"});
    let input = json!([{"role": "user", "content": "x"}, call("1"), said, result("1"), call("2"), result("2")]);
    let chat = asked(&json!({"input": input})).chat;
    use Role::{Assistant, Tool, User};
    let roles: Vec<_> = chat
        .messages
        .iter()
        .map(|message| message.role.unwrap())
        .collect();
    assert_eq!(roles, [User, Assistant, Tool, Assistant, Tool]);
    assert_eq!(
        (&*text(&chat.messages[1]), chat.messages[1].tool_calls.len()),
        ("So", 1)
    );
}

#[test]
fn tools_of_every_kind_are_functions_and_openais_own_are_left_out_or_refused() {
    let tools = json!([
        {"type": "function", "name": "weather", "description": "d", "strict": false, "parameters": {"type": "object"}},
        {"type": "custom", "name": "apply_patch", "description": "Edits.", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "web_search", "external_web_access": true},
        {"type": "namespace", "name": "mcp__sky__", "tools": [{"type": "function", "name": "look", "parameters": null}]},
        {"type": "namespace", "name": "sea", "tools": [{"type": "custom", "name": "dive"}]},
        {"type": "image_generation", "output_format": "png"},
        {"type": "web_search_preview_2025_03_11"},
    ]);
    let asked = asked(&json!({"tools": tools, "tool_choice": "required"}));
    let functions: Vec<_> = asked
        .chat
        .tools
        .iter()
        .map(|tool| tool.function.as_ref().unwrap())
        .collect();
    let names: Vec<_> = functions
        .iter()
        .map(|function| function.name.as_deref().unwrap())
        .collect();
    assert_eq!(
        names,
        ["weather", "apply_patch", "mcp__sky__look", "sea__dive"]
    );
    let description = functions[1].description.as_deref().unwrap();
    assert!(
        description.starts_with("Edits.")
            && description.contains("lark")
            && description.ends_with("start: x")
    );
    let parameters = Value::Object(functions[1].parameters.clone().unwrap());
    assert_eq!(parameters["required"], json!(["input"]));
    assert_eq!(asked.chat.tool_choice, Some(ToolChoice::Required));
    assert_eq!(
        asked.left_out,
        [
            "tools[2] (web_search)",
            "tools[5] (image_generation)",
            "tools[6] (web_search_preview_2025_03_11)"
        ]
    );
    let error = |param: &str| {
        asked.answering.refusal(ApiError::invalid_request(
            format!("`{param}`: no"),
            Some(param.to_owned()),
        ))
    };
    for (chat, here) in [
        ("messages[0].content", "input.content"),
        ("tools[1].function.name", "tools[1].name"),
        (
            "tools[3].function.parameters",
            "tools[4].tools[0].parameters",
        ),
        ("tools[9]", "tools[9]"),
        ("max_tokens", "max_output_tokens"),
        ("response_format.json_schema.schema", "text.format.schema"),
        ("reasoning_effort", "reasoning.effort"),
        ("temperature", "temperature"),
    ] {
        let error = error(chat);
        assert_eq!(error.param.as_deref(), Some(here));
        assert_eq!(error.message, format!("`{here}`: no"));
    }
}

#[test]
fn choices_among_tools() {
    let tools = json!([{"type": "function", "name": "a"}, {"type": "custom", "name": "b"}]);
    let named = |name: &str| ToolChoice::Function {
        name: name.to_owned(),
    };
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "a"}, {"type": "web_search"}]});
    for (choice, expected) in [
        (json!("none"), ToolChoice::None),
        (json!("auto"), ToolChoice::Auto),
        (json!({"type": "function", "name": "a"}), named("a")),
        (json!({"type": "custom", "name": "b"}), named("b")),
        (
            json!({"type": "function", "namespace": "n", "name": "a"}),
            named("n__a"),
        ),
        (
            allowed,
            ToolChoice::Allowed {
                required: true,
                names: vec!["a".to_owned()],
            },
        ),
    ] {
        let asked = asked(&json!({"tools": tools, "tool_choice": choice}));
        assert_eq!(asked.chat.tool_choice, Some(expected));
    }
    // What there was to choose from was left out.
    let asked = asked(&json!({"tools": [{"type": "web_search"}], "tool_choice": "auto"}));
    assert_eq!(asked.chat.tool_choice, None);
}
