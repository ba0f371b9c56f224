//! Clients that keep their connections and have one request after the other, all in one thread. Whatever goes wrong with one
//! is counted, and the first of it is kept to be shown.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::poll::{Poll, field, head_length};
use super::upstream::{TEXT, stamps};

/// Answers under way at the end are waited for so long.
const LAST_ANSWERS: Duration = Duration::from_secs(20);
/// Longest wait for something to do.
const PATIENCE: Duration = Duration::from_millis(50);
/// A whole request, or the next event, takes no longer.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Who failed comes again after this.
const COMES_AGAIN: Duration = Duration::from_millis(100);

/// What a crowd does.
#[derive(Debug, Clone)]
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    /// Head and body.
    pub(crate) request: &'a [u8],
    pub(crate) clients: usize,
    /// Not measured, at the beginning. Clients come one after the other over its first half.
    pub(crate) warm_up: Duration,
    pub(crate) length: Duration,
    /// Of each answer; 0: it is whole.
    pub(crate) events: usize,
    pub(crate) epoch: Instant,
}

/// What was seen between the warm-up and the end.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) done: usize,
    pub(crate) length: Duration,
    /// A whole request; a stream to its end.
    pub(crate) took: Vec<Duration>,
    /// From the request to the first event.
    pub(crate) first: Vec<Duration>,
    /// From the sending of an event upstream to its arrival.
    pub(crate) delays: Vec<Duration>,
    pub(crate) failed: usize,
    pub(crate) why: Option<String>,
    /// Clients that got no answer in all that time.
    pub(crate) unserved: usize,
    /// What `measure` said at the end less what it said after the warm-up.
    pub(crate) cpu: Duration,
}

struct Client {
    stream: Option<TcpStream>,
    /// Of the request, not written yet.
    unsent: usize,
    asked: Instant,
    heard: Instant,
    answer: Vec<u8>,
    scanned: usize,
    events: usize,
    is_asking: bool,
    served: usize,
}

impl Load<'_> {
    /// Runs it. `measure`: CPU time used so far by what is measured.
    pub(crate) fn run(&self, measure: impl Fn() -> Duration) -> Seen {
        let mut crowd = Crowd {
            load: self,
            poll: Poll::new(),
            clients: Vec::new(),
            seen: Seen::default(),
            is_measuring: false,
        };
        let begun = Instant::now();
        let (measured_from, mut cpu_from, mut until) = (begun + self.warm_up, Duration::ZERO, None);
        loop {
            let now = Instant::now();
            crowd.come(begun, now);
            if !crowd.is_measuring && until.is_none() && now >= measured_from {
                crowd.is_measuring = true;
                crowd.seen.length = now - begun;
                cpu_from = measure();
                until = Some(now + self.length);
            }
            if let Some(at) = until
                && crowd.is_measuring
                && now >= at
            {
                crowd.is_measuring = false;
                crowd.seen.cpu = measure().saturating_sub(cpu_from);
                crowd.seen.length = now - begun - crowd.seen.length;
            }
            let is_over = until.is_some_and(|at| now >= at);
            if is_over && (!crowd.is_anybody_asking() || now >= begun + self.total()) {
                break;
            }
            for token in crowd.poll.wait(PATIENCE.min(self.nap(begun, now))) {
                crowd.hear(token, !is_over);
            }
            crowd.look_after(Instant::now(), !is_over);
        }
        let unserved = crowd.clients.iter().filter(|client| client.served == 0);
        crowd.seen.unserved = unserved.count();
        crowd.seen
    }

    fn total(&self) -> Duration {
        self.warm_up + self.length + LAST_ANSWERS
    }

    /// The time in which all clients come.
    fn arrival(&self) -> Duration {
        self.warm_up / 2
    }

    fn nap(&self, begun: Instant, now: Instant) -> Duration {
        if now - begun < self.warm_up {
            Duration::from_millis(1)
        } else {
            PATIENCE
        }
    }
}

struct Crowd<'a> {
    load: &'a Load<'a>,
    poll: Poll,
    clients: Vec<Client>,
    seen: Seen,
    is_measuring: bool,
}

