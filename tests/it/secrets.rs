//! Whatever goes wrong, no secret is shown: not in the log at its loudest, not in an error, not in an answer. The program is made to
//! fail in many ways with secrets that are easy to find, and all that it says is searched for them.

use std::sync::Arc;

use ociai_proxy::simulator::{Recorded, Script, Simulator};
use serde_json::json;

use crate::fleet::identities;
use crate::harness::{
    KEY, Proxy, TempDir, config, eventually, furnished, program, simulator, write_private,
};
use crate::start::{NOWHERE, run};

const ENCRYPTED: &str = include_str!("../fixtures/signing/TEST-KEY-throwaway-pkcs8-encrypted.pem");
const PLAIN: &str = include_str!("../fixtures/signing/TEST-KEY-throwaway-pkcs1.pem");
const PASS_PHRASE: &str = "test-pass-phrase";
/// All made secrets have this in them.
const MARK: &str = "Hush";
const KEYS: [&str; 2] = ["Hush-first-key", "Hush-second-key"];

/// All that the program has said.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn add(&mut self, what: &str, text: impl Into<String>) {
        self.0.push(format!("{what}: {}", text.into()));
    }

    /// None of it is a secret.
    #[track_caller]
    fn is_clean(&self, signatures: &[String]) {
        let pem = [ENCRYPTED, PLAIN].map(str::lines).into_iter().flatten();
        let lines = pem.filter(|line| line.len() > 40 && !line.contains("---"));
        let secrets: Vec<_> = [MARK, PASS_PHRASE]
            .into_iter()
            .chain(lines)
            .chain(signatures.iter().map(String::as_str))
            .collect();
        for text in &self.0 {
            for secret in &secrets {
                assert!(!text.contains(secret), "{secret} is in {text}");
            }
        }
    }
}

/// The configuration with both keys, the pass phrase and further lines for `[DEFAULT]`.
fn secret_config(endpoint: &str, more: &str) -> String {
    let more = format!("pass_phrase = {PASS_PHRASE}\n{more}");
    config(endpoint, &more).replace(KEY, &KEYS.join(", "))
}

fn secret_dir(config: &str) -> TempDir {
    let dir = furnished(config);
    write_private(&dir.path().join("key.pem"), ENCRYPTED);
    dir
}

/// Errors that repeat the headers of the request, as a gateway's may, in turn.
fn telltale(simulator: &Simulator) {
    simulator.set_chooser(Some(Arc::new(|request: &Recorded| {
        let sent = format!("you sent {}", request.header("authorization")?);
        let length = request.body.len();
        Some(match length % 5 {
            0 => Script::status(
                401,
                json!({"code": "NotAuthenticated", "message": sent}).to_string(),
            ),
            1 => Script::status(400, json!({"code": "400", "message": sent}).to_string()),
            2 => Script::status(500, sent),
            3 => Script::Status {
                status: 200,
                headers: vec![("content-type".to_owned(), "text/plain".to_owned())],
                body: sent.into_bytes(),
            },
            _ => Script::Sse(
                format!("data: {}\n\n", json!({"code": "500", "message": sent})).into_bytes(),
            ),
        })
    })));
}

fn signatures(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests();
    let sent = requests.iter().filter_map(|request| {
        let (_, signature) = request
            .header("authorization")?
            .split_once("signature=\"")?;
        Some(signature.trim_end_matches('"').to_owned())
    });
    sent.collect()
}

/// A start or a check that fails.
fn failing(said: &mut Said, dir: &TempDir, args: &[&str]) {
    for more in [&[][..], &["-check"]] {
        let args = [args, &["-port=0", "-host=127.0.0.1"], more].concat();
        let ended = run(dir.path(), &args);
        assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
        said.add("ended", ended.stdout + &ended.stderr);
    }
}

