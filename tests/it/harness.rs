//! Starts the built program with a configuration of its own, and speaks HTTP to it byte by byte.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ociai_proxy::simulator::{Account, Options, Recorded, Simulator};

/// No wait in a test is longer; a machine that is this slow fails honestly.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The clients' key of every proxy that a test starts.
pub(crate) const KEY: &str = "test-key";

/// The key of every account of the tests.
pub(crate) const PEM: &str = include_str!("../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");

/// A directory of its own, removed when it is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "ociai-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The models of every test proxy: a name for clients and the id at OCI.
pub(crate) const MODELS: [(&str, &str); 5] = [
    ("grok", "xai.grok-4.3"),
    ("llama", "meta.llama-3.3-70b-instruct"),
    ("gemini", "google.gemini-2.5-flash"),
    ("gpt-oss", "openai.gpt-oss-120b"),
    ("gpt", "openai.gpt-5"),
];

/// The account that simulator and proxy share.
pub(crate) fn account() -> Account {
    Account::from_pem("test", PEM).unwrap()
}

/// A simulated OCI without any pause in its streams.
pub(crate) fn simulator() -> Simulator {
    let models = MODELS.iter().map(|(_, id)| (*id).to_owned()).collect();
    let options = Options {
        accounts: vec![account()],
        models,
        pace: Duration::ZERO,
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// The latest chat calls that came in; health checks come and go beside them.
pub(crate) fn chats(simulator: &Simulator) -> Vec<Recorded> {
    let mut requests = simulator.requests();
    requests.retain(|request| request.target.ends_with("/actions/chat"));
    requests
}

/// A single-account configuration in front of `endpoint`; `more` are further lines of `[DEFAULT]`.
pub(crate) fn config(endpoint: &str, more: &str) -> String {
    let account = account();
    let models: String = MODELS
        .iter()
        .map(|(name, id)| format!("{name} = {id}\n"))
        .collect();
    format!(
        "[DEFAULT]\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\nregion = us-phoenix-1\n\
         endpoint = {endpoint}\napi_key = {KEY}\n{more}\n[MODELS]\n{models}",
        account.user, account.tenancy, account.fingerprint
    )
}

/// The program, running.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) dir: TempDir,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts it in front of `simulator` with further lines for `[DEFAULT]`.
    pub(crate) fn start(simulator: &Simulator, more: &str) -> Self {
        Self::with_config(&config(&simulator.endpoint(), more))
    }

    /// Starts it with a whole configuration and the test key beside it, and waits until it listens.
    pub(crate) fn with_config(config: &str) -> Self {
        Self::in_dir(furnished(config), &[])
    }

    /// Starts it in a directory that has all it needs.
    pub(crate) fn in_dir(dir: TempDir, more_args: &[&str]) -> Self {
        let mut command = program(dir.path());
        command
            .args(["-port", "0", "-host", "127.0.0.1"])
            .args(more_args);
        Self::spawn(dir, command)
    }

    /// Starts a whole command, made by [`program`] for `dir`, and waits until it listens.
    pub(crate) fn spawn(dir: TempDir, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (Arc::clone(&log), child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
            }
        });
        let mut proxy = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir,
            log,
        };
        let started = proxy.wait_for_log("Starting server on port ");
        let port = started.rsplit(' ').next().unwrap().parse().unwrap();
        proxy.address.set_port(port);
        proxy
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The first line of the log that contains `text`, once there is one.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        let found = || self.log().into_iter().find(|line| line.contains(text));
        eventually(
            &format!("a log line with {text:?} in {:#?}", self.log()),
            || found().is_some(),
        );
        found().unwrap()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// One request on a connection of its own, with the key.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let mut client = self.connect();
        client.send_request(
            method,
            path,
            &[("Authorization", &format!("Bearer {KEY}"))],
            body,
        );
        client.response(method)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, "")
    }

    pub(crate) fn chat(&self, body: &serde_json::Value) -> Response {
        self.request("POST", "/v1/chat/completions", &body.to_string())
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// How it ended, once it has.
    pub(crate) fn wait_for_exit(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the program to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub(crate) fn stdout(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// The one log line of the chat that got this answer.
    pub(crate) fn line_of(&self, response: &Response) -> String {
        let id = response.header("x-request-id").unwrap();
        let is_it = |line: &&String| line.contains(id) && line.contains(" attempts=");
        eventually("the line of a request", || {
            self.log().iter().any(|line| is_it(&line))
        });
        self.log().iter().find(is_it).unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("its log: {:#?}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory with this configuration and the test key.
pub(crate) fn furnished(config: &str) -> TempDir {
    let dir = TempDir::new();
    write_private(&dir.path().join("config.conf"), config);
    write_private(&dir.path().join("key.pem"), PEM);
    dir
}

/// Writes a file that holds secrets as it should be: for its owner only.
pub(crate) fn write_private(path: &Path, text: impl AsRef<[u8]>) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The program, not started yet, in `dir`, with its temporary files there too and with no proxy of the surroundings. A
/// killed one removes nothing itself.
pub(crate) fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ociai-proxy"));
    command
        .current_dir(dir)
        .env("TMPDIR", dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "OCIAI_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// Waits for a condition; fails the test after [`DEADLINE`].
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client that sees bytes.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

/// An answer, its body without chunk framing.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The body ended as its framing says; a cut one did not.
    pub(crate) whole: bool,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            input: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends what it can: the other side may have stopped reading.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn send_request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        self.send(format!("{text}\r\n{body}"));
    }

    /// Reads one whole answer.
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let mut response = self.head();
        if method == "HEAD" || response.status == 204 {
            return response;
        }
        if response.header("transfer-encoding") == Some("chunked") {
            loop {
                match self.chunk() {
                    Some(chunk) if chunk.is_empty() => break,
                    Some(chunk) => response.body.extend(chunk),
                    None => {
                        response.whole = false;
                        break;
                    }
                }
            }
        } else if let Some(length) = response
            .header("content-length")
            .map(|length| length.parse().unwrap())
        {
            while self.input.len() < length && self.fill() > 0 {}
            response.whole = self.input.len() >= length;
            let take = length.min(self.input.len());
            response.body = self.input.drain(..take).collect();
        } else {
            while self.fill() > 0 {}
            response.body = std::mem::take(&mut self.input);
        }
        response
    }

    /// Reads the head of an answer; the body stays unread. Interim answers (1xx) are skipped.
    pub(crate) fn head(&mut self) -> Response {
        loop {
            while find(&self.input, b"\r\n\r\n").is_none() {
                assert!(
                    self.fill() > 0,
                    "no answer: {:?}",
                    String::from_utf8_lossy(&self.input)
                );
            }
            let end = find(&self.input, b"\r\n\r\n").unwrap();
            let text = String::from_utf8(self.input.drain(..end + 4).collect()).unwrap();
            let mut lines = text.trim_end().split("\r\n");
            let status = lines
                .next()
                .unwrap()
                .split(' ')
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            let headers = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            if status != 100 {
                return Response {
                    status,
                    headers,
                    body: Vec::new(),
                    whole: true,
                };
            }
        }
    }

    /// The next chunk of a body; empty for the last one, `None` if the connection ends before it.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let line_end = loop {
            match find(&self.input, b"\r\n") {
                Some(end) => break end,
                None if self.fill() == 0 => return None,
                None => {}
            }
        };
        let size = usize::from_str_radix(std::str::from_utf8(&self.input[..line_end]).unwrap(), 16)
            .unwrap();
        while self.input.len() < line_end + 2 + size + 2 {
            if self.fill() == 0 {
                return None;
            }
        }
        let chunk = self.input[line_end + 2..line_end + 2 + size].to_vec();
        self.input.drain(..line_end + 2 + size + 2);
        Some(chunk)
    }

    /// Reads to the end of the connection, whatever comes; a reset counts as an end.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.input)
    }

    fn fill(&mut self) -> usize {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(read) => {
                self.input.extend_from_slice(&buffer[..read]);
                read
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => self.fill(),
            Err(error) => panic!("no byte within {DEADLINE:?}: {error}"),
        }
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `data:` payloads of a stream.
    pub(crate) fn events(&self) -> Vec<String> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(str::to_owned)
            .collect()
    }

    /// An error must have OpenAI's shape, whatever the path it took.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: Option<&str>) {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        let error = json["error"].as_object().unwrap();
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
        assert!(error["type"].is_string() && error.contains_key("param"));
        assert_eq!(error["code"].as_str(), code, "{json}");
        assert!(self.header("x-request-id").is_some_and(|id| id.len() == 32));
    }

    /// The chunks of a stream that ended well: `[DONE]` came once, and nothing after it.
    #[track_caller]
    pub(crate) fn chunks(&self) -> Vec<serde_json::Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        let mut events = self.events();
        assert!(
            self.whole && events.pop().as_deref() == Some("[DONE]"),
            "{}",
            self.text()
        );
        let parse = |event: &String| serde_json::from_str(event).unwrap();
        events.iter().map(parse).collect()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
