//! Runs the cases of the APIs that a chat answers, `tests/golden/{responses,messages,completions}/`: a client's request and what
//! OCI is asked, in the general format; OCI's answer, and the API's, whole and as a stream; OCI's stream, and the API's events.
//! The files are those of a chat's cases, of which [`golden`] tells; `anthropic` is in the names of the Messages API's.
//! `request.left-out.json` has what the client is told was left out.

use crate::api::{completions, messages, responses};
use crate::dispatch::request::{self, Conversation};
use crate::messages::error;
use crate::names::RequestId;
use crate::openai::error::ApiError;
use crate::translate::golden::{self, Api, OTHER_APIS, Read};

const ID: &str = "golden";

fn of(body: &[u8], read: request::Read) -> Result<Read, ApiError> {
    let Conversation {
        request,
        render,
        lost,
    } = read(body, &RequestId::new(ID))?;
    Ok(Read {
        chat: request,
        render,
        left_out: lost,
    })
}

/// In the order of [`OTHER_APIS`].
const APIS: [Api; OTHER_APIS.len()] = [
    Api {
        words: "openai",
        read: |body| of(body, responses::read),
        refusal: ApiError::to_json,
    },
    Api {
        words: "anthropic",
        read: |body| of(body, messages::read),
        refusal: |refused| error::to_json(refused, ID),
    },
    Api {
        words: "openai",
        read: |body| of(body, completions::read),
        refusal: ApiError::to_json,
    },
];

#[test]
fn golden_cases_of_the_apis_that_a_chat_answers() {
    let mut differences = Vec::new();
    for (directory, api) in OTHER_APIS.iter().zip(&APIS) {
        golden::run_api(directory, api, &mut differences);
    }
    golden::judge(&differences);
}
