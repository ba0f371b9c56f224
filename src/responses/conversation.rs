//! The items of a conversation as the messages of a chat. What the model said and called in one turn stands in several items
//! here, and is one message there.

use serde_json::{Value, json};

use crate::openai::error::ApiError;
use crate::openai::message::{
    CalledFunction, Content, InputFile, MediaUrl, Message, Part, PartKind, Role, ToolCall,
};

use super::places::Places;
use super::request::{self, Body, Input, Item};
use super::tools::{INPUT, Names};

/// The function that a call of OpenAI's own shell tool is told as.
const LOCAL_SHELL: &str = "local_shell";

/// The messages, and where they stood.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) messages: Vec<Message>,
    pub(super) places: Places,
}

/// What an item is. Its names are those of the API.
enum Kind {
    Message,
    FunctionCall,
    CustomToolCall,
    LocalShellCall,
    /// Of any of the three.
    Output,
    /// Thoughts, and the records of tools that only OpenAI runs: the model reads what it said of them.
    Record,
    Reference,
    Unknown,
}

impl Kind {
    fn of(item: &Item) -> Self {
        match item.kind.as_deref() {
            // SDKs may leave it out of a reference, which has neither role nor content.
            None if item.id.is_some() && item.role.is_none() && item.content.is_none() => {
                Self::Reference
            }
            None | Some("message") => Self::Message,
            Some("function_call") => Self::FunctionCall,
            Some("custom_tool_call") => Self::CustomToolCall,
            Some("local_shell_call") => Self::LocalShellCall,
            Some(
                "function_call_output" | "custom_tool_call_output" | "local_shell_call_output",
            ) => Self::Output,
            Some(
                "reasoning"
                | "web_search_call"
                | "file_search_call"
                | "code_interpreter_call"
                | "image_generation_call"
                | "mcp_list_tools"
                | "mcp_call"
                | "tool_search_call"
                | "tool_search_output",
            ) => Self::Record,
            Some("item_reference") => Self::Reference,
            Some(_) => Self::Unknown,
        }
    }
}

/// Errors: 400 that names the item.
pub(super) fn chat(
    instructions: Option<String>,
    input: Option<Input>,
    names: &Names,
) -> Result<Said, ApiError> {
    let mut said = Said::default();
    if let Some(text) = instructions.filter(|text| !text.is_empty()) {
        said.push(
            spoken(Role::System, Some(text.into())),
            "instructions".to_owned(),
        );
    }
    match input {
        None => {}
        Some(Input::Text(text)) => {
            said.push(spoken(Role::User, Some(text.into())), "input".to_owned())
        }
        Some(Input::Items(items)) => {
            for (at, item) in items.into_iter().enumerate() {
                said.take(item, format!("input[{at}]"), names)?;
            }
        }
    }
    if said.messages.is_empty() {
        let message = "`input` has nothing for the model to answer";
        return Err(ApiError::invalid_request(message, Some("input".to_owned())));
    }
    Ok(said)
}

impl Said {
    fn push(&mut self, message: Message, place: String) {
        self.places.push(place);
        self.messages.push(message);
    }

    fn take(&mut self, item: Item, place: String, names: &Names) -> Result<(), ApiError> {
        match Kind::of(&item) {
            Kind::Message => self.message(item, place),
            Kind::FunctionCall => {
                let name = names.in_chat(
                    item.namespace.as_deref(),
                    needed(item.name, &place, "name")?,
                );
                let id = needed(item.call_id, &place, "call_id")?;
                self.call(id, name, item.arguments.unwrap_or_default(), place);
                Ok(())
            }
            Kind::CustomToolCall => {
                let name = names.in_chat(
                    item.namespace.as_deref(),
                    needed(item.name, &place, "name")?,
                );
                let id = needed(item.call_id, &place, "call_id")?;
                let arguments = json!({INPUT: item.input.unwrap_or_default()}).to_string();
                self.call(id, name, arguments, place);
                Ok(())
            }
            Kind::LocalShellCall => {
                let id = needed(item.call_id.or(item.id), &place, "call_id")?;
                let action = item
                    .action
                    .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
                self.call(id, LOCAL_SHELL.to_owned(), action.to_string(), place);
                Ok(())
            }
            Kind::Output => {
                let id = needed(item.call_id.or(item.id), &place, "call_id")?;
                let content = item
                    .output
                    .map(|output| content(output, &place, "output"))
                    .transpose()?;
                let content = content.unwrap_or_else(|| String::new().into());
                let result = Message {
                    tool_call_id: Some(id),
                    ..spoken(Role::Tool, Some(content))
                };
                self.push(result, place);
                Ok(())
            }
            Kind::Record => Ok(()),
            Kind::Reference => {
                let message = format!(
                    "`{place}`: no item is stored here. Send the item itself instead of a reference to it."
                );
                Err(ApiError::invalid_request(message, Some(place)))
            }
            Kind::Unknown => {
                let kind = item.kind.unwrap_or_default();
                Err(refused(
                    format!("{place}.type"),
                    &format!("items of the type `{kind}` are not supported"),
                ))
            }
        }
    }

