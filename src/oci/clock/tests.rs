//! Tables of dates and of what follows from them.
#![expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use super::*;

const HERE: u64 = 1_800_000_000;
const HOST: &str = "inference.example";

fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(HERE.checked_add_signed(seconds).unwrap())
}

fn measured(date: i64, sent: i64, received: i64, expected: Option<i64>) {
    let found = Skew::measure(at(date), at(sent), at(received));
    assert_eq!(found, expected.map(Skew), "{date} {sent} {received}");
}

#[test]
fn a_skew_is_the_least_that_explains_the_date() {
    measured(0, 0, 0, Some(0));
    measured(1200, 0, 0, Some(1200));
    measured(1200, 0, 2, Some(1198));
    measured(-1200, 0, 2, Some(-1200));
    // An answer that took a minute, dated at its beginning, in the middle and at its end.
    for date in [0, 30, 60] {
        measured(date, 0, 60, Some(0));
    }
    measured(100, 0, 60, Some(40));
    measured(-40, 0, 60, Some(-40));
    // The clock was set back between sending and receiving.
    measured(0, 10, -3600, None);
}

#[test]
fn no_clock_is_too_wrong_to_be_measured() {
    let day_one = UNIX_EPOCH;
    let years = Skew::measure(at(0), day_one, day_one).unwrap();
    assert_eq!(years, Skew(HERE.cast_signed()));
    assert!(years.is_notable() && !years.is_correctable());
    assert!(Skew::measure(day_one - Duration::from_secs(5), at(0), at(0)).is_some());
    assert_eq!(years.there(UNIX_EPOCH), at(0));
}

#[test]
fn a_refusal_is_tried_again_only_with_a_date_that_may_help() {
    let check = |used: i64, measured: Option<i64>, expected: Option<i64>| {
        let found = another_try(Skew(used), measured.map(Skew));
        assert_eq!(found, expected.map(Skew), "{used} {measured:?}");
    };
    // The clocks agree, so the credentials are wrong.
    for measured in [0, 5, -100, 120] {
        check(0, Some(measured), None);
    }
    check(0, None, None);
    check(0, Some(1200), Some(1200));
    check(0, Some(-1200), Some(-1200));
    check(0, Some(86_400), Some(86_400));
    check(0, Some(86_401), None);
    check(0, Some(-90_000), None);
    // Dated like that already.
    check(1200, Some(1200), None);
    check(1200, Some(1150), None);
    // The local clock was set: back to its own time, or by another step.
    check(1200, Some(1), Some(0));
    check(1200, Some(-1200), Some(-1200));
    check(1200, Some(100_000), None);
    // An answer without a date.
    check(1200, None, Some(0));
}

#[test]
fn only_what_was_proven_is_used() {
    let clocks = Clocks::default();
    clocks.measured(HOST, Skew(1200), Instant::now());
    assert_eq!(clocks.correction(HOST), Skew(0));
    assert_eq!(clocks.skew(HOST), Some(Skew(1200)));
    clocks.prove(HOST, Skew(1200));
    assert_eq!(clocks.correction(HOST), Skew(1200));
    assert_eq!(clocks.correction("control.example"), Skew(0));
    assert_eq!(clocks.skew("control.example"), None);
}

/// Measurements as `(host, second, skew)`, and what is told of each.
fn told(measurements: &[(&str, u64, i64, Option<News>)]) {
    let clocks = Clocks::default();
    let start = Instant::now();
    for (number, (host, second, skew, expected)) in measurements.iter().enumerate() {
        let now = start + Duration::from_secs(*second);
        let found = clocks.measured(host, Skew(*skew), now);
        assert_eq!(found, *expected, "number {number}");
    }
}

fn off(skew: i64) -> Option<News> {
    Some(News::Off(Skew(skew)))
}

#[test]
fn a_skew_is_told_once_and_again_when_it_changes_or_is_gone() {
    told(&[
        ("a", 0, 0, None),
        ("a", 1, 30, None),
        ("a", 2, 31, off(31)),
        ("a", 3, 31, None),
        ("a", 100, 45, None),
        ("a", 101, 90, off(90)),
        ("a", 200, 90, None),
        // Between right and wrong nothing is new.
        ("a", 300, 25, None),
        ("a", 301, 15, Some(News::RightAgain)),
        ("a", 302, 0, None),
        ("a", 400, -1200, off(-1200)),
        ("a", 500, -1230, None),
        ("a", 501, -1231, off(-1231)),
    ]);
}

#[test]
fn hosts_that_show_the_same_are_one_piece_of_news() {
    told(&[
        ("a", 0, 1200, off(1200)),
        ("b", 0, 1199, None),
        ("c", 90, 1201, None),
        ("c", 91, 0, None),
        ("b", 92, 0, None),
        ("a", 93, 0, Some(News::RightAgain)),
    ]);
}

#[test]
fn servers_that_disagree_do_not_fill_the_log() {
    let mut measurements = vec![("a", 0, 500, off(500))];
    for second in (1..60).step_by(2) {
        measurements.push(("a", second, 0, None));
        measurements.push(("a", second + 1, 500, None));
    }
    measurements.push(("a", 61, 0, Some(News::RightAgain)));
    told(&measurements);
}

#[test]
fn a_skew_reads_well() {
    for (skew, text) in [
        (0, "0 s behind OCI's"),
        (45, "45 s behind OCI's"),
        (-45, "45 s ahead of OCI's"),
        (1201, "20 min 1 s behind OCI's"),
        (-7260, "2 h 1 min ahead of OCI's"),
        (1_800_000_000, "20833 days behind OCI's"),
    ] {
        assert_eq!(Skew(skew).to_string(), text);
    }
}
