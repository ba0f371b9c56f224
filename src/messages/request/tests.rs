//! Requests into a chat's: what becomes of each thing that clients send, and what is refused by name; and their estimate.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

use serde_json::{Value, json};

use super::*;
use crate::messages::count::count;
use crate::openai::message::{Content, Message, Part, PartKind};
use crate::openai::tools::ToolChoice;

/// A good request with `more` merged into it.
fn body(more: &Value) -> Vec<u8> {
    let mut body =
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body.to_string().into_bytes()
}

fn translated(more: &Value) -> Result<Translated, ApiError> {
    parse(&body(more))?.into_chat()
}

/// One line a message: who, and what.
fn told(messages: &Value) -> Vec<String> {
    let translated = translated(messages).unwrap();
    translated.request.messages.iter().map(line).collect()
}

fn line(message: &Message) -> String {
    let mut line = format!("{:?}", message.role.unwrap());
    if let Some(id) = &message.tool_call_id {
        line += &format!("({id})");
    }
    match &message.content {
        None => line += " -",
        Some(Content::Text(text)) => line += &format!(" {:?}", text.read()),
        Some(Content::Parts(parts)) => {
            for part in parts {
                line += &format!(" {}@{}", part_line(part), part.at);
            }
        }
    }
    for call in &message.tool_calls {
        let function = call.function.as_ref().unwrap();
        let texts = [&call.id, &function.name, &function.arguments];
        line += " call";
        for text in texts.into_iter().flatten() {
            line += &format!(" {text}");
        }
    }
    line
}

fn part_line(part: &Part) -> String {
    match part.kind.unwrap() {
        PartKind::Text => format!("{:?}", part.text.as_ref().unwrap().read()),
        PartKind::ImageUrl => {
            let url = &part.image_url.as_ref().unwrap().url;
            url.as_ref().unwrap().read().into_owned()
        }
        PartKind::File => {
            let file = part.file.as_ref().unwrap();
            format!(
                "{}={}",
                file.filename.as_deref().unwrap_or("-"),
                file.file_data.as_ref().unwrap()
            )
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn a_request_with_everything_is_a_chat_with_everything() {
    let Translated {
        request,
        shows_thoughts,
        lost,
    } = translated(&json!({
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, {"type": "text", "text": "Be kind."}],
        "stream": true,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        "thinking": {"type": "enabled", "budget_tokens": 10_000},
        "context_management": {"edits": []},
        "anthropic_beta": ["x"],
    }))
    .unwrap();
    assert_eq!(request.model, "m");
    assert_eq!(request.stream, Some(true));
    assert!(request.wants_usage());
    assert_eq!(request.max_tokens, Some(9));
    assert_eq!(request.top_k, Some(40));
    assert_eq!(request.temperature.unwrap().as_f64(), Some(0.5));
    assert_eq!(request.top_p.unwrap().as_f64(), Some(0.9));
    assert_eq!(request.stop, ["END"]);
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.reasoning_effort, Some(ReasoningEffort::Medium));
    let function = request.tools[0].function.as_ref().unwrap();
    assert_eq!(function.name.as_deref(), Some("f"));
    assert_eq!(function.description.as_deref(), Some("d"));
    assert_eq!(function.parameters.as_ref().unwrap()["type"], "object");
    assert!(shows_thoughts && lost.is_empty());
    assert_eq!(
        line(&request.messages[0]),
        r#"System "Be brief.\n\nBe kind.""#
    );
    assert_eq!(line(&request.messages[1]), r#"User "x""#);
}

#[test]
fn results_come_before_what_the_user_says_beside_them_and_in_their_order() {
    let messages = json!({"system": "s", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "…"},
            {"type": "text", "text": "I ask."},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": 1, "a": [2]}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "lines"}]},
            {"type": "text", "text": "and now?"},
            {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": "no such file"},
            {"type": "tool_result", "tool_use_id": "t3"},
        ]},
        {"role": "assistant", "content": "The answer is ("},
    ]});
    assert_eq!(
        told(&messages),
        [
            r#"System "s""#,
            r#"User "a"@0 "b"@1"#,
            r#"Assistant "I ask."@2 call t1 f {"b":1,"a":[2]} call t2 g {}"#,
            r#"Tool(t2) "two\nlines""#,
            r#"Tool(t1) "Error: no such file""#,
            r#"Tool(t3) """#,
            r#"User "and now?"@1"#,
            r#"Assistant "The answer is (""#,
        ]
    );
    let translated = translated(&messages).unwrap();
    let places = translated.request.messages.iter().map(|message| message.at);
    let places: Vec<_> = places.map(Option::unwrap).collect();
    assert_eq!(places, [0, 0, 1, 2, 2, 2, 2, 3]);
}

