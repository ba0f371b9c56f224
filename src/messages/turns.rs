//! The turns of a conversation as a chat's messages. A user's turn may hold results of tools and words of its own: the results
//! come first, each a message, in their order, and what else was said follows as the user's. Thoughts of earlier answers are left
//! out: no model takes another one's.

use std::fmt;

use crate::json::Text;
use crate::openai::error::ApiError;
use crate::openai::message::{
    CalledFunction, Content as ChatContent, InputFile, MediaUrl, Message, Part, PartKind,
    Role as ChatRole, ToolCall,
};

use super::blocks::{Block, Content, Source};
use super::query::{Role, Turn};
use super::request::wrong;

/// What a tool's result begins with that is an error: a chat has no other word for it.
const FAILED: &str = "Error: ";
/// Between texts that become one.
const BETWEEN: &str = "\n";
const BETWEEN_INSTRUCTIONS: &str = "\n\n";

/// Errors: 400 that names the block at fault.
pub(super) fn messages(
    system: Option<Content>,
    turns: Vec<Turn>,
) -> Result<Vec<Message>, ApiError> {
    let mut messages = Vec::with_capacity(turns.len() + 1);
    if let Some(system) = system {
        let text = plain_text(system, "system", BETWEEN_INSTRUCTIONS)?;
        messages.push(said(ChatRole::System, 0, text));
    }
    for (at, turn) in turns.into_iter().enumerate() {
        let path = format!("messages[{at}]");
        let role = turn
            .role
            .ok_or_else(|| wrong(format!("{path}.role"), "is missing"))?;
        let content = turn
            .content
            .unwrap_or_else(|| Content::Text(Text::default()));
        match (role, content) {
            (Role::System, content) => {
                let text = plain_text(content, &format!("{path}.content"), BETWEEN_INSTRUCTIONS)?;
                messages.push(said(ChatRole::System, at, text));
            }
            (Role::User, Content::Text(text)) => messages.push(said(ChatRole::User, at, text)),
            (Role::User, Content::Blocks(blocks)) => user(blocks, at, &path, &mut messages)?,
            (Role::Assistant, Content::Text(text)) => {
                messages.push(said(ChatRole::Assistant, at, text));
            }
            (Role::Assistant, Content::Blocks(blocks)) => {
                messages.push(assistant(blocks, at, &path)?);
            }
        }
    }
    Ok(messages)
}

fn said(role: ChatRole, at: usize, content: impl Into<ChatContent>) -> Message {
    Message {
        role: Some(role),
        at: Some(at),
        content: Some(content.into()),
        ..Message::default()
    }
}

/// `path` of the turn.
fn user(
    blocks: Vec<Block>,
    at: usize,
    path: &str,
    messages: &mut Vec<Message>,
) -> Result<(), ApiError> {
    let mut parts = Vec::new();
    let before = messages.len();
    for (number, block) in blocks.into_iter().enumerate() {
        let place = format!("{path}.content[{number}]");
        if block.kind.as_deref() == Some("tool_result") {
            messages.push(result(block, at, &place)?);
        } else {
            push_parts(block, number, &place, &mut parts)?;
        }
    }
    if !parts.is_empty() || messages.len() == before {
        messages.push(said(ChatRole::User, at, parts));
    }
    Ok(())
}

/// `path` of the block.
fn result(block: Block, at: usize, path: &str) -> Result<Message, ApiError> {
    let id = block.tool_use_id.filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| wrong(format!("{path}.tool_use_id"), "is missing"))?;
    let mut parts = Vec::new();
    match block.content {
        None => {}
        Some(Content::Text(text)) => parts.push(text_part(text, 0)),
        Some(Content::Blocks(blocks)) => {
            for (number, inner) in blocks.into_iter().enumerate() {
                let place = format!("{path}.content[{number}]");
                push_parts(inner, number, &place, &mut parts)?;
            }
        }
    }
    let (mut text, media) = divided(parts);
    if block.is_error == Some(true) {
        text = format!("{FAILED}{}", text.read()).into();
    }
    let content = if media.is_empty() {
        ChatContent::Text(text)
    } else {
        // A chat's tools answer in text: what else there is moves behind the results on its way to OCI.
        let first = (!text.is_empty()).then(|| text_part(text, 0));
        ChatContent::Parts(first.into_iter().chain(media).collect())
    };
    let mut message = said(ChatRole::Tool, at, content);
    message.tool_call_id = Some(id);
    Ok(message)
}

