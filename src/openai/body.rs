//! Reads the body of a request, whichever endpoint it is for, and says of one that does not parse which field is at fault.
//! Knows no particular request.

use serde::de::DeserializeOwned;

use crate::json::{self, Fault};

use super::error::ApiError;
use super::path;

/// The longest text of an error about a request, in bytes: serde quotes the offending value in full.
const MAX_ERROR_BYTES: usize = 400;

/// The request that a body is. `what` names its kind in the error's text: `chat`. Errors: 400 with the path of the field at
/// fault in `param`.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, ApiError> {
    // serde would take an array's items for the fields, in the order in which they stand in the type.
    if body.trim_ascii_start().starts_with(b"[") {
        let message = format!("the body is not a {what} request: expected an object");
        return Err(ApiError::invalid_request(message, None));
    }
    json::read(body).map_err(|error| {
        // The text that the error is about.
        let whole = json::with_whole_characters(body);
        explain(whole.as_deref().unwrap_or(body), &error, what)
    })
}

/// What the client is told of a body that did not parse.
fn explain(body: &[u8], error: &serde_json::Error, what: &str) -> ApiError {
    let Some(Fault { why, place }) = Fault::of(body, error) else {
        return ApiError::invalid_request(format!("the body is not valid JSON: {error}"), None);
    };
    let why = shortened(why);
    let path = place.and_then(|place| {
        let is_list = why.starts_with("invalid type: sequence");
        path::path_at(
            body,
            if is_list {
                path::of_list(body, place)
            } else {
                place
            },
        )
    });
    let message = match &path {
        Some(path) => format!("`{path}`: {why}"),
        None => format!("the body is not a {what} request: {why}"),
    };
    ApiError::invalid_request(message, path)
}

/// The text, or as much of it as an error may have.
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        let mut ends = (0..=MAX_ERROR_BYTES).rev();
        let end = ends.find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
