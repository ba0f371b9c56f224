//! A request's head: bytes in, a checked [`Head`] and the framing of its body out, or the refusal. Pure. Parsed with
//! httparse, then stricter than it where two readers could disagree (RFC 9112 §6.3, §11.2: request smuggling).

use std::fmt;
use std::net::SocketAddr;

use crate::openai::error::ApiError;

/// Largest head, request line and headers together. Source: what nginx and Apache allow by default, doubled.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Largest request target; a longer one is 414.
pub(crate) const MAX_TARGET_BYTES: usize = 8 * 1024;
/// Most header fields; more are 431.
pub(crate) const MAX_HEADERS: usize = 100;

/// HTTP/1.0 or HTTP/1.1; the gate refuses every other version with 505.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// A request's head, checked. Header names are lower case.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// Always begins with `/`, or is `*`. As sent: percent-encoding is not decoded.
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) version: Version,
    pub(crate) headers: Vec<(String, String)>,
    /// The client's address on its own socket, before any forwarding header.
    pub(crate) peer: SocketAddr,
}

/// How the body's end is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// What a buffer that begins with a head holds.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// Not whole yet.
    Partial,
    /// Whole: the head took `len` bytes of the buffer.
    Whole {
        head: Head,
        framing: Framing,
        len: usize,
    },
}

/// The headers' names only: a value may be the client's key.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        write!(f, "{} {} {names:?}", self.method, self.path)
    }
}

impl Head {
    /// The first value of a header; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the client lets the connection live on after the answer.
    pub(crate) fn wants_keep_alive(&self) -> bool {
        match self.version {
            Version::Http11 => !self.lists("connection", "close"),
            Version::Http10 => self.lists("connection", "keep-alive"),
        }
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.header("expect").is_some()
    }

    /// Whether a comma-separated header names `token`, in any case.
    fn lists(&self, header: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(name, _)| name == header)
            .flat_map(|(_, value)| value.split(','))
            .any(|entry| entry.trim().eq_ignore_ascii_case(token))
    }
}

/// Reads a head from the beginning of `bytes`.
///
/// # Errors
/// The refusal to answer with; the connection cannot be used any further.
#[inline(never)]
pub(crate) fn parse(bytes: &[u8], peer: SocketAddr) -> Result<Parsed, ApiError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return partial(bytes),
        Err(httparse::Error::TooManyHeaders) => return Err(too_large("too many headers")),
        Err(httparse::Error::Version) => return Err(ApiError::http_version()),
        Err(error) => return Err(ApiError::bad_http(error.to_string())),
    };
    let target = request.path.unwrap_or_default();
    if target.len() > MAX_TARGET_BYTES {
        return Err(ApiError::target_too_long(MAX_TARGET_BYTES));
    }
    if len > MAX_HEAD_BYTES {
        return Err(too_large("the head is too large"));
    }
    if has_bare_line_feed(bytes.get(..len).unwrap_or_default()) {
        return Err(ApiError::bad_http("a line does not end in CR LF"));
    }
    let version = if request.version == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    };
    let Target {
        path,
        query,
        authority,
    } = split_target(target)?;
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|h| {
            (
                h.name.to_ascii_lowercase(),
                // Only these two are white space here (RFC 9110 §5.6.3): a no-break space before a length is no number.
                String::from_utf8_lossy(h.value)
                    .trim_matches([' ', '\t'])
                    .to_owned(),
            )
        })
        .collect();
    // RFC 9112 §3.2.2: the target's authority counts, and what Host says does not.
    if let Some(authority) = authority {
        for (_, value) in headers.iter_mut().filter(|(name, _)| name == "host") {
            authority.clone_into(value);
        }
    }
    let method = request.method.unwrap_or_default().to_owned();
    let head = Head {
        method,
        path,
        query,
        version,
        headers,
        peer,
    };
    let framing = framing(&head)?;
    Ok(Parsed::Whole { head, framing, len })
}

fn partial(bytes: &[u8]) -> Result<Parsed, ApiError> {
    // What there is of the target, and not of the line: how the bytes are cut on their way must not decide.
    let line = bytes.trim_ascii_start().split(|&byte| byte == b'\n').next();
    let target = line.and_then(|line| line.split(|&byte| byte == b' ').nth(1));
    if target.is_some_and(|target| target.len() > MAX_TARGET_BYTES) {
        return Err(ApiError::target_too_long(MAX_TARGET_BYTES));
    }
    if bytes.len() >= MAX_HEAD_BYTES {
        return Err(too_large("the head is too large"));
    }
    Ok(Parsed::Partial)
}

