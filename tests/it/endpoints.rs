//! Every endpoint but the chat: status, shape, headers, who may ask, and what a web page of another origin may read.

use std::collections::HashSet;

use ociai_proxy::simulator::{Script, Simulator};
use serde_json::{Value, json};

use crate::harness::{KEY, MODELS, Proxy, Response, chats, config, simulator};

/// A request with exactly these headers, `Host` too.
fn ask(proxy: &Proxy, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut text = format!("{method} {path} HTTP/1.1\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut client = proxy.connect();
    client.send(text + "\r\n");
    client.response(method)
}

fn started() -> (Simulator, Proxy) {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    (simulator, proxy)
}

fn shared(response: &Response) -> bool {
    response.header("access-control-allow-origin") == Some("*")
}

#[test]
fn the_models_are_those_of_the_file_in_its_order() {
    let (_simulator, proxy) = started();
    for path in ["/v1/models", "/models", "/v1/models/"] {
        let answer = proxy.get(path);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let list = answer.json();
        let created = list["data"][0]["created"].as_u64().unwrap();
        assert!(created > 1_700_000_000, "{created}");
        let models = MODELS.map(|(name, id)| {
            let vendor = id.split('.').next();
            json!({"id": name, "object": "model", "created": created, "owned_by": vendor, "capabilities": ["chat"]})
        });
        assert_eq!(list, json!({"object": "list", "data": models}), "{path}");
    }
}

#[test]
fn one_model_is_found_by_its_name_however_it_is_written() {
    let simulator = simulator();
    let more = "meta/llama 3.3 = meta.llama-3.3-70b-instruct\n羊驼 = meta.llama-3.3-70b-instruct\n";
    let proxy = Proxy::with_config(&(config(&simulator.endpoint(), "") + more));
    for (path, id, vendor) in [
        ("/v1/models/grok", "grok", "xai"),
        ("/models/gpt-oss", "gpt-oss", "openai"),
        ("/v1/models/gpt%2Doss", "gpt-oss", "openai"),
        ("/v1/models/meta%2fllama%203.3", "meta/llama 3.3", "meta"),
        ("/v1/models/meta/llama%203.3", "meta/llama 3.3", "meta"),
        ("/v1/models/%E7%BE%8A%E9%A9%BC", "羊驼", "meta"),
    ] {
        let answer = proxy.get(path);
        assert_eq!(answer.status, 200, "{path} {}", answer.text());
        let model = answer.json();
        let created = &model["created"];
        let expected = json!({"id": id, "object": "model", "created": created, "owned_by": vendor, "capabilities": ["chat"]});
        assert_eq!(model, expected, "{path}");
    }
    let unknown = proxy.get("/v1/models/gpt-17");
    unknown.assert_error(404, Some("model_not_found"));
    assert_eq!(unknown.json()["error"]["param"], "model");
    assert!(
        unknown.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("gpt-17")
    );
}

#[test]
fn health_and_readiness_are_open_to_all() {
    let (simulator, proxy) = started();
    let health = |status: &str, healthy: u32| {
        let answer = ask(&proxy, "GET", "/health", &[("Host", "proxy.example")]);
        assert_eq!(answer.status, 200);
        let body = answer.json();
        let expected = json!({
            "status": status,
            "mode": "single",
            "accounts": {"healthy": healthy, "total": 1},
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": body["uptime_seconds"].as_u64().unwrap(),
        });
        assert_eq!(body, expected);
    };
    health("ok", 1);
    let ready = ask(&proxy, "GET", "/ready", &[("Host", "proxy.example")]);
    assert_eq!(
        (ready.status, ready.json()),
        (200, json!({"status": "ready"}))
    );
    let chat = json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]});
    simulator.enqueue(Script::status(
        401,
        r#"{"code":"NotAuthenticated","message":"no"}"#,
    ));
    assert_eq!(proxy.chat(&chat).status, 502);
    health("down", 0);
    assert_eq!(
        proxy.get("/ready").status,
        200,
        "the only account is asked all the same"
    );
    assert_eq!(proxy.chat(&chat).status, 200);
    health("ok", 1);
}

