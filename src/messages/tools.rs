//! The tools of a request as a chat's functions. Tools that the client runs are functions: its own as they stand, and the two of
//! Anthropic's whose input is simple, the shell and the text editor, with the input that is documented for them. What runs at
//! Anthropic (search, code execution, MCP), or needs a model that was made for it (computers, browsers), is refused by name.

use serde_json::{Map, Value, json};

use crate::openai::error::ApiError;
use crate::openai::tools::{Function, Tool as ChatTool, ToolChoice as Choice};

use super::query::{Tool, ToolChoice, ToolChoiceKind};
use super::request::wrong;

/// Errors: 400 that names the tool at fault. A search for tools is left out and noted in `lost`: all are offered at once.
pub(super) fn offered(tools: Vec<Tool>, lost: &mut Vec<String>) -> Result<Vec<ChatTool>, ApiError> {
    let mut offered = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let function = match tool.kind.as_deref() {
            None | Some("custom") => own(tool, &path)?,
            Some(kind) if kind.starts_with("bash_") => shell(tool),
            Some(kind) if kind.starts_with("text_editor_") => editor(tool),
            Some(kind) if kind.starts_with("tool_search_") => {
                lost.push(path);
                continue;
            }
            Some(kind) => {
                let why = format_args!(
                    "`{kind}` is not offered here: it runs at Anthropic, or needs one of its models. Send tools of your own, `bash_…` or `text_editor_…`"
                );
                return Err(wrong(format!("{path}.type"), why));
            }
        };
        offered.push(ChatTool {
            kind: Some("function".to_owned()),
            function: Some(function),
        });
    }
    Ok(offered)
}

/// `path` of the tool.
fn own(tool: Tool, path: &str) -> Result<Function, ApiError> {
    let name = tool.name.filter(|name| !name.is_empty());
    Ok(Function {
        name: Some(name.ok_or_else(|| wrong(format!("{path}.name"), "is missing"))?),
        description: tool.description,
        parameters: tool.input_schema,
        strict: tool.strict,
    })
}

fn shell(tool: Tool) -> Function {
    let properties = json!({
        "command": {"type": "string", "description": "The command to run. Needed unless restart is true."},
        "restart": {"type": "boolean", "description": "Start the shell anew."},
    });
    function(
        tool.name.unwrap_or_else(|| "bash".to_owned()),
        "Runs a command in a shell that lives on from call to call, and returns what it prints.",
        properties,
        &[],
    )
}

fn editor(tool: Tool) -> Function {
    let modern = tool
        .kind
        .as_deref()
        .is_some_and(|kind| kind >= "text_editor_20250429");
    let mut commands = vec!["view", "create", "str_replace", "insert"];
    if !modern {
        commands.push("undo_edit");
    }
    let inserted = if modern { "insert_text" } else { "new_str" };
    let mut properties = json!({
        "command": {"type": "string", "enum": commands},
        "path": {"type": "string", "description": "Absolute path of a file, or of a directory to view."},
        "file_text": {"type": "string", "description": "For create: the whole file."},
        "old_str": {"type": "string", "description": "For str_replace: the text to replace, which must stand in the file exactly once."},
        "new_str": {"type": "string", "description": "For str_replace: what it is replaced by."},
        "insert_line": {"type": "integer", "description": "For insert: the line behind which the text goes, 0 for the beginning."},
        "view_range": {"type": "array", "items": {"type": "integer"}, "description": "For view: first and last line, from 1; -1 is the end."},
    });
    if let Some(properties) = properties.as_object_mut() {
        let text = json!({"type": "string", "description": "For str_replace what the text is replaced by; for insert the text."});
        properties.insert(inserted.to_owned(), text);
    }
    let name = if modern {
        "str_replace_based_edit_tool"
    } else {
        "str_replace_editor"
    };
    function(
        tool.name.unwrap_or_else(|| name.to_owned()),
        "Views, makes and changes text files.",
        properties,
        &["command", "path"],
    )
}

fn function(name: String, description: &str, properties: Value, required: &[&str]) -> Function {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties);
    schema.insert("required".to_owned(), json!(required));
    Function {
        name: Some(name),
        description: Some(description.to_owned()),
        parameters: Some(schema),
        strict: None,
    }
}

/// The choice, and whether calls may be parallel, if it says so. Errors: 400.
pub(super) fn choice(
    choice: Option<ToolChoice>,
) -> Result<(Option<Choice>, Option<bool>), ApiError> {
    let Some(choice) = choice else {
        return Ok((None, None));
    };
    let chosen = match choice.kind {
        None => return Err(wrong("tool_choice.type", "is missing")),
        Some(ToolChoiceKind::Auto) => Choice::Auto,
        Some(ToolChoiceKind::Any) => Choice::Required,
        Some(ToolChoiceKind::None) => Choice::None,
        Some(ToolChoiceKind::Tool) => Choice::Function {
            name: choice
                .name
                .filter(|name| !name.is_empty())
                .ok_or_else(|| wrong("tool_choice.name", "is missing"))?,
        },
    };
    let parallel = (choice.disable_parallel_tool_use == Some(true)).then_some(false);
    Ok((Some(chosen), parallel))
}
