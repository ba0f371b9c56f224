//! What a test of several accounts needs: who is answered how, and how many calls there were at once.

use parking_lot::Mutex;

use super::*;

const GUARDRAILS: &str = "/20231130/guardrailVersions";
const MODELS: &str = "/20231130/models?compartmentId=a";

#[test]
fn the_guardrails_are_listed_to_whoever_signs() {
    let simulator = start();
    let mut client = Client::connect(&simulator);
    client.send("GET /20231130/guardrailVersions HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read().status, 401);
    for target in [
        GUARDRAILS.to_owned(),
        format!("{GUARDRAILS}?compartmentId=a"),
    ] {
        let reply = client.get(&target);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.json()["items"][0]["state"], "ACTIVE");
    }
    simulator.set_control(Some(Script::status(403, "{}")));
    assert_eq!(
        client.get(GUARDRAILS).status,
        200,
        "not of the control plane"
    );
    client.send_signed("POST", GUARDRAILS, Some("{}"));
    assert_eq!(client.read().status, 404);
}

#[test]
fn a_chooser_comes_after_the_queue_and_before_the_other_scripts() {
    let simulator = start();
    simulator.set_default(Some(Script::status(501, "")));
    simulator.set_control(Some(Script::status(502, "")));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    simulator.set_chooser(Some(Arc::new(move |request| {
        log.lock()
            .push((request.account.clone(), request.target.clone()));
        assert!(request.is_signed());
        (!request.target.ends_with("none")).then(|| Script::status(503, ""))
    })));
    let mut client = Client::connect(&simulator);

    simulator.enqueue(Script::status(504, ""));
    assert_eq!(client.chat(&stream_request()).status, 504);
    assert_eq!(client.chat(&json!({})).status, 400, "a bad request");
    client.send("GET /20231130/models HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.read().status, 401);
    assert_eq!(client.get("/elsewhere").status, 404);
    assert!(asked.lock().is_empty());

    assert_eq!(client.chat(&stream_request()).status, 503);
    simulator.set_for_account("one", Some(Script::status(500, "")));
    assert_eq!(client.chat(&stream_request()).status, 503);
    assert_eq!(client.get(MODELS).status, 503);
    assert_eq!(client.get(GUARDRAILS).status, 503);
    let one = Some("one".to_owned());
    assert_eq!(
        *asked.lock(),
        [
            "/20231130/actions/chat",
            "/20231130/actions/chat",
            MODELS,
            GUARDRAILS
        ]
        .map(|target| (one.clone(), target.to_owned()))
    );

    assert_eq!(
        client.get(&format!("{MODELS}&x=none")).status,
        502,
        "as without it"
    );
    assert_eq!(client.get(&format!("{GUARDRAILS}?x=none")).status, 200);
    simulator.set_chooser(Some(Arc::new(|_| None)));
    assert_eq!(client.chat(&stream_request()).status, 500);
    simulator.set_chooser(Some(Arc::new(|_| {
        Some(Script::DefaultAfter(Duration::ZERO))
    })));
    assert_eq!(
        client.get(MODELS).status,
        200,
        "what there is without a script"
    );
    assert_eq!(client.get(GUARDRAILS).status, 200);
    assert_eq!(client.chat(&stream_request()).status, 200);
    simulator.set_chooser(None);
    assert_eq!(client.chat(&stream_request()).status, 500);
}
