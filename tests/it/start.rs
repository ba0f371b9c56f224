//! From the command line to the open port: what is printed, in which order, with which exit code, and what is written.

mod check;
mod clock;
mod demo;
mod init;
mod keys;
mod modes;

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{
    KEY, Proxy, TempDir, account, config, eventually, program, simulator, write_private,
};

const PEM: &str = include_str!("../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
/// Nothing listens there; what only starts never asks.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program to its end.
pub(crate) fn run(dir: &Path, args: &[&str]) -> Ended {
    let mut child = program(dir)
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut status = None;
    eventually("the program to end by itself", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let mut ended = Ended {
        code: status.unwrap().code(),
        stdout: String::new(),
        stderr: String::new(),
    };
    child
        .stdout
        .unwrap()
        .read_to_string(&mut ended.stdout)
        .unwrap();
    child
        .stderr
        .unwrap()
        .read_to_string(&mut ended.stderr)
        .unwrap();
    ended
}

/// A directory with these files.
fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new();
    for (name, text) in files {
        write_private(&dir.path().join(name), text);
    }
    dir
}

/// A start that fails on this configuration, with the test key beside it.
fn refused(config: &str, args: &[&str]) -> String {
    let dir = dir(&[("config.conf", config), ("key.pem", PEM)]);
    let ended = run(
        dir.path(),
        &[&["-port", "0", "-host", "127.0.0.1"], args].concat(),
    );
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(1), ""),
        "{}",
        ended.stderr
    );
    ended.stderr
}

/// The message of a log line, whose date must be as promised.
fn message(line: &str) -> &str {
    const SHAPE: &str = "0000/00/00 00:00:00 ";
    let (date, message) = line.split_at(SHAPE.len());
    let shape: String = date
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, SHAPE, "{line}");
    message
}

fn hello(proxy: &Proxy) -> Value {
    let answer =
        proxy.chat(&json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]}));
    assert_eq!(answer.status, 200, "{} {:#?}", answer.text(), proxy.log());
    answer.json()
}

fn multi_config(endpoint: &str, second_enabled: bool) -> String {
    let account = account();
    let section = |number: u32, enabled: bool| {
        format!(
            "[ACCOUNT_{number}]\nid = account{number}\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\n\
             region = us-chicago-1\nendpoint = {endpoint}\nweight = 3\nmax_concurrency = 20\nenabled = {enabled}\n",
            account.user, account.tenancy, account.fingerprint
        )
    };
    format!(
        "api_key = {KEY}\n[MODELS]\ngrok = xai.grok-4.3\n{}{}",
        section(1, true),
        section(2, second_enabled)
    )
}

#[test]
fn the_lines_of_a_start_are_these_and_no_others() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let log = proxy.log();
    let messages: Vec<_> = log.iter().map(|line| message(line)).collect();
    let port = format!("Starting server on port {}", proxy.address.port());
    assert_eq!(
        messages,
        [
            "Loaded 5 models from config",
            "Initializing OCI client for region us-phoenix-1",
            "OCI client initialized successfully",
            &port,
        ]
    );
}

#[test]
fn flags_take_one_dash_or_two_and_a_value_behind_a_space_or_an_equals_sign() {
    for args in [
        &["-port", "0", "-host", "127.0.0.1", "-config", "my.conf"][..],
        &["-port=0", "-host=127.0.0.1", "-config=my.conf"],
        &["--port=0", "--host", "127.0.0.1", "--config", "my.conf"],
        &["--config=./my.conf", "--port", "0", "--host=127.0.0.1"],
    ] {
        let dir = dir(&[("my.conf", &config(NOWHERE, "")), ("key.pem", PEM)]);
        let mut command = program(dir.path());
        command.args(args);
        let proxy = Proxy::spawn(dir, command);
        assert_ne!(proxy.address.port(), 0, "{args:?}");
        assert_eq!(proxy.get("/health").status, 200, "{args:?}");
    }
}

#[test]
fn version_and_help_are_answers_and_a_wrong_flag_is_exit_2_with_the_usage() {
    let empty = TempDir::new();
    for args in [["-version"], ["--version"]] {
        let ended = run(empty.path(), &args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        assert_eq!(
            ended.stdout,
            format!("ociai-proxy {}\n", env!("CARGO_PKG_VERSION"))
        );
    }
    let flags = [
        "-port",
        "-config",
        "-multi-account",
        "-host",
        "-demo",
        "-check",
        "-version",
    ];
    for args in [&["-h"][..], &["--help"], &["-port", "9000", "-h"]] {
        let ended = run(empty.path(), args);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        assert!(
            flags.iter().all(|flag| ended.stdout.contains(flag)),
            "{}",
            ended.stdout
        );
    }
    for (args, wrong) in [
        (&["-prot", "9000"][..], "-prot"),
        (&["--verbose"], "-verbose"),
        (&["-port", "lots"], "lots"),
        (&["-port=70000"], "70000"),
        (&["-port"], "port"),
        (&["config.conf"], "config.conf"),
        (&["-demo", "-config", "config.conf"], "-demo"),
        (&["-demo", "-check"], "-demo"),
    ] {
        let ended = run(empty.path(), args);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{args:?}"
        );
        let (first, usage) = ended.stderr.split_once('\n').unwrap();
        assert!(first.contains(wrong), "{args:?} {first}");
        assert!(
            flags.iter().all(|flag| usage.contains(flag)),
            "{args:?} {usage}"
        );
    }
}

