//! The messages of a request in the GENERIC format: content always as a list of parts, tool calls flat.
//! Source: reference §4.2, §7 and §10.1.

use serde::de::IgnoredAny;
use serde_json::json;

use crate::json;
use crate::oci::wire::generic as wire;
use crate::openai::message::{
    CalledFunction, Content, InputAudio, InputFile, MediaUrl, Message, Part, PartKind, Role,
    ToolCall,
};

use crate::json::Text;

use super::BadRequest;
use super::quirks::Quirks;
use super::repair::{self, Turn};
use super::tools::NO_ARGUMENTS;

/// Repaired first, so that calls have ids and each result has the id of its call.
pub(super) fn messages(
    messages: Vec<Message>,
    quirks: Quirks,
) -> Result<Vec<wire::Message>, BadRequest> {
    let turns = repair::repair(messages, quirks)?;
    turns.into_iter().map(translate).collect()
}

fn translate(turn: Turn) -> Result<wire::Message, BadRequest> {
    let path = format!("messages[{}]", turn.at);
    let role = turn
        .message
        .role
        .ok_or_else(|| BadRequest::invalid(format!("{path}.role"), "is missing"))?;
    match role {
        // Which models know DEVELOPER is unknown; SYSTEM means the same to all.
        Role::System | Role::Developer => Ok(wire::Message::System {
            content: content(turn.message.content, &path)?,
            name: turn.message.name,
        }),
        Role::User => Ok(wire::Message::User {
            content: content(turn.message.content, &path)?,
            name: turn.message.name,
        }),
        Role::Assistant => assistant(turn, &path),
        Role::Tool | Role::Function => {
            let id = turn.message.tool_call_id.filter(|id| !id.is_empty());
            Ok(wire::Message::Tool {
                tool_call_id: id.ok_or_else(|| {
                    BadRequest::invalid(format!("{path}.tool_call_id"), "is missing")
                })?,
                content: vec![result_text(turn.message.content, &path)?],
            })
        }
    }
}

/// The model's own thoughts (`reasoning_content`) are not sent back: vendors disagree on whether they may be.
fn assistant(turn: Turn, path: &str) -> Result<wire::Message, BadRequest> {
    let message = turn.message;
    let mut tool_calls = Vec::with_capacity(message.tool_calls.len());
    for (at, call) in (turn.first_call..).zip(message.tool_calls) {
        tool_calls.push(tool_call(call, &format!("{path}.tool_calls[{at}]"))?);
    }
    let mut refusal = message.refusal;
    let mut content = parts(message.content, path, Some(&mut refusal))?;
    if is_blank(&content) {
        if message.audio.is_some() && refusal.is_none() {
            return Err(BadRequest::invalid(
                format!("{path}.audio"),
                "answers in sound are not kept here: send what was said as `content`",
            ));
        }
        content.clear();
        if tool_calls.is_empty() {
            content.push(text_part(Text::default()));
        }
    }
    Ok(wire::Message::Assistant {
        content,
        name: message.name,
        refusal,
        tool_calls,
    })
}

/// `path` of the call.
fn tool_call(call: ToolCall, path: &str) -> Result<wire::ToolCall, BadRequest> {
    match call.kind.as_deref() {
        Some("function" | "") | None => {}
        Some(other) => {
            let why = format!("calls of type `{other}` are not supported, only `function`");
            return Err(BadRequest::invalid(format!("{path}.type"), why));
        }
    }
    let mut flat = called_function(
        call.function.unwrap_or_default(),
        &format!("{path}.function"),
    )?;
    flat.id = call.id.filter(|id| !id.is_empty());
    Ok(flat)
}

/// `path` of the function. Without an id.
fn called_function(function: CalledFunction, path: &str) -> Result<wire::ToolCall, BadRequest> {
    let name = function.name.filter(|name| !name.is_empty());
    let arguments = function
        .arguments
        .filter(|arguments| !arguments.trim().is_empty());
    Ok(wire::ToolCall {
        id: None,
        name: name.ok_or_else(|| BadRequest::invalid(format!("{path}.name"), "is missing"))?,
        // What no arguments are in JSON; models that parse them fail on the empty string.
        arguments: arguments.map_or_else(|| NO_ARGUMENTS.to_owned(), whole_arguments),
    })
}

/// Models write arguments that are no JSON object now and then, and an answer that was cut off leaves half of one. Servers
/// that parse them fail on each further turn, so that such a text is kept whole, under one key.
fn whole_arguments(arguments: String) -> String {
    let is_object = arguments.trim_start().starts_with('{')
        && json::from_text::<IgnoredAny>(&arguments).is_ok();
    if is_object {
        arguments
    } else {
        json!({ "arguments": arguments }).to_string()
    }
}

/// Never empty: no content at all is one empty text.
fn content(content: Option<Content>, path: &str) -> Result<Vec<wire::Part>, BadRequest> {
    let mut parts = parts(content, path, None)?;
    if parts.is_empty() {
        parts.push(text_part(Text::default()));
    }
    Ok(parts)
}

