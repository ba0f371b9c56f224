//! `POST /v1/completions`, the legacy API: answered with a chat.

use crate::completions;
use crate::dispatch::request::Conversation;
use crate::names::RequestId;
use crate::openai::error::ApiError;

pub(crate) fn read(body: &[u8], _id: &RequestId) -> Result<Conversation, ApiError> {
    let (request, completing) = completions::read(body)?;
    Ok(Conversation {
        request,
        render: Box::new(completing),
        lost: Vec::new(),
    })
}
