//! The wiring: settings to rooms, rooms to each other, and the order in which they start and stop. The only place that
//! knows all of them.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::api::{Api, Live, Task};
use crate::config::{self, ApiKeyOrigin, Loaded, Mode, Settings};
use crate::dispatch::{Account, Dispatch, Lasting};
use crate::http::{Desk, LAST_CALL_TIMEOUT, ListenSettings, Listener};
use crate::life::{self, Signal, Signals};
use crate::logger::Logger;
use crate::modes;
use crate::names::Region;
use crate::oci::Client;
use crate::systemd::{Manager, State};
use crate::watch;
use crate::workers::{PoolSettings, Workers};

/// Threads that take requests from the client edge. They never wait for anybody, so two are plenty on any machine.
const CONTROL_THREADS: usize = 2;
/// Longest wait for running and queued requests after the listener has closed.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);
/// Longest wait at a start for the first tokens of accounts that have no key of their own. Later ones are fetched meanwhile.
const FIRST_TOKEN_WAIT: Duration = Duration::from_secs(3);
/// Files that a request under way has open: its client's socket, the hand-over's two ends, and one to OCI.
const FILES_PER_CONNECTION: usize = 4;
/// Files of the program itself: standard ones, listeners, signals, the resolver, a reload.
const OWN_FILES: usize = 32;

/// Where the settings come from.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) mode: Mode,
}

/// Where clients come in.
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// A socket that listens already, and counts instead of host and port.
    pub(crate) passed: Option<TcpListener>,
}

/// The running program.
pub(crate) struct Server {
    source: Source,
    api: Arc<Api>,
    listener: Arc<Listener>,
    workers: Arc<Workers<Task>>,
    signals: Signals,
    manager: Manager,
    logger: Logger,
    /// What a reload cannot change.
    fixed: Fixed,
    /// A clients' key that was made for this run because the file cannot be written.
    made_key: Option<crate::names::Secret>,
}

/// Settings that only a restart changes, and what outlives a reload.
struct Fixed {
    listen: ListenSettings,
    pool: PoolSettings,
    drain_delay: Duration,
    lasting: Lasting,
    /// Wakes the health checks when there are new accounts; the new interval.
    reloaded: Sender<Option<Duration>>,
    /// The other end, for taking out what the checks have not taken yet.
    reloads: Receiver<Option<Duration>>,
    /// Wakes who fetches the lists of models.
    relist: Sender<()>,
}

