//! Reads a chat request in Cohere's formats as the GENERIC one that asks the same, for the pretended model knows only
//! that: of every field only what it looks at. Pure. Source: reference §4.3, §4.4.

use serde_json::{Map, Value, json};

use super::super::schema::items;

/// `chat` in GENERIC, if it is in another format: `apiFormat` stays as it is. `None` if it is GENERIC.
pub(super) fn as_generic(chat: &Value) -> Option<Value> {
    let (messages, tools) = match word(chat, "apiFormat") {
        "COHERE" => (messages(chat), items(chat, "tools").map(tool).collect()),
        "COHEREV2" => (
            items(chat, "messages").map(message_v2).collect(),
            items(chat, "tools").map(flat).collect::<Vec<_>>(),
        ),
        _ => return None,
    };
    let mut generic = json!({"messages": messages, "tools": tools});
    let mut set = |name: &str, value: Option<Value>| {
        if let (Some(generic), Some(value)) = (generic.as_object_mut(), value) {
            generic.insert(name.to_owned(), value);
        }
    };
    for name in ["apiFormat", "maxTokens", "thinking"] {
        set(name, chat.get(name).cloned());
    }
    set("stop", chat.get("stopSequences").cloned());
    let choice = chat.get("toolsChoice");
    set("toolChoice", choice.map(|choice| json!({"type": choice})));
    set("responseFormat", chat.get("responseFormat").map(format));
    Some(generic)
}

/// JSON for a schema is asked for with the plain word here.
fn format(format: &Value) -> Value {
    match format.get("schema") {
        Some(schema) => json!({"type": "JSON_SCHEMA", "jsonSchema": {"schema": schema}}),
        None => format.clone(),
    }
}

/// The preamble, the history, the user's message, the results of tools. A history that ends with results has the
/// message before the calls that they are from.
fn messages(chat: &Value) -> Vec<Value> {
    let mut messages = Vec::new();
    if let Some(preamble) = chat.get("preambleOverride") {
        messages.push(spoken("SYSTEM", preamble));
    }
    let mut last_turn = 0;
    for entry in items(chat, "chatHistory") {
        let text = entry.get("message");
        match word(entry, "role") {
            "TOOL" => messages.extend(items(entry, "toolResults").map(result)),
            "CHATBOT" => {
                if !is_result(messages.last()) {
                    last_turn = messages.len();
                }
                messages.push(assistant(entry));
            }
            role => messages.extend(text.map(|text| spoken(role, text))),
        }
    }
    match chat.get("message") {
        Some(text) if text == "" => {}
        Some(text) if is_result(messages.last()) => {
            messages.insert(last_turn, spoken("USER", text))
        }
        Some(text) => messages.push(spoken("USER", text)),
        None => {}
    }
    messages.extend(items(chat, "toolResults").map(result));
    messages
}

fn is_result(message: Option<&Value>) -> bool {
    message.is_some_and(|message| word(message, "role") == "TOOL")
}

fn spoken(role: &str, text: &Value) -> Value {
    json!({"role": role, "content": [{"type": "TEXT", "text": text}]})
}

fn assistant(entry: &Value) -> Value {
    let calls: Vec<_> = items(entry, "toolCalls").cloned().collect();
    let text = entry.get("message").cloned().unwrap_or_default();
    let mut message = spoken("ASSISTANT", &text);
    if let (false, Some(message)) = (calls.is_empty(), message.as_object_mut()) {
        message.insert("toolCalls".to_owned(), Value::Array(calls));
    }
    message
}

/// The texts of its outputs, `; ` between them.
fn result(result: &Value) -> Value {
    let outputs = items(result, "outputs").filter_map(Value::as_object);
    let texts = outputs.flat_map(Map::values).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    spoken("TOOL", &json!(texts.collect::<Vec<_>>().join("; ")))
}

/// A definition in Python's words as one in a JSON schema.
fn tool(tool: &Value) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let parameters = tool.get("parameterDefinitions").and_then(Value::as_object);
    for (name, parameter) in parameters.into_iter().flatten() {
        let kind = match word(parameter, "type") {
            "int" => "integer",
            "float" => "number",
            "bool" => "boolean",
            "List" => "array",
            "Dict" => "object",
            _ => "string",
        };
        properties.insert(name.clone(), json!({"type": kind}));
        if parameter.get("isRequired") == Some(&Value::Bool(true)) {
            required.push(name);
        }
    }
    let schema = json!({"type": "object", "properties": properties, "required": required});
    json!({"type": "FUNCTION", "name": tool.get("name"), "parameters": schema})
}

