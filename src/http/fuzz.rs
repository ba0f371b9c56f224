//! What strangers send first, attacked: heads and chunked bodies. A second reading, as plain as can be, must agree.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken promise ends the test"
)]

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use super::chunked::{Decoder, Malformed, Progress};
use super::head::{self, Framing, Head, MAX_HEAD_BYTES, MAX_TARGET_BYTES, Parsed};
use super::inner::{Inner, inner_head, ticket_number};
use crate::fuzz::{Form, Random, Target, texts};

const HEADS: [&str; 9] = [
    "POST /v1/chat/completions HTTP/1.1\r\nHost: h:8080\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{\"model\":1}\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nUser-Agent: a/1\r\n\r\n4\r\nWiki\r\n0\r\n\r\n",
    "GET /v1/models?x=1&y=%20 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nConnection: keep-alive, Upgrade\r\nx-api-key: k\r\n\r\n",
    "GET http://h:1/health HTTP/1.1\nHost: h\nX-Long: \u{fc}\u{20ac}\n\nGET / HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: h\r\nOrigin: http://h\r\n\r\n",
    "\r\nGET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
    "POST / HTTP/1.0\r\nContent-Length: 18446744073709551615\r\n\r\n",
    "DELETE /v1/models/a%2Fb HTTP/1.1\r\nHost: [::1]:8080\r\nCookie: a=b; c=\"d\"\r\nX-Empty:\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

const WORDS: [&str; 30] = [
    "Content-Length: 5\r\n",
    "Content-Length: 5, 5\r\n",
    "content-length: +5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
    "transfer-encoding: xchunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding:\x0bchunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Host: other\r\n",
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Connection: Content-Length\r\n",
    "Upgrade: h2c\r\n",
    " folded: 1\r\n",
    "\tfolded\r\n",
    "X: \0\r\n",
    "X: a\rb\r\n",
    ": no name\r\n",
    "no colon\r\n",
    "\r\n\r\n",
    "\n\n",
    "\r\r\n",
    " HTTP/1.1",
    " HTTP/1.0",
    " HTTP/0.9",
    "HTTP/1.1\r\n",
    "http://",
    "/../%00%0d%0a",
    "chunked",
];

fn peer() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

/// A whole head in words that can be compared; `None` if it is not whole, or refused with that status.
fn outcome(bytes: &[u8]) -> Result<Option<(String, Framing, usize)>, u16> {
    match head::parse(bytes, peer()) {
        Ok(Parsed::Partial) => {
            assert!(
                bytes.len() < MAX_HEAD_BYTES,
                "more is waited for without a bound"
            );
            Ok(None)
        }
        Ok(Parsed::Whole { head, framing, len }) => Ok(Some((format!("{head:?}"), framing, len))),
        Err(error) => {
            assert!((400..=505).contains(&error.status));
            assert!(
                !error.message.contains(char::is_control),
                "{}",
                error.message
            );
            Err(error.status)
        }
    }
}

/// As the gate reads: again from the beginning with each piece that comes.
fn outcome_in_pieces(
    bytes: &[u8],
    random: &mut Random,
) -> Result<Option<(String, Framing, usize)>, u16> {
    // A long head byte by byte would be read a billion bytes long.
    let least = bytes.len() / 200;
    let (mut input, mut read) = (Vec::new(), 0);
    for piece in random.pieces(bytes) {
        input.extend_from_slice(piece);
        if input.len() - read >= least || input.len() == bytes.len() {
            read = input.len();
            match outcome(&input) {
                Ok(None) => {}
                whole_or_refused => return whole_or_refused,
            }
        }
    }
    outcome(&input)
}

/// The fields of a head, read in the plainest way there is.
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let lines = head
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines = lines
        .skip_while(|line| line.is_empty())
        .skip(1)
        .take_while(|line| !line.is_empty());
    lines
        .map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').unwrap();
            let name = std::str::from_utf8(&line[..colon]).unwrap();
            assert!(
                !name.is_empty() && name.bytes().all(is_token),
                "the name {name:?}"
            );
            let value = String::from_utf8_lossy(&line[colon + 1..]).into_owned();
            assert!(
                !line
                    .iter()
                    .any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f),
                "a control character in {value:?}"
            );
            (
                name.to_ascii_lowercase(),
                value.trim_matches([' ', '\t']).to_owned(),
            )
        })
        .collect()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn without_host(fields: &[(String, String)]) -> Vec<&(String, String)> {
    fields.iter().filter(|(name, _)| name != "host").collect()
}

fn is_absolute(head: &[u8]) -> bool {
    let line = head.trim_ascii_start().split(|&byte| byte == b'\n').next();
    line.is_some_and(|line| String::from_utf8_lossy(line).contains("://"))
}