impl Server {
    /// Reads the configuration, opens the account, binds the port and starts all threads. Ready when it returns.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn start(
        source: Source,
        place: Place,
        logger: Logger,
        started: Instant,
    ) -> Result<Self, Vec<String>> {
        let loaded = config::load(&source.path, source.mode).map_err(lines)?;
        logger.apply(&loaded.settings.log);
        report(&loaded, &source);
        let made_key = match loaded.api_key {
            ApiKeyOrigin::NotWritable { key, .. } => Some(key),
            ApiKeyOrigin::Configured | ApiKeyOrigin::Written => None,
        };
        let mut settings = loaded.settings;
        settings.listen.host = place.host;
        settings.listen.port = place.port;
        let (reloaded, reloads) = bounded(1);
        let (relist, relists) = bounded(1);
        let fixed = Fixed {
            listen: settings.listen.clone(),
            pool: settings.workers,
            drain_delay: settings.listen.drain_delay,
            lasting: Lasting::new(&settings.fleet),
            reloaded,
            reloads: reloads.clone(),
            relist,
        };
        let interval = settings.fleet.health_check_interval;
        let api = Api::new(open(settings, &source, &fixed.lasting)?, started);
        // Watched before the port is open: a signal that comes early is not lost.
        let signals = Signals::watch().map_err(one_line("signals cannot be watched"))?;
        let workers =
            start_workers(&api, fixed.pool).map_err(one_line("the workers cannot be started"))?;
        let guard = Arc::clone(&api);
        let (front, waiting) = (Arc::clone(&api), Arc::clone(&workers));
        let desk = Desk {
            guard: Box::new(move |head| guard.guard(head)),
            expired: Box::new(move |id| front.expired(id, &waiting)),
        };
        let listen = within_file_limit(&fixed.listen);
        let is_passed = place.passed.is_some();
        let listener = match place.passed {
            Some(socket) => Listener::share(socket, &listen, desk)
                .map_err(one_line("the socket that was passed cannot be used"))?,
            None => Listener::bind(&listen, desk)
                .map_err(|error| vec![bind_problem(&fixed.listen, &error)])?,
        };
        let server = Self {
            source,
            api,
            listener: Arc::new(listener),
            workers,
            signals,
            manager: Manager::from_env(),
            logger,
            fixed,
            made_key,
        };
        server.announce_port(is_passed);
        server
            .start_control_threads()
            .map_err(one_line("the control threads cannot be started"))?;
        let api = Arc::clone(&server.api);
        watch::start(api, server.source.mode, interval, reloads)
            .map_err(one_line("the health checks cannot be started"))?;
        watch::models::start(Arc::clone(&server.api), relists)
            .map_err(one_line("the discovery of models cannot be started"))?;
        server.manager.tell(&server.serving(""));
        Ok(server)
    }

    fn announce_port(&self, is_passed: bool) {
        if is_passed {
            log::info!(
                "Listening on {}, a socket that was passed: -host and -port do not count",
                self.listener.address()
            );
        }
        // Which port it is, nobody could know otherwise.
        if self.source.mode == Mode::Single || is_passed || self.fixed.listen.port == 0 {
            log::info!("Starting server on port {}", self.port());
        }
    }

    fn serving(&self, more: &str) -> State {
        State::Ready(format!("Serving on port {}{more}", self.port()))
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.address().port()
    }

    /// Serves until a signal asks to stop, then drains.
    ///
    /// # Errors
    /// No thread can be had to wait for the second signal.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while self.signals.next() == Signal::Reload {
            self.manager.tell(&State::Reloading);
            let more = if self.reload() {
                ""
            } else {
                "; the last reload failed: see the log"
            };
            self.manager.tell(&self.serving(more));
        }
        log::info!(
            "Stopping: running and queued requests are finished first; a second signal stops at once"
        );
        self.manager.tell(&State::Stopping(
            "Finishing running and queued requests".to_owned(),
        ));
        self.signals.stop_at_once()?;
        self.api.drain();
        self.listener.announce_end();
        thread::sleep(self.fixed.drain_delay);
        self.listener.close();
        let is_done = || self.listener.is_empty() && self.workers.load() == 0;
        let is_done = life::wait_until(is_done, LAST_CALL_TIMEOUT) || {
            self.listener.close_idle();
            life::wait_until(is_done, DRAIN_LIMIT - LAST_CALL_TIMEOUT)
        };
        if !is_done {
            log::warn!(
                "warning: some requests did not end within {} s and are cut off",
                DRAIN_LIMIT.as_secs()
            );
        }
        self.listener.stop();
        log::info!("Stopped");
        Ok(())
    }

    /// All of the new file, or nothing of it. `false`: nothing.
    fn reload(&self) -> bool {
        let (source, fixed) = (&self.source, &self.fixed);
        // Whatever the file says: who moves logs away asks for it like this.
        self.logger.reopen();
        let result = config::reload(&source.path, source.mode, self.made_key.as_ref())
            .map_err(lines)
            .and_then(|loaded| {
                report(&loaded, source);
                for key in fixed.differences(&loaded.settings) {
                    log::warn!(
                        "warning: {key} changed in {}: it needs a restart",
                        source.path.display()
                    );
                }
                let interval = loaded.settings.fleet.health_check_interval;
                let log = loaded.settings.log.clone();
                let live = open(loaded.settings, source, &fixed.lasting)?;
                Ok((live, interval, log))
            });
        match result {
            Ok((live, interval, log)) => {
                self.api.replace(live);
                // Taken by the health checks when their round has ended, which nobody waits for here: the latest one counts.
                let _ = fixed.reloads.try_recv();
                let _ = fixed.reloaded.try_send(interval);
                // One that is not taken yet says the same.
                let _ = fixed.relist.try_send(());
                self.logger.apply(&log);
                log::info!("Reloaded {}", source.path.display());
                true
            }
            Err(problems) => {
                for problem in problems {
                    log::error!("error: {problem}");
                }
                log::error!(
                    "error: {} was not reloaded; everything goes on as before",
                    source.path.display()
                );
                false
            }
        }
    }

    fn start_control_threads(&self) -> io::Result<()> {
        for _ in 0..CONTROL_THREADS {
            let (listener, api, workers) = (
                Arc::clone(&self.listener),
                Arc::clone(&self.api),
                Arc::clone(&self.workers),
            );
            thread::Builder::new()
                .name("control".to_owned())
                .spawn(move || {
                    while let Some(exchange) = listener.recv() {
                        api.handle(exchange, &workers);
                    }
                })?;
        }
        Ok(())
    }
}

/// No more connections than there are files for: then an idle one makes room for a new one, and who asks is answered,
/// before the system refuses to open anything.
fn within_file_limit(listen: &ListenSettings) -> ListenSettings {
    let mut listen = listen.clone();
    if let Some(files) = life::file_limit() {
        let most = (files.saturating_sub(OWN_FILES) / FILES_PER_CONNECTION).max(1);
        if most < listen.max_connections {
            log::warn!(
                "warning: only {files} files may be open at once (ulimit -n): max_connections is {most} instead of {}",
                listen.max_connections
            );
            listen.max_connections = most;
        }
    }
    listen
}

fn start_workers(api: &Arc<Api>, pool: PoolSettings) -> io::Result<Arc<Workers<Task>>> {
    let api = Arc::clone(api);
    Workers::start(pool, Task::is_waiting, move |task| api.work(task)).map(Arc::new)
}