/// httparse takes a line feed for the end of a line, as RFC 9112 §2.2 allows. A proxy in front that does not takes what
/// follows for a part of the value, and lets a header through that it would have removed.
fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut before = b'\0';
    head.iter().any(|&byte| {
        byte == b'\n' && before != b'\r' || {
            before = byte;
            false
        }
    })
}

fn too_large(what: &str) -> ApiError {
    ApiError::head_too_large(format!(
        "{what}: at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes are accepted"
    ))
}

struct Target<'a> {
    path: String,
    query: Option<String>,
    /// Of the absolute form only.
    authority: Option<&'a str>,
}

/// Reads an origin-form, absolute-form or asterisk-form target (RFC 9112 §3.2).
fn split_target(target: &str) -> Result<Target<'_>, ApiError> {
    let visible = target.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    let (authority, origin) = match target.split_once("://") {
        // Absolute form, as proxies send it: everything up to the path is the authority.
        Some((scheme, rest))
            if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") =>
        {
            let (authority, origin) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let origin = if origin.is_empty() { "/" } else { origin };
            (Some(authority), origin)
        }
        Some(_) | None => (None, target),
    };
    if !visible || !(origin.starts_with('/') || origin.starts_with('?') || origin == "*") {
        return Err(ApiError::bad_http("the request target is not a path"));
    }
    let (path, query) = match origin.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (origin, None),
    };
    let path = if path.is_empty() { "/" } else { path };
    Ok(Target {
        path: path.to_owned(),
        query,
        authority,
    })
}

