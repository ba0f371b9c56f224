//! Command lines, attacked.
#![expect(clippy::unwrap_used, reason = "a broken promise ends the test")]

use std::ffi::OsString;

use super::{USAGE_ERROR, parse};
use crate::fuzz::{Form, Target, texts};

/// One argument a line, of any bytes where the system has those.
fn arguments(bytes: &[u8]) -> Vec<OsString> {
    let lines = bytes.split(|&byte| byte == b'\n');
    lines.map(argument).collect()
}

#[cfg(unix)]
fn argument(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn argument(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[test]
fn command_lines() {
    let corpus = texts(&[
        "-port\n9000\n-config\na.conf",
        "--port=9000\n-host=::1\n-multi-account",
        "-demo\n-port=0",
        "-multi-account=true\n-demo=false\n-config=-",
        "-version",
        "-help",
    ]);
    let target = Target {
        name: "cli::fuzz::command_lines",
        executions: 10_000,
        form: Form::Lines,
        corpus: &corpus,
        words: &[
            "-port",
            "--port=",
            "-config",
            "-host",
            "-demo",
            "-init",
            "-user",
            "-models=",
            "-multi-account",
            "-version",
            "-h",
            "--",
            "-",
            "=",
            "\n",
            "=true",
            "=false",
            "--help",
            "help",
        ],
    };
    target.run(|bytes, _| {
        let read = parse(arguments(bytes));
        assert_eq!(parse(arguments(bytes)), read);
        match read {
            Ok(cli) => {
                assert!(!cli.host.is_empty() && !cli.config_path().as_os_str().is_empty());
                assert!(!cli.demo || cli.config.is_none());
                true
            }
            Err(exit) => {
                let (said, silent) = match exit.code {
                    0 => (exit.stdout, exit.stderr),
                    code => {
                        assert_eq!(code, USAGE_ERROR);
                        (exit.stderr, exit.stdout)
                    }
                };
                assert_eq!(silent, "");
                assert!(said.ends_with('\n'), "{said:?}");
                assert!(said.lines().next().unwrap().len() > 10, "{said:?}");
                false
            }
        }
    });
}