/// The texts as one, and what is none.
fn divided(parts: Vec<Part>) -> (Text, Vec<Part>) {
    let mut texts = Vec::new();
    let mut media = Vec::new();
    for part in parts {
        match part.text {
            Some(text) => texts.push(text),
            None => media.push(part),
        }
    }
    (Text::joined(texts, BETWEEN), media)
}

/// `path` of the turn.
fn assistant(blocks: Vec<Block>, at: usize, path: &str) -> Result<Message, ApiError> {
    let mut parts = Vec::new();
    let mut tool_calls = Vec::new();
    for (number, block) in blocks.into_iter().enumerate() {
        let place = format!("{path}.content[{number}]");
        match block.kind.as_deref() {
            Some("thinking" | "redacted_thinking") => {}
            Some("tool_use") => tool_calls.push(tool_call(block, &place)?),
            Some("text") | None => push_parts(block, number, &place, &mut parts)?,
            Some(other) => return Err(unknown(other, &place)),
        }
    }
    Ok(Message {
        role: Some(ChatRole::Assistant),
        at: Some(at),
        content: (!parts.is_empty()).then_some(ChatContent::Parts(parts)),
        tool_calls,
        ..Message::default()
    })
}

/// `path` of the block.
fn tool_call(block: Block, path: &str) -> Result<ToolCall, ApiError> {
    let name = block.name.filter(|name| !name.is_empty());
    Ok(ToolCall {
        id: block.id,
        kind: Some("function".to_owned()),
        function: Some(CalledFunction {
            name: Some(name.ok_or_else(|| wrong(format!("{path}.name"), "is missing"))?),
            arguments: block.input,
        }),
    })
}

/// What a user's block, or one in a tool's result, is in a chat. `number`: its place in its list; `path`: the whole of it.
fn push_parts(
    block: Block,
    number: usize,
    path: &str,
    parts: &mut Vec<Part>,
) -> Result<(), ApiError> {
    match block.kind.as_deref() {
        Some("text") | None => {
            let text = block
                .text
                .ok_or_else(|| wrong(format!("{path}.text"), "is missing"))?;
            parts.push(text_part(text, number));
        }
        Some("image") => parts.push(image(source(block.source, path)?, number, path)?),
        Some("document") => document(block, number, path, parts)?,
        Some("search_result") => parts.push(text_part(search_result(block, path)?, number)),
        Some("tool_reference") => {
            let name = block.tool_name.unwrap_or_default();
            parts.push(text_part(format!("The tool {name} is at hand."), number));
        }
        Some(other) => return Err(unknown(other, path)),
    }
    Ok(())
}

fn unknown(kind: &str, path: &str) -> ApiError {
    let why = format_args!(
        "`{kind}` cannot be sent to these models: send text, images, documents, and calls and results of the client's own tools"
    );
    wrong(format!("{path}.type"), why)
}

fn source(source: Option<Source>, path: &str) -> Result<Source, ApiError> {
    source.ok_or_else(|| wrong(format!("{path}.source"), "is missing"))
}

fn image(source: Source, at: usize, path: &str) -> Result<Part, ApiError> {
    let url = match source.kind.as_deref() {
        Some("base64") => data_uri(source, "image/png", path)?,
        Some("url") => url(source, path)?,
        other => return Err(unknown_source(other, "`base64` or `url`", path)),
    };
    Ok(Part {
        at,
        kind: Some(PartKind::ImageUrl),
        image_url: Some(MediaUrl {
            url: Some(url.into()),
            detail: None,
        }),
        ..Part::default()
    })
}

