//! Tables of command lines.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test ends where it fails"
    )
)]

use super::*;

fn run(args: &[&str]) -> Result<Cli, Exit> {
    parse(args.iter().map(OsString::from))
}

fn defaults() -> Cli {
    Cli {
        host: "0.0.0.0".to_owned(),
        port: 8080,
        config: None,
        multi_account: false,
        demo: false,
        check: false,
        init: None,
    }
}

#[track_caller]
fn check(args: &[&str], change: impl FnOnce(&mut Cli)) {
    let mut expected = defaults();
    change(&mut expected);
    assert_eq!(run(args), Ok(expected), "{args:?}");
}

#[track_caller]
fn refused(args: &[&str], wrong: &str) {
    let exit = run(args).unwrap_err();
    assert_eq!((exit.code, exit.stdout.as_str()), (2, ""), "{args:?}");
    let first = exit.stderr.lines().next().unwrap();
    assert_eq!(first, format!("ociai-proxy: {wrong}"), "{args:?}");
    assert!(
        exit.stderr.contains("\nUsage: ociai-proxy "),
        "{}",
        exit.stderr
    );
}

#[test]
fn flags_have_one_dash_or_two_and_values_a_space_or_an_equals_sign() {
    check(&[], |_| {});
    check(&["-port", "9000"], |cli| cli.port = 9000);
    check(&["-port=9000"], |cli| cli.port = 9000);
    check(&["--port", "9000"], |cli| cli.port = 9000);
    check(&["--port=0"], |cli| cli.port = 0);
    check(&["-host", "127.0.0.1", "-port", "65535"], |cli| {
        cli.host = "127.0.0.1".to_owned();
        cli.port = 65535;
    });
    check(&["-host=::1"], |cli| cli.host = "::1".to_owned());
    check(&["-config", "a b.conf"], |cli| {
        cli.config = Some("a b.conf".into())
    });
    check(&["-config=k=v.conf"], |cli| {
        cli.config = Some("k=v.conf".into())
    });
    check(&["--multi-account", "-demo"], |cli| {
        cli.multi_account = true;
        cli.demo = true;
    });
    check(&["-check", "-config", "c"], |cli| {
        cli.check = true;
        cli.config = Some("c".into());
    });
    check(&["-init"], |cli| cli.init = Some(Given::default()));
    check(
        &[
            "--init",
            "-key-file=k.pem",
            "--models",
            "-x=y",
            "-profile",
            "P",
        ],
        |cli| {
            cli.init = Some(Given {
                key_file: Some("k.pem".to_owned()),
                models: Some("-x=y".to_owned()),
                profile: Some("P".to_owned()),
                ..Given::default()
            });
        },
    );
    check(&["-multi-account=true", "-demo=false"], |cli| {
        cli.multi_account = true
    });
}

#[test]
fn a_value_is_never_taken_for_a_flag() {
    check(&["-config", "-port"], |cli| {
        cli.config = Some("-port".into())
    });
    check(&["-config", "--port=1", "-port", "2"], |cli| {
        cli.config = Some("--port=1".into());
        cli.port = 2;
    });
    check(&["-config", "-h"], |cli| cli.config = Some("-h".into()));
    check(&["-config", "--help"], |cli| {
        cli.config = Some("--help".into())
    });
    check(&["-config=-h"], |cli| cli.config = Some("-h".into()));
}

#[test]
fn the_config_file_depends_on_the_mode() {
    for (args, path) in [
        (&[][..], "config.conf"),
        (&["-multi-account"], "multi_config.conf"),
        (&["-multi-account", "-config", "x"], "x"),
    ] {
        assert_eq!(run(args).unwrap().config_path(), Path::new(path));
    }
}

#[test]
fn a_wrong_command_line_is_explained_with_the_usage() {
    refused(&["-nope"], "Unrecognized argument: -nope");
    refused(&["--nope=3"], "Unrecognized argument: -nope");
    refused(&["-chek"], "Unrecognized argument: -chek");
    refused(
        &["-demo", "-check"],
        "-demo makes accounts of its own, which need no -check: leave one of the two out",
    );
    refused(
        &["-init", "-demo"],
        "-demo needs no configuration of yours: leave -demo or -init out",
    );
    refused(
        &["-init", "-check"],
        "-check is for a file that is there: leave it out, and use it after -init",
    );
    refused(
        &["-user", "ocid1.user.oc1..u"],
        "the values of an account go into the configuration file: without -init leave those flags out",
    );
    refused(&["stray"], "Unrecognized argument: stray");
    refused(&["-"], "Unrecognized argument: -");
    refused(&["--", "stray"], "Unrecognized argument: stray");
    refused(&["-port"], "No value provided for option '-port'.");
    for port in ["-1", "65536", "99999999999999999999", "http", "", "80 "] {
        let wrong =
            format!("Error parsing option '-port' with value '{port}': expected 0 to 65535");
        refused(&["-port", port], &wrong);
        refused(&[&format!("-port={port}")], &wrong);
    }
    refused(
        &["-port", "--1"],
        "Error parsing option '-port' with value '--1': expected 0 to 65535",
    );
    refused(
        &["-host="],
        "Error parsing option '-host' with value '': expected a value",
    );
    refused(&["-demo=maybe"], "-demo takes no value, got \"maybe\"");
    refused(
        &["-demo", "-config", "x"],
        "-demo makes a configuration of its own: leave -config out",
    );
}

#[test]
fn help_and_version_go_to_stdout() {
    for args in [
        &["-h"][..],
        &["-help"],
        &["--help"],
        &["-port", "1", "-h"],
        &["-h", "-nope"],
    ] {
        let exit = run(args).unwrap_err();
        assert_eq!((exit.code, exit.stderr.as_str()), (0, ""), "{args:?}");
        for flag in [
            "-port",
            "-config",
            "-multi-account",
            "-host",
            "-demo",
            "-check",
            "-init",
            "-user",
            "-key-file",
            "-models",
            "-version",
            "-h",
        ] {
            assert!(
                exit.stdout.contains(&format!("  {flag}")),
                "{flag} is missing in:\n{}",
                exit.stdout
            );
        }
        assert!(!exit.stdout.contains("--"), "{}", exit.stdout);
    }
    for args in [["-version"], ["--version"]] {
        let exit = run(&args).unwrap_err();
        let version = format!("ociai-proxy {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            exit,
            Exit {
                code: 0,
                stdout: version,
                stderr: String::new()
            }
        );
    }
}

#[cfg(unix)]
#[test]
fn an_argument_that_is_not_utf_8_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let args = [
        "-config".into(),
        OsString::from_vec(b"caf\xE9.conf".to_vec()),
    ];
    let Err(exit) = parse(args) else {
        panic!("accepted")
    };
    assert_eq!(exit.code, 2);
    assert!(
        exit.stderr
            .starts_with("ociai-proxy: the argument \"caf\\xE9.conf\" is not valid UTF-8\n"),
        "{}",
        exit.stderr
    );
}