impl Crowd<'_> {
    /// Lets those in whose time has come.
    fn come(&mut self, begun: Instant, now: Instant) {
        let (since, arrival) = (now - begun, self.load.arrival());
        let all = self.load.clients;
        let each = arrival / u32::try_from(all).unwrap();
        let due = since.as_nanos() / each.as_nanos().max(1) + 1;
        let due = usize::try_from(due).unwrap().min(all);
        while self.clients.len() < due {
            let token = self.clients.len();
            self.clients.push(Client {
                stream: None,
                unsent: 0,
                asked: now,
                heard: now,
                answer: Vec::new(),
                scanned: 0,
                events: 0,
                is_asking: false,
                served: 0,
            });
            self.ask(token);
        }
    }

    fn ask(&mut self, token: usize) {
        let client = &mut self.clients[token];
        let now = Instant::now();
        client.asked = now;
        client.heard = now;
        client.answer.clear();
        (client.scanned, client.events) = (0, 0);
        client.is_asking = true;
        if client.stream.is_none() {
            match TcpStream::connect(self.load.address) {
                Ok(stream) => {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    self.poll.add(&stream, token);
                    client.stream = Some(stream);
                }
                Err(error) => return self.fail(token, format!("cannot connect: {error}")),
            }
        }
        self.clients[token].unsent = self.load.request.len();
        self.send(token);
    }

    fn send(&mut self, token: usize) {
        let client = &mut self.clients[token];
        let Some(mut stream) = client.stream.as_ref() else {
            return;
        };
        let was_waiting = client.unsent < self.load.request.len();
        while client.unsent > 0 {
            let rest = &self.load.request[self.load.request.len() - client.unsent..];
            match stream.write(rest) {
                Ok(count) => client.unsent -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !was_waiting {
                        self.poll.watch_writing(stream, token, true);
                    }
                    return;
                }
                Err(error) => return self.fail(token, format!("cannot write: {error}")),
            }
        }
        if was_waiting {
            self.poll.watch_writing(stream, token, false);
        }
    }

    fn hear(&mut self, token: usize, may_ask: bool) {
        if self.clients[token].unsent > 0 {
            self.send(token);
        }
        let client = &mut self.clients[token];
        let Some(stream) = &client.stream else {
            return;
        };
        let answer = &mut client.answer;
        let is_open = self
            .poll
            .read(stream, |bytes| answer.extend_from_slice(bytes));
        let now = Instant::now();
        client.heard = now;
        let (stamps, scanned) = stamps(&client.answer[client.scanned..]);
        client.scanned += scanned;
        if self.load.events > 0 && !stamps.is_empty() {
            let arrived = now.duration_since(self.load.epoch);
            if self.is_measuring {
                if client.events == 0 {
                    self.seen.first.push(now - client.asked);
                }
                let delay = |sent: &u64| arrived.saturating_sub(Duration::from_nanos(*sent));
                self.seen.delays.extend(stamps.iter().map(delay));
            }
            client.events += stamps.len();
        }
        match is_whole(&client.answer) {
            Some(closes) => {
                if closes || !is_open {
                    client.stream = None;
                }
                self.finish(token, now, may_ask);
            }
            None if !is_open => {
                if client.is_asking {
                    self.fail(token, "the connection ended before the answer".to_owned());
                } else {
                    client.stream = None;
                }
            }
            None => {}
        }
    }

    fn finish(&mut self, token: usize, now: Instant, may_ask: bool) {
        let client = &mut self.clients[token];
        client.is_asking = false;
        client.served += 1;
        let is_good = client.answer.starts_with(b"HTTP/1.1 200")
            && if self.load.events > 0 {
                client.events == self.load.events
            } else {
                let text = TEXT.as_bytes();
                client.answer.windows(text.len()).any(|part| part == text)
            };
        if !is_good {
            let why = String::from_utf8_lossy(&client.answer).into_owned();
            return self.fail(token, why);
        }
        if self.is_measuring {
            self.seen.done += 1;
            self.seen.took.push(now - client.asked);
        }
        if may_ask {
            self.ask(token);
        }
    }

    fn fail(&mut self, token: usize, why: String) {
        self.seen.failed += 1;
        self.seen.why.get_or_insert(why);
        let client = &mut self.clients[token];
        client.is_asking = false;
        client.heard = Instant::now();
        client.stream = None;
    }

    /// Those who have waited too long, and those who failed and come again.
    fn look_after(&mut self, now: Instant, may_ask: bool) {
        for token in 0..self.clients.len() {
            let client = &self.clients[token];
            let silence = now - client.heard;
            if client.is_asking && silence > GIVE_UP {
                self.fail(token, "no answer".to_owned());
            } else if !client.is_asking && may_ask && silence > COMES_AGAIN {
                self.ask(token);
            }
        }
    }

    fn is_anybody_asking(&self) -> bool {
        self.clients.iter().any(|client| client.is_asking)
    }
}

/// Whether an answer is there to its last byte, and if so whether its connection ends with it.
fn is_whole(answer: &[u8]) -> Option<bool> {
    let length = head_length(answer)?;
    let head = std::str::from_utf8(&answer[..length]).ok()?;
    let is_whole = match field(head, "content-length") {
        Some(body) => answer.len() >= length + body.parse::<usize>().ok()?,
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    };
    let closes = field(head, "connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    is_whole.then_some(closes)
}