/// No two readers can see another end of the request, or another request.
fn check_accepted(bytes: &[u8], head: &Head, framing: Framing) {
    let fields = fields(bytes);
    assert_eq!(without_host(&fields), without_host(&head.headers));
    // An absolute target has a host of its own, which counts more.
    if !is_absolute(bytes) {
        assert_eq!(fields, head.headers);
    }
    let values = |name: &str| -> Vec<&str> {
        let of_name = fields.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str()).collect()
    };
    let (lengths, encodings) = (values("content-length"), values("transfer-encoding"));
    match (framing, lengths.as_slice(), encodings.as_slice()) {
        (Framing::None, [], []) => {}
        (Framing::None, [length], []) => assert_eq!(length.trim_start_matches('0'), ""),
        (Framing::Length(read), [length], []) => {
            assert!(
                length.bytes().all(|byte| byte.is_ascii_digit()),
                "{length:?}"
            );
            assert_eq!(read, length.parse().unwrap_or(u64::MAX));
        }
        (Framing::Chunked, [], [encoding]) => assert!(encoding.eq_ignore_ascii_case("chunked")),
        other => panic!("a body of two lengths: {other:?}"),
    }
    assert!(values("host").len() <= 1);
    assert!(!head.method.is_empty() && head.method.bytes().all(is_token));
    let target = format!("{}{}", head.path, head.query.as_deref().unwrap_or_default());
    assert!(
        target.bytes().all(|byte| byte.is_ascii_graphic()),
        "{target:?}"
    );
    assert!(target.len() <= MAX_TARGET_BYTES && (head.path.starts_with('/') || head.path == "*"));
}

/// What goes to tiny_http is one head without a body, and says what was asked for.
fn check_inner(head: &Head, number: u128) -> String {
    let text = inner_head(&head.method, &head.path, number);
    let mut fields = [httparse::EMPTY_HEADER; 8];
    let mut request = httparse::Request::new(&mut fields);
    let status = request.parse(text.as_bytes()).unwrap();
    assert_eq!(status, httparse::Status::Complete(text.len()));
    assert_eq!(request.method, Some(head.method.as_str()));
    assert_eq!(request.path, Some(head.path.as_str()));
    let names: Vec<&str> = request.headers.iter().map(|header| header.name).collect();
    assert_eq!(names, ["Host", "Connection", "X-Ticket"]);
    text
}