#[test]
fn images_and_documents_find_their_words() {
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "aaaa"}});
    let messages = json!({"messages": [
        {"role": "user", "content": [
            image,
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "document", "title": "T", "context": "C", "source": {"type": "base64", "media_type": "application/pdf", "data": "bbbb"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
            {"type": "document", "title": "T", "source": {"type": "content", "content": [{"type": "text", "text": "part"}, image]}},
            {"type": "document", "source": {"type": "content", "content": "all"}},
            {"type": "search_result", "source": "https://x", "title": "T", "content": [{"type": "text", "text": "found"}]},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content":
            [{"type": "text", "text": "see"}, image, {"type": "tool_reference", "tool_name": "f"}]}]},
        {"role": "system", "content": "From now on be brief."},
    ]});
    assert_eq!(
        told(&messages),
        [
            concat!(
                "User data:image/jpeg;base64,aaaa@0 https://x/y.png@1 \"C\"@2 T=data:application/pdf;base64,bbbb@2 ",
                "-=https://x/y.pdf@3 \"T\\nplain\"@4 \"T\"@5 \"part\"@5 data:image/jpeg;base64,aaaa@5 \"all\"@6 ",
                "\"T\\nhttps://x\\nfound\"@7"
            ),
            r#"Tool(t) "see\nThe tool f is at hand."@0 data:image/jpeg;base64,aaaa@1"#,
            r#"System "From now on be brief.""#,
        ]
    );
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    let user = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
    let assistant = |block: Value| json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": [block]}]});
    let tool = |tool: Value| json!({"tools": [{"name": "f"}, tool]});
    for (more, param) in [
        (json!({"model": null}), "model"),
        (json!({"model": 7}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": "many"}), "max_tokens"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "robot"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": 7}]}),
            "messages[0].content",
        ),
        (json!({"system": [{"type": "image"}]}), "system[0].type"),
        (user(json!({"type": "text"})), "messages[0].content[0].text"),
        (
            user(json!({"type": "hologram"})),
            "messages[0].content[0].type",
        ),
        (
            user(json!({"type": "container_upload", "file_id": "f"})),
            "messages[0].content[0].type",
        ),
        (
            user(json!({"type": "image"})),
            "messages[0].content[0].source",
        ),
        (
            user(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            "messages[0].content[0].source.type",
        ),
        (
            user(json!({"type": "image", "source": {"type": "base64"}})),
            "messages[0].content[0].source.data",
        ),
        (
            user(json!({"type": "document", "source": {"type": "url"}})),
            "messages[0].content[0].source.url",
        ),
        (
            user(json!({"type": "tool_result", "content": "x"})),
            "messages[0].content[0].tool_use_id",
        ),
        (
            user(
                json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "hologram"}]}),
            ),
            "messages[0].content[0].content[0].type",
        ),
        (
            assistant(
                json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            ),
            "messages[1].content[0].type",
        ),
        (
            assistant(json!({"type": "web_search_tool_result", "content": {"type": "e"}})),
            "messages[1].content[0].type",
        ),
        (
            assistant(json!({"type": "tool_use", "id": "t"})),
            "messages[1].content[0].name",
        ),
        (tool(json!({"description": "nameless"})), "tools[1].name"),
        (
            tool(json!({"type": "web_search_20250305", "name": "web_search"})),
            "tools[1].type",
        ),
        (
            tool(json!({"type": "computer_20250124", "name": "computer"})),
            "tools[1].type",
        ),
        (json!({"tool_choice": {"type": "tool"}}), "tool_choice.name"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "deep"}}), "thinking.type"),
        (
            json!({"output_config": {"format": {"type": "yaml"}}}),
            "output_config.format.type",
        ),
        (
            json!({"mcp_servers": [{"url": "https://x"}]}),
            "mcp_servers",
        ),
    ] {
        let refused = translated(&more).unwrap_err();
        assert_eq!(refused.status, 400);
        assert_eq!(refused.param.as_deref(), Some(param), "{more}");
        assert!(refused.message.contains(param), "{}", refused.message);
    }
    let thread = translated(&json!({"thread": {"type": "create"}})).unwrap_err();
    assert_eq!(thread.code.as_deref(), Some("thread_unsupported_request"));
    for body in ["", "[]", "7", "{", "{\"model\":\"m\""] {
        assert_eq!(parse(body.as_bytes()).unwrap_err().status, 400, "{body}");
    }
}

#[test]
fn null_is_absent() {
    let fields = [
        "system",
        "stream",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
        "mcp_servers",
        "container",
        "thread",
        "metadata",
        "service_tier",
    ];
    for field in fields {
        let mut more = json!({});
        more[field] = Value::Null;
        let translated = translated(&more).unwrap();
        assert_eq!(translated.request.messages.len(), 1, "{field}");
    }
}