fn framing(head: &Head) -> Result<Framing, ApiError> {
    let count = |name: &str| head.headers.iter().filter(|(n, _)| n == name).count();
    match (head.version, count("host")) {
        (Version::Http11, 0) => return Err(ApiError::bad_http("a Host header is required")),
        (Version::Http10 | Version::Http11, 0 | 1) => {}
        (Version::Http10 | Version::Http11, _) => {
            return Err(ApiError::bad_http("more than one Host header"));
        }
    }
    let lengths = count("content-length");
    let encodings = count("transfer-encoding");
    if lengths > 1 || encodings > 1 || (lengths == 1 && encodings == 1) {
        return Err(ApiError::bad_http(
            "the length of the body is given more than once",
        ));
    }
    if head.version == Version::Http11
        && head
            .header("expect")
            .is_some_and(|e| !e.eq_ignore_ascii_case("100-continue"))
    {
        return Err(ApiError::expectation_failed());
    }
    if let Some(encoding) = head.header("transfer-encoding") {
        if head.version == Version::Http10 || !encoding.eq_ignore_ascii_case("chunked") {
            return Err(ApiError::bad_http(
                "the only Transfer-Encoding accepted is chunked, in HTTP/1.1",
            ));
        }
        return Ok(Framing::Chunked);
    }
    let Some(length) = head.header("content-length") else {
        // Without a length the end of an HTTP/1.0 body would be the end of the connection, which cannot be told from a hang-up.
        let has_body = matches!(head.method.as_str(), "POST" | "PUT" | "PATCH");
        return if has_body && head.version == Version::Http10 {
            Err(ApiError::length_required())
        } else {
            Ok(Framing::None)
        };
    };
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::bad_http("Content-Length is not a number"));
    }
    // A number beyond 64 bits is a number all the same: too large, not malformed.
    Ok(match length.parse().unwrap_or(u64::MAX) {
        0 => Framing::None,
        length => Framing::Length(length),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Parsed, ApiError> {
        parse(text.as_bytes(), "127.0.0.1:9".parse().unwrap())
    }

    fn check_whole(text: &str, expected: Framing) -> Head {
        match read(text) {
            Ok(Parsed::Whole { head, framing, len }) => {
                assert_eq!(framing, expected, "{text:?}");
                assert_eq!(len, text.len(), "{text:?}");
                head
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn check_refused(text: &str, status: u16) {
        match read(text) {
            Err(error) => assert_eq!(error.status, status, "{text:?}: {}", error.message),
            Ok(parsed) => panic!("{text:?}: {parsed:?}"),
        }
    }

    #[test]
    fn well_formed_heads() {
        let head = check_whole(
            "GET /v1/models?a=b HTTP/1.1\r\nHost: x\r\nX-Api-Key:  k \r\n\r\n",
            Framing::None,
        );
        assert_eq!(
            (head.path.as_str(), head.query.as_deref()),
            ("/v1/models", Some("a=b"))
        );
        assert_eq!(head.header("x-api-key"), Some("k"));
        assert!(head.wants_keep_alive());
        check_whole(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n",
            Framing::Length(12),
        );
        check_whole(
            "POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 0\r\n\r\n",
            Framing::None,
        );
        check_whole(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n",
            Framing::Chunked,
        );
        check_whole("POST / HTTP/1.1\r\nHost: x\r\n\r\n", Framing::None);
        check_whole(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            Framing::Length(u64::MAX),
        );
        assert!(
            !check_whole(
                "GET / HTTP/1.1\r\nHost: x\r\nConnection: a, Close\r\n\r\n",
                Framing::None
            )
            .wants_keep_alive()
        );
        assert!(!check_whole("GET / HTTP/1.0\r\n\r\n", Framing::None).wants_keep_alive());
        assert!(
            check_whole(
                "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
                Framing::None
            )
            .wants_keep_alive()
        );
        assert!(
            check_whole(
                "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\n\r\n",
                Framing::None
            )
            .expects_continue()
        );
    }

    #[test]
    fn target_forms() {
        for (target, path) in [
            ("/a/b", "/a/b"),
            ("http://h:1/v1/models?x", "/v1/models"),
            ("HTTPS://h", "/"),
            ("http://h?x", "/"),
            ("*", "*"),
        ] {
            assert_eq!(
                check_whole(
                    &format!("OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n"),
                    Framing::None
                )
                .path,
                path
            );
        }
        for (target, host) in [
            ("/", "x"),
            ("http://h:1/stats/queue", "h:1"),
            ("http://localhost@h", "localhost@h"),
        ] {
            let text = format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
            let head = check_whole(&text, Framing::None);
            assert_eq!(head.header("host"), Some(host));
        }
        for target in ["h:443", "v1/models", "ftp://h/x", "/caf\u{e9}"] {
            check_refused(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"), 400);
        }
    }

    #[test]
    fn refusals() {
        for lines in [
            "POST / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \u{a0}1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 1\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\n folded: 1\r\n",
            "POST / HTTP/1.1\r\nHost: x\0y\r\n",
            "POST / HTTP/1.1\r\nHost: x\ry\r\n",
            "POST  / HTTP/1.1\r\nHost: x\r\n",
            "POST / HTTP/1.1\nHost: x\r\n",
            "POST / HTTP/1.1\r\nHost: x\nContent-Length: 1\r\n",
            "\nPOST / HTTP/1.1\r\nHost: x\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\n\n",
            "\u{16}\u{3}\u{1}\r\n",
        ] {
            check_refused(&format!("{lines}\r\n"), 400);
        }
        check_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
        check_refused("POST / HTTP/1.0\r\n\r\n", 411);
        check_refused("POST / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417);
        check_refused(
            &format!(
                "GET / HTTP/1.1\r\n{}\r\n",
                "a: b\r\n".repeat(MAX_HEADERS + 1)
            ),
            431,
        );
        check_refused(
            &format!("GET / HTTP/1.1\r\na: {}", "b".repeat(MAX_HEAD_BYTES)),
            431,
        );
        check_refused(&format!("GET /{}", "b".repeat(MAX_TARGET_BYTES)), 414);
        check_refused(
            &format!(
                "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n",
                "b".repeat(MAX_TARGET_BYTES)
            ),
            414,
        );
    }

    #[test]
    fn a_target_of_the_longest_length_is_taken_however_it_is_cut() {
        let target = format!("/{}", "b".repeat(MAX_TARGET_BYTES - 1));
        let text = format!("\r\nOPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n");
        for len in MAX_TARGET_BYTES..text.len() {
            let prefix = read(text.get(..len).unwrap());
            assert!(matches!(prefix, Ok(Parsed::Partial)), "{len}: {prefix:?}");
        }
        check_whole(&text, Framing::None);
        check_refused(&format!("OPTIONS {target}b"), 414);
        check_refused(&format!("{} /", "O".repeat(MAX_HEAD_BYTES)), 431);
    }

    #[test]
    fn every_prefix_of_a_head_is_partial() {
        let text = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        for len in 0..text.len() {
            assert!(
                matches!(read(text.get(..len).unwrap()), Ok(Parsed::Partial)),
                "{len}"
            );
        }
    }
}
