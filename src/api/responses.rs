//! `/v1/responses`: answered with a chat, and never stored.

use crate::dispatch::request::Conversation;
use crate::names::RequestId;
use crate::openai::error::ApiError;
use crate::responses;

/// `POST /v1/responses`.
pub(crate) fn read(body: &[u8], _id: &RequestId) -> Result<Conversation, ApiError> {
    let asked = responses::read(body)?;
    Ok(Conversation {
        request: asked.chat,
        render: Box::new(asked.answering),
        lost: asked.left_out,
    })
}
