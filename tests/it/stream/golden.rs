//! Every recorded event stream comes out of the whole program as its golden file says, however its bytes were cut.

use std::fs;
use std::path::{Path, PathBuf};

use ociai_proxy::simulator::{Script, Simulator, Step};
use serde_json::{Value, json};

use crate::harness::{Proxy, simulator};
use crate::stream::{asked, head, send};

const NO_RETRY: &str = "[GLOBAL]\nretry_attempts = 0";

/// The golden cases: name, directory.
fn golden_streams() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/generic");
    let dirs = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = dirs
        .map(|dir| (dir.file_name().unwrap().to_str().unwrap().to_owned(), dir))
        .filter(|(name, _)| name.starts_with("stream-"))
        .collect();
    cases.sort();
    assert!(cases.len() > 15);
    cases
}

/// The `data:` lines, without what differs from run to run: id, date, model, and made-up ids of tool calls.
fn comparable(events: &[String], upstream: &str) -> Vec<Value> {
    let comparable = |event: &String| {
        if event == "[DONE]" {
            return json!(event);
        }
        let mut event: Value = serde_json::from_str(event).unwrap();
        let Some(chunk) = event
            .as_object_mut()
            .filter(|event| !event.contains_key("error"))
        else {
            return event;
        };
        for field in ["id", "created", "model"] {
            assert!(chunk.remove(field).is_some(), "{field}");
        }
        let choices = chunk["choices"].as_array_mut().into_iter().flatten();
        let calls =
            choices.filter_map(|choice| choice.pointer_mut("/delta/tool_calls")?.as_array_mut());
        for call in calls.flatten() {
            let made = call["id"].as_str().filter(|id| !upstream.contains(id));
            if let Some(made) = made {
                assert!(made.starts_with("call_") && made.len() == 29, "{made}");
                call["id"] = json!("made up");
            }
        }
        event
    };
    events.iter().map(comparable).collect()
}

fn data_lines(sse: &str) -> Vec<String> {
    sse.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(str::to_owned)
        .collect()
}

/// Plays one golden case as `script` has it, and compares.
fn play(
    simulator: &Simulator,
    proxy: &Proxy,
    (name, dir): &(String, PathBuf),
    how: &str,
    script: Script,
) {
    let read = |file: &str| fs::read_to_string(dir.join(file));
    let case: Value =
        read("case.json").map_or(json!({}), |text| serde_json::from_str(&text).unwrap());
    let mut request = asked("grok");
    request["n"] = case.get("choices").cloned().unwrap_or(json!(1));
    if case["include_usage"] == false {
        request.as_object_mut().unwrap().remove("stream_options");
    }
    if case["function_call"] == true {
        request["functions"] = json!([{ "name": "get_weather" }]);
    }
    simulator.enqueue(script);
    let mut client = proxy.connect();
    send(&mut client, &request);
    let answer = client.response("POST");
    assert_eq!(answer.status, 200, "{name} {how} {}", answer.text());
    let upstream = read("stream.oci.sse").unwrap();
    let golden = data_lines(&read("stream.openai.sse").unwrap());
    assert_eq!(
        comparable(&answer.events(), &upstream),
        comparable(&golden, &upstream),
        "{name} {how}"
    );
    let ends_well = golden.last().is_some_and(|event| event == "[DONE]");
    // A failed one as well: its error event would be lost to a client that waits for the rest.
    assert!(answer.whole, "{name} {how}: the body has an end");
    if !ends_well {
        assert_eq!(client.rest(), b"", "{name} {how}: the connection ends");
    }
}

#[test]
fn every_recorded_stream_comes_out_as_its_golden_file() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, NO_RETRY);
    for case in golden_streams() {
        let upstream = fs::read(case.1.join("stream.oci.sse")).unwrap();
        play(
            &simulator,
            &proxy,
            &case,
            "event by event",
            Script::Sse(upstream),
        );
    }
}

#[test]
fn every_recorded_stream_comes_out_the_same_byte_by_byte() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, NO_RETRY);
    for case in golden_streams() {
        let upstream = fs::read(case.1.join("stream.oci.sse")).unwrap();
        let steps = vec![head(), Step::ByteByByte(upstream), Step::CloseCleanly];
        play(
            &simulator,
            &proxy,
            &case,
            "byte by byte",
            Script::Steps(steps),
        );
    }
}

#[test]
fn every_generic_fixture_is_a_golden_case() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stream");
    let cases: Vec<_> = golden_streams()
        .iter()
        .map(|(_, dir)| fs::read(dir.join("stream.oci.sse")).unwrap())
        .collect();
    let mut found = 0;
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_generic = ["generic.", "framing.", "error."]
            .iter()
            .any(|kind| name.starts_with(kind));
        if is_generic && !name.contains("cohere") {
            assert!(cases.contains(&fs::read(&path).unwrap()), "{name}");
            found += 1;
        }
    }
    assert!(found > 10);
}