/// What the settings say, ready to serve: loads the keys and checks their fingerprints. An account whose key does not load is left
/// out, as long as there is another one.
fn open(settings: Settings, source: &Source, lasting: &Lasting) -> Result<Live, Vec<String>> {
    announce(&settings, source.mode);
    let client = Client::new(&settings.client);
    let before = lasting.slots.accounts();
    let accounts: Vec<_> = settings
        .accounts
        .into_iter()
        .map(|account| {
            let same = before.iter().find(|(_, old)| old.id == account.seat.id);
            let same = same.map(|(_, old)| old.as_ref());
            let opened = Account::open(&account.seat, &account.upstream, &client, same);
            (account.seat, opened)
        })
        .collect();
    let problems: Vec<_> = accounts
        .iter()
        .filter_map(|(_, account)| {
            let problem = account.problem()?;
            Some(format!(
                "{}: account {}: {problem}",
                source.path.display(),
                account.id
            ))
        })
        .collect();
    if problems.len() == accounts.len() {
        return Err(problems);
    }
    for problem in problems {
        log::error!("error: {problem}; the account is left out");
    }
    if source.mode == Mode::Single {
        log::info!("OCI client initialized successfully");
    }
    let until = Instant::now() + FIRST_TOKEN_WAIT;
    for (_, account) in &accounts {
        account.wait_for_credential(until);
    }
    let dispatch = Dispatch::new(settings.dispatch, &settings.fleet, accounts, lasting);
    let loaded = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Ok(Live {
        settings: settings.api,
        rules: settings.rules,
        dispatch,
        loaded,
    })
}

/// The lines of a start.
fn announce(settings: &Settings, mode: Mode) {
    match mode {
        Mode::Single => {
            log::info!("Loaded {} models from config", settings.api.models.len());
            for account in &settings.accounts {
                let region = account.upstream.region.as_ref();
                log::info!(
                    "Initializing OCI client for region {}",
                    region.map_or("of this machine", Region::as_str)
                );
            }
        }
        Mode::Multi => {
            log::info!("OCI AI 代理服务启动...");
            log::info!("多账户模式: true");
            log::info!("初始化多账户模式...");
            for account in &settings.accounts {
                log::info!(
                    "加载账户配置: {} (权重: {}, 最大并发: {})",
                    account.section,
                    account.seat.weight,
                    account.seat.max_concurrency
                );
            }
        }
    }
}

impl Fixed {
    /// The keys whose new values a reload cannot bring into force.
    fn differences(&self, new: &Settings) -> Vec<&'static str> {
        let (old, listen) = (&self.listen, &new.listen);
        let changes = [
            (
                "global_max_concurrency",
                self.pool.workers != new.workers.workers,
            ),
            ("queue_size", self.pool.queue_size != new.workers.queue_size),
            ("queue_timeout", old.queue_timeout != listen.queue_timeout),
            (
                "max_connections",
                old.max_connections != listen.max_connections,
            ),
            (
                "max_request_bytes",
                old.max_request_bytes != listen.max_request_bytes,
            ),
            (
                "max_body_memory",
                old.max_body_memory != listen.max_body_memory,
            ),
            ("drain_delay", self.drain_delay != listen.drain_delay),
        ];
        changes
            .into_iter()
            .filter(|(_, changed)| *changed)
            .map(|(key, _)| key)
            .collect()
    }
}

/// What the operator should know about a file that loads.
fn report(loaded: &Loaded, source: &Source) {
    for warning in &loaded.warnings {
        log::warn!("warning: {warning}");
    }
    let has_key = match &loaded.api_key {
        ApiKeyOrigin::Configured | ApiKeyOrigin::Written => true,
        ApiKeyOrigin::NotWritable { .. } => false,
    };
    let files = loaded.settings.secret_files(&source.path, has_key);
    for complaint in modes::complaints(&files) {
        log::warn!("warning: {complaint}");
    }
    match &loaded.api_key {
        ApiKeyOrigin::Configured => {}
        ApiKeyOrigin::Written => log::info!(
            "An API key was made for the clients: read it as api_key in {}",
            source.path.display()
        ),
        ApiKeyOrigin::NotWritable { key, why } => log::warn!(
            "warning: {} cannot be written ({why}): for this run only, the clients' API key is {}",
            source.path.display(),
            key.expose()
        ),
    }
}

fn bind_problem(listen: &ListenSettings, error: &io::Error) -> String {
    let place = format!("{}:{}", listen.host, listen.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{place} is in use by another program: choose another port with -port N")
        }
        io::ErrorKind::PermissionDenied => {
            format!("{place} is not allowed for this user: choose a port above 1023 with -port N")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{place} is no address of this machine: choose another with -host ADDR")
        }
        _ => format!("cannot listen on {place}: {error}"),
    }
}

fn lines<T: ToString>(problems: Vec<T>) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn one_line(what: &'static str) -> impl Fn(io::Error) -> Vec<String> {
    move |error| vec![format!("{what}: {error}")]
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests;