    fn message(&mut self, item: Item, place: String) -> Result<(), ApiError> {
        let role = match item.role.as_deref() {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("developer") => Role::Developer,
            Some(other) => {
                let why =
                    format!("`{other}` is none of `user`, `assistant`, `system`, `developer`");
                return Err(refused(format!("{place}.role"), &why));
            }
            None => return Err(refused(format!("{place}.role"), "is missing")),
        };
        let content = item
            .content
            .map(|body| content(body, &place, "content"))
            .transpose()?;
        // A model may speak between its calls. Their results follow both.
        let open = self.messages.last_mut().filter(|last| {
            role == Role::Assistant && last.role == Some(role) && last.content.is_none()
        });
        match open {
            Some(last) => last.content = content,
            None => self.push(spoken(role, content), place),
        }
        Ok(())
    }

    /// Calls of one turn go together, with what was said before them.
    fn call(&mut self, id: String, name: String, arguments: String, place: String) {
        let call = ToolCall {
            id: Some(id),
            kind: Some("function".to_owned()),
            function: Some(CalledFunction {
                name: Some(name),
                arguments: Some(arguments),
            }),
        };
        match self.messages.last_mut() {
            Some(last) if last.role == Some(Role::Assistant) => last.tool_calls.push(call),
            Some(_) | None => {
                let turn = Message {
                    tool_calls: vec![call],
                    ..spoken(Role::Assistant, None)
                };
                self.push(turn, place);
            }
        }
    }
}

fn spoken(role: Role, content: Option<Content>) -> Message {
    Message {
        role: Some(role),
        content,
        ..Message::default()
    }
}

fn content(body: Body, place: &str, field: &str) -> Result<Content, ApiError> {
    match body {
        Body::Text(text) => Ok(text.into()),
        Body::Parts(parts) => {
            let parts = parts
                .into_iter()
                .enumerate()
                .map(|(at, part)| self::part(part, at, || format!("{place}.{field}[{at}]")));
            Ok(Content::Parts(parts.collect::<Result<_, _>>()?))
        }
    }
}

fn part(part: request::Part, at: usize, place: impl Fn() -> String) -> Result<Part, ApiError> {
    let kind = match part.kind.as_deref() {
        None | Some("input_text" | "output_text" | "text" | "summary_text" | "reasoning_text") => {
            PartKind::Text
        }
        Some("refusal") => PartKind::Refusal,
        Some("input_image" | "image_url") => PartKind::ImageUrl,
        Some("input_audio") => PartKind::InputAudio,
        Some("input_file") => PartKind::File,
        Some(other) => {
            let why = format!("parts of the type `{other}` are not supported");
            return Err(refused(format!("{}.type", place()), &why));
        }
    };
    let mut image_url = part.image_url;
    if kind == PartKind::ImageUrl && image_url.is_none() {
        let (field, why) = match part.file_id {
            Some(_) => (
                "file_id",
                "no file is stored here: send the image in `image_url`, as a data URI",
            ),
            None => ("image_url", "is missing"),
        };
        return Err(refused(format!("{}.{field}", place()), why));
    }
    if kind == PartKind::File && part.file_url.is_some() && part.file_data.is_none() {
        let why = "files are not fetched here: send the file in `file_data`";
        return Err(refused(format!("{}.file_url", place()), why));
    }
    if let Some(image) = &mut image_url {
        image.detail = image.detail.take().or(part.detail);
    }
    Ok(Part {
        at,
        kind: Some(kind),
        text: part.text,
        refusal: part.refusal,
        image_url: image_url.filter(|image: &MediaUrl| image.url.is_some()),
        video_url: None,
        input_audio: part.input_audio,
        file: (kind == PartKind::File).then_some(InputFile {
            file_data: part.file_data,
            filename: part.filename,
            file_id: part.file_id,
        }),
    })
}

fn needed(value: Option<String>, place: &str, field: &str) -> Result<String, ApiError> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| refused(format!("{place}.{field}"), "is missing"))
}

fn refused(param: String, why: &str) -> ApiError {
    ApiError::invalid_request(format!("`{param}`: {why}"), Some(param))
}
