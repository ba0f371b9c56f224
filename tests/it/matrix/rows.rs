//! The fault matrix: what goes wrong upstream, and what becomes of it. One line is a fault with its outcome for one account, for
//! three of which the first one asked is faulty, and, where it can come within a stream, behind the first event.

use crate::matrix::faults::Fault::{self, Answer, Event, Events, Made, Raw, Status, Unframed};
use crate::matrix::faults::Then::{Clean, Cut, Drip, Flood, Hang};
use crate::matrix::faults::{self, HTML, LAST, LAST_CHUNK, NO_MEANING, WIDE};

/// How a request ends. The test asserts each of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) status: u16,
    /// Of the error, in the body or in an event; `None`: there is none.
    pub(crate) code: Option<&'static str>,
    /// The answer is whole: `[DONE]` has come, or all of the JSON.
    pub(crate) done: bool,
    /// The client's connection takes another request.
    pub(crate) kept: bool,
    /// Calls that reached OCI.
    pub(crate) calls: usize,
    /// The answer is that of the faulty account.
    pub(crate) by_faulty: bool,
    /// What `/stats/accounts` then says of the faulty account, and what it has counted.
    pub(crate) state: &'static str,
    pub(crate) successes: u64,
    pub(crate) failures: u64,
}

/// Who is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Whole,
    Stream,
    Both,
    /// A stream that has begun: the fault is behind its first event.
    Begun,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) fault: Fault,
    pub(crate) asked: Asked,
    pub(crate) alone: End,
    pub(crate) fleet: End,
    /// The same fault behind a stream's first event, with any number of accounts.
    pub(crate) begun: Option<End>,
}

const FAILED: &str = "upstream_error";
const TIMEOUT: &str = "upstream_timeout";

/// The client gets the faulty account's error.
const fn error(
    status: u16,
    code: Option<&'static str>,
    calls: usize,
    state: &'static str,
    failures: u64,
) -> End {
    End {
        status,
        code,
        done: false,
        kept: true,
        calls,
        by_faulty: true,
        state,
        successes: 0,
        failures,
    }
}

/// The account is asked a second time, in vain.
const fn again(code: &'static str) -> End {
    error(502, Some(code), 2, "available", 2)
}

/// The time is used up.
const LATE: End = error(504, Some(TIMEOUT), 1, "available", 1);

/// Nobody's failure but the request's.
const fn told(status: u16, code: &'static str) -> End {
    error(status, Some(code), 1, "available", 0)
}

/// Another account answers.
const fn saved_from(state: &'static str, failures: u64) -> End {
    End {
        done: true,
        by_faulty: false,
        ..error(200, None, 2, state, failures)
    }
}

const SAVED: End = saved_from("available", 1);

/// The answer is good in spite of it.
const FINE: End = End {
    done: true,
    successes: 1,
    ..error(200, None, 1, "available", 0)
};

/// An error event ends the stream, and its connection.
const fn broken(code: &'static str) -> End {
    End {
        kept: false,
        ..error(200, Some(code), 1, "available", 1)
    }
}

