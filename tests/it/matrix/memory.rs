//! What an upstream sends without end costs a bounded amount of memory, and another time no more than that.

use std::time::Duration;

use ociai_proxy::simulator::{Framing, Script, Step};

use crate::harness::Proxy;
use crate::matrix::faults::Fault::{Events, Raw};
use crate::matrix::faults::Then::Flood;
use crate::matrix::faults::{COMMENT, FIRST_TEXT, Words};
use crate::matrix::site::{Fleet, Site, ask};

const LIMITS: &str = "retry_attempts = 0\nrequest_timeout = 600s\n[CIRCUIT_BREAKER]\nmax_failures = 1000000\nmin_requests = 1000000";
/// Calls under attack at once.
const AT_ONCE: usize = 4;
/// As often: what the allocator keeps must be of use again.
const TIMES: usize = 3;
/// What one call may cost at its worst: an answer of 32 MiB, in a buffer that has just grown by half.
const PEAK_KIB_A_CALL: usize = 64 * 1024;
/// What streams that wait for their clients may take.
const WAITING_KIB: usize = 32 * 1024;
/// Of an endless stream the client reads as much before it stops.
const READ_BYTES: usize = 1024 * 1024;

/// A line of `/proc/PID/status` in KiB.
fn kib(proxy: &Proxy, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends `AT_ONCE` requests, all of which meet the fault, `TIMES` times, and returns what the program needed at most, in KiB.
fn attack(what: &str, script: impl Fn() -> Script, stream: bool) -> usize {
    let site = Site::start(Fleet::One, LIMITS);
    assert_eq!(site.chat("grok", stream).0.status, 200);
    let idle = kib(&site.proxy, "VmRSS:");
    for _ in 0..TIMES {
        site.arm(Some(script()));
        let mut clients: Vec<_> = (0..AT_ONCE).map(|_| site.proxy.connect()).collect();
        for client in &mut clients {
            ask(client, "grok", stream);
        }
        for client in &mut clients {
            let answer = client.response("POST");
            assert!(
                answer.text().contains("upstream_error"),
                "{what} {}",
                answer.status
            );
        }
        site.assert_quiet(what);
        site.arm(None);
        assert_eq!(site.chat("grok", stream).0.status, 200, "{what}");
    }
    kib(&site.proxy, "VmHWM:") - idle
}

#[test]
fn what_has_no_end_costs_bounded_memory() {
    for (what, fault, stream) in [
        (
            "a header line",
            Raw(b"HTTP/1.1 200 OK\r\nX: ", Flood(b"x")),
            false,
        ),
        (
            "headers",
            Raw(b"HTTP/1.1 200 OK\r\n", Flood(b"X: y\r\n")),
            false,
        ),
        (
            "a body",
            Raw(b"HTTP/1.1 200 OK\r\n\r\n{", Flood(b" ")),
            false,
        ),
        (
            "an error's body",
            Raw(b"HTTP/1.1 500 Oops\r\n\r\n{", Flood(b" ")),
            false,
        ),
        (
            "a line of a stream",
            Events(&[b"data: {\""], Flood(b"x")),
            true,
        ),
        ("comments", Events(&[], Flood(COMMENT)), true),
    ] {
        let peak = attack(what, || fault.script(None, Words::Native), stream);
        println!("{what}: {peak} KiB at most");
        assert!(peak <= AT_ONCE * PEAK_KIB_A_CALL, "{what}: {peak} KiB");
    }
}

#[test]
fn a_stream_without_end_waits_for_its_client() {
    let site = Site::start(Fleet::One, LIMITS);
    assert_eq!(site.chat("grok", true).0.status, 200);
    let idle = kib(&site.proxy, "VmRSS:");
    let event = br#"data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"First"}]}}"#;
    let endless = [event.as_slice(), b"\n\n"].concat().repeat(100);
    site.arm(Some(Script::Steps(vec![
        Step::Head {
            status: 200,
            content_type: "text/event-stream".to_owned(),
            framing: Framing::Chunked,
        },
        Step::Endless {
            bytes: endless,
            pace: Duration::ZERO,
        },
    ])));
    let mut clients: Vec<_> = (0..AT_ONCE).map(|_| site.proxy.connect()).collect();
    for client in &mut clients {
        ask(client, "grok", true);
        assert_eq!(client.head().status, 200);
        let mut read = 0;
        while read < READ_BYTES {
            let chunk = client.chunk().unwrap();
            assert!(String::from_utf8_lossy(&chunk).contains(FIRST_TEXT));
            read += chunk.len();
        }
    }
    // None of them reads on, and the upstream would send more.
    assert_eq!(site.simulator.active_calls(), AT_ONCE);
    let now = kib(&site.proxy, "VmHWM:");
    assert!(now - idle <= WAITING_KIB, "{idle} KiB grew to {now} KiB");
    drop(clients);
    site.assert_quiet("streams whose clients have left");
    let account = site.standings().swap_remove(0);
    assert_eq!((account.state.as_str(), account.failures), ("available", 0));
}