#[test]
fn heads() {
    let mut corpus = texts(&HEADS);
    // One byte before a bound, and on it.
    for path in [MAX_TARGET_BYTES - 20, MAX_TARGET_BYTES - 1] {
        let path = "p".repeat(path);
        corpus.push(format!("GET /{path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes());
    }
    let long = "v".repeat(MAX_HEAD_BYTES - 40);
    corpus.push(format!("GET / HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n").into_bytes());
    corpus.push(format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "a: b\r\n".repeat(99)).into_bytes());
    let inner = Inner::open().unwrap();
    let bound = inner.current();
    let asked = Cell::new(0_u32);
    let target = Target {
        name: "http::fuzz::heads",
        executions: 5000,
        form: Form::Lines,
        corpus: &corpus,
        words: &WORDS,
    };
    target.run(|bytes, random| {
        let whole = outcome(bytes);
        let pieces = outcome_in_pieces(bytes, random);
        match (&whole, &pieces) {
            // Which of several faults is found first may depend on where the pieces end.
            (Err(_), Err(_)) => {}
            _ => assert_eq!(whole, pieces, "in pieces"),
        }
        let Ok(Parsed::Whole { head, framing, len }) = head::parse(bytes, peer()) else {
            return false;
        };
        check_accepted(&bytes[..len], &head, framing);
        let number = u128::from(random.bits());
        let text = check_inner(&head, number);
        // tiny_http itself makes a thread for each: now and then is enough.
        asked.set(asked.get() + 1);
        if asked.get().is_multiple_of(32) {
            bound.connect().unwrap().write_all(text.as_bytes()).unwrap();
            let request = bound.server.recv_timeout(Duration::from_secs(10)).unwrap();
            let request = request.unwrap_or_else(|| panic!("tiny_http refused {text:?}"));
            assert_eq!(request.method().as_str(), head.method);
            assert_eq!(request.url(), head.path);
            assert_eq!(ticket_number(&request), Some(number));
            assert_eq!(request.body_length(), None);
        }
        true
    });
}

/// Content, bytes taken, and whether the body is whole; or malformed, and the content before that.
type Decoded = (Vec<u8>, Result<(usize, Progress), Malformed>);

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Decoded {
    let (mut decoder, mut content, mut taken) = (Decoder::new(), Vec::new(), 0);
    for piece in pieces {
        let sink = |bytes: &[u8]| {
            content.extend_from_slice(bytes);
            Ok::<(), Malformed>(())
        };
        match decoder.decode(piece, sink) {
            Ok((count, Progress::Done)) => return (content, Ok((taken + count, Progress::Done))),
            Ok((count, Progress::More)) => {
                assert_eq!(
                    count,
                    piece.len(),
                    "bytes are left over in the middle of a body"
                );
                taken += count;
            }
            Err(malformed) => return (content, Err(malformed)),
        }
    }
    (content, Ok((taken, Progress::More)))
}

/// The plainest decoder there is, for whole bodies.
fn decode_plainly(bytes: &[u8]) -> Decoded {
    let mut content = Vec::new();
    let end = decode_plainly_into(bytes, &mut content);
    let end = end.map(|end| end.map_or((bytes.len(), Progress::More), |at| (at, Progress::Done)));
    (content, end)
}

/// Where the body ends; `None` if it does not yet.
fn decode_plainly_into(bytes: &[u8], content: &mut Vec<u8>) -> Result<Option<usize>, Malformed> {
    let (mut at, mut trailer) = (0, 0);
    let line = |at: usize, limit: usize| match bytes[at..].iter().position(|&byte| byte == b'\n') {
        Some(end) if end <= limit => {
            let line = bytes[at..at + end].strip_suffix(b"\r").ok_or(Malformed)?;
            let clean = !line.contains(&b'\r');
            clean.then_some(Some((line, at + end + 1))).ok_or(Malformed)
        }
        None if bytes.len() - at <= limit => Ok(None),
        Some(_) | None => Err(Malformed),
    };
    loop {
        let Some((size, next)) = line(at, 256)? else {
            return Ok(None);
        };
        let size = std::str::from_utf8(size).map_err(|_| Malformed)?;
        let digits = size
            .split(';')
            .next()
            .unwrap()
            .trim_end_matches([' ', '\t']);
        let good =
            (1..=15).contains(&digits.len()) && digits.bytes().all(|d| d.is_ascii_hexdigit());
        let size = if good {
            u64::from_str_radix(digits, 16).unwrap()
        } else {
            return Err(Malformed);
        };
        at = next;
        if size == 0 {
            break;
        }
        let here = usize::try_from(size).unwrap().min(bytes.len() - at);
        content.extend_from_slice(&bytes[at..at + here]);
        at += here;
        if (here as u64) < size {
            return Ok(None);
        }
        match line(at, 256)? {
            None => return Ok(None),
            Some((b"", next)) => at = next,
            Some(_) => return Err(Malformed),
        }
    }
    while let Some((field, next)) = line(at, 8192)? {
        at = next;
        trailer += field.len();
        match field {
            b"" => return Ok(Some(at)),
            _ if trailer > 8192 => return Err(Malformed),
            _ => {}
        }
    }
    Ok(None)
}

/// Any content as a client may chunk it.
fn encode(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut body = Vec::new();
    for piece in random.pieces(content) {
        let extension = random.of(&["", ";a", ";a=\"b c\"", " ", ";a;b=1"]);
        let zeros = random.of(&["", "0", "000"]);
        write!(body, "{zeros}{:X}{extension}\r\n", piece.len()).unwrap();
        body.extend_from_slice(piece);
        body.extend_from_slice(b"\r\n");
    }
    let ends = [
        b"0\r\n\r\n".as_slice(),
        b"0;x\r\nA: b\r\nC: d\r\n\r\n",
        b"000\r\n\r\n",
    ];
    body.extend_from_slice(random.pick(&ends));
    body
}

#[test]
fn chunked_bodies() {
    let corpus = texts(&[
        "4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\nGET /next HTTP/1.1\r\n",
        "4;ext=1\r\nWiki\r\n0A\r\npedia in c\r\n7 \r\nhunks.\n\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n",
        "fffffffffffffff\r\nx",
        "0\r\n\r\n",
    ]);
    let target = Target {
        name: "http::fuzz::chunked_bodies",
        executions: 20_000,
        form: Form::Lines,
        corpus: &corpus,
        words: &[
            "\r\n",
            "0\r\n\r\n",
            "1\r\n",
            ";",
            "0x",
            "FFFFFFFFFFFFFFF",
            "10000000000000000",
            "\r",
            " ",
        ],
    };
    target.run(|bytes, random| {
        let whole = decode([bytes]);
        assert_eq!(decode(random.pieces(bytes)), whole, "in pieces");
        assert_eq!(decode(bytes.chunks(1)), whole, "byte by byte");
        assert_eq!(decode_plainly(bytes), whole, "read plainly");
        assert!(whole.0.len() <= bytes.len());
        let body = encode(bytes, random);
        let expected = (bytes.to_vec(), Ok((body.len(), Progress::Done)));
        let followed = [body.as_slice(), b"1\r\n"].concat();
        assert_eq!(decode([followed.as_slice()]), expected, "encoded and back");
        matches!(whole.1, Ok((_, Progress::Done)))
    });
}
