//! The process: its limits, its signals and how it waits for its end. SIGTERM and SIGINT ask it to stop, a second one
//! stops it at once, SIGHUP asks for a reload. Knows nothing of what it keeps alive.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How often a drain looks whether it is done.
const TICK: Duration = Duration::from_millis(20);

/// Lets the process open as many files as the system allows it: a request under way costs four.
#[cfg(unix)]
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Refused in some sandboxes; then the soft limit stays, and the gate lives with it.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}

#[cfg(not(unix))]
pub(crate) fn raise_file_limit() {}

/// How many files the process may have open at once; `None`: as many as it likes, or the system does not say.
#[cfg(unix)]
pub(crate) fn file_limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current?;
    usize::try_from(files).ok()
}

#[cfg(not(unix))]
pub(crate) fn file_limit() -> Option<usize> {
    None
}

/// What the process holds of the machine's memory, bytes; `None` where the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_memory() -> Option<u64> {
    None
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Reload,
    Stop,
}

/// The signals that this program listens to, from the moment this is made.
pub(crate) struct Signals {
    #[cfg(unix)]
    inner: signal_hook::iterator::Signals,
}

#[cfg(unix)]
impl Signals {
    /// # Errors
    /// The signals cannot be watched.
    pub(crate) fn watch() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        Ok(Self {
            inner: signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?,
        })
    }

    /// Waits for the next one. Several of a kind that come before it is asked for are one.
    pub(crate) fn next(&mut self) -> Signal {
        match self.inner.forever().next() {
            Some(signal_hook::consts::SIGHUP) => Signal::Reload,
            Some(_) | None => Signal::Stop,
        }
    }

    /// From now on the next signal to stop ends the process at once.
    ///
    /// # Errors
    /// No thread can be had to wait for it.
    pub(crate) fn stop_at_once(mut self) -> io::Result<()> {
        thread::Builder::new()
            .name("second-signal".to_owned())
            .spawn(move || {
                if self
                    .inner
                    .forever()
                    .any(|signal| signal != signal_hook::consts::SIGHUP)
                {
                    log::info!("Stopped at once by a second signal");
                    std::process::exit(1);
                }
            })?;
        Ok(())
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn watch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Without signals only the system ends the process.
    pub(crate) fn next(&mut self) -> Signal {
        loop {
            thread::park();
        }
    }

    pub(crate) fn stop_at_once(self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until `is_done`; `false` if `limit` passed first.
pub(crate) fn wait_until(is_done: impl Fn() -> bool, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !is_done() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}
