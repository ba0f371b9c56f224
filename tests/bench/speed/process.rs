//! A proxy under test: how it is started, and what it costs, its children included.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::harness::{KEY, TempDir, program, write_private};

/// A proxy is ready within this.
const START: Duration = Duration::from_secs(60);
/// Pause between two looks whether it is.
const LOOK: Duration = Duration::from_micros(500);
/// It ends within this after SIGTERM, or is killed.
const END: Duration = Duration::from_secs(10);
/// One tick of the system's accounts, as /proc has them.
const TICK: Duration = Duration::from_millis(10);

const PEM: &str = include_str!("../../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");

/// A running proxy.
pub(crate) struct Subject {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start to its first answer.
    pub(crate) ready_after: Duration,
    _dir: TempDir,
}

/// KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    pub(crate) pss: u64,
}

impl Subject {
    /// This program, as it was built, with a configuration file of this text.
    pub(crate) fn own(config: &str, is_multi: bool) -> Self {
        Self::start(config, |dir, port| {
            let mut command = program(dir);
            command.args(["-host", "127.0.0.1", "-config", "proxy.conf", "-port"]);
            command.arg(port.to_string());
            if is_multi {
                command.arg("-multi-account");
            }
            command
        })
    }

    /// What a shell makes of `line`. It finds $PORT to listen on, $UPSTREAM to call, $API_KEY that the clients send, and
    /// $CONFIG, the configuration file that this program gets.
    pub(crate) fn other(line: &str, config: &str, upstream: SocketAddr) -> Self {
        Self::start(config, |dir, port| {
            let mut command = Command::new("sh");
            command.args(["-c", line]).current_dir(dir);
            command.env("PORT", port.to_string());
            command.env("UPSTREAM", format!("http://{upstream}"));
            command.env("API_KEY", KEY);
            command.env("CONFIG", dir.join("proxy.conf"));
            command
        })
    }

    fn start(config: &str, command: impl FnOnce(&Path, u16) -> Command) -> Self {
        let dir = TempDir::new();
        write_private(&dir.path().join("proxy.conf"), config);
        write_private(&dir.path().join("key.pem"), PEM);
        // Free a moment ago: another proxy cannot say which port it chose.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = port.local_addr().unwrap();
        drop(port);
        let mut command = command(dir.path(), address.port());
        let log = File::create(dir.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log).process_group(0);
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        while !answers(address) {
            let log = || fs::read_to_string(dir.path().join("log")).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(begun.elapsed() < START, "not ready: {}", log());
            thread::sleep(LOOK);
        }
        Self {
            child,
            address,
            ready_after: begun.elapsed(),
            _dir: dir,
        }
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        let ticks = self.processes().map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // user, system, and both of children that ended: fields 14 to 17.
            let fields = after_name(&stat).split(' ').skip(11).take(4);
            fields
                .filter_map(|field| field.parse::<u32>().ok())
                .sum::<u32>()
        });
        TICK * ticks.sum::<u32>()
    }

    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        for pid in self.processes() {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = fs::read_to_string(path).unwrap_or_default();
            let kib = |name: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(name));
                let number = line.and_then(|line| line.split_whitespace().next());
                number.map_or(0, |number| number.parse().unwrap())
            };
            memory.rss += kib("Rss:");
            memory.pss += kib("Pss:");
        }
        memory
    }

    /// Its own process and those that it started.
    fn processes(&self) -> impl Iterator<Item = u32> {
        let group = self.child.id();
        let all = fs::read_dir("/proc").unwrap();
        let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(move |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let its_group = after_name(&stat).split(' ').nth(2);
            its_group.and_then(|field| field.parse().ok()) == Some(group)
        })
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // It may have ended by itself.
        let _ = kill_process_group(Pid::from_raw(pid).unwrap(), signal);
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < END {
            thread::sleep(Duration::from_millis(5));
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A line of /proc/…/stat from the third field on: the second one, a name in brackets, may hold anything.
fn after_name(stat: &str) -> &str {
    stat.rsplit_once(") ").map_or("", |(_, rest)| rest)
}

/// Whether somebody speaks HTTP there.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut begin = [0; 7];
        stream.read_exact(&mut begin)?;
        Ok(&begin == b"HTTP/1.")
    };
    ask().unwrap_or(false)
}

/// The configuration of so many accounts in front of one upstream. One account is a plain file.
pub(crate) fn config(upstream: SocketAddr, accounts: usize, global: &str) -> String {
    let account = super::harness::account();
    let credentials = format!(
        "user = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\nregion = us-phoenix-1\n\
         endpoint = http://{upstream}\n",
        account.user, account.tenancy, account.fingerprint
    );
    let rest = format!("[GLOBAL]\n{global}\n[MODELS]\ngrok = xai.grok-4.3\n");
    if accounts == 1 {
        return format!("[DEFAULT]\napi_key = {KEY}\n{credentials}{rest}");
    }
    let sections = (1..=accounts)
        .map(|number| format!("[ACCOUNT_{number}]\nid = account-{number}\n{credentials}"));
    format!("api_key = {KEY}\n{rest}{}", sections.collect::<String>())
}
