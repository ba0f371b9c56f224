//! Files with secrets that other users can read: a warning with the command that mends it, and never more than that.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use crate::harness::{KEY, Proxy, config, furnished, simulator};
use crate::start::{NOWHERE, message, run};

fn warnings(proxy: &Proxy) -> Vec<String> {
    let log = proxy.log();
    let messages = log.iter().map(|line| message(line));
    messages
        .filter(|message| message.contains("other users"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_file_that_others_can_read_is_a_warning_that_can_be_pasted() {
    for (file, mode, can) in [
        ("./key.pem", 0o644, "read"),
        ("./key.pem", 0o620, "write"),
        ("config.conf", 0o666, "read and write"),
    ] {
        let dir = furnished(&config(NOWHERE, ""));
        let path = dir.path().join(file);
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let proxy = Proxy::in_dir(dir, &[]);
        let expected = format!(
            "warning: {file}: other users of this machine can {can} it (mode {mode:04o}), and it holds secrets: chmod 600 {file}"
        );
        assert_eq!(warnings(&proxy), [expected.as_str()]);
        let (_, command) = expected.split_once("secrets: ").unwrap();
        let mended = std::process::Command::new("sh")
            .current_dir(proxy.dir.path())
            .args(["-c", command])
            .status();
        assert!(mended.unwrap().success());
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_configuration_without_secrets_may_be_read_by_all() {
    let simulator = simulator();
    let text = config(&simulator.endpoint(), "").replace(KEY, "auto_generated_key");
    for (text, expected) in [
        (text.clone(), 0),
        (
            text.replace("[MODELS]", "pass_phrase = some-words\n[MODELS]"),
            1,
        ),
    ] {
        let dir = furnished(&text);
        let path = dir.path().join("config.conf");
        set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let ended = run(dir.path(), &["-check"]);
        let warnings = ended.stdout.matches("warning: ").count();
        assert_eq!(warnings, expected, "{}", ended.stdout);
    }
}
