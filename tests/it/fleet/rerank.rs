//! Reranking through the fleet, in the shapes of those who ask for it.

use ociai_proxy::simulator::{Script, Simulator};
use serde_json::{Value, json};

use super::site::{Config, body_of, error, simulator_of_more};
use crate::harness::{Proxy, Response};

const QUERY: &str = "What is the capital of France?";
const DOCUMENTS: [&str; 3] = [
    "Cats sleep a lot.",
    "Paris is the capital of France.",
    "Berlin is the capital of Germany.",
];

fn start(ids: &[&str]) -> (Simulator, Proxy) {
    let simulator = simulator_of_more(ids);
    let proxy = Config::of(&simulator, ids).more_models().start();
    (simulator, proxy)
}

fn rerank(proxy: &Proxy, path: &str, more: &Value) -> Response {
    let mut body = json!({"model": "rerank", "query": QUERY, "documents": DOCUMENTS});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    proxy.request("POST", path, &body.to_string())
}

fn order(answer: &Response) -> Vec<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].clone();
    let results = results.as_array().unwrap();
    results
        .iter()
        .map(|result| result["index"].as_u64().unwrap())
        .collect()
}

#[test]
fn documents_come_back_in_the_order_of_what_they_say() {
    let (simulator, proxy) = start(&["a1"]);
    let answer = rerank(&proxy, "/v1/rerank", &json!({}));
    assert_eq!(order(&answer), [1, 2, 0]);
    let body = answer.json();
    assert_eq!(body["model"], "rerank");
    assert!(body["id"].is_string() && body["meta"]["api_version"]["version"].is_string());
    let scores: Vec<_> = body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["relevance_score"].as_f64().unwrap())
        .collect();
    assert!(scores[0] > scores[1] && scores[1] > scores[2], "{scores:?}");
    assert!(body["results"][0].get("document").is_none());
    let line = proxy.line_of(&answer);
    assert!(
        line.contains(" rerank rerank account=") && line.contains(" attempts=1 status=200 "),
        "{line}"
    );

    // Cohere's clients, the second version with a path of its own; LiteLLM's for vLLM; Open WebUI.
    let returned = rerank(
        &proxy,
        "/v1/rerank",
        &json!({"top_n": 2, "return_documents": true, "max_chunks_per_doc": 10}),
    );
    assert_eq!(order(&returned), [1, 2]);
    assert_eq!(
        returned.json()["results"][0]["document"],
        json!({"text": DOCUMENTS[1]})
    );
    let second = rerank(
        &proxy,
        "/v2/rerank",
        &json!({"top_n": 1, "max_tokens_per_doc": 512, "priority": 0}),
    );
    assert_eq!(order(&second), [1]);
    assert_eq!(
        order(&rerank(
            &proxy,
            "/rerank",
            &json!({"return_documents": true, "top_n": 99})
        )),
        [1, 2, 0]
    );
    let sent: Vec<_> = simulator.requests().iter().map(body_of).collect();
    assert_eq!(sent[1]["maxChunksPerDocument"], 10);
    assert_eq!(
        (&sent[1]["topN"], &sent[1]["isEcho"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(sent[2]["maxTokensPerDocument"], 512);
}

#[test]
fn objects_are_documents_too() {
    let (simulator, proxy) = start(&["a1"]);
    let documents = json!([{"text": DOCUMENTS[0], "page": 1}, {"text": DOCUMENTS[1], "page": 2}]);
    let answer = rerank(
        &proxy,
        "/v1/rerank",
        &json!({"documents": documents, "return_documents": true}),
    );
    assert_eq!(order(&answer), [1, 0]);
    assert_eq!(answer.json()["results"][0]["document"], documents[1]);
    let documents = json!([{"title": "Cats"}, {"title": "France", "fact": "capital: Paris"}]);
    let answer = rerank(
        &proxy,
        "/v1/rerank",
        &json!({"documents": documents, "rank_fields": ["title", "fact"]}),
    );
    assert_eq!(order(&answer), [1, 0]);
    let sent = body_of(simulator.requests().last().unwrap());
    assert_eq!(
        sent["documents"],
        json!(["title: Cats", "title: France\nfact: capital: Paris"])
    );
    let before = simulator.total_requests();
    for (more, param) in [
        (json!({"documents": [{"title": "Cats"}]}), "documents[0]"),
        (json!({"documents": ["a", 7]}), "documents[1]"),
        (json!({"documents": []}), "documents"),
        (json!({"query": ""}), "query"),
        (json!({"top_n": 0}), "top_n"),
    ] {
        let answer = rerank(&proxy, "/v1/rerank", &more);
        answer.assert_error(400, None);
        assert_eq!(answer.json()["error"]["param"], param, "{}", answer.text());
    }
    assert_eq!(simulator.total_requests(), before);
}

#[test]
fn another_account_takes_over() {
    let (simulator, proxy) = start(&["a1", "a2"]);
    let broken = r#"{"documentRanks":[{"index":9,"relevanceScore":1}]}"#;
    for script in [error(503), Script::status(200, broken)] {
        simulator.enqueue(script);
        let answer = rerank(&proxy, "/v1/rerank", &json!({}));
        assert_eq!(order(&answer), [1, 2, 0]);
        let line = proxy.line_of(&answer);
        assert!(line.contains(" attempts=2 status=200 "), "{line}");
    }
    for id in ["a1", "a2"] {
        simulator.set_for_account(id, Some(error(500)));
    }
    let failed = rerank(&proxy, "/v1/rerank", &json!({}));
    failed.assert_error(502, Some("upstream_error"));
    for id in ["a1", "a2"] {
        simulator.set_for_account(id, None);
    }
    let text = r#"{"code":"InvalidParameter","message":"Invalid 'documents[1]': no"}"#;
    simulator.enqueue(Script::status(400, text));
    let refused = rerank(&proxy, "/v1/rerank", &json!({}));
    refused.assert_error(400, Some("InvalidParameter"));
    assert_eq!(refused.json()["error"]["param"], "documents[1]");
}
