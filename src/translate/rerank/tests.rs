//! What the golden cases do not show.

use super::*;

#[test]
fn ocis_names_become_the_clients() {
    let body = r#"{"model":"r","query":"q","documents":["a"]}"#;
    let request = RerankRequest::parse(body.as_bytes()).unwrap();
    let asked = rerank(request, "id".to_owned()).unwrap();
    for (oci, client) in [
        ("input", "query"),
        ("documents[3]", "documents[3]"),
        ("top_n", "top_n"),
        ("is_echo", "return_documents"),
        ("max_tokens_per_document", "max_tokens_per_doc"),
    ] {
        let error = ApiError::invalid_request("no", Some(oci.to_owned()));
        assert_eq!(asked.in_clients_words(error).param.as_deref(), Some(client));
    }
}

#[test]
fn an_answer_that_cannot_be_used_leaves_the_documents() {
    let body = r#"{"model":"r","query":"q","documents":["a","b"],"return_documents":true}"#;
    let request = RerankRequest::parse(body.as_bytes()).unwrap();
    let mut asked = rerank(request, "id".to_owned()).unwrap();
    let bad = r#"{"documentRanks":[{"index":0,"relevanceScore":1},{"index":1}]}"#;
    assert!(matches!(
        asked.answered(bad.as_bytes()),
        Err(OciError::Broken { .. })
    ));
    let good =
        r#"{"documentRanks":[{"index":1,"relevanceScore":1},{"index":0,"relevanceScore":0.5}]}"#;
    let Answered::Whole { body, tokens } = asked.answered(good.as_bytes()).unwrap() else {
        panic!("not whole")
    };
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body["results"][0]["document"],
        serde_json::json!({"text": "b"})
    );
    assert_eq!(
        body["results"][1]["document"],
        serde_json::json!({"text": "a"})
    );
    assert_eq!((body["id"].as_str(), tokens), (Some("id"), None));
}
