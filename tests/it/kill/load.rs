//! Clients that ask without a pause, and count what they lose: every answer that is not whole and good, and every connection
//! that is refused.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use crate::harness::{DEADLINE, KEY, eventually};
use crate::life::request;

/// Clients of each kind: a new connection for each stream, the same for whole answers, connections that are kept.
const CLIENTS: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Whole,
    Kept,
}

/// The clients, running.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    served: AtomicUsize,
    /// Requests on kept connections that the other side had closed by then, and that were repeated on a new one, as every
    /// HTTP client does.
    repeated: AtomicUsize,
}

/// What the clients have seen.
pub(crate) struct Seen {
    pub(crate) served: usize,
    pub(crate) repeated: usize,
    pub(crate) lost: Vec<String>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let shared = Arc::<Shared>::default();
        let kinds = [Kind::Stream, Kind::Whole, Kind::Kept];
        let threads = kinds.iter().cycle().take(kinds.len() * CLIENTS);
        let threads = threads.map(|kind| {
            let (shared, kind) = (Arc::clone(&shared), *kind);
            thread::spawn(move || client(address, kind, &shared))
        });
        Self {
            threads: threads.collect(),
            shared,
        }
    }

    /// Waits until `more` further requests were answered.
    pub(crate) fn wait_for(&self, more: usize) {
        let served = || self.shared.served.load(Ordering::Relaxed);
        let goal = served() + more;
        eventually("the load to be served", || {
            served() >= goal || self.threads.iter().all(JoinHandle::is_finished)
        });
    }

    /// Lets each client finish its request.
    pub(crate) fn end(self) -> Seen {
        self.shared.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        let lost = threads.flat_map(|thread| thread.join().unwrap()).collect();
        Seen {
            lost,
            served: self.shared.served.load(Ordering::Relaxed),
            repeated: self.shared.repeated.load(Ordering::Relaxed),
        }
    }
}

impl Seen {
    /// Nothing was lost; prints what was seen.
    #[track_caller]
    pub(crate) fn assert_none_lost(&self, what: &str) {
        let Self {
            served,
            repeated,
            lost,
        } = self;
        eprintln!(
            "{what}: {served} served, {repeated} repeated, {} lost",
            lost.len()
        );
        assert!(lost.is_empty(), "{lost:#?}");
    }
}

/// Asks until it is told to stop; returns what it has lost.
fn client(address: SocketAddr, kind: Kind, shared: &Shared) -> Vec<String> {
    let mut lost = Vec::new();
    let mut kept: Option<TcpStream> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let is_fresh = kept.is_none();
        let stream = kept.take().map_or_else(|| connect(address), Ok);
        let answer = stream.and_then(|mut stream| Ok((ask(&mut stream, kind)?, stream)));
        match answer {
            Ok((answer, stream)) if answer.is_good(kind) => {
                shared.served.fetch_add(1, Ordering::Relaxed);
                kept = (!answer.closes()).then_some(stream);
            }
            Ok((answer, _)) if answer.0.is_empty() && !is_fresh => {
                shared.repeated.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) if !is_fresh => {
                shared.repeated.fetch_add(1, Ordering::Relaxed);
            }
            Ok((answer, _)) => lost.push(answer.0),
            Err(error) => lost.push(error.to_string()),
        }
    }
    lost
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn ask(stream: &mut TcpStream, kind: Kind) -> io::Result<Answer> {
    let body = request(kind == Kind::Stream).to_string();
    let connection = if kind == Kind::Kept {
        "keep-alive"
    } else {
        "close"
    };
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n\
         Connection: {connection}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Answer(String::new());
    let mut buffer = [0; 4096];
    while kind != Kind::Kept || !answer.is_whole() {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        answer.0 += std::str::from_utf8(&buffer[..read]).unwrap();
    }
    Ok(answer)
}

/// An answer, head and all. It is ASCII.
struct Answer(String);

impl Answer {
    /// Whether all of a body with a length is there.
    fn is_whole(&self) -> bool {
        self.0.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length = header(head, "content-length");
            length.is_some_and(|length| body.len() >= length.parse().unwrap())
        })
    }

    fn closes(&self) -> bool {
        header(&self.0, "connection").is_some_and(|value| value == "close")
    }

    fn is_good(&self, kind: Kind) -> bool {
        let is_complete = match kind {
            Kind::Stream => self.0.contains("data: [DONE]") && self.0.ends_with("\r\n0\r\n\r\n"),
            Kind::Whole | Kind::Kept => {
                self.is_whole() && self.0.contains(r#""finish_reason":"stop""#)
            }
        };
        is_complete && self.0.starts_with("HTTP/1.1 200 ")
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().take_while(|line| !line.is_empty());
    let mut fields = lines.filter_map(|line| line.split_once(": "));
    fields
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
