//! How many tokens a request has, about. Each vendor's models count in their own way, and OCI has no call that counts: this is an
//! estimate, by a rule that is written down, and the answer says so.
//!
//! Four ASCII characters are a token, every other character is one; an image is 1600, a file a token for each 32 bytes of its
//! base64; a message and a tool have 4 more than what is in them.

use serde::Serialize;

use crate::openai::chat::ChatRequest;
use crate::openai::message::{Content, Message, Part};
use crate::openai::tools::Tool;

const ASCII_PER_TOKEN: usize = 4;
const IMAGE_TOKENS: usize = 1_600;
const FILE_BYTES_PER_TOKEN: usize = 32;
/// Of a message or a tool, beside its content.
const FRAME_TOKENS: usize = 4;

#[derive(Debug, Serialize)]
pub(crate) struct Count {
    input_tokens: usize,
}

/// What is sent of a request to a model, counted.
pub(crate) fn count(request: &ChatRequest) -> Count {
    let mut total = Total::default();
    for message in &request.messages {
        total.message(message);
    }
    for tool in &request.tools {
        total.tool(tool);
    }
    Count {
        input_tokens: total.tokens + total.ascii.div_ceil(ASCII_PER_TOKEN),
    }
}

#[derive(Default)]
struct Total {
    ascii: usize,
    tokens: usize,
}

impl Total {
    fn message(&mut self, message: &Message) {
        self.tokens += FRAME_TOKENS;
        match &message.content {
            None => {}
            Some(Content::Text(text)) => self.text(&text.read()),
            Some(Content::Parts(parts)) => parts.iter().for_each(|part| self.part(part)),
        }
        for call in &message.tool_calls {
            self.tokens += FRAME_TOKENS;
            if let Some(function) = &call.function {
                let texts = [&function.name, &function.arguments];
                texts.into_iter().flatten().for_each(|text| self.text(text));
            }
        }
    }

    fn part(&mut self, part: &Part) {
        if let Some(text) = &part.text {
            self.text(&text.read());
        }
        if part.image_url.is_some() {
            self.tokens += IMAGE_TOKENS;
        }
        if let Some(data) = part.file.as_ref().and_then(|file| file.file_data.as_ref()) {
            self.tokens += data.len() / FILE_BYTES_PER_TOKEN;
        }
    }

    fn tool(&mut self, tool: &Tool) {
        self.tokens += FRAME_TOKENS;
        let Some(function) = &tool.function else {
            return;
        };
        let texts = [&function.name, &function.description];
        texts.into_iter().flatten().for_each(|text| self.text(text));
        let schema = function
            .parameters
            .as_ref()
            .and_then(|schema| serde_json::to_string(schema).ok());
        self.text(schema.as_deref().unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        let ascii = text.bytes().filter(u8::is_ascii).count();
        // A character that is not ASCII begins with one of these, and continues with others.
        let others = text.bytes().filter(|byte| *byte >= 0xC0).count();
        self.ascii += ascii;
        self.tokens += others;
    }
}
