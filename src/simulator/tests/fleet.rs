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

const FINISH: &[u8] = b"data: {\"message\":{\"role\":\"ASSISTANT\"},\"finishReason\":\"stop\"}\n\n";

/// Begins a chat call that a script holds, and leaves it there.
fn held(simulator: &Simulator, steps: Vec<Step>) -> Client {
    let active = simulator.active_calls();
    simulator.enqueue(Script::Steps(steps));
    let mut client = Client::connect(simulator);
    let body = stream_request().to_string();
    client.send_signed("POST", "/20231130/actions/chat", Some(&body));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() > active, DEADLINE));
    client
}

#[test]
fn the_peaks_are_the_most_calls_at_once_in_all_and_of_an_account() {
    let simulator = start();
    let gate = Gate::new();
    let peaks = |simulator: &Simulator| (simulator.peak_calls(), simulator.peak_calls_of("one"));
    assert_eq!(
        (peaks(&simulator), simulator.peak_calls_of("no")),
        ((0, 0), 0)
    );
    let steps = || {
        let text = Step::Bytes(b"data: {}\n\n".to_vec());
        let finish = Step::Bytes(FINISH.to_vec());
        let wait = Step::WaitFor(gate.clone());
        vec![
            head(Framing::Chunked),
            text,
            wait,
            finish,
            Step::CloseCleanly,
        ]
    };
    let mut clients: Vec<_> = (0..3).map(|_| held(&simulator, steps())).collect();
    assert!(simulator.wait_for(|simulator| peaks(simulator) == (3, 3), DEADLINE));
    gate.open();
    assert!(clients.iter_mut().all(|client| client.read().complete));
    assert!(simulator.wait_for(|simulator| simulator.active_calls() == 0, DEADLINE));

    let mut client = Client::connect(&simulator);
    for _ in 0..4 {
        client.chat(&stream_request());
        client.get(MODELS);
    }
    assert_eq!(
        (peaks(&simulator), simulator.peak_calls_of("two")),
        ((3, 3), 0)
    );
}

#[test]
fn a_call_whose_end_was_read_counts_for_no_peak_even_if_it_is_not_over() {
    let wait = || Step::WaitFor(Gate::new());
    let bytes = |bytes: &[u8]| Step::Bytes(bytes.to_vec());
    let error = Step::Head {
        status: 500,
        content_type: "application/json".to_owned(),
        framing: Framing::Length(2),
    };
    let (half, rest) = FINISH.split_at(FINISH.len() - 12);
    // What they do, and what the client has read of it when its next call begins.
    let scripts: [(&[u8], Vec<Step>); 6] = [
        (
            b"\"stop\"}\n\n\r\n",
            vec![
                head(Framing::Chunked),
                bytes(FINISH),
                wait(),
                bytes(b"data: [DONE]\n\n"),
            ],
        ),
        (
            b"\"stop\"}\n\n\r\n",
            vec![
                head(Framing::Chunked),
                bytes(half),
                bytes(rest),
                wait(),
                bytes(b"more"),
            ],
        ),
        (
            b"no end\n\n\r\n",
            vec![
                head(Framing::Chunked),
                bytes(b"data: no end\n\n"),
                wait(),
                Step::CloseCleanly,
            ],
        ),
        (
            b"{}",
            vec![
                head(Framing::Length(2)),
                Step::ByteByByte(b"{}".to_vec()),
                Step::KeepOpen,
            ],
        ),
        (b"\r\n\r\n", vec![error, wait(), bytes(b"{}")]),
        (b"garbage", vec![bytes(b"garbage"), wait(), bytes(b"more")]),
    ];
    for (end, steps) in scripts {
        let name = format!("{steps:?}");
        let simulator = start();
        let mut first = held(&simulator, steps);
        let mut read = Vec::new();
        while !read.ends_with(end) {
            let mut byte = [0; 1];
            first.stream.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        let mut second = Client::connect(&simulator);
        assert_eq!(second.chat(&stream_request()).status, 200);
        assert_eq!(
            (simulator.peak_calls(), simulator.peak_calls_of("one")),
            (1, 1),
            "{name}"
        );
        assert!(
            simulator.wait_for(|simulator| simulator.active_calls() == 1, DEADLINE),
            "the first is not over: {name}"
        );
    }
}

/// Asks for a stream and reads it up to its usage, behind which only its proper end comes.
fn read_usage(client: &mut Client) -> Reply {
    let body = stream_request().to_string();
    client.send_signed("POST", "/20231130/actions/chat", Some(&body));
    let mut reply = client.read_head();
    while !reply.text().contains("\"usage\"") {
        assert_eq!(client.read_chunk(&mut reply), Some(true));
    }
    reply
}

#[test]
fn the_peaks_never_count_a_client_twice_whose_next_call_comes_behind_the_usage() {
    const CLIENTS: usize = 3;
    let simulator = start();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let (mut one, mut other) =
                    (Client::connect(&simulator), Client::connect(&simulator));
                for _ in 0..20 {
                    let mut reply = read_usage(&mut one);
                    let mut next = read_usage(&mut other);
                    assert_eq!(one.read_chunk(&mut reply), Some(false));
                    assert_eq!(other.read_chunk(&mut next), Some(false));
                }
            });
        }
    });
    let peak = simulator.peak_calls();
    assert!((1..=CLIENTS).contains(&peak), "{peak}");
    assert!(simulator.peak_calls_of("one") <= peak);
}
