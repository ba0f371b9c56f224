//! How the answer to a chat is written for the API that asked for it. Each endpoint that answers with a chat reads its own
//! request into a [`ChatRequest`](super::chat::ChatRequest) and brings a [`Render`]; everything between the two is one path.

use super::chat::ChatCompletion;
use super::chunk::ChatChunk;
use super::error::ApiError;

/// What the last event of a chat's stream says.
const DONE: &str = "[DONE]";

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its `event:` line, if it has one.
    pub(crate) name: Option<&'static str>,
    /// Its `data:` line: without line breaks.
    pub(crate) data: String,
}

impl Event {
    /// Without a name.
    pub(crate) fn data(data: impl Into<String>) -> Self {
        Self {
            name: None,
            data: data.into(),
        }
    }
}

/// What is known of a stream that was copied so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The answer's id.
    pub(crate) id: String,
    pub(crate) model: String,
    /// Unix seconds.
    pub(crate) created: u64,
    /// The number that the next event has.
    pub(crate) next: u64,
}

/// Writes one answer: whole, or as a stream. Of a stream it may keep what its later events need.
pub(crate) trait Render {
    /// The body of a whole answer. Errors: what serde says; none is expected.
    fn whole(&mut self, completion: ChatCompletion) -> Result<Vec<u8>, serde_json::Error>;

    /// The events that chunks which arrived together become; perhaps none.
    fn chunks(&mut self, chunks: Vec<ChatChunk>) -> Vec<Event>;

    /// The last events of a whole stream.
    fn end(&mut self) -> Vec<Event>;

    /// The last events of a stream that breaks off.
    fn error(&mut self, error: &ApiError) -> Vec<Event>;

    /// Upstream's own events have gone to the client so far: what is [told](Self::error) now comes behind them.
    fn copied(&mut self, _begun: &Begun) {}

    /// An error about the chat, with the names that its fields have in the API's request.
    fn refusal(&self, error: ApiError) -> ApiError {
        error
    }
}

/// As the chat completions API has it.
pub(crate) struct ChatRender;

impl Render for ChatRender {
    fn whole(&mut self, completion: ChatCompletion) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&completion)
    }

    fn chunks(&mut self, chunks: Vec<ChatChunk>) -> Vec<Event> {
        // Chunks are made of strings and numbers, which always serialise.
        let data = chunks
            .iter()
            .filter_map(|chunk| serde_json::to_string(chunk).ok());
        data.map(Event::data).collect()
    }

    fn end(&mut self) -> Vec<Event> {
        vec![Event::data(DONE)]
    }

    /// Without `[DONE]`: the answer is not whole.
    fn error(&mut self, error: &ApiError) -> Vec<Event> {
        vec![Event::data(error.to_json())]
    }
}
