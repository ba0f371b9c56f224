//! `-check`: what it says of good and bad files, keys and accounts, and with which exit code.

use std::fs;

use ociai_proxy::simulator::Script;

use crate::harness::{KEY, account, chats, config, furnished, simulator};
use crate::start::{Ended, NOWHERE, PEM, dir, multi_config, run};

const OTHER_FINGERPRINT: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";

fn check(text: &str) -> Ended {
    run(furnished(text).path(), &["-check"])
}

/// A check that fails for one account, and what it says.
#[track_caller]
fn fails(text: &str, says: &[&str]) -> Ended {
    let ended = check(text);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(1), ""),
        "{}",
        ended.stdout
    );
    for expected in says {
        assert!(
            ended.stdout.contains(expected),
            "{expected}\n{}",
            ended.stdout
        );
    }
    assert!(
        ended.stdout.ends_with("0 of 1 accounts good.\n"),
        "{}",
        ended.stdout
    );
    ended
}

#[test]
fn a_good_account_is_a_row_and_exit_0() {
    let simulator = simulator();
    let ended = check(&config(&simulator.endpoint(), ""));
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ended.stdout
    );
    let lines: Vec<_> = ended.stdout.lines().collect();
    let [title, "", headers, row, "", summary] = lines.as_slice() else {
        panic!("{}", ended.stdout);
    };
    assert_eq!(*title, "config.conf: models: 5, an api_key");
    assert_eq!(
        *headers,
        "account  region        key    fingerprint  clock  call"
    );
    assert!(
        row.starts_with("default  us-phoenix-1  loads  matches      right  good, ")
            && row.ends_with(" ms"),
        "{row}"
    );
    assert_eq!(*summary, "The account is good.");
    // No tokens were spent, and one call was enough.
    assert_eq!(
        (chats(&simulator).len(), simulator.total_requests()),
        (0, 1)
    );
}

#[test]
fn every_account_has_a_row_and_one_bad_one_is_exit_1() {
    let simulator = simulator();
    let good = multi_config(&simulator.endpoint(), false);
    let bad = good.replace("enabled = false", "enabled = true").replacen(
        &account().fingerprint,
        OTHER_FINGERPRINT,
        1,
    );
    for (text, code, rows) in [
        (good, 0, [" good, ", " disabled"]),
        (bad, 1, [" DIFFERS ", " good, "]),
    ] {
        let dir = dir(&[("multi_config.conf", &text), ("key.pem", PEM)]);
        let ended = run(dir.path(), &["-check", "-multi-account"]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(code), ""),
            "{}",
            ended.stdout
        );
        for (number, expected) in rows.iter().enumerate() {
            let row = ended.stdout.lines().nth(3 + number).unwrap();
            let id = format!("account{}  us-chicago-1", number + 1);
            let is_disabled = expected.ends_with("disabled");
            assert!(is_disabled || row.starts_with(&id), "{}", ended.stdout);
            assert!(row.contains(expected), "{}", ended.stdout);
        }
    }
}

#[test]
fn what_is_wrong_comes_with_what_to_do() {
    let good = config(NOWHERE, "");
    fails(
        &good.replace(&account().fingerprint, OTHER_FINGERPRINT),
        &[
            " loads  DIFFERS ",
            &account().fingerprint,
            OTHER_FINGERPRINT,
            "openssl rsa -in ./key.pem",
        ],
    );
    fails(
        &good.replace("./key.pem", "./no.pem"),
        &[" FAILS ", "no.pem: there is no such file"],
    );
    fails(&good, &["FAILS: unreachable", "DNS", "HTTPS_PROXY"]);
    let simulator = simulator();
    let unknown =
        config(&simulator.endpoint(), "").replace(&account().user, "ocid1.user.oc1..other");
    fails(
        &unknown,
        &[
            "FAILS: 401",
            "user, tenancy and fingerprint",
            "openssl rsa -in ./key.pem -pubout",
        ],
    );
}

#[test]
fn an_account_that_a_policy_keeps_from_lists_is_good_with_a_remark() {
    let simulator = simulator();
    let forbidden = Script::status(
        404,
        r#"{"code":"NotAuthorizedOrNotFound","message":"Authorization failed or requested resource not found."}"#,
    );
    simulator.set_chooser(Some(std::sync::Arc::new(move |_| Some(forbidden.clone()))));
    let ended = check(&config(&simulator.endpoint(), ""));
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.contains(" good, ")
            && ended.stdout.contains("remark: default: ")
            && ended.stdout.contains("policy"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_check_writes_nothing_and_says_that_a_key_will_be_made() {
    let simulator = simulator();
    let text = config(&simulator.endpoint(), "").replace(KEY, "auto_generated_key");
    let dir = furnished(&text);
    let ended = run(dir.path(), &["-check"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("the first start makes one"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("config.conf")).unwrap(),
        text
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn a_bad_file_is_told_as_at_a_start() {
    let text = "[DEFAULT]\nuser = nobody\n[MODELS]\n";
    let dir = dir(&[("config.conf", text)]);
    let (checked, started) = (run(dir.path(), &["-check"]), run(dir.path(), &[]));
    assert_eq!((checked.code, checked.stdout.as_str()), (Some(1), ""));
    assert_eq!(checked.stderr, started.stderr);
    assert!(
        checked.stderr.starts_with("config.conf:1: "),
        "{}",
        checked.stderr
    );
}

#[test]
fn accounts_are_checked_at_the_same_time() {
    // Each waits until all have asked.
    const ACCOUNTS: usize = 8;
    let simulator = std::sync::Arc::new(simulator());
    let one = multi_config(&simulator.endpoint(), false);
    let (head, section) = one.split_once("[ACCOUNT_1]").unwrap();
    let (section, _) = section.split_once("[ACCOUNT_2]").unwrap();
    let sections = (1..=ACCOUNTS).map(|number| {
        format!(
            "[ACCOUNT_{number}]{}",
            section.replace("account1", &format!("account{number}"))
        )
    });
    let text = head.to_owned() + &sections.collect::<String>();
    let all = std::sync::Barrier::new(ACCOUNTS);
    simulator.set_chooser(Some(std::sync::Arc::new(move |_| {
        all.wait();
        None
    })));
    let dir = dir(&[("c.conf", &text), ("key.pem", PEM)]);
    let ended = run(dir.path(), &["-check", "-multi-account", "-config=c.conf"]);
    assert!(
        ended.stdout.ends_with("All 8 accounts are good.\n"),
        "{}",
        ended.stdout
    );
}