#[test]
fn all_problems_of_a_file_are_told_at_once_with_their_lines() {
    let config = "[DEFAULT]\nuser = nobody\nfingerprint = 12:34\ntenancy =\nregion = us-phoenix-1\n\
                  force_non_stream = maybe\n[GLOBAL]\nretry_attempts = 21\nretry_attempts = 1\n\
                  request_timeout = soon\njust some words\nqueue_sise = 3\n[MODELS]\n";
    let stderr = refused(config, &[]);
    let expected = [
        "config.conf:1: key_file: ",
        "config.conf:2: user: ",
        "config.conf:3: fingerprint: ",
        "config.conf:4: tenancy: ",
        "config.conf:6: force_non_stream: ",
        "config.conf:8: retry_attempts: expected 0 to 20, got \"21\"",
        "config.conf:9: retry_attempts: ",
        "config.conf:10: request_timeout: expected a duration",
        "config.conf:11: ",
        "config.conf:12: queue_sise: unknown key in [GLOBAL], ignored; did you mean queue_size?",
        "config.conf:13: [MODELS]: ",
    ];
    let lines: Vec<_> = stderr.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{stderr}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{expected}\n{stderr}");
    }
}

#[test]
fn a_key_that_is_probably_misspelt_is_a_warning_with_the_nearest_name() {
    let proxy = Proxy::with_config(&config(NOWHERE, "[GLOBAL]\nqueue_sise = 3"));
    let warning = proxy.wait_for_log("warning: ");
    assert!(
        warning.contains("config.conf:10: queue_sise: ") && warning.contains("queue_size"),
        "{warning}"
    );
}

#[test]
fn a_file_that_is_missing_or_of_the_other_kind_is_one_clear_line() {
    let dir = dir(&[
        ("single.conf", &config(NOWHERE, "")),
        ("multi.conf", &multi_config(NOWHERE, true)),
    ]);
    for (args, starts, says) in [
        (&[][..], "config.conf: ", "no such file"),
        (&["-multi-account"], "multi_config.conf: ", "no such file"),
        (
            &["-config", "sub/other.conf"],
            "sub/other.conf: ",
            "-config",
        ),
        (&["-config", "."], ".: ", "cannot be read"),
        (&["-config", "multi.conf"], "multi.conf:", "-multi-account"),
        (
            &["-config", "single.conf", "-multi-account"],
            "single.conf:1: ",
            "without -multi-account",
        ),
    ] {
        let ended = run(dir.path(), args);
        assert_eq!(
            (ended.code, ended.stderr.lines().count()),
            (Some(1), 1),
            "{args:?} {}",
            ended.stderr
        );
        assert!(
            ended.stderr.starts_with(starts) && ended.stderr.contains(says),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn a_port_in_use_is_one_clear_line_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = dir(&[("config.conf", &config(NOWHERE, "")), ("key.pem", PEM)]);
    let ended = run(dir.path(), &["-host", "127.0.0.1", "-port", &port]);
    assert_eq!(ended.code, Some(1));
    let last = ended.stderr.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("127.0.0.1:{port} is in use")) && last.contains("-port"),
        "{last}"
    );
    assert!(
        !ended.stderr.contains("Starting server"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_multi_account_file_with_one_enabled_account_serves() {
    let simulator = simulator();
    let dir = dir(&[
        (
            "multi_config.conf",
            &multi_config(&simulator.endpoint(), false),
        ),
        ("key.pem", PEM),
    ]);
    let proxy = Proxy::in_dir(dir, &["-multi-account"]);
    let log = proxy.log();
    let messages: Vec<_> = log.iter().take(4).map(|line| message(line)).collect();
    assert_eq!(
        messages,
        [
            "OCI AI 代理服务启动...",
            "多账户模式: true",
            "初始化多账户模式...",
            "加载账户配置: ACCOUNT_1 (权重: 3, 最大并发: 20)",
        ]
    );
    assert_eq!(hello(&proxy)["choices"][0]["finish_reason"], "stop");
    let health = proxy.get("/health").json();
    assert_eq!(
        (&health["mode"], &health["accounts"]),
        (&json!("multi"), &json!({"healthy": 1, "total": 1}))
    );
    assert_eq!(
        proxy.get("/test-oci").json()["accounts"][0]["account"],
        "account1"
    );
}

#[test]
fn a_file_of_ocis_own_tools_works_once_it_has_models() {
    let simulator = simulator();
    let account = account();
    let home = TempDir::new();
    fs::create_dir(home.path().join(".oci")).unwrap();
    fs::write(home.path().join(".oci/oci_api_key.pem"), PEM).unwrap();
    let text = format!(
        "[DEFAULT]\nuser={}\nfingerprint={}\nkey_file=~/.oci/oci_api_key.pem\ntenancy={}\nregion=us-chicago-1\n\
         # comment line\n; another\nendpoint={}\napi_key={KEY}\n\n[OTHER]\nregion=FRA\nsecurity_token_file=~/token\n[MODELS]\ngrok=xai.grok-4.3\n",
        account.user,
        account.fingerprint,
        account.tenancy,
        simulator.endpoint()
    );
    let path = home.path().join(".oci/config");
    fs::write(&path, &text).unwrap();
    let mut command = program(home.path());
    command
        .env("HOME", home.path())
        .args(["-port=0", "-host=127.0.0.1", "-config"])
        .arg(&path);
    let proxy = Proxy::spawn(home, command);
    hello(&proxy);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    let no_models = refused("[DEFAULT]\nuser = ocid1.user.oc1..aaaa\n", &[]);
    assert!(no_models.contains("[MODELS]"), "{no_models}");
}