#[test]
fn the_shell_and_the_editor_are_functions_and_a_search_for_tools_is_left_out() {
    let translated = translated(&json!({"tools": [
        {"type": "bash_20250124", "name": "bash"},
        {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool", "max_characters": 100},
        {"type": "text_editor_20250124", "name": "str_replace_editor"},
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        {"type": "custom", "name": "f", "defer_loading": true, "input_schema": {}},
    ]}))
    .unwrap();
    let tools: Vec<_> = translated.request.tools;
    let function = |at: usize| tools[at].function.as_ref().unwrap();
    let names: Vec<_> = (0..tools.len())
        .map(|at| function(at).name.clone().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "bash",
            "str_replace_based_edit_tool",
            "str_replace_editor",
            "f"
        ]
    );
    let properties = |at: usize| function(at).parameters.as_ref().unwrap()["properties"].clone();
    assert!(properties(0)["command"].is_object());
    assert!(properties(1)["insert_text"].is_object());
    assert!(properties(2)["insert_text"].is_null() && properties(2)["new_str"].is_object());
    assert_eq!(
        function(1).parameters.as_ref().unwrap()["required"],
        json!(["command", "path"])
    );
    assert_eq!(translated.lost, ["tools[3]"]);
}

#[test]
fn choices_of_tools() {
    let chosen = |choice: Value| {
        let tools = json!([{"name": "f"}]);
        let request = translated(&json!({"tools": tools, "tool_choice": choice}))
            .unwrap()
            .request;
        (request.tool_choice, request.parallel_tool_calls)
    };
    let one = ToolChoice::Function {
        name: "f".to_owned(),
    };
    assert_eq!(
        chosen(json!({"type": "auto"})),
        (Some(ToolChoice::Auto), None)
    );
    assert_eq!(
        chosen(json!({"type": "none"})),
        (Some(ToolChoice::None), None)
    );
    assert_eq!(
        chosen(json!({"type": "any", "disable_parallel_tool_use": false})),
        (Some(ToolChoice::Required), None)
    );
    assert_eq!(
        chosen(json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true})),
        (Some(one), Some(false))
    );
    let without = translated(&json!({"tool_choice": {"type": "any"}}))
        .unwrap()
        .request;
    assert_eq!(without.tool_choice, None);
}

#[test]
fn thinking_is_an_effort_and_shown_to_whom_asked() {
    use ReasoningEffort::{High, Low, Max, Medium};
    let enabled = |budget: u32| json!({"type": "enabled", "budget_tokens": budget});
    for (thinking, effort, expected) in [
        (json!(null), json!(null), (false, None)),
        (json!(null), json!("high"), (false, Some(High))),
        (enabled(1_024), json!(null), (true, Some(Low))),
        (enabled(4_095), json!(null), (true, Some(Low))),
        (enabled(4_096), json!(null), (true, Some(Medium))),
        (enabled(16_384), json!(null), (true, Some(High))),
        (enabled(31_999), json!("low"), (true, Some(Low))),
        (json!({"type": "adaptive"}), json!(null), (true, None)),
        (json!({"type": "adaptive"}), json!("max"), (true, Some(Max))),
        (
            json!({"type": "adaptive", "display": "omitted"}),
            json!(null),
            (false, None),
        ),
        (json!({"type": "disabled"}), json!("high"), (false, None)),
    ] {
        let more = json!({"thinking": thinking, "output_config": {"effort": effort}});
        let translated = translated(&more).unwrap();
        let told = (
            translated.shows_thoughts,
            translated.request.reasoning_effort,
        );
        assert_eq!(told, expected, "{more}");
    }
}

#[test]
fn a_schema_of_the_answer_is_a_response_format() {
    let format = json!({"type": "json_schema", "schema": {"type": "object"}});
    for more in [
        json!({"output_config": {"format": format}}),
        json!({"output_format": format}),
    ] {
        let format = translated(&more).unwrap().request.response_format.unwrap();
        assert_eq!(format.kind, Some(ResponseFormatKind::JsonSchema));
        assert_eq!(
            format.json_schema.unwrap().schema.unwrap()["type"],
            "object"
        );
    }
}

#[test]
fn an_estimate_follows_its_rule() {
    let tokens = |more: &Value| {
        let count = count(&translated(more).unwrap().request);
        serde_json::to_value(count).unwrap()["input_tokens"]
            .as_u64()
            .unwrap()
    };
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    assert_eq!(tokens(&user(json!("12345678"))), 4 + 2);
    assert_eq!(tokens(&user(json!("123456789"))), 4 + 3);
    assert_eq!(tokens(&user(json!("你好é🦀"))), 4 + 4);
    let image = json!([{"type": "image", "source": {"type": "url", "url": "https://x"}}]);
    assert_eq!(tokens(&user(image)), 4 + 1600);
    let pdf =
        json!([{"type": "document", "source": {"type": "base64", "data": "a".repeat(3_200)}}]);
    let head = "data:application/pdf;base64,".len() as u64;
    assert_eq!(tokens(&user(pdf)), 4 + (3_200 + head) / 32);
    let with_tool =
        json!({"tools": [{"name": "ffff", "description": "dddd", "input_schema": {"a": 1}}]});
    // `x` and 4 + 4 + 7 characters.
    assert_eq!(tokens(&with_tool), 4 + 4 + 4);
    assert_eq!(tokens(&json!({"system": "1234"})), 4 + 4 + 2);
}