/// The parts as they are; a refusal goes into `refusal` where the role has one.
fn parts(
    content: Option<Content>,
    path: &str,
    mut refusal: Option<&mut Option<String>>,
) -> Result<Vec<wire::Part>, BadRequest> {
    match content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![text_part(text)]),
        Some(Content::Parts(parts)) => {
            let mut translated = Vec::with_capacity(parts.len());
            for mut part in parts {
                let at = part.at;
                if part.kind == Some(PartKind::Refusal)
                    && let Some(slot) = refusal.as_deref_mut()
                {
                    *slot = part.refusal.take().or(slot.take());
                } else {
                    translated.push(translate_part(part, &format!("{path}.content[{at}]"))?);
                }
            }
            Ok(translated)
        }
    }
}

fn translate_part(part: Part, path: &str) -> Result<wire::Part, BadRequest> {
    let missing = |field: &str| BadRequest::invalid(format!("{path}.{field}"), "is missing");
    match part.kind {
        None => part.text.map(text_part).ok_or_else(|| missing("type")),
        Some(PartKind::Text) => part.text.map(text_part).ok_or_else(|| missing("text")),
        Some(PartKind::ImageUrl) => Ok(wire::Part::Image {
            image_url: media_url(part.image_url, "image_url", path)?,
        }),
        Some(PartKind::VideoUrl) => Ok(wire::Part::Video {
            video_url: media_url(part.video_url, "video_url", path)?,
        }),
        Some(PartKind::InputAudio) => {
            let audio = part.input_audio.ok_or_else(|| missing("input_audio"))?;
            Ok(wire::Part::Audio {
                audio_url: audio_url(audio, path)?,
            })
        }
        Some(PartKind::File) => {
            let mut file = part.file.ok_or_else(|| missing("file"))?;
            Ok(wire::Part::Document {
                file_name: file.filename.take(),
                document_url: document_url(file, path)?,
            })
        }
        Some(PartKind::Refusal) => Err(BadRequest::invalid(
            format!("{path}.type"),
            "a `refusal` can only be an assistant's",
        )),
    }
}

fn media_url(
    media: Option<MediaUrl>,
    field: &str,
    path: &str,
) -> Result<wire::MediaUrl, BadRequest> {
    let media = media.unwrap_or_default();
    let url = media.url.filter(|url| !url.is_empty());
    // An unknown detail costs nothing but a hint: it is left out.
    let detail = media.detail.and_then(|detail| {
        ["AUTO", "HIGH", "LOW"]
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(&detail))
    });
    Ok(wire::MediaUrl {
        url: url.ok_or_else(|| BadRequest::invalid(format!("{path}.{field}.url"), "is missing"))?,
        detail,
    })
}

fn audio_url(audio: InputAudio, path: &str) -> Result<wire::MediaUrl, BadRequest> {
    let missing =
        |field: &str| BadRequest::invalid(format!("{path}.input_audio.{field}"), "is missing");
    let mut url = audio
        .data
        .filter(|data| !data.is_empty())
        .ok_or_else(|| missing("data"))?;
    if !url.starts_with("data:") {
        let format = audio.format.ok_or_else(|| missing("format"))?;
        url.insert_str(0, &format!("data:audio/{format};base64,"));
    }
    Ok(wire::MediaUrl {
        url: url.into(),
        detail: None,
    })
}

fn document_url(file: InputFile, path: &str) -> Result<wire::MediaUrl, BadRequest> {
    let Some(mut url) = file.file_data.filter(|data| !data.is_empty()) else {
        return Err(match file.file_id {
            Some(_) => BadRequest::invalid(
                format!("{path}.file.file_id"),
                "there are no uploaded files here: send the contents as `file_data`",
            ),
            None => BadRequest::invalid(format!("{path}.file.file_data"), "is missing"),
        });
    };
    if !["data:", "http:", "https:"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        // Bare base64: PDF is what OpenAI reads there.
        url.insert_str(0, "data:application/pdf;base64,");
    }
    Ok(wire::MediaUrl {
        url: url.into(),
        detail: None,
    })
}

/// A tool's result. OCI's models want one text there, so several are joined.
fn result_text(content: Option<Content>, path: &str) -> Result<wire::Part, BadRequest> {
    match content {
        None => Ok(text_part(Text::default())),
        Some(content) => plain_text(content, &format!("{path}.content")).map(text_part),
    }
}

/// The joined text of content that may hold nothing else. `path` of the content.
pub(super) fn plain_text(content: Content, path: &str) -> Result<Text, BadRequest> {
    let parts = match content {
        Content::Text(text) => return Ok(text),
        Content::Parts(parts) => parts,
    };
    let mut texts = Vec::with_capacity(parts.len());
    for part in parts {
        let at = part.at;
        match part
            .text
            .filter(|_| matches!(part.kind, None | Some(PartKind::Text)))
        {
            Some(text) => texts.push(text),
            None => {
                return Err(BadRequest::invalid(
                    format!("{path}[{at}].type"),
                    "only `text` is possible here",
                ));
            }
        }
    }
    Ok(Text::joined(texts, ""))
}

fn text_part(text: Text) -> wire::Part {
    wire::Part::Text { text }
}

/// Whether there is nothing but empty text.
fn is_blank(parts: &[wire::Part]) -> bool {
    parts.iter().all(|part| match part {
        wire::Part::Text { text } => text.is_empty(),
        wire::Part::Image { .. }
        | wire::Part::Document { .. }
        | wire::Part::Video { .. }
        | wire::Part::Audio { .. } => false,
    })
}
