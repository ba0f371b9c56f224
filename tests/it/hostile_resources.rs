//! Descriptors or threads run out: the port stays alive, who can be served is served, and all is well once they are back.
#![cfg(target_os = "linux")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use ociai_proxy::simulator::Simulator;

use crate::harness::{Client, Proxy, TempDir, config, eventually, furnished, program, simulator};
use crate::hostile::{CHAT, PROMPT, Site, chat_request};

/// Descriptors of the program that is limited from its start: too few for eight requests at once.
const FILES: usize = 64;

/// Threads of the program that may have no more: it has 14 of its own, and each connection wants one.
const THREADS: usize = 32;

/// The program with a limit of descriptors that it cannot raise.
fn limited() -> Site {
    let (simulator, dir) = place();
    let unlimited = program(dir.path());
    let binary = unlimited.get_program().to_owned();
    start(
        simulator,
        dir,
        &format!("ulimit -n {FILES}; exec \"$0\" \"$@\""),
        &binary,
    )
}

/// The program as a user of its own, who may have so many threads in all; `None` where the test cannot make one.
fn without_threads() -> Option<Site> {
    if !rustix::process::geteuid().is_root() || Command::new("setpriv").arg("-V").output().is_err()
    {
        return None;
    }
    let (simulator, dir) = place();
    // Nobody else has it: the system counts the threads of a user over all programs.
    let user = 1_000_000 + std::process::id();
    let binary = dir.path().join("program");
    fs::copy(program(dir.path()).get_program(), &binary).unwrap();
    for name in ["", "config.conf", "key.pem"] {
        chown(dir.path().join(name), Some(user), Some(user)).unwrap();
    }
    let script = format!(
        "ulimit -u {THREADS} 2>/dev/null || ulimit -p {THREADS}; \
         exec setpriv --reuid={user} --regid={user} --clear-groups \"$0\" \"$@\""
    );
    Some(start(simulator, dir, &script, binary.as_os_str()))
}

fn place() -> (Simulator, TempDir) {
    let simulator = simulator();
    let global = "[GLOBAL]\nglobal_max_concurrency = 4\n";
    let dir = furnished(&config(&simulator.endpoint(), global));
    (simulator, dir)
}

/// `script` runs `$0` with its arguments.
fn start(simulator: Simulator, dir: TempDir, script: &str, binary: &OsStr) -> Site {
    let unlimited = program(dir.path());
    let mut command = Command::new("sh");
    command
        .args(["-c", script])
        .arg(binary)
        .args(["-port", "0", "-host", "127.0.0.1"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for (name, value) in unlimited.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Site::watch(simulator, Proxy::spawn(dir, command))
}

/// Leaves a running program only `more` descriptors than it has open.
fn limit(site: &Site, more: usize) {
    let pid = Pid::from_raw(site.proxy.pid().try_into().unwrap()).unwrap();
    let most = Some((site.usage().files + more).try_into().unwrap());
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    prlimit(Some(pid), Resource::Nofile, limit).unwrap();
}

/// Silent clients, more than there are descriptors. They queue at the port, and do not see that nobody accepts them.
fn crowd(site: &Site) -> Vec<Client> {
    (0..2 * FILES).map(|_| site.proxy.connect()).collect()
}

/// Once the clients have left and their descriptors are back, it serves as before.
fn assert_recovers(site: &Site) {
    eventually("a chat to be served", || {
        site.answer(chat_request(CHAT)).0.status == 200
    });
    site.assert_unharmed();
}

#[test]
fn a_port_that_ran_out_of_descriptors_serves_again() {
    let site = Site::start("");
    limit(&site, 12);
    for _ in 0..2 {
        let crowd = crowd(&site);
        site.proxy.wait_for_log("cannot accept a connection");
        let answer = site.answer(chat_request(CHAT)).0;
        if answer.status != 200 {
            answer.assert_error(503, Some("out_of_resources"));
        }
        drop(crowd);
    }
    assert_recovers(&site);
    let log = site.proxy.log();
    let warnings = log.iter().filter(|line| line.contains("warning:")).count();
    assert!(warnings < 60, "{log:#?}");
}

#[test]
fn requests_for_which_no_descriptor_is_left_harm_only_themselves() {
    let site = Site::start("");
    let mut answered = 0;
    limit(&site, 24);
    for _ in 0..3 {
        // All are connected before the first one asks: there is room for them, and not for what their requests need.
        let mut clients: Vec<Client> = (0..22).map(|_| site.proxy.connect()).collect();
        for client in &mut clients {
            client.try_send(&chat_request(CHAT)[..20]);
        }
        for client in &mut clients {
            client.try_send(&chat_request(CHAT)[20..]);
        }
        for client in &mut clients {
            // One that is closed for another's sake gets no answer.
            let mut line = String::new();
            let mut reader = BufReader::new(&client.stream);
            let read = reader.read_line(&mut line);
            let status = line.split(' ').nth(1);
            assert!(
                matches!(status, None | Some("200" | "503")),
                "{line:?} {read:?}"
            );
            answered += usize::from(status == Some("200"));
        }
    }
    assert!(answered > 0);
    assert_recovers(&site);
}

#[test]
fn a_program_that_may_have_no_more_threads_serves_again_once_some_are_free() {
    let Some(site) = without_threads() else {
        eprintln!("not tried: needs root and setpriv");
        return;
    };
    for _ in 0..2 {
        // Each has begun a request, so that none of them is idle and makes room.
        let crowd = crowd(&site);
        for client in &crowd {
            let _ = (&client.stream).write(&chat_request(CHAT).as_bytes()[..20]);
        }
        site.proxy.wait_for_log("cannot accept a connection");
        drop(crowd);
        eventually("a chat to be served", || {
            let mut client = site.proxy.connect();
            client.try_send(chat_request(CHAT));
            let mut status = [0; 12];
            client.stream.read_exact(&mut status).is_ok() && &status == b"HTTP/1.1 200"
        });
    }
    site.assert_unharmed();
}

#[test]
fn silent_clients_that_hold_all_connections_make_room_for_one_that_asks() {
    let site = limited();
    site.proxy.wait_for_log("max_connections is 8 instead of");
    let began = Instant::now();
    let crowd = crowd(&site);
    for _ in 0..5 {
        assert_eq!(site.proxy.get("/health").status, 200);
        assert_eq!(site.answer(chat_request(CHAT)).0.status, 200);
    }
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    drop(crowd);
    site.assert_unharmed();
    eventually("all of them to be gone", || site.usage().files < FILES);
}

#[test]
fn a_program_that_was_stopped_leaves_no_socket_behind() {
    let mut site = Site::start("");
    let left = |site: &Site| {
        let entries = fs::read_dir(site.proxy.dir.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with("ociai-proxy-"))
            .count()
    };
    assert_eq!(
        left(&site),
        1,
        "its temporary directory is not where it is looked for"
    );
    site.proxy.signal("TERM");
    assert!(site.proxy.wait_for_exit().success());
    assert_eq!(left(&site), 0);
}
