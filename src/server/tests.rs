//! All rooms together in one process, where a worker can be made to panic: the built program has no switch for that.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::accounts::fleet::Ask;
use crate::simulator::{self, Simulator};

const DEADLINE: Duration = Duration::from_secs(30);
const PEM: &str = include_str!("../../tests/fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const MODEL: &str = "xai.grok-4.3";
const WORKERS: usize = 4;
const CLIENTS: usize = 12;
const REQUESTS_EACH: usize = 20;
/// The worker that takes this request dies.
const UNLUCKY: usize = CLIENTS * REQUESTS_EACH / 2;

/// A directory with a configuration, removed when it is dropped.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn furnished(name: &str, endpoint: &str, account: &simulator::Account) -> Dir {
    let dir = std::env::temp_dir().join(format!("ociai-{name}-{}", std::process::id()));
    fs::create_dir(&dir).unwrap();
    let dir = Dir(dir);
    fs::write(dir.0.join("key.pem"), PEM).unwrap();
    let text = format!(
        "[DEFAULT]\nuser = {}\ntenancy = {}\nfingerprint = {}\nkey_file = ./key.pem\nregion = us-phoenix-1\n\
         endpoint = {endpoint}\napi_key = key\n[GLOBAL]\nglobal_max_concurrency = {WORKERS}\nqueue_timeout = 10m\n\
         [MODELS]\ngrok = {MODEL}\n",
        account.user, account.tenancy, account.fingerprint
    );
    fs::write(dir.0.join("config.conf"), text).unwrap();
    dir
}

/// One chat on a connection of its own: the whole answer.
fn chat(address: SocketAddr) -> String {
    let body = r#"{"model":"grok","messages":[{"role":"user","content":"Hello"}]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nx-api-key: key\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_worker_that_panics_under_load_loses_one_request_and_no_slot() {
    let account = simulator::Account::from_pem("test", PEM).unwrap();
    let simulator = Simulator::start(simulator::Options {
        accounts: vec![account.clone()],
        models: vec![MODEL.to_owned()],
        ..simulator::Options::default()
    })
    .unwrap();
    let dir = furnished("panic", &simulator.endpoint(), &account);
    let source = Source {
        path: dir.0.join("config.conf"),
        mode: Mode::Single,
    };
    let settings = config::load(&source.path, source.mode).unwrap().settings;
    let (mut listen, pool) = (settings.listen.clone(), settings.workers);
    "127.0.0.1".clone_into(&mut listen.host);
    listen.port = 0;
    let lasting = Lasting::new(&settings.fleet);
    let live = open(settings, &source, &lasting).unwrap();
    let api = Api::new(live, Instant::now());

    let (taken, working, slots) = (
        AtomicUsize::new(0),
        Arc::clone(&api),
        Arc::clone(&lasting.slots),
    );
    let work = move |task| {
        if taken.fetch_add(1, Ordering::Relaxed) == UNLUCKY {
            let ask = Ask {
                model: MODEL.into(),
                paths: crate::accounts::paths::Paths::Either,
                tried: crate::accounts::tried::Tried::default(),
                repeat_from: None,
            };
            let _lease = slots.acquire(ask, Instant::now() + DEADLINE, &|| false);
            let _task: Task = task;
            panic!("a worker that dies with a request and a slot in its hands");
        }
        working.work(task);
    };
    let workers = Arc::new(Workers::start(pool, Task::is_waiting, work).unwrap());
    let guard = Arc::clone(&api);
    let desk = Desk {
        guard: Box::new(move |head| guard.guard(head)),
        expired: Box::new(|_| unreachable!("nobody waits that long")),
    };
    let listener = Arc::new(Listener::bind(&listen, desk).unwrap());
    let (receiving, handing) = (Arc::clone(&listener), Arc::clone(&workers));
    let control = thread::spawn(move || {
        while let Some(exchange) = receiving.recv() {
            api.handle(exchange, &handing);
        }
    });

    let address = listener.address();
    let clients =
        [(); CLIENTS].map(|()| thread::spawn(move || [(); REQUESTS_EACH].map(|()| chat(address))));
    let answers: Vec<String> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    let of = |status: &str| {
        answers
            .iter()
            .filter(|answer| answer.starts_with(status))
            .count()
    };
    let all = CLIENTS * REQUESTS_EACH;
    assert_eq!((of("HTTP/1.1 200 "), of("HTTP/1.1 500 ")), (all - 1, 1));
    assert!(life::wait_until(|| workers.load() == 0, DEADLINE));
    let (view, _) = lasting.slots.view();
    assert_eq!((view.in_flight, view.seats[0].in_flight), (0, 0));
    listener.close();
    listener.close_idle();
    assert!(life::wait_until(|| listener.is_empty(), DEADLINE));
    listener.stop();
    control.join().unwrap();
}
