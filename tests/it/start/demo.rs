//! `-demo`: what it prints works as printed, and nothing of it is left behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::harness::{Client, Proxy, Response, TempDir, eventually, program};

/// Sends what a curl line of the demo asks for.
fn curl(line: &str) -> Response {
    let words: Vec<String> = split(line);
    let url = words
        .iter()
        .find(|word| word.starts_with("http://"))
        .unwrap();
    let (authority, path) = url
        .strip_prefix("http://localhost:")
        .unwrap()
        .split_once('/')
        .unwrap();
    let after = |flag: &str| {
        words
            .windows(2)
            .filter(|pair| pair[0] == flag)
            .map(|pair| pair[1].as_str())
            .collect::<Vec<_>>()
    };
    let headers: Vec<_> = after("-H")
        .into_iter()
        .map(|header| header.split_once(": ").unwrap())
        .filter(|(name, _)| *name != "Content-Type")
        .collect();
    let body = after("-d").concat();
    let method = if body.is_empty() { "GET" } else { "POST" };
    let mut client = Client::connect(format!("127.0.0.1:{authority}").parse().unwrap());
    client.send_request(method, &format!("/{path}"), &headers, &body);
    client.response(method)
}

/// The words of a shell's command line with single quotes.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

/// Starts the demo in a home of its own and reads what it prints, up to the last of its commands.
fn demo(home: TempDir) -> (Proxy, String, Vec<String>) {
    let mut command: Command = program(home.path());
    command
        .env("HOME", home.path())
        .env("TMPDIR", home.path())
        .stdout(Stdio::piped())
        .args(["-demo", "-port=0", "-host=127.0.0.1"]);
    let mut proxy = Proxy::spawn(home, command);
    let (mut banner, mut commands) = (String::new(), Vec::new());
    for line in BufReader::new(proxy.stdout()).lines().map(Result::unwrap) {
        banner += &line;
        banner.push('\n');
        commands.extend(line.starts_with("curl ").then_some(line));
        if commands.len() == 4 {
            break;
        }
    }
    (proxy, banner, commands)
}

#[test]
fn the_demo_prints_commands_that_work_and_leaves_nothing_behind() {
    let (mut proxy, banner, commands) = demo(TempDir::new());
    let key = banner
        .lines()
        .find_map(|line| line.strip_prefix("API key: "))
        .unwrap()
        .to_owned();
    assert!(
        key.len() == 32
            && commands
                .iter()
                .take(3)
                .all(|command| command.contains(&key)),
        "{banner}"
    );
    let [models, whole, streamed, accounts] = commands
        .iter()
        .map(|command| curl(command))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(models.json()["data"].as_array().unwrap().len() >= 4);
    assert!(
        whole.json()["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .contains("simulated"),
        "{}",
        whole.text()
    );
    assert!(streamed.chunks().len() > 3);
    assert_eq!(accounts.json()["accounts"].as_array().unwrap().len(), 3);
    assert!(fs::read_dir(proxy.dir.path()).unwrap().count() > 0);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    assert!(!proxy.log().join("\n").contains(&key));
}

#[test]
fn the_demo_on_a_port_in_use_leaves_nothing_behind_either() {
    let home = TempDir::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut child = program(home.path())
        .env("TMPDIR", home.path())
        .args(["-demo", "-host=127.0.0.1", "-port", &port])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the demo to give up", || {
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}
