//! The log as its readers have it: text or objects, on stderr or in files, and whatever happens to those.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use ociai_proxy::simulator::Simulator;
use serde_json::{Value, json};

use crate::harness::{
    Client, KEY, Proxy, TempDir, config, eventually, furnished, program, simulator,
};
use crate::life::reload;
use crate::start::NOWHERE;

/// Smallest size of a file.
const SMALLEST: usize = 4096;

/// The program with its stderr in a file, whatever the log looks like.
struct Running {
    child: Child,
    address: SocketAddr,
    dir: TempDir,
    /// Where its log is, in its directory.
    log: &'static str,
}

impl Running {
    /// Waits until `log` says which port is open.
    fn start(dir: TempDir, mut command: Command, log: &'static str) -> Self {
        let stderr = File::create(dir.path().join("stderr")).unwrap();
        command
            .args(["-port=0", "-host=127.0.0.1"])
            .stderr(Stdio::from(stderr));
        let mut running = Self {
            child: command.spawn().unwrap(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir,
            log,
        };
        let port = || {
            let text = running.read(log);
            let (_, rest) = text.split_once("Starting server on port ")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            rest.contains('\n').then(|| digits.parse().unwrap())
        };
        eventually("the port in the log", || port().is_some());
        let port = port().unwrap();
        running.address.set_port(port);
        running
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file's text; of one that is not there, none.
    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The status of an answer, and its id.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut client = Client::connect(self.address);
        let key = format!("Bearer {KEY}");
        client.send_request(method, path, &[("Authorization", &key)], body);
        let answer = client.response(method);
        let id = answer.header("x-request-id").unwrap().to_owned();
        (answer.status, id)
    }

    fn chat(&self, model: &str) -> (u16, String) {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Hello"}]});
        self.ask("POST", "/v1/chat/completions", &body.to_string())
    }

    /// The lines of the log that have this in them, once there are any.
    fn lines_with(&self, text: &str) -> Vec<String> {
        let found = || {
            let log = self.read(self.log);
            let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines = whole.lines().filter(|line| line.contains(text));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        eventually(&format!("{text:?} in the log"), || !found().is_empty());
        found()
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-HUP", &pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("its stderr: {}", self.read("stderr"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_log(simulator: &Simulator, global: &str) -> TempDir {
    let text = config(&simulator.endpoint(), &format!("[GLOBAL]\n{global}"));
    furnished(&text)
}

fn start(simulator: &Simulator, global: &str, log: &'static str) -> Running {
    let dir = with_log(simulator, global);
    let command = program(dir.path());
    Running::start(dir, command, log)
}

/// Every line is an object with a time, a level and a message.
fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let stamp: String = object["ts"]
            .as_str()
            .unwrap()
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(stamp, "0000-00-00T00:00:00.000Z", "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&object["level"].as_str().unwrap()));
        assert!(object["msg"].is_string(), "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        object
    });
    lines.collect()
}

#[test]
fn a_request_is_an_object_with_its_figures() {
    let simulator = simulator();
    let running = start(&simulator, "log_format = json", "stderr");
    let (status, id) = running.chat("grok");
    assert_eq!(status, 200);
    let lines = running.lines_with(&id);
    let [line] = lines.as_slice() else {
        panic!("{lines:#?}")
    };
    let object = objects(line).remove(0);
    let expected = json!({
        "level": "info", "msg": "request", "request_id": id, "model": "grok", "kind": "whole", "account": "default",
        "attempts": 1, "status": 200, "error": null
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&object[member], value, "{member}: {line}");
    }
    for member in [
        "wait_ms",
        "first_ms",
        "total_ms",
        "prompt_tokens",
        "completion_tokens",
    ] {
        assert!(object[member].is_u64(), "{member}: {line}");
    }
    let client: SocketAddr = object["client"].as_str().unwrap().parse().unwrap();
    assert!(client.ip().is_loopback());
    let messages: Vec<_> = objects(&running.read("stderr"))
        .iter()
        .map(|object| object["msg"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        messages[..3],
        [
            "Loaded 5 models from config",
            "Initializing OCI client for region us-phoenix-1",
            "OCI client initialized successfully"
        ]
    );
}

#[test]
fn no_client_can_forge_an_object_or_a_member() {
    let simulator = simulator();
    let running = start(&simulator, "log_format = json", "stderr");
    for end in [
        "\n",
        "\r\n",
        "\u{1b}[2K",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\"",
        "\\",
    ] {
        let forged = format!("x{end}{{\"ts\":\"1\"}}\",\"level\":\"error\",\"forged\":\"1");
        let (status, id) = running.chat(&forged);
        assert_eq!(status, 404);
        let object = objects(&running.lines_with(&id)[0]).remove(0);
        assert_eq!(
            (&object["level"], &object["status"]),
            (&json!("info"), &json!(404))
        );
        assert!(object.get("forged").is_none(), "{object}");
        let percent: String = forged.bytes().map(|byte| format!("%{byte:02x}")).collect();
        running.ask("GET", &format!("/v1/models/{percent}"), "");
        let mut client = Client::connect(running.address);
        client.send(format!(
            "GET /nope/{percent} HTTP/1.1\r\nContent-Length: x\r\n\r\n"
        ));
        assert_eq!(client.response("GET").status, 400);
    }
    assert!(objects(&running.read("stderr")).len() > 16);
}

#[test]
fn the_start_is_in_the_file_and_stderr_says_where_that_is() {
    let simulator = simulator();
    let running = start(&simulator, "log_file = proxy.log", "proxy.log");
    let log = running.read("proxy.log");
    let messages: Vec<_> = log.lines().map(|line| &line[20..]).collect();
    let port = format!("Starting server on port {}", running.address.port());
    assert_eq!(
        messages,
        [
            "Loaded 5 models from config",
            "Initializing OCI client for region us-phoenix-1",
            "OCI client initialized successfully",
            port.as_str(),
        ]
    );
    let stderr = running.read("stderr");
    assert_eq!(&stderr[20..], "The log goes to proxy.log\n");
    let mode = fs::metadata(running.path("proxy.log"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn full_files_are_turned_over_and_no_line_is_lost_on_the_way() {
    let simulator = simulator();
    let global = format!("log_file = proxy.log\nlog_file_max_size = {SMALLEST}\nlog_file_keep = 2");
    let running = start(&simulator, &global, "proxy.log");
    let ids: Vec<String> = (0..120).map(|_| running.chat("grok").1).collect();
    running.lines_with(ids.last().unwrap());
    let names = ["proxy.log.2", "proxy.log.1", "proxy.log"];
    let mut text = String::new();
    for name in names {
        let part = running.read(name);
        assert!(
            part.len() <= SMALLEST && part.ends_with('\n'),
            "{name}: {}",
            part.len()
        );
        assert!(
            part.len() > SMALLEST / 2 || name == "proxy.log",
            "{name}: {}",
            part.len()
        );
        text += &part;
    }
    assert!(!running.path("proxy.log.3").exists());
    let logged: Vec<_> = ids.iter().map(|id| text.contains(id.as_str())).collect();
    let first = logged.iter().position(|is_there| *is_there).unwrap();
    assert!(
        first > 0 && logged[first..].iter().all(|is_there| *is_there),
        "{logged:?}"
    );
}

#[test]
fn a_file_that_was_moved_away_is_opened_anew_even_if_the_configuration_is_bad() {
    let simulator = simulator();
    let running = start(&simulator, "log_file = proxy.log", "proxy.log");
    fs::rename(running.path("proxy.log"), running.path("moved")).unwrap();
    fs::write(running.path("config.conf"), "nonsense").unwrap();
    running.hang_up();
    running.lines_with("config.conf was not reloaded");
    assert!(!running.read("moved").contains("not reloaded"));
    // And one that vanishes comes back by itself.
    fs::remove_file(running.path("proxy.log")).unwrap();
    eventually("the file to be there again", || {
        let (status, id) = running.chat("grok");
        assert_eq!(status, 200);
        running.read("proxy.log").contains(&id)
    });
    assert_eq!(running.read("stderr").lines().count(), 1);
}

#[test]
fn a_file_that_cannot_be_written_is_told_once_and_nobody_notices() {
    let simulator = simulator();
    let running = start(&simulator, "log_file = logs/proxy.log", "stderr");
    let ids = [(); 3].map(|()| running.chat("grok"));
    assert!(ids.iter().all(|(status, _)| *status == 200));
    for (_, id) in &ids {
        assert_eq!(running.lines_with(id).len(), 1);
    }
    let told = running.lines_with("warning: log_file logs/proxy.log cannot be written");
    assert_eq!(told.len(), 1, "{told:?}");
    fs::create_dir(running.path("logs")).unwrap();
    running.hang_up();
    eventually("the file", || {
        running
            .read("logs/proxy.log")
            .contains("Reloaded config.conf")
    });
    assert!(
        running
            .read("logs/proxy.log")
            .contains("log_file can be written again")
    );
    let id = running.chat("grok").1;
    eventually("the line", || running.read("logs/proxy.log").contains(&id));
    assert!(!running.read("stderr").contains(&id));
}

/// A limit on the size of files stands for a disk that is full: writing fails in the middle of a line.
#[test]
fn a_disk_that_is_full_ends_nothing() {
    let simulator = simulator();
    let with = |global: &str| config(&simulator.endpoint(), global);
    let dir = furnished(&with(""));
    // Files of 4 blocks; without the signal that would end the program.
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 4; exec \"$0\" -port=0 -host=127.0.0.1",
        ])
        .arg(env!("CARGO_BIN_EXE_ociai-proxy"))
        .current_dir(dir.path())
        .env("TMPDIR", dir.path())
        .env_remove("OCIAI_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let proxy = Proxy::spawn(dir, command);
    let global = with("[GLOBAL]\nlog_file = proxy.log");
    reload(&proxy, &global, "The log goes to proxy.log");
    let chat = || {
        let body = json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]});
        let answer = proxy.chat(&body);
        assert_eq!(answer.status, 200);
        answer.header("x-request-id").unwrap().to_owned()
    };
    let told = "warning: log_file proxy.log cannot be written";
    let count = |text: &str| {
        let log = proxy.log();
        log.iter().filter(|line| line.contains(text)).count()
    };
    let mut ids = Vec::new();
    eventually("the disk to be full", || {
        ids.push(chat());
        count(told) > 0
    });
    let after = chat();
    proxy.wait_for_log(&after);
    assert_eq!(count(told), 1);
    // Each line is in the file or on stderr, whole.
    let file = fs::read_to_string(proxy.dir.path().join("proxy.log")).unwrap();
    for id in ids {
        assert!(file.contains(&id) || count(&id) == 1, "{id}: {file}");
    }
}

#[test]
fn a_reload_changes_level_format_and_place_at_once() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let with = |global: &str| config(&simulator.endpoint(), &format!("[GLOBAL]\n{global}"));
    let odd = |field: &str| {
        let body =
            json!({"model": "grok", field: 1, "messages": [{"role": "user", "content": "Hello"}]});
        let answer = proxy.chat(&body);
        assert_eq!(answer.status, 200);
        answer.header("x-request-id").unwrap().to_owned()
    };
    odd("field_one");
    reload(&proxy, &with("log_level = debug"), "Reloaded config.conf");
    odd("field_two");
    proxy.wait_for_log("the field \"field_two\" of requests is left out");
    // What is quiet says nothing of its reload either; that it happened shows in the models.
    let quiet = with("log_level = error") + "newest = openai.gpt-oss-120b\n";
    fs::write(proxy.dir.path().join("config.conf"), quiet).unwrap();
    proxy.signal("HUP");
    eventually("the reload", || {
        proxy.get("/v1/models/newest").status == 200
    });
    let unseen = odd("field_three");
    reload(&proxy, &with("log_format = json"), "Reloaded config.conf");
    let seen = odd("field_four");
    let line = proxy.wait_for_log(&seen);
    assert_eq!(objects(&line)[0]["request_id"], json!(seen));
    let log = proxy.log().join("\n");
    for absent in ["field_one", "field_three", "field_four", unseen.as_str()] {
        assert!(!log.contains(absent), "{absent}: {log}");
    }
    fs::write(
        proxy.dir.path().join("config.conf"),
        with("log_file = proxy.log"),
    )
    .unwrap();
    proxy.signal("HUP");
    proxy.wait_for_log("The log goes to proxy.log");
    let path = proxy.dir.path().join("proxy.log");
    eventually("the reload in the file", || {
        fs::read_to_string(&path).is_ok_and(|text| text.ends_with(" Reloaded config.conf\n"))
    });
}

#[test]
fn the_environment_counts_more_than_the_file() {
    let simulator = simulator();
    let dir = with_log(&simulator, "log_level = error");
    let mut command = program(dir.path());
    command.env("OCIAI_LOG", "info");
    let running = Running::start(dir, command, "stderr");
    let told = "warning: log_level does not count: OCIAI_LOG in the environment says info";
    assert_eq!(running.lines_with(told).len(), 1);
    let id = running.chat("grok").1;
    assert_eq!(running.lines_with(&id).len(), 1);
}

#[test]
fn a_check_tells_of_a_file_without_a_directory_and_makes_none() {
    let simulator = simulator();
    for (file, warnings) in [("logs/proxy.log", 1), ("proxy.log", 0)] {
        let dir = with_log(&simulator, &format!("log_file = {file}"));
        let ended = crate::start::run(dir.path(), &["-check"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stdout);
        let told = "warning: log_file: there is no directory logs";
        assert_eq!(
            ended.stdout.matches(told).count(),
            warnings,
            "{}",
            ended.stdout
        );
        assert!(!dir.path().join(file).exists());
    }
}

/// What cannot be read is told as ever, on stderr and without a date, and no file is made.
#[test]
fn errors_of_the_configuration_never_go_into_the_file() {
    let text = config(
        NOWHERE,
        "[GLOBAL]\nlog_format = json\nlog_file = proxy.log\nlog_level = loud",
    );
    let dir = furnished(&text);
    let ended = crate::start::run(dir.path(), &["-port=0"]);
    assert_eq!(ended.code, Some(1));
    let expected = "config.conf:12: log_level: expected error, warn, info, debug, got \"loud\"\n";
    assert_eq!(ended.stderr, expected);
    assert!(!dir.path().join("proxy.log").exists());
}
