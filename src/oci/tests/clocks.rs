//! Servers whose clocks are not this machine's, and gateways that only pretend so.

use std::time::SystemTime;

use super::*;

const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n";

/// Seconds that a request's date is ahead of this machine's clock, to the minute.
fn minutes_ahead(head: &str) -> i64 {
    let date = httpdate::parse_http_date(header(head, "date").unwrap()).unwrap();
    let seconds = match date.duration_since(SystemTime::now()) {
        Ok(ahead) => ahead.as_secs().cast_signed(),
        Err(behind) => -behind.duration().as_secs().cast_signed(),
    };
    (seconds + 30 * seconds.signum()) / 60
}

fn dated(minutes: i64) -> String {
    let offset = Duration::from_secs(60 * minutes.unsigned_abs());
    let date = if minutes < 0 {
        SystemTime::now() - offset
    } else {
        SystemTime::now() + offset
    };
    format!("Date: {}\r\n", httpdate::fmt_http_date(date))
}

/// Answers 200 to requests that are dated within five minutes of its clock, with the `Date` that `shown` makes.
fn clock(minutes: i64, shown: impl Fn() -> String + Send + Sync + 'static) -> Server {
    Server::start(move |_, peer| {
        while let Some((head, _)) = peer.request() {
            let date = shown();
            if (minutes_ahead(&head) - minutes).abs() > 5 {
                peer.send(format!("{REFUSED}{date}\r\n{{}}"));
            } else {
                let answer = whole("application/json", RESULT);
                let (status, rest) = answer.split_once("\r\n").unwrap();
                peer.send(format!("{status}\r\n{date}{rest}"));
            }
        }
    })
}

fn requests(caller: &Caller) -> usize {
    caller.signatures.load(Ordering::SeqCst)
}

#[test]
fn a_wrong_clock_costs_one_call_and_no_error() {
    for minutes in [20, -20, 24 * 60 - 1] {
        let server = clock(minutes, move || dated(minutes));
        let caller = server.caller();
        caller.call().unwrap();
        assert_eq!(requests(&caller), 2, "refused, then dated by the server");
        caller.call().unwrap();
        assert_eq!(requests(&caller), 3, "dated by the server at once");
    }
}

#[test]
fn what_works_is_not_changed_by_a_wrong_date() {
    let server = clock(0, || dated(60));
    let caller = server.caller();
    for calls in 1..4 {
        caller.call().unwrap();
        assert_eq!(requests(&caller), calls);
    }
}

#[test]
fn refused_credentials_stay_refused_whatever_the_date() {
    // What the answers show, and how many requests a call makes.
    for (date, tries) in [
        (dated(0), 1),
        (dated(4), 2),
        (dated(60), 2),
        (dated(48 * 60), 1),
        (String::new(), 1),
        ("Date: yesterday\r\n".to_owned(), 1),
        (format!("Age: 3600\r\n{}", dated(-60)), 1),
    ] {
        let server = Server::always(format!("{REFUSED}{date}\r\n{{}}"));
        let caller = server.caller();
        for call in 1..3 {
            let OciError::Status(error) = caller.failure() else {
                panic!("not a status");
            };
            assert_eq!(error.status, 401);
            assert_eq!(requests(&caller), call * tries, "{date}");
        }
    }
}

#[test]
fn a_clock_that_is_set_meanwhile_costs_one_call_again() {
    let minutes = Arc::new(AtomicUsize::new(20));
    let theirs = Arc::clone(&minutes);
    let server = Server::start(move |_, peer| {
        while let Some((head, _)) = peer.request() {
            let now = i64::try_from(theirs.load(Ordering::SeqCst)).unwrap();
            let answer = whole("application/json", RESULT);
            if (minutes_ahead(&head) - now).abs() > 5 {
                peer.send(format!("{REFUSED}{}\r\n{{}}", dated(now)));
            } else {
                peer.send(answer);
            }
        }
    });
    let caller = server.caller();
    for (now, expected) in [(20, 2), (0, 4), (0, 5), (40, 7), (40, 8)] {
        minutes.store(now, Ordering::SeqCst);
        caller.call().unwrap();
        assert_eq!(requests(&caller), expected, "{now}");
    }
}

#[test]
fn a_retry_after_that_is_a_date_goes_by_the_clock_of_who_sent_it() {
    let later = SystemTime::now() + Duration::from_secs(3600);
    let date = httpdate::fmt_http_date(later);
    let retry = httpdate::fmt_http_date(later + Duration::from_secs(7));
    let server = Server::always(format!(
        "HTTP/1.1 429 Too Many Requests\r\nDate: {date}\r\nRetry-After: {retry}\r\nContent-Length: 2\r\n\r\n{{}}"
    ));
    let OciError::Status(error) = server.caller().failure() else {
        panic!("not a status");
    };
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
}
