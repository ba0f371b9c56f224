//! What a file says about the log.

use log::LevelFilter;

use super::*;
use crate::logger::{FileSettings, Format};

#[track_caller]
fn check_log(global: &str, expected: LogSettings) {
    let (settings, warnings) = good(Mode::Single, &single("", &format!("[GLOBAL]\n{global}")));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(settings.log, expected, "{global}");
    let text = multi("", &format!("[GLOBAL]\n{global}"));
    assert_eq!(good(Mode::Multi, &text).0.log, expected, "{global}");
}

#[test]
fn the_log_is_text_on_stderr_unless_the_file_says_otherwise() {
    let usual = || LogSettings {
        level: None,
        format: Format::Text,
        file: None,
    };
    check_log("", usual());
    check_log("log_file =\nlog_file_max_size = 1MiB\n", usual());
    let set = LogSettings {
        level: Some(LevelFilter::Warn),
        format: Format::Json,
        file: Some(FileSettings {
            path: "/base/logs/proxy.log".into(),
            max_size: 1 << 20,
            keep: 0,
        }),
    };
    check_log(
        "log_level = WARN\nlog_format = Json\nlog_file = logs/proxy.log\nlog_file_max_size = 1MiB\nlog_file_keep = 0\n",
        set,
    );
    let home = LogSettings {
        file: Some(FileSettings {
            path: "/home/me/proxy.log".into(),
            max_size: 10 << 20,
            keep: 3,
        }),
        ..usual()
    };
    check_log("log_file = ~/proxy.log\n", home);
    let (settings, _) = good(
        Mode::Single,
        &single(
            "",
            "[GLOBAL]\nlog_file = /var/log/p\nlog_file_max_size = 0\n",
        ),
    );
    assert_eq!(settings.log.file.unwrap().max_size, 0);
}

#[test]
fn wrong_values_and_names_are_told() {
    let levels = "expected error, warn, info, debug";
    let size = "expected 4096 to 1073741824 bytes, or 0 for a file that only grows";
    for (line, problem) in [
        (
            "log_level = loud",
            format!("log_level: {levels}, got \"loud\""),
        ),
        ("log_level =", format!("log_level: {levels}, got \"\"")),
        (
            "log_format = xml",
            "log_format: expected text or json, got \"xml\"".to_owned(),
        ),
        (
            "log_file_max_size = 100",
            format!("log_file_max_size: {size}, got \"100\""),
        ),
        (
            "log_file_keep = 101",
            "log_file_keep: expected 0 to 100, got \"101\"".to_owned(),
        ),
    ] {
        let text = single("", &format!("[GLOBAL]\n{line}\n"));
        check(Mode::Single, &text, &[&format!("f:11: {problem}")]);
    }
    check_warnings(
        Mode::Single,
        &single("log_level = info\n", "[GLOBAL]\nlog_fromat = json\n"),
        &[
            "f:8: log_level: has no effect in [DEFAULT], it belongs into [GLOBAL]",
            "f:12: log_fromat: unknown key in [GLOBAL], ignored; did you mean log_format?",
        ],
    );
}