fn message_v2(message: &Value) -> Value {
    let mut generic = message.clone();
    let parts: Vec<_> = items(message, "content").filter_map(part).collect();
    let calls: Vec<_> = items(message, "toolCalls").map(flat).collect();
    if let Some(generic) = generic.as_object_mut() {
        generic.insert("content".to_owned(), Value::Array(parts));
        if !calls.is_empty() {
            generic.insert("toolCalls".to_owned(), Value::Array(calls));
        }
    }
    generic
}

/// `None` of a thought: the model has had it already.
fn part(part: &Value) -> Option<Value> {
    match word(part, "type") {
        "THINKING" => None,
        "IMAGE_URL" => Some(json!({"type": "IMAGE", "imageUrl": part.get("imageUrl")})),
        _ => Some(part.clone()),
    }
}

/// A definition, or a call, without the `function` around it.
fn flat(outer: &Value) -> Value {
    let mut flat = outer.get("function").cloned().unwrap_or_default();
    if let Some(flat) = flat.as_object_mut() {
        for name in ["type", "id"] {
            if let Some(value) = outer.get(name) {
                flat.insert(name.to_owned(), value.clone());
            }
        }
    }
    flat
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chat: Value, roles: &[&str]) -> Value {
        let generic = as_generic(&chat).unwrap_or_default();
        let found: Vec<_> = items(&generic, "messages")
            .map(|message| word(message, "role"))
            .collect();
        assert_eq!(found, roles, "{chat}");
        generic
    }

    #[test]
    fn the_turns_of_cohere_come_in_the_order_in_which_they_were_spoken() {
        let calls = json!([{"name": "f", "parameters": {}}]);
        let bot = json!({"role": "CHATBOT", "message": " ", "toolCalls": calls});
        let results =
            json!([{"call": {}, "outputs": [{"output": "18C"}, {"wind": 3, "sky": "blue"}]}]);
        let tool = json!({"role": "TOOL", "toolResults": results});
        let user = json!({"role": "USER", "message": "q"});
        check(
            json!({"apiFormat": "COHERE", "message": "q", "preambleOverride": "p"}),
            &["SYSTEM", "USER"],
        );
        let in_history = check(
            json!({"apiFormat": "COHERE", "message": "q", "chatHistory": [user, bot, tool, bot, tool]}),
            &["USER", "USER", "ASSISTANT", "TOOL", "ASSISTANT", "TOOL"],
        );
        assert_eq!(
            in_history.pointer("/messages/5/content/0/text"),
            Some(&json!("18C; 3; blue"))
        );
        check(
            json!({"apiFormat": "COHERE", "message": "", "chatHistory": [user, bot], "toolResults": results}),
            &["USER", "ASSISTANT", "TOOL"],
        );
        assert_eq!(as_generic(&json!({"apiFormat": "GENERIC"})), None);
    }

    #[test]
    fn definitions_become_schemas_and_nested_ones_flat() {
        let tools = json!([{"name": "f", "description": "d", "parameterDefinitions": {
            "a": {"type": "int", "isRequired": true}, "b": {"type": "List"}}}]);
        let generic = check(
            json!({"apiFormat": "COHERE", "message": "q", "tools": tools}),
            &["USER"],
        );
        let schema = json!({"type": "object", "required": ["a"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "array"}}});
        assert_eq!(generic.pointer("/tools/0/parameters"), Some(&schema));
        let function = json!({"name": "f", "arguments": "{}"});
        let nested = json!({"role": "ASSISTANT", "content": [{"type": "THINKING", "thinking": "hm"}],
            "toolCalls": [{"id": "1", "type": "FUNCTION", "function": function}]});
        let generic = check(
            json!({"apiFormat": "COHEREV2", "messages": [nested], "toolsChoice": "NONE"}),
            &["ASSISTANT"],
        );
        assert_eq!(
            generic.get("messages"),
            Some(&json!([{"role": "ASSISTANT", "content": [], "toolCalls":
                [{"name": "f", "arguments": "{}", "type": "FUNCTION", "id": "1"}]}]))
        );
        assert_eq!(generic.get("toolChoice"), Some(&json!({"type": "NONE"})));
    }
}