#[test]
fn a_start_that_fails_shows_no_secret() {
    let mut said = Said::default();
    for (from, to) in [
        // Values that are no keys, keys twice, keys where they do not belong, and under other names.
        ("Hush-first-key,", "Hush first key,"),
        ("api_key", "api_key = Hush-0\napi_key"),
        ("[MODELS]", "[GLOBAL]\napi_key = Hush-0\n[MODELS]"),
        (
            "[MODELS]",
            "[MODELS]\napi_key = Hush key\npass_phrase = Hush",
        ),
        ("pass_phrase", "pass_phrase = Hush-0\npass_phrase"),
        (
            "pass_phrase",
            "api_kee = Hush-0\nuser = nobody\npass_phrase",
        ),
        (
            "[MODELS]",
            "control_endpoint = https://Hush-user:Hush-word@host.example/x\n[MODELS]",
        ),
        ("[MODELS]", "key_content = Hush\n[MODELS]"),
    ] {
        let text = secret_config(NOWHERE, "").replacen(from, to, 1);
        failing(&mut said, &secret_dir(&text), &[]);
    }
    let pasted = secret_config(NOWHERE, PLAIN);
    failing(&mut said, &secret_dir(&pasted), &[]);
    // Lines of a key where its first line is missing.
    let (_, cut) = PLAIN.split_once('\n').unwrap();
    failing(&mut said, &secret_dir(&secret_config(NOWHERE, cut)), &[]);
    // The key itself as configuration, and the configuration as key.
    failing(&mut said, &secret_dir(PLAIN), &[]);
    let good = secret_config(NOWHERE, "");
    let dir = secret_dir(&good);
    failing(&mut said, &dir, &["-config", "key.pem"]);
    for pem in [
        &good,
        &ENCRYPTED.replace("EN", "XX"),
        &PLAIN.replace("MII", "MIX"),
        "",
    ] {
        write_private(&dir.path().join("key.pem"), pem);
        failing(&mut said, &dir, &[]);
    }
    let wrong = secret_dir(&good.replace(PASS_PHRASE, "Hush wrong"));
    failing(&mut said, &wrong, &[]);
    assert!(said.0.len() > 30);
    said.is_clean(&[]);
}

#[test]
fn a_program_in_trouble_shows_no_secret() {
    let simulator = simulator();
    telltale(&simulator);
    let good = secret_config(
        &simulator.endpoint(),
        "[GLOBAL]\nhealth_check_interval = 100ms\nretry_attempts = 0",
    );
    let dir = secret_dir(&good);
    let mut command = program(dir.path());
    command
        .env("OCIAI_LOG", "trace")
        .args(["-port=0", "-host=127.0.0.1"]);
    let proxy = Proxy::spawn(dir, command);
    let mut said = Said::default();
    // Bodies of different lengths: each of the telltale errors comes, streamed and not.
    for number in 0..10 {
        for stream in [false, true] {
            let content = "x".repeat(number);
            let body = json!({"model": "grok", "stream": stream, "messages": [{"role": "user", "content": content}]});
            let mut client = proxy.connect();
            let key = format!("Bearer {}", KEYS[number % 2]);
            let headers = [("Authorization", key.as_str())];
            client.send_request("POST", "/v1/chat/completions", &headers, &body.to_string());
            let answer = client.response("POST");
            assert_ne!(answer.status, 401, "{}", answer.text());
            said.add("chat", answer.text());
        }
    }
    for path in [
        "/test-oci",
        "/stats/accounts",
        "/stats/summary",
        "/metrics",
        "/health",
        "/ready",
        "/v1/models",
        "/nowhere",
    ] {
        for (name, value) in [
            ("Authorization", "Bearer Hush-wrong-key"),
            ("Authorization", "Basic Hush-wrong-key"),
            ("x-api-key", "Hush-wrong-key"),
            ("x-api-key", KEYS[1]),
        ] {
            let mut client = proxy.connect();
            client.send_request("GET", path, &[(name, value)], "");
            said.add(path, client.response("GET").text());
        }
    }
    for head in [
        "GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer Hush-key\r\nbad line\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nAuthorization: Bearer Hush-key\r\n\r\n",
        "POST /v1/models HTTP/1.1\r\nHost: a\r\nx-api-key: Hush-key\r\nContent-Length: x\r\n\r\n",
        "GET /v1/models?key=Hush-key HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.send(head);
        said.add(
            head.lines()
                .next()
                .unwrap_or_default()
                .split('?')
                .next()
                .unwrap_or_default(),
            String::from_utf8(client.rest()).unwrap(),
        );
    }
    let path = proxy.dir.path().join("config.conf");
    let refused = || {
        let log = proxy.log();
        log.iter()
            .filter(|line| line.contains("was not reloaded"))
            .count()
    };
    for (number, (from, to)) in [
        ("Hush-first-key,", "Hush first key,"),
        ("[MODELS]", "[MODELS]\napi_key = Hush key"),
        (PASS_PHRASE, "Hush wrong"),
    ]
    .into_iter()
    .enumerate()
    {
        write_private(&path, good.replacen(from, to, 1));
        proxy.signal("HUP");
        eventually("the reload to be refused", || refused() > number);
    }
    let ended = run(proxy.dir.path(), &["-check"]);
    said.add("-check", ended.stdout + &ended.stderr);
    said.add("log", proxy.log().join("\n"));
    let signatures = signatures(&simulator);
    assert!(signatures.len() > 20 && signatures.iter().all(|signature| signature.len() > 100));
    said.is_clean(&signatures);
    assert!(
        said.0.iter().any(|text| text.contains("signature=\"***\"")),
        "{:#?}",
        said.0
    );
}

