//! What a request costs at the least: a signature, a hash, a translation, and the two hops of HTTP, measured one by one. CPU
//! time of the thread that does it, kernel included.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ociai_proxy::parts::{Signing, hash};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::upstream::whole_body;

const PEM: &str = include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
/// Each part is done until this much time has passed, in all loads together often enough.
const LENGTH: Duration = Duration::from_millis(80);
/// Of a part, before the clock is looked at again.
const ROUND: u32 = 16;

/// CPU time of each part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) sign: Duration,
    pub(crate) hash: Duration,
    pub(crate) translate: Duration,
    pub(crate) hop_in: Duration,
    pub(crate) hop_out: Duration,
}

impl Parts {
    /// Of a request with this body, with all cores at it at once: a core that shares its units with another one is slower then.
    pub(crate) fn measure(request: &[u8], body: &[u8]) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let all: Vec<Self> = thread::scope(|scope| {
            let measuring: Vec<_> = (0..cores)
                .map(|_| scope.spawn(|| Self::measure_alone(request, body)))
                .collect();
            let parts = measuring.into_iter().map(|one| one.join().unwrap());
            parts.collect()
        });
        let mean = |part: fn(&Self) -> Duration| {
            all.iter().map(part).sum::<Duration>() / u32::try_from(cores).unwrap()
        };
        Self {
            sign: mean(|parts| parts.sign),
            hash: mean(|parts| parts.hash),
            translate: mean(|parts| parts.translate),
            hop_in: mean(|parts| parts.hop_in),
            hop_out: mean(|parts| parts.hop_out),
        }
    }

    /// The same with one core at it, and the others idle.
    pub(crate) fn measure_alone(request: &[u8], body: &[u8]) -> Self {
        let signing = Signing::new(PEM).unwrap();
        let (hop_in, hop_out) = hops(request);
        Self {
            sign: each(|| signing.sign()),
            hash: each(|| hash(body)),
            translate: each(|| translate(body)),
            hop_in,
            hop_out,
        }
    }

    pub(crate) fn sum(&self) -> Duration {
        self.sign + self.hash + self.translate + self.hop_in + self.hop_out
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap(),
        u32::try_from(now.tv_nsec).unwrap(),
    )
}

/// CPU time of one call.
fn each(mut part: impl FnMut()) -> Duration {
    let (begun, mut count) = (cpu_time(), 0);
    loop {
        for _ in 0..ROUND {
            part();
        }
        count += ROUND;
        let spent = cpu_time() - begun;
        if spent >= LENGTH {
            return spent / count;
        }
    }
}

/// The least that a translation can be: what the client sends read once, without copies, and written once; and the same with
/// the answer.
fn translate(body: &[u8]) {
    black_box(serde_json::to_vec(&serde_json::from_slice::<Chat<'_>>(body).unwrap()).unwrap());
    let answer = whole_body();
    black_box(serde_json::to_vec(&serde_json::from_str::<Answer<'_>>(&answer).unwrap()).unwrap());
}

#[derive(Deserialize, Serialize)]
struct Chat<'a> {
    model: &'a str,
    #[serde(borrow)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Message<'a> {
    role: &'a str,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow)]
    chat_response: &'a RawValue,
}

/// CPU time of the server's side and of the client's for one request on a kept connection and a short answer.
fn hops(request: &[u8]) -> (Duration, Duration) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = port.local_addr().unwrap();
    let (length, answer) = (request.len(), whole_body().into_bytes());
    let answered = answer.len();
    let server = thread::spawn(move || {
        let (mut stream, _) = port.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = vec![0; length];
        let (begun, mut count) = (cpu_time(), 0);
        while stream.read_exact(&mut buffer).is_ok() {
            stream.write_all(&answer).unwrap();
            count += 1;
        }
        (cpu_time() - begun) / count
    });
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; answered];
    let hop_out = each(|| {
        stream.write_all(request).unwrap();
        stream.read_exact(&mut buffer).unwrap();
    });
    drop(stream);
    (server.join().unwrap(), hop_out)
}