/// A PDF goes as a file, text as text.
fn document(block: Block, at: usize, path: &str, parts: &mut Vec<Part>) -> Result<(), ApiError> {
    let source = source(block.source, path)?;
    let about = [block.title.as_deref(), block.context.as_deref()];
    let about: Vec<_> = about.into_iter().flatten().collect();
    let file = match source.kind.as_deref() {
        Some("base64") => data_uri(source, "application/pdf", path)?,
        Some("url") => url(source, path)?,
        Some("text") => {
            let data = source
                .data
                .ok_or_else(|| wrong(format!("{path}.source.data"), "is missing"))?;
            parts.push(text_part(with_heading(&about, data), at));
            return Ok(());
        }
        Some("content") => {
            let heading = about.join(BETWEEN);
            if !heading.is_empty() {
                parts.push(text_part(heading, at));
            }
            return push_content(source.content, at, path, parts);
        }
        other => {
            let known = "`base64`, `url`, `text` or `content`";
            return Err(unknown_source(other, known, path));
        }
    };
    if let Some(context) = block.context {
        parts.push(text_part(context, at));
    }
    parts.push(Part {
        at,
        kind: Some(PartKind::File),
        file: Some(InputFile {
            file_data: Some(file),
            filename: block.title,
            file_id: None,
        }),
        ..Part::default()
    });
    Ok(())
}

/// What a document is made of that was cut by the client.
fn push_content(
    content: Option<Content>,
    at: usize,
    path: &str,
    parts: &mut Vec<Part>,
) -> Result<(), ApiError> {
    match content {
        None => Err(wrong(format!("{path}.source.content"), "is missing")),
        Some(Content::Text(text)) => {
            parts.push(text_part(text, at));
            Ok(())
        }
        Some(Content::Blocks(blocks)) => {
            for (number, block) in blocks.into_iter().enumerate() {
                let place = format!("{path}.source.content[{number}]");
                match block.kind.as_deref() {
                    Some("text" | "image") | None => push_parts(block, at, &place, parts)?,
                    Some(other) => return Err(unknown(other, &place)),
                }
            }
            Ok(())
        }
    }
}

fn search_result(block: Block, path: &str) -> Result<String, ApiError> {
    let text = match block.content {
        Some(content) => plain_text(content, &format!("{path}.content"), BETWEEN)?.into_string(),
        None => String::new(),
    };
    let url = block.source.and_then(|source| source.url);
    let about: Vec<_> = [block.title.as_deref(), url.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    Ok(with_heading(&about, text))
}

fn with_heading(lines: &[&str], text: String) -> String {
    if lines.is_empty() {
        return text;
    }
    format!("{}{BETWEEN}{text}", lines.join(BETWEEN))
}

/// `path` of the block, here and below.
fn data_uri(source: Source, otherwise: &str, path: &str) -> Result<String, ApiError> {
    let data = source.data.filter(|data| !data.is_empty());
    let mut data = data.ok_or_else(|| wrong(format!("{path}.source.data"), "is missing"))?;
    let kind = source.media_type.as_deref().unwrap_or(otherwise);
    // In the place where it is: an image is most of a request.
    data.insert_str(0, &format!("data:{kind};base64,"));
    Ok(data)
}

fn url(source: Source, path: &str) -> Result<String, ApiError> {
    let url = source.url.filter(|url| !url.is_empty());
    url.ok_or_else(|| wrong(format!("{path}.source.url"), "is missing"))
}

fn unknown_source(kind: Option<&str>, known: impl fmt::Display, path: &str) -> ApiError {
    let place = format!("{path}.source.type");
    match kind {
        None => wrong(place, format_args!("is missing: {known}")),
        Some("file") => wrong(
            place,
            format_args!("there are no uploaded files here: send the contents, as {known}"),
        ),
        Some(other) => wrong(place, format_args!("`{other}` is not known: send {known}")),
    }
}

/// The text of content that may hold nothing else. `path` of the content.
fn plain_text(content: Content, path: &str, between: &str) -> Result<Text, ApiError> {
    let blocks = match content {
        Content::Text(text) => return Ok(text),
        Content::Blocks(blocks) => blocks,
    };
    let mut texts = Vec::with_capacity(blocks.len());
    for (number, block) in blocks.into_iter().enumerate() {
        let place = format!("{path}[{number}]");
        match block.kind.as_deref() {
            Some("text") | None => texts.push(
                block
                    .text
                    .ok_or_else(|| wrong(format!("{place}.text"), "is missing"))?,
            ),
            Some(_) => {
                return Err(wrong(
                    format!("{place}.type"),
                    "only `text` is possible here",
                ));
            }
        }
    }
    Ok(Text::joined(texts, between))
}

fn text_part(text: impl Into<Text>, at: usize) -> Part {
    Part {
        at,
        kind: Some(PartKind::Text),
        text: Some(text.into()),
        ..Part::default()
    }
}
