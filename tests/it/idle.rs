//! Connections that are held and say nothing: thousands of them, each a thread with a small stack. Whoever asks is answered
//! at once, and what each of them costs has a bound.
#![cfg(target_os = "linux")]

use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::Client;
use crate::hostile::{CHAT, PROMPT, Site, chat_request};

const CONNECTIONS: usize = 2000;
/// Descriptors that this program needs for itself, and the proxy for each connection at most.
const OTHER_FILES: usize = 300;
const FILES_PER_CONNECTION: usize = 4;
/// The most that an idle connection may hold. It is the stack of its thread, as far as it was ever used: two buffers and
/// what parses a head; without optimisation more than with it.
const MAX_KIB_PER_CONNECTION: usize = 64;

/// As many connections as the system has descriptors for, up to [`CONNECTIONS`].
fn affordable() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Refused in some sandboxes; then there are fewer.
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current;
    let files = files.map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    CONNECTIONS.min(files.saturating_sub(OTHER_FILES) / FILES_PER_CONNECTION)
}

#[test]
fn thousands_of_idle_connections_keep_nobody_waiting_and_cost_little() {
    let site = Site::start("");
    let before = site.usage();
    let count = affordable();
    let mut held: Vec<Client> = (0..count)
        .map(|_| {
            let mut client = site.proxy.connect();
            client.send_request("GET", "/health", &[], "");
            assert_eq!(client.response("GET").status, 200);
            client
        })
        .collect();
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(site.proxy.get("/health").status, 200);
    }
    assert_eq!(site.answer(chat_request(CHAT)).0.status, 200);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    let during = site.usage();
    // Not `before.threads + count`: at that look the thread of a connection that had just ended may still have been there.
    assert!(during.threads > count, "{during:?}");
    let grown = during.resident.saturating_sub(before.resident);
    eprintln!(
        "{count} idle connections: {grown} KiB, {} each",
        grown / count
    );
    assert!(grown <= count * MAX_KIB_PER_CONNECTION, "{grown} KiB");
    // Any of them is served when it asks again.
    for client in held.iter_mut().step_by(97) {
        client.send(chat_request(CHAT));
        assert_eq!(client.response("POST").status, 200);
    }
    drop(held);
    site.assert_unharmed();
}
