//! A machine whose clock is wrong. The tests cannot set this one's, so it is the simulator whose clock differs.

use ociai_proxy::simulator::{Options, Simulator};
use serde_json::json;

use crate::harness::{MODELS, Proxy, account, chats, config, furnished};
use crate::start::{hello, run};

/// Seconds in twenty minutes.
const TWENTY_MINUTES: i64 = 1200;

pub(crate) fn simulator_ahead_by(seconds: i64) -> Simulator {
    Simulator::start(Options {
        accounts: vec![account()],
        models: MODELS.iter().map(|(_, id)| (*id).to_owned()).collect(),
        clock_offset: seconds,
        ..Options::default()
    })
    .unwrap()
}

/// The lines of the log about the clock.
fn lines(proxy: &Proxy) -> usize {
    let log = proxy.log();
    log.iter().filter(|line| line.contains("clock is")).count()
}

#[test]
fn the_first_request_succeeds_and_the_log_says_once_how_wrong_the_clock_is() {
    for (ahead, says) in [
        (TWENTY_MINUTES, "behind OCI's"),
        (-TWENTY_MINUTES, "ahead of OCI's"),
    ] {
        let simulator = simulator_ahead_by(ahead);
        // Without health checks: no other call comes first.
        let proxy = Proxy::start(&simulator, "[GLOBAL]\nhealth_check_interval = 0");
        hello(&proxy);
        let line = proxy.wait_for_log("clock is");
        assert!(line.contains("warning: ") && line.contains(says), "{line}");
        assert!(
            line.contains(" 20 min ") || line.contains(" 19 min 5"),
            "{line}"
        );
        for _ in 0..3 {
            hello(&proxy);
        }
        let signed: Vec<_> = chats(&simulator)
            .iter()
            .map(|call| call.is_signed())
            .collect();
        assert_eq!(signed, [false, true, true, true, true]);
        assert_eq!(lines(&proxy), 1);
    }
}

#[test]
fn a_wrong_clock_makes_no_account_unhealthy() {
    let simulator = simulator_ahead_by(-TWENTY_MINUTES);
    let proxy = Proxy::start(&simulator, "[GLOBAL]\nhealth_check_interval = 100ms");
    let is_checked = |simulator: &Simulator| {
        let checks = simulator.requests();
        checks.iter().filter(|check| check.is_signed()).count() > 3
    };
    assert!(simulator.wait_for(is_checked, crate::harness::DEADLINE));
    hello(&proxy);
    let stats = proxy.get("/stats/accounts").json();
    let account = &stats["accounts"][0];
    assert_eq!(
        (&account["state"], &account["failures"]),
        (&json!("available"), &json!(0))
    );
    let log = proxy.log();
    assert!(
        !log.iter().any(|line| line.contains("unhealthy")),
        "{log:#?}"
    );
}

#[test]
fn a_check_shows_the_clock_and_is_good_as_long_as_it_can_be_corrected() {
    for (ahead, code, says) in [
        (0, 0, " right "),
        (240, 0, " min "),
        (TWENTY_MINUTES, 0, "behind OCI's"),
        (-TWENTY_MINUTES, 0, "ahead of OCI's"),
        (3 * 24 * 3600, 1, "days behind OCI's"),
    ] {
        let simulator = simulator_ahead_by(ahead);
        let dir = furnished(&config(&simulator.endpoint(), ""));
        let ended = run(dir.path(), &["-check"]);
        assert_eq!(ended.code, Some(code), "{}", ended.stdout);
        let row = ended.stdout.lines().nth(3).unwrap();
        assert!(row.contains(says), "{}", ended.stdout);
        let warning = ended.stdout.contains("warning: this machine's clock is ");
        assert_eq!(warning, ahead != 0, "{}", ended.stdout);
        assert_eq!(ended.stderr, "");
    }
}
