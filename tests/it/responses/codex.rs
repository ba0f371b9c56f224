//! Codex CLI speaks nothing but this API. Requests of the shapes that it sends, turn by turn, and answers read as it reads them: the
//! items of `response.output_item.done`, and `response.completed` at the end.

use serde_json::{Value, json};

use super::{ask, told};
use crate::harness::{Proxy, chats, simulator};

/// The tools of a session: a shell, a plan, a patch in free form, an MCP server's, and those that OpenAI would run.
fn tools() -> Value {
    let command = json!({"type": "object", "properties": {
        "cmd": {"type": "string", "description": "Shell command"},
        "workdir": {"type": "string"},
        "yield_time_ms": {"type": "number"},
    }, "required": ["cmd"], "additionalProperties": false});
    let step = json!({"type": "object", "properties": {"step": {"type": "string"}, "status": {"type": "string"}}, "required": ["step", "status"], "additionalProperties": false});
    let plan = json!({"type": "object", "properties": {"explanation": {"type": "string"}, "plan": {"type": "array", "items": step}}, "required": ["plan"], "additionalProperties": false});
    let grammar =
        "start: begin hunk+ end\nbegin: \"*** Begin Patch\" LF\nend: \"*** End Patch\" LF?\n";
    json!([
        {"type": "function", "name": "exec_command", "description": "Runs a command", "strict": false, "parameters": command},
        {"type": "function", "name": "update_plan", "description": "Updates the plan", "strict": false, "parameters": plan},
        {"type": "custom", "name": "apply_patch", "description": "Edits files. This is a FREEFORM tool, so do not wrap the patch in JSON.", "format": {"type": "grammar", "syntax": "lark", "definition": grammar}},
        {"type": "web_search", "external_web_access": false},
        {"type": "namespace", "name": "mcp__files__", "description": "Tools of the server files", "tools": [
            {"type": "function", "name": "read", "description": "Reads", "strict": false, "defer_loading": true, "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}},
        ]},
    ])
}

/// A request as a session sends it. `choice`: to lead the simulated model, which takes the first tool of any.
fn request(input: &[Value], choice: Value) -> Value {
    json!({
        "model": "gpt-oss",
        "instructions": "You are a coding agent running in a terminal.",
        "input": input,
        "tools": tools(),
        "tool_choice": choice,
        "parallel_tool_calls": true,
        "reasoning": {"effort": "medium", "summary": "auto"},
        "store": false,
        "stream": true,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
        "text": {"verbosity": "medium"},
        "client_metadata": {"x-codex-installation-id": "0199a213"},
    })
}

/// What a session keeps of an answer: its items, as they were done, without what it does not send back.
fn turn(proxy: &Proxy, input: &[Value], choice: Value) -> Vec<Value> {
    let answer = ask(proxy, &request(input, choice));
    let events = told(&answer);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed", "{last}");
    let usage = &last["response"]["usage"];
    for name in ["input_tokens", "output_tokens", "total_tokens"] {
        assert!(usage[name].is_u64(), "{usage}");
    }
    assert_eq!(
        answer.header("x-ociai-dropped-params"),
        Some("tools[3] (web_search)")
    );
    let done = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done");
    done.map(|event| {
        let mut item = event["item"].clone();
        let fields = item.as_object_mut().unwrap();
        fields.remove("id");
        if fields["type"] == "reasoning" {
            assert!(fields["summary"][0]["text"].is_string());
            fields.insert("encrypted_content".to_owned(), Value::Null);
        }
        item
    })
    .collect()
}

fn message(role: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]})
}

fn call<'a>(items: &'a [Value], kind: &str) -> &'a Value {
    items
        .iter()
        .find(|item| item["type"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {items:?}"))
}

#[test]
fn a_session_runs_commands_patches_files_and_ends_in_words() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let mut input = vec![
        message(
            "developer",
            "<permissions instructions>The sandbox allows to read.</permissions instructions>",
        ),
        message(
            "user",
            "<environment_context>\n  <cwd>/repo</cwd>\n  <shell>bash</shell>\n</environment_context>",
        ),
        message("user", "What is in Paris?"),
    ];

    let said = turn(&proxy, &input, json!("auto"));
    let command = call(&said, "function_call").clone();
    assert_eq!(
        (&command["name"], command.get("namespace")),
        (&json!("exec_command"), None)
    );
    assert!(
        serde_json::from_str::<Value>(command["arguments"].as_str().unwrap()).unwrap()["cmd"]
            .is_string()
    );
    input.extend(said);
    input.push(json!({"type": "function_call_output", "call_id": command["call_id"], "output": "Exit code: 0\nOutput:\nmain.rs\n"}));
    input.push(message("user", "Now change it, in Rome"));

    let said = turn(
        &proxy,
        &input,
        json!({"type": "custom", "name": "apply_patch"}),
    );
    let patch = call(&said, "custom_tool_call").clone();
    assert_eq!(patch["name"], "apply_patch");
    let text = patch["input"].as_str().unwrap();
    assert!(!text.is_empty() && !text.starts_with('{'), "{text}");
    input.extend(said);
    input.push(json!({"type": "custom_tool_call_output", "call_id": patch["call_id"], "output": "Success"}));
    input.push(message("user", "And read it, in Berlin"));

    let said = turn(
        &proxy,
        &input,
        json!({"type": "function", "namespace": "mcp__files__", "name": "read"}),
    );
    let read = call(&said, "function_call").clone();
    assert_eq!(
        (&read["name"], &read["namespace"]),
        (&json!("read"), &json!("mcp__files__"))
    );
    input.extend(said);
    let shown = json!([{"type": "input_text", "text": "fn main() {}"}]);
    input
        .push(json!({"type": "function_call_output", "call_id": read["call_id"], "output": shown}));

    let said = turn(&proxy, &input, json!("auto"));
    let words = call(&said, "message");
    assert!(
        words["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("fn main()"),
        "{words}"
    );

    // What OCI was asked in the last turn.
    let sent: Value = serde_json::from_slice(&chats(&simulator).last().unwrap().body).unwrap();
    let chat = &sent["chatRequest"];
    let names: Vec<_> = chat["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "exec_command",
            "update_plan",
            "apply_patch",
            "mcp__files__read"
        ]
    );
    assert_eq!(
        (&chat["reasoningEffort"], &chat["isParallelToolCalls"]),
        (&json!("MEDIUM"), &json!(true))
    );
    let called: Vec<_> = chat["messages"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|message| message["toolCalls"].as_array().cloned().unwrap_or_default())
        .map(|call| call["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(called, ["exec_command", "apply_patch", "mcp__files__read"]);
}
