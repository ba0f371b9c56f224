//! `POST /v1/messages`, read for the one path that all chats take, and `POST /v1/messages/count_tokens`, which nobody is asked for.

use crate::api::{Live, models, served};
use crate::dispatch::request::Conversation;
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::messages::count::{Count, count};
use crate::messages::render::MessageRender;
use crate::messages::request::{self, Translated};
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// Names what of an answer is an estimate.
const ESTIMATED: (&str, &str) = ("X-Ociai-Estimated", "input_tokens");

/// `POST /v1/messages`. Errors: 400 that names the field at fault.
pub(super) fn read(body: &[u8], id: &RequestId) -> Result<Conversation, ApiError> {
    let Translated {
        request,
        shows_thoughts,
        lost,
    } = request::parse(body)?.into_chat()?;
    Ok(Conversation {
        request,
        render: Box::new(MessageRender::new(id.clone(), shows_thoughts)),
        lost,
    })
}

/// `POST /v1/messages/count_tokens`: an estimate, and said to be one.
pub(super) fn count_tokens(live: &Live, exchange: &Exchange) -> Reply {
    match counted(live, exchange) {
        Ok(count) => {
            let (name, value) = ESTIMATED;
            models::json(&count).with_header(name, value)
        }
        Err(error) => Reply::error(&error),
    }
}

fn counted(live: &Live, exchange: &Exchange) -> Result<Count, ApiError> {
    let (body, memory) = served::body(exchange)?;
    let translated = request::parse(&body)?.into_chat()?;
    let name = &translated.request.model;
    live.resolve(name)?;
    let count = count(&translated.request);
    drop(memory);
    Ok(count)
}