#[test]
fn head_is_get_without_the_body() {
    let (_simulator, proxy) = started();
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    for path in [
        "/v1/models",
        "/models",
        "/v1/models/grok",
        "/v1/models/none",
        "/health",
        "/ready",
    ] {
        // One connection: a body after HEAD would be taken for the next answer.
        let mut client = proxy.connect();
        client.send_request("HEAD", path, &headers, "");
        let head = client.response("HEAD");
        client.send_request("GET", path, &headers, "");
        let get = client.response("GET");
        assert_eq!(head.status, get.status, "{path}");
        assert!(!get.body.is_empty(), "{path}");
        for name in ["content-type", "content-length"] {
            assert!(head.header(name).is_some(), "{path} {name}");
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    let trial = proxy.request("HEAD", "/test-oci", "");
    assert_eq!(trial.status, 200);
    assert_eq!(trial.header("content-type"), Some("application/json"));
}

#[test]
fn unknown_paths_are_404_and_wrong_methods_405_with_those_that_are_allowed() {
    let (simulator, proxy) = started();
    for path in [
        "//",
        "/dashboard",
        "/v1",
        "/v2/models",
        "/v1/health",
        "/v1/chat",
        "/v1/embedding",
        "/stats",
        "/models2",
    ] {
        proxy.get(path).assert_error(404, Some("unknown_url"));
    }
    for (method, path, allowed) in [
        ("GET", "/v1/chat/completions", "POST, OPTIONS"),
        ("GET", "/v1/embeddings", "POST, OPTIONS"),
        ("GET", "/v2/rerank", "POST, OPTIONS"),
        ("HEAD", "/chat/completions", "POST, OPTIONS"),
        ("POST", "/v1/models", "GET, HEAD, OPTIONS"),
        ("DELETE", "/v1/models/grok", "GET, HEAD, OPTIONS"),
        ("PUT", "/health", "GET, HEAD"),
        ("OPTIONS", "/ready", "GET, HEAD"),
        ("POST", "/test-oci", "GET, HEAD"),
    ] {
        let answer = proxy.request(method, path, "");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
        if method == "HEAD" {
            assert_eq!(answer.status, 405);
        } else {
            answer.assert_error(405, Some("method_not_allowed"));
        }
    }
    assert_eq!(chats(&simulator).len(), 0);
}

#[test]
fn a_preflight_needs_no_key_and_may_ask_for_any_header() {
    let (_simulator, proxy) = started();
    for path in [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/models",
        "/models/grok",
    ] {
        let headers = [
            ("Host", "proxy.example"),
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "POST"),
            (
                "Access-Control-Request-Headers",
                "authorization,x-stainless-os,x-own",
            ),
            ("Access-Control-Request-Private-Network", "true"),
        ];
        let answer = ask(&proxy, "OPTIONS", path, &headers);
        assert_eq!(answer.status, 204, "{path}");
        assert!(shared(&answer), "{path}");
        let header = |name: &str| answer.header(name).unwrap_or_default();
        assert_eq!(
            header("access-control-allow-headers"),
            "authorization,x-stainless-os,x-own"
        );
        assert_eq!(header("access-control-allow-methods"), "GET, POST, OPTIONS");
        assert_eq!(header("access-control-allow-private-network"), "true");
        assert_eq!(header("vary"), "Access-Control-Request-Headers");
        assert!(header("access-control-max-age").parse::<u32>().is_ok());
        assert_eq!(answer.header("content-length"), None);
    }
}

#[test]
fn pages_of_other_origins_may_read_the_api_with_its_refusals_and_nothing_else() {
    let (_simulator, proxy) = started();
    let host = ("Host", "proxy.example");
    let page = ("Origin", "https://app.example");
    for (method, path, status) in [
        ("GET", "/v1/models", 401),
        ("GET", "/models", 401),
        ("POST", "/v1/chat/completions", 401),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/none", 404),
    ] {
        let answer = ask(&proxy, method, path, &[host, page]);
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(shared(&answer), "{method} {path}");
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in [
            "x-request-id",
            "opc-request-id",
            "x-ociai-account",
            "retry-after",
        ] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    for path in ["/health", "/ready", "/test-oci", "/none"] {
        let answer = ask(&proxy, "GET", path, &[host, page]);
        let cors = answer
            .headers
            .iter()
            .find(|(name, _)| name.starts_with("access-control"));
        assert_eq!(cors, None, "{path}");
    }
}

#[test]
fn any_of_the_keys_opens_the_door_in_either_header() {
    let simulator = simulator();
    let config = config(&simulator.endpoint(), "").replace(KEY, "first-key, second-key");
    let proxy = Proxy::with_config(&config);
    for (name, value, status) in [
        ("Authorization", "Bearer first-key", 200),
        ("Authorization", "Bearer second-key", 200),
        ("authorization", "bearer second-key", 200),
        ("AUTHORIZATION", "BEARER first-key", 200),
        ("x-api-key", "second-key", 200),
        ("X-Api-Key", "first-key", 200),
        ("Authorization", "Bearer first-key, second-key", 401),
        ("Authorization", "Bearer First-Key", 401),
        ("Authorization", "Bearer first-ke", 401),
        ("Authorization", "Bearer", 401),
        ("Authorization", "first-key", 401),
        ("Authorization", "Basic Zmlyc3Qta2V5", 401),
        ("x-api-key", "third-key", 401),
        ("X-Nothing", "here", 401),
    ] {
        let answer = ask(
            &proxy,
            "GET",
            "/v1/models",
            &[("Host", "localhost"), (name, value)],
        );
        assert_eq!(answer.status, status, "{name}: {value}");
        if status == 401 {
            answer.assert_error(401, Some("invalid_api_key"));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(!answer.text().contains("-key "), "{}", answer.text());
        }
    }
    let log = proxy.log().join("\n");
    assert!(
        !log.contains("first-ke") && !log.contains("second-key"),
        "{log}"
    );
}

#[test]
fn every_answer_has_an_id_of_its_own_and_names_what_went_upstream() {
    let (simulator, proxy) = started();
    let chat = json!({"model": "grok", "messages": [{"role": "user", "content": "Hello"}]});
    let streamed = json!({"model": "grok", "stream": true, "messages": chat["messages"]});
    let failed = json!({"code": "InvalidParameter", "message": "no"}).to_string();
    let mut answers: Vec<Response> = ["/v1/models", "/health", "/ready", "/test-oci", "/none"]
        .iter()
        .map(|path| proxy.get(path))
        .collect();
    answers.push(ask(&proxy, "GET", "/v1/models", &[("Host", "localhost")]));
    answers.push(ask(&proxy, "GET", "/v1/models", &[]));
    for answer in &answers {
        assert_eq!(answer.header("opc-request-id"), None);
        assert_eq!(answer.header("x-ociai-account"), None);
    }
    let upstream = [proxy.chat(&chat), proxy.chat(&streamed), {
        simulator.enqueue(Script::status(400, failed));
        proxy.chat(&chat)
    }];
    for answer in &upstream {
        assert_eq!(
            answer.header("opc-request-id"),
            answer.header("x-request-id")
        );
        assert_eq!(answer.header("x-ociai-account"), Some("default"));
    }
    let ids: Vec<_> = answers
        .iter()
        .chain(&upstream)
        .map(|answer| answer.header("x-request-id").unwrap())
        .collect();
    for id in &ids {
        assert!(
            id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
    assert_eq!(
        ids.iter().collect::<HashSet<_>>().len(),
        ids.len(),
        "{ids:?}"
    );
}

#[test]
fn the_trial_needs_a_key_unless_this_machine_itself_asks() {
    let (_simulator, proxy) = started();
    let host = format!("localhost:{}", proxy.address.port());
    let (own, foreign) = (format!("http://{host}"), "https://app.example");
    let bearer = format!("Bearer {KEY}");
    for (headers, status) in [
        (&[("Host", host.as_str())][..], 200),
        (&[("Host", "127.0.0.1")], 200),
        (&[("Host", &host), ("Origin", &own)], 200),
        (&[("Host", &host), ("X-Forwarded-For", "203.0.113.9")], 401),
        (&[("Host", &host), ("Forwarded", "for=203.0.113.9")], 401),
        (&[("Host", &host), ("X-Real-IP", "203.0.113.9")], 401),
        (&[("Host", "rebound.example")], 401),
        (&[("Host", &host), ("Origin", foreign)], 401),
        (&[("Host", &host), ("Sec-Fetch-Site", "cross-site")], 401),
        (
            &[
                ("Host", &host),
                ("Origin", foreign),
                ("Authorization", &bearer),
            ],
            200,
        ),
        (&[("Host", "rebound.example"), ("x-api-key", KEY)], 200),
    ] {
        let answer = ask(&proxy, "GET", "/test-oci", headers);
        assert_eq!(answer.status, status, "{headers:?} {}", answer.text());
        if status == 401 {
            answer.assert_error(401, Some("invalid_api_key"));
            continue;
        }
        let body = answer.json();
        let latency = body["accounts"][0]["latency_ms"].as_u64().unwrap();
        let row = json!({"account": "default", "status": "ok", "latency_ms": latency});
        assert_eq!(body, json!({"status": "ok", "accounts": [row]}));
    }
}

#[test]
fn the_trial_asks_the_named_account_for_the_named_model() {
    let (simulator, proxy) = started();
    for (query, status, code) in [
        ("", 200, None),
        ("?account=default", 200, None),
        ("?model=llama", 200, None),
        ("?account=default&model=gpt%2Doss", 200, None),
        ("?account=nobody", 404, Some("account_not_found")),
        ("?model=none", 404, Some("model_not_found")),
    ] {
        let answer = proxy.get(&format!("/test-oci{query}"));
        if code.is_some() {
            answer.assert_error(status, code);
        } else {
            assert_eq!(answer.status, status, "{query} {}", answer.text());
        }
    }
    let models: Vec<Value> = chats(&simulator)
        .iter()
        .map(|request| {
            assert!(request.is_signed(), "{:?}", request.refusal);
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body["servingMode"]["modelId"].clone()
        })
        .collect();
    let [grok, llama, gpt_oss] = [MODELS[0].1, MODELS[1].1, MODELS[3].1];
    assert_eq!(models, [grok, grok, llama, gpt_oss]);
}

#[test]
fn a_failed_trial_says_why_and_what_to_do_and_is_held_against_nobody() {
    let (simulator, proxy) = started();
    for (status, code, hint) in [
        (401, "NotAuthenticated", "fingerprint"),
        (403, "NotAuthorized", "generative-ai-family"),
        (404, "NotAuthorizedOrNotFound", "compartment_id"),
        (429, "TooManyRequests", "throttles"),
        (500, "InternalServerError", "opc_request_id"),
    ] {
        let body = json!({"code": code, "message": "because"}).to_string();
        simulator.enqueue(Script::status(status, body));
        let answer = proxy.get("/test-oci");
        assert_eq!(answer.status, 502, "{code}");
        let body = answer.json();
        assert_eq!(body["status"], "failed", "{body}");
        let [row] = body["accounts"].as_array().unwrap().as_slice() else {
            panic!("{body}")
        };
        assert_eq!(
            (&row["account"], &row["status"]),
            (&json!("default"), &json!("failed"))
        );
        let error = row["error"].as_str().unwrap();
        assert!(
            error.contains(&status.to_string()) && error.contains("because"),
            "{row}"
        );
        assert!(row["hint"].as_str().unwrap().contains(hint), "{row}");
        assert_eq!(
            row["opc_request_id"].as_str(),
            answer.header("x-request-id"),
            "{row}"
        );
        assert!(row["latency_ms"].is_u64(), "{row}");
        assert_eq!(proxy.get("/health").json()["status"], "ok", "{code}");
    }
}
