//! In whose words an answer of the edge is: OpenAI's, or Anthropic's where that API was asked. Told by the request alone and in
//! this one place, so that every refusal has the right shape, the gate's and the queue's too.

use std::borrow::Cow;

use crate::http::head::Head;
use crate::http::reply::Reply;
use crate::messages::error;
use crate::names::RequestId;

/// With and without the API's prefix; what is below it counts too.
const MESSAGES_PATHS: [&str; 2] = ["/v1/messages", "/messages"];
/// Every client of Anthropic's API sends it.
const VERSION_HEADER: &str = "anthropic-version";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    OpenAi,
    Anthropic,
}

impl Shape {
    pub(crate) fn of(head: &Head) -> Self {
        let is_below = |path: &str| {
            let rest = head.path.strip_prefix(path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if MESSAGES_PATHS.iter().any(|path| is_below(path)) || head.header(VERSION_HEADER).is_some()
        {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }

    /// The body of a reply.
    pub(super) fn body<'a>(self, reply: &'a Reply, id: &RequestId) -> Cow<'a, [u8]> {
        match (self, &reply.refusal) {
            (Self::Anthropic, Some(error)) => {
                Cow::Owned(error::to_json(error, id.as_str()).into_bytes())
            }
            (Self::Anthropic, None) | (Self::OpenAi, _) => Cow::Borrowed(&reply.body),
        }
    }

    /// The header, beside `x-request-id`, that the API's clients read a request's id from.
    pub(super) fn id_header(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => None,
            Self::Anthropic => Some("Request-Id"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::http::head::Version;

    fn check(path: &str, version: Option<&str>, expected: Shape) {
        let header = |value: &str| (VERSION_HEADER.to_owned(), value.to_owned());
        let head = Head {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: None,
            version: Version::Http11,
            headers: version.map(header).into_iter().collect(),
            peer: "127.0.0.1:9".parse().unwrap(),
        };
        assert_eq!(Shape::of(&head), expected, "{path}");
    }

    #[test]
    fn the_path_tells_or_else_the_header() {
        for path in [
            "/v1/messages",
            "/messages",
            "/v1/messages/",
            "/v1/messages/count_tokens",
            "/v1/messages/batches/7",
        ] {
            check(path, None, Shape::Anthropic);
        }
        for path in [
            "/v1/chat/completions",
            "/v1/messagesx",
            "/v1/models",
            "/v2/messages",
            "/",
        ] {
            check(path, None, Shape::OpenAi);
        }
        check("/v1/models", Some("2023-06-01"), Shape::Anthropic);
        check("/v1/files", Some("2023-06-01"), Shape::Anthropic);
    }
}