#[test]
fn the_password_of_an_http_proxy_is_not_shown() {
    let dir = secret_dir(&secret_config("http://oci.invalid", ""));
    let mut said = Said::default();
    for (variable, url) in [
        ("HTTP_PROXY", "http://Hush-user:Hush-word@127.0.0.1:9"),
        ("ALL_PROXY", "socks5://Hush-user:Hush-word@127.0.0.1:9"),
        ("HTTP_PROXY", "Hush-user:Hush-word@"),
        ("HTTP_PROXY", "ftp://Hush-user:Hush-word@127.0.0.1:9"),
    ] {
        let output = program(dir.path())
            .env(variable, url)
            .env("OCIAI_LOG", "trace")
            .arg("-check")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        said.add(variable, String::from_utf8_lossy(&output.stdout));
        said.add(variable, String::from_utf8_lossy(&output.stderr));
    }
    said.is_clean(&[]);
}

/// Tokens that have been used or issued, without the part that is the same in all.
fn tokens(simulator: &Simulator) -> Vec<String> {
    let requests = simulator.requests();
    let sent = requests.iter().filter_map(|request| {
        let (_, after) = request.header("authorization")?.split_once("ST$")?;
        let (token, _) = after.split_once('"')?;
        let (_, claims) = token.split_once('.')?;
        Some(claims.to_owned())
    });
    sent.collect()
}

#[test]
fn tokens_and_the_keys_of_a_machine_are_not_shown() {
    let simulator = identities::cloud(&[], 0);
    let is_identity = |request: &Recorded| {
        request.target.starts_with("/opc/") || request.target.starts_with("/v1/")
    };
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        let sent = format!("you sent {}", request.header("authorization")?);
        let error = json!({"code": "NotAuthenticated", "message": sent}).to_string();
        (!is_identity(request)).then(|| Script::status(401, error))
    })));
    let life = std::time::Duration::from_secs(3600);
    let issued = simulator.issue_token("s", identities::SESSION_KEY, life);
    let at = simulator.endpoint();
    let accounts = [
        ("vm", identities::vm(&simulator)),
        ("s", identities::session(&simulator, "token")),
        (
            "key",
            format!("oci_api_key = sk-{MARK}-key\nregion = FRA\nendpoint = {at}\n"),
        ),
    ];
    let text = identities::config("health_check_interval = 100ms", &accounts);
    let dir = identities::furnished(&text);
    identities::put(dir.path(), "token", &issued.unwrap());
    let proxy = identities::start(dir, &[("OCIAI_LOG", "trace")]);
    let mut said = Said::default();
    let ask = json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]});
    eventually("both to be refused", || {
        said.add("chat", proxy.chat(&ask).text());
        said.add("accounts", proxy.get("/stats/accounts").text());
        let last = said.0.last().unwrap();
        last.matches("keyId=").count() >= 2 && tokens(&simulator).len() > 4
    });
    for path in ["/test-oci", "/stats/summary", "/metrics"] {
        said.add(path, proxy.get(path).text());
    }
    let args = ["-multi-account", "-config", "multi_config.conf", "-check"];
    let ended = run(proxy.dir.path(), &args);
    said.add("-check", ended.stdout + &ended.stderr);
    said.add("log", proxy.log().join("\n"));
    let secrets = [signatures(&simulator), tokens(&simulator)].concat();
    said.is_clean(&secrets);
    assert!(said.0.iter().any(|text| text.contains("ST$***")));
}

#[test]
fn what_the_services_of_a_machine_answer_wrongly_is_not_shown() {
    let key = include_str!("../fixtures/identity/TEST-leaf-key.pem");
    let answers: [(&str, String); 5] = [
        ("/opc/v2/instance/region", key.to_owned()),
        ("/opc/v2/identity/cert.pem", key.to_owned()),
        (
            "/opc/v2/identity/key.pem",
            format!("{key}{MARK}").replace("MII", "MIX"),
        ),
        ("/v1/x509", json!({"token": MARK}).to_string()),
        ("/v1/x509", json!({"tokens": [MARK]}).to_string()),
    ];
    for (path, answer) in answers {
        let simulator = identities::cloud(&[], 0);
        simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
            (request.target == path).then(|| Script::status(200, answer.clone()))
        })));
        let text = identities::config("", &[("vm", identities::vm(&simulator))]);
        let proxy = identities::start(identities::furnished(&text), &[("OCIAI_LOG", "trace")]);
        proxy.wait_for_log("warning: no token");
        let mut said = Said::default();
        said.add("accounts", proxy.get("/stats/accounts").text());
        said.add("log", proxy.log().join("\n"));
        let lines = key.lines().filter(|line| !line.starts_with("---"));
        said.is_clean(&lines.map(str::to_owned).collect::<Vec<_>>());
    }
}