/// Who is hit, a name, the fault, and how that ends: with one account, with three, and behind a stream's first event.
macro_rules! rows {
    ($(#[$doc:meta])* $table:ident: $(
        [$asked:ident] $name:literal, $fault:expr => $alone:expr, $fleet:expr $(, begun $begun:expr)?;
    )+) => {
        $(#[$doc])*
        pub(crate) const $table: &[Row] = &[$(Row {
            name: $name,
            fault: $fault,
            asked: Asked::$asked,
            alone: $alone,
            fleet: $fleet,
            begun: {
                const BEGUN: &[End] = &[$($begun)?];
                match BEGUN { [end, ..] => Some(*end), [] => None }
            },
        }),+];
    };
}

rows! {
    /// Before the answer's body: who asks for a stream and who does not get the same, and so do embeddings and rerankings.
    HEADS:
    [Both] "closed before the head", Raw(b"", Cut) => again("upstream_unreachable"), SAVED;
    [Both] "half a head", Raw(b"HTTP/1.1 200 OK\r\nConte", Cut) => again(FAILED), SAVED;
    [Both] "a head that is not HTTP", Raw(b"SSH-2.0-OpenSSH\r\n\r\n", Cut) => again(FAILED), SAVED;
    [Both] "TLS in the place of a head", Raw(b"\x15\x03\x01\x00\x02\x02\x28", Cut) => again(FAILED), SAVED;
    [Both] "a header line without end", Raw(b"HTTP/1.1 200 OK\r\nX-Long: ", Flood(b"x")) => again(FAILED), SAVED;
    [Both] "headers without end", Raw(b"HTTP/1.1 200 OK\r\n", Flood(b"X: y\r\n")) => again(FAILED), SAVED;
    [Both] "a status line without end", Raw(b"HTTP/1.1 200 ", Flood(b"O")) => again(FAILED), SAVED;
    [Both] "interim answers without end", Raw(b"", Flood(b"HTTP/1.1 102 Processing\r\n\r\n")) => again(FAILED), SAVED;
    [Both] "dripping headers", Raw(b"HTTP/1.1 200 OK\r\n", Drip(b"X: y\r\n")) => LATE, SAVED;
    [Both] "silence before the head", Raw(b"", Hang) => LATE, SAVED;
    [Both] "silence within the head", Raw(b"HTTP/1.1 200 OK\r\nConte", Hang) => LATE, SAVED;
    [Both] "silence behind the head", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", Hang) => LATE, SAVED;
    [Both] "a length that is none", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}", Cut) => again(FAILED), SAVED;
    [Both] "two lengths", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", Cut) => again(FAILED), SAVED;
    [Both] "a redirect", Status(302, &[("location", "http://127.0.0.1:1/")], "") => error(502, Some(FAILED), 1, "available", 1), SAVED;
    [Both] "a redirect that keeps the method", Status(307, &[("location", "http://127.0.0.1:1/")], "") => error(502, Some(FAILED), 1, "available", 1), SAVED;
    [Both] "400", Status(400, &[], r#"{"code":"InvalidParameter","message":"no"}"#) => told(400, "InvalidParameter"), told(400, "InvalidParameter");
    [Both] "400 of a used-up quota", Status(400, &[], r#"{"code":"QuotaExceeded","message":"no"}"#) => error(429, Some("insufficient_quota"), 1, "cooling", 1), saved_from("cooling", 1);
    [Both] "401", Status(401, &[], r#"{"code":"NotAuthenticated","message":"no"}"#) => error(502, Some("upstream_credentials"), 1, "unhealthy", 1), saved_from("unhealthy", 1);
    [Both] "403", Status(403, &[], r#"{"code":"NotAuthorized","message":"no"}"#) => error(502, Some("upstream_credentials"), 1, "unhealthy", 1), saved_from("unhealthy", 1);
    [Both] "403 of a filter", Status(403, &[], r#"{"code":"403","message":"Content violates usage guidelines."}"#) => told(400, "content_filter"), told(400, "content_filter");
    [Both] "404", Status(404, &[], r#"{"code":"NotAuthorizedOrNotFound","message":"no"}"#) => error(404, Some("model_not_found"), 1, "available", 1), SAVED;
    [Both] "409", Status(409, &[], r#"{"code":"IncorrectState","message":"no"}"#) => error(502, Some(FAILED), 2, "available", 0), saved_from("available", 0);
    [Both] "413", Status(413, &[], r#"{"code":"RequestEntityTooLarge","message":"no"}"#) => told(413, "request_too_large"), told(413, "request_too_large");
    [Both] "422", Status(422, &[], r#"{"error":{"message":"no","code":"bad"}}"#) => told(422, "bad"), told(422, "bad");
    [Both] "429", Status(429, &[], r#"{"code":"TooManyRequests","message":"no"}"#) => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1);
    [Both] "429 with Retry-After", Status(429, &[("retry-after", "17")], "") => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1);
    [Both] "429 with a Retry-After of ages", Status(429, &[("retry-after", "99999999999999999999")], "") => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1);
    [Both] "500", Status(500, &[], r#"{"code":"InternalServerError","message":"no"}"#) => again(FAILED), SAVED;
    [Both] "501", Status(501, &[], r#"{"code":"NotImplemented","message":"no"}"#) => told(502, FAILED), told(502, FAILED);
    [Both] "502 as a page", Status(502, &[("content-type", "text/html")], HTML) => again(FAILED), SAVED;
    [Both] "503", Status(503, &[], r#"{"code":"ServiceUnavailable","message":"no"}"#) => again(FAILED), SAVED;
    [Both] "504", Status(504, &[], "") => again(FAILED), SAVED;
    [Both] "an error whose body never ends", Raw(b"HTTP/1.1 500 Oops\r\n\r\n", Flood(b"message ")) => again(FAILED), SAVED;
    [Both] "an error whose body is cut", Raw(b"HTTP/1.1 503 Oops\r\nContent-Length: 99\r\n\r\n{", Cut) => again(FAILED), SAVED;
    [Both] "a page with status 200", Status(200, &[("content-type", "text/html")], HTML) => again(FAILED), SAVED;
    [Both] "an answer without a body", Status(200, &[], "") => again(FAILED), SAVED;
    [Both] "204", Raw(b"HTTP/1.1 204 No Content\r\n\r\n", Cut) => again(FAILED), SAVED;
    [Both] "101", Raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Cut) => again(FAILED), SAVED;
    [Both] "bytes that are no text", Status(200, &[("content-type", "image/png")], "\u{1}PNG") => again(FAILED), SAVED;
    [Both] "gzip", Made(faults::gzip) => again(FAILED), SAVED;
    [Both] "deflate", Status(200, &[("content-encoding", "deflate")], "x") => again(FAILED), SAVED;
    [Both] "nothing but white space", Raw(b"HTTP/1.1 200 OK\r\n\r\n", Flood(b" ")) => again(FAILED), SAVED;
}

rows! {
    /// Within an answer that is not a stream.
    BODIES:
    [Whole] "a wrong content type", Answer(&[("content-type", "text/html")]) => FINE, FINE;
    [Whole] "a content type of a stream", Answer(&[("content-type", "text/event-stream")]) => FINE, FINE;
    [Whole] "garbage that begins as JSON", Status(200, &[], "{garbage") => again(FAILED), SAVED;
    [Whole] "half of the JSON", Status(200, &[], r#"{"modelId":"xai.grok-4.3","chatRes"#) => again(FAILED), SAVED;
    [Whole] "JSON of another shape", Status(200, &[], r#"{"hello":"world"}"#) => again(FAILED), SAVED;
    [Whole] "a list", Status(200, &[], "[]") => again(FAILED), SAVED;
    [Whole] "an answer without choices", Status(200, &[], r#"{"modelId":"x","chatResponse":{"apiFormat":"GENERIC","choices":[]}}"#) => again(FAILED), SAVED;
    [Whole] "an answer without a format", Status(200, &[], r#"{"modelId":"x","chatResponse":{"choices":7}}"#) => again(FAILED), SAVED;
    [Whole] "bytes that are not UTF-8", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"modelId\":\"\xFF\"}", Cut) => again(FAILED), SAVED;
    [Whole] "JSON nested without end", Raw(b"HTTP/1.1 200 OK\r\n\r\n{\"modelId\":", Flood(b"[")) => again(FAILED), SAVED;
    [Whole] "JSON that is nested too deep", Made(faults::deep_answer) => again(FAILED), SAVED;
    [Whole] "a body without end", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", Flood(b" ")) => again(FAILED), SAVED;
    [Whole] "a dripping body", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", Drip(b" ")) => LATE, SAVED;
    [Whole] "silence within the body", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Hang) => LATE, SAVED;
    [Whole] "a body shorter than its length", Made(faults::shorter) => again(FAILED), SAVED;
    [Whole] "a body longer than its length", Made(faults::longer) => FINE, FINE;
    [Whole] "a body cut by its own length", Made(faults::too_short_a_length) => again(FAILED), SAVED;
    [Whole] "a second answer behind it", Made(faults::twice) => FINE, FINE;
    [Whole] "a chunk size that is none", Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{\r\n", Cut) => again(FAILED), SAVED;
    [Whole] "a chunk size without end", Raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Flood(b"0")) => again(FAILED), SAVED;
    [Whole] "a stream instead", Events(&[LAST], Clean) => again(FAILED), SAVED;
}

rows! {
    /// Within the answer to a call for two embeddings.
    EMBEDDINGS:
    [Whole] "fewer embeddings than inputs", Status(200, &[], r#"{"embeddings":[[0.5]]}"#) => again(FAILED), SAVED;
    [Whole] "more embeddings than inputs", Status(200, &[], r#"{"embeddings":[[1],[2],[3]]}"#) => again(FAILED), SAVED;
    [Whole] "an embedding without numbers", Status(200, &[], r#"{"embeddings":[[1],[]]}"#) => again(FAILED), SAVED;
    [Whole] "an embedding that is no list of numbers", Status(200, &[], r#"{"embeddings":[[1],["a"]]}"#) => again(FAILED), SAVED;
    [Whole] "no embeddings of floats", Status(200, &[], r#"{"embeddings":[],"embeddingsByType":{"int8":[[1],[2]]}}"#) => again(FAILED), SAVED;
    [Whole] "garbage that begins as JSON", Status(200, &[], "{garbage") => again(FAILED), SAVED;
    [Whole] "half of the JSON", Status(200, &[], r#"{"embeddings":[[0.1,0.2"#) => again(FAILED), SAVED;
    [Whole] "a list", Status(200, &[], "[[0.1],[0.2]]") => again(FAILED), SAVED;
    [Whole] "bytes that are not UTF-8", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"modelId\":\"\xFF\"}", Cut) => again(FAILED), SAVED;
    [Whole] "JSON nested without end", Raw(b"HTTP/1.1 200 OK\r\n\r\n{\"embeddings\":", Flood(b"[")) => again(FAILED), SAVED;
    [Whole] "a body without end", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", Flood(b" ")) => again(FAILED), SAVED;
    [Whole] "silence within the body", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Hang) => LATE, SAVED;
    [Whole] "a stream instead", Events(&[LAST], Clean) => again(FAILED), SAVED;
}

rows! {
    /// Within the answer to a call that ranks two documents.
    RERANKINGS:
    [Whole] "fewer ranks than documents", Status(200, &[], r#"{"documentRanks":[{"index":0,"relevanceScore":1}]}"#) => again(FAILED), SAVED;
    [Whole] "a rank of no document", Status(200, &[], r#"{"documentRanks":[{"index":0,"relevanceScore":1},{"index":2,"relevanceScore":0}]}"#) => again(FAILED), SAVED;
    [Whole] "a document with two ranks", Status(200, &[], r#"{"documentRanks":[{"index":0,"relevanceScore":1},{"index":0,"relevanceScore":0}]}"#) => again(FAILED), SAVED;
    [Whole] "a rank without a score", Status(200, &[], r#"{"documentRanks":[{"index":0,"relevanceScore":null},{"index":1}]}"#) => again(FAILED), SAVED;
    [Whole] "JSON of another shape", Status(200, &[], r#"{"hello":"world"}"#) => again(FAILED), SAVED;
    [Whole] "half of the JSON", Status(200, &[], r#"{"documentRanks":[{"index":0"#) => again(FAILED), SAVED;
    [Whole] "a body without end", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", Flood(b" ")) => again(FAILED), SAVED;
    [Whole] "silence within the body", Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Hang) => LATE, SAVED;
    [Whole] "a stream instead", Events(&[LAST], Clean) => again(FAILED), SAVED;
}

rows! {
    /// Within a stream: before its first event, and behind it.
    EVENTS:
    [Stream] "cut", Events(&[], Cut) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an end without a finish", Events(&[], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "[DONE] without a finish", Events(&[b"data: [DONE]\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "half an event, and cut", Events(&[b"data: {\"index\":0,"], Cut) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "half an event, and the end", Events(&[b"data: {\"index\":0,"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "silence", Events(&[], Hang) => LATE, SAVED, begun broken(TIMEOUT);
    [Stream] "silence within an event", Events(&[b"data: {\"index\":0,"], Hang) => LATE, SAVED, begun broken(TIMEOUT);
    [Stream] "a comment, and silence", Events(&[b": ping\n\n"], Hang) => LATE, SAVED, begun broken(TIMEOUT);
    [Stream] "events that say nothing, without end", Events(&[], Drip(NO_MEANING)) => LATE, SAVED;
    [Stream] "an error event", Events(&[b"data: {\"code\":\"InternalServerError\",\"message\":\"no\"}\n\n"], Clean) => again("InternalServerError"), SAVED, begun broken("InternalServerError");
    [Stream] "an error event of OpenAI's", Events(&[b"data: {\"error\":{\"message\":\"no\",\"code\":\"500\"}}\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an error event that throttles", Events(&[b"data: {\"code\":\"TooManyRequests\",\"message\":\"no\"}\n\n"], Clean) => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1), begun End { state: "cooling", ..broken("rate_limit_exceeded") };
    [Stream] "an error event of a filter", Events(&[b"data: {\"code\":\"content_filter\",\"message\":\"no\"}\n\n"], Clean) => told(400, "content_filter"), told(400, "content_filter"), begun End { failures: 0, ..broken("content_filter") };
    [Stream] "an event that is no JSON", Events(&[b"data: <html>\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event that is a list", Events(&[b"data: []\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event nested too deep", Event(faults::deep) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event that is not UTF-8", Events(&[b"data: {\"index\":0,\"message\":\"\xF0\x9F\"}\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a line without end", Events(&[b"data: {\""], Flood(b"x")) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event over the limit", Event(faults::long) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a comment without end", Events(&[b":"], Flood(b"x")) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a choice that nobody asked for", Events(&[WIDE], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a chunk size that is none", Unframed(b"zz\r\n") => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "comments without end", Events(&[], Drip(b": ping\n\n")) => LATE, SAVED;
    [Begun] "comments without end", Events(&[], Flood(faults::COMMENT)) => broken(FAILED), broken(FAILED);
    [Stream] "a connection left open behind the last event", Events(&[LAST], Hang) => FINE, FINE, begun FINE;
}

rows! {
    /// Within an answer of the OpenAI-compatible API, which is copied.
    COPIED:
    [Whole] "a wrong content type", Answer(&[("content-type", "text/html")]) => FINE, FINE;
    [Whole] "half of the JSON", Status(200, &[], r#"{"choices":[{"index":0,"mess"#) => again(FAILED), SAVED;
    [Whole] "JSON of another shape", Status(200, &[], r#"{"hello":"world"}"#) => again(FAILED), SAVED;
    [Whole] "a list", Status(200, &[], "[]") => again(FAILED), SAVED;
    [Whole] "an answer without choices", Status(200, &[], r#"{"choices":[]}"#) => again(FAILED), SAVED;
    [Whole] "an error with status 200", Status(200, &[], r#"{"error":{"message":"no","code":"500"}}"#) => again(FAILED), SAVED;
    [Whole] "an error that throttles with status 200", Status(200, &[], r#"{"error":{"message":"no","code":"rate_limit_exceeded"}}"#) => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1);
    [Whole] "bytes that are not UTF-8", Raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"choices\":[{}],\"x\":\"\xFF\"}", Cut) => again(FAILED), SAVED;
    [Whole] "a stream instead", Events(&[LAST_CHUNK], Clean) => again(FAILED), SAVED;
    [Stream] "cut", Events(&[], Cut) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an end without a finish", Events(&[], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "[DONE] without a finish", Events(&[b"data: [DONE]\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "half an event, and cut", Events(&[b"data: {\"choices\":"], Cut) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "half an event, and the end", Events(&[b"data: {\"choices\":"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "silence", Events(&[], Hang) => LATE, SAVED, begun broken(TIMEOUT);
    [Stream] "a comment, and silence", Events(&[b": ping\n\n"], Hang) => LATE, SAVED, begun broken(TIMEOUT);
    [Stream] "events that say nothing, without end", Events(&[], Drip(NO_MEANING)) => LATE, SAVED;
    [Stream] "an error event", Events(&[b"data: {\"code\":\"InternalServerError\",\"message\":\"no\"}\n\n"], Clean) => again("InternalServerError"), SAVED, begun broken("InternalServerError");
    [Stream] "an error event of OpenAI's", Events(&[b"data: {\"error\":{\"message\":\"no\",\"code\":\"500\"}}\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an error event that throttles", Events(&[b"event: error\ndata: {\"error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"no\"}}\n\n"], Clean) => error(429, Some("rate_limit_exceeded"), 1, "cooling", 1), saved_from("cooling", 1), begun End { state: "cooling", ..broken("rate_limit_exceeded") };
    [Stream] "an event that is no JSON", Events(&[b"data: <html>\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event that is a list", Events(&[b"data: []\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event nested too deep", Event(faults::deep) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event that is not UTF-8", Events(&[b"data: {\"choices\":[],\"x\":\"\xF0\x9F\"}\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a line without end", Events(&[b"data: {\""], Flood(b"x")) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "an event over the limit", Event(faults::long) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a choice that nobody asked for", Events(&[b"data: {\"choices\":[{\"index\":4294967296}]}\n\n"], Clean) => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "a chunk size that is none", Unframed(b"zz\r\n") => again(FAILED), SAVED, begun broken(FAILED);
    [Stream] "comments without end", Events(&[], Drip(b": ping\n\n")) => LATE, SAVED;
    [Stream] "a connection left open behind the last event", Events(&[LAST_CHUNK], Hang) => FINE, FINE, begun FINE;
    [Stream] "no [DONE]", Events(&[LAST_CHUNK], Clean) => FINE, FINE, begun FINE;
    [Stream] "comments without end behind the last event", Events(&[LAST_CHUNK], Drip(b": ping\n\n")) => FINE, FINE;
}
