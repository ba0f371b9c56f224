//! Writes the answer to a chat as the Messages API has it.

use crate::names::RequestId;
use crate::openai::chat::ChatCompletion;
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;
use crate::openai::render::{Event, Render};

use super::stream::Stream;
use super::{answer, error};

pub(crate) struct MessageRender {
    request_id: RequestId,
    shows_thoughts: bool,
    stream: Stream,
}

impl MessageRender {
    /// `shows_thoughts`: the client asked for them.
    pub(crate) fn new(request_id: RequestId, shows_thoughts: bool) -> Self {
        Self {
            request_id,
            shows_thoughts,
            stream: Stream::new(shows_thoughts),
        }
    }
}

impl Render for MessageRender {
    fn whole(&mut self, completion: ChatCompletion) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&answer::message(&completion, self.shows_thoughts))
    }

    fn chunks(&mut self, chunks: Vec<ChatChunk>) -> Vec<Event> {
        let mut events = Vec::new();
        for chunk in chunks {
            self.stream.push(chunk, &mut events);
        }
        events
    }

    fn end(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.stream.end(&mut events);
        events
    }

    fn error(&mut self, error: &ApiError) -> Vec<Event> {
        vec![Event {
            name: Some("error"),
            data: error::to_json(error, self.request_id.as_str()),
        }]
    }
}
