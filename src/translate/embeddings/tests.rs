//! Several calls for one request, and the numbers.

use super::*;

fn asked(body: &serde_json::Value) -> Embeddings {
    let request = EmbeddingsRequest::parse(body.to_string().as_bytes()).unwrap();
    embeddings(request).unwrap()
}

fn inputs(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("text {number}")).collect()
}

/// The inputs of the next call.
fn next(asked: &Embeddings) -> Vec<String> {
    let Ask::Embed(request) = asked.ask() else {
        panic!("not a call for embeddings")
    };
    request.inputs.to_vec()
}

/// An answer in which the embedding of `text 7` is `[7]`.
fn answer(inputs: &[String], tokens: u64) -> Vec<u8> {
    let numbers = inputs.iter().map(|text| text.trim_start_matches("text "));
    let lists: Vec<_> = numbers.map(|number| format!("[{number}]")).collect();
    let usage = format!(r#"{{"promptTokens":{tokens},"totalTokens":{tokens}}}"#);
    format!(r#"{{"embeddings":[{}],"usage":{usage}}}"#, lists.join(",")).into_bytes()
}

fn whole(answered: Answered) -> serde_json::Value {
    match answered {
        Answered::Whole { body, .. } => serde_json::from_slice(&body).unwrap(),
        Answered::Part { .. } => panic!("not whole yet"),
    }
}

#[test]
fn many_inputs_are_several_calls_and_one_answer_in_their_order() {
    let texts = inputs(200);
    let mut asked = asked(&serde_json::json!({"model": "e", "input": texts}));
    let mut sizes = Vec::new();
    let last = loop {
        let batch = next(&asked);
        sizes.push(batch.len());
        match asked.answered(&answer(&batch, 10)).unwrap() {
            Answered::Part { tokens } => assert_eq!(tokens, Some((10 * sizes.len() as u64, 0))),
            last @ Answered::Whole { .. } => break last,
        }
    };
    assert_eq!(sizes, [96, 96, 8]);
    let body = whole(last);
    assert_eq!(
        body["usage"],
        serde_json::json!({"prompt_tokens": 30, "total_tokens": 30})
    );
    let data = body["data"].as_array().unwrap();
    assert_eq!(data.len(), 200);
    for (number, item) in data.iter().enumerate() {
        assert_eq!(item["index"], number);
        assert_eq!(item["embedding"], serde_json::json!([number]));
    }
}

#[test]
fn an_answer_that_cannot_be_used_leaves_nothing_behind() {
    let mut asked = asked(&serde_json::json!({"model": "e", "input": inputs(97)}));
    let batch = next(&asked);
    asked.answered(&answer(&batch, 1)).unwrap();
    for bad in [
        r#"{"embeddings":[]}"#,
        r#"{"embeddings":[[1],[2]]}"#,
        r#"{"embeddings":[[]]}"#,
        r#"{"embeddings":[[[1]]]}"#,
        r#"{"embeddings":[[null]]}"#,
        r#"{"embeddings":["0.1"]}"#,
        r#"{"embeddings":[{"a":1}]}"#,
        r#"{"embeddings":{"0":[1]}}"#,
        r#"{"embeddings":[[1]],"embeddings":[[1]]}"#,
        "{",
        "[]",
        "",
    ] {
        let error = asked.answered(bad.as_bytes()).unwrap_err();
        assert!(matches!(error, OciError::Broken { .. }), "{bad}: {error:?}");
        assert_eq!(next(&asked), ["text 96"], "{bad}");
    }
    let body = whole(asked.answered(&answer(&next(&asked), 1)).unwrap());
    assert_eq!(body["data"].as_array().unwrap().len(), 97);
    assert_eq!(body["data"][96]["embedding"], serde_json::json!([96]));
    assert_eq!(body["usage"]["total_tokens"], 2);
}

#[test]
fn base64_is_the_nearest_single_precision_float_of_each_number() {
    for (number, nearest) in [
        ("0.1", 0.1_f32),
        ("-0.018459704", -0.018_459_704),
        ("1E-5", 1e-5),
        ("-2.5e-7", -2.5e-7),
        ("3", 3.0),
        ("-0.0", -0.0),
        // Half-way for a double of it, and above in truth.
        ("1.00000005960464477539062500000000000001", 1.000_000_1),
        ("1e-60", 0.0),
    ] {
        let bytes = packed(&format!(" {number} ,7")).unwrap();
        assert_eq!(
            bytes,
            [nearest.to_le_bytes(), 7.0_f32.to_le_bytes()].concat(),
            "{number}"
        );
    }
    assert_eq!(packed("1e39"), None);
}

#[test]
fn usage_may_be_missing_or_half_of_it() {
    for (usage, tokens, told) in [
        ("null", None, [0, 0]),
        ("{}", None, [0, 0]),
        (r#"{"totalTokens":4}"#, Some((4, 0)), [4, 4]),
        (r#"{"promptTokens":"3"}"#, Some((3, 0)), [3, 3]),
        (
            r#"{"promptTokens":3,"totalTokens":5}"#,
            Some((3, 0)),
            [3, 5],
        ),
    ] {
        let mut asked = asked(&serde_json::json!({"model": "e", "input": "a"}));
        let answer = format!(r#"{{"embeddings":[[1]],"usage":{usage}}}"#);
        let Answered::Whole {
            body,
            tokens: counted,
        } = asked.answered(answer.as_bytes()).unwrap()
        else {
            panic!("not whole")
        };
        assert_eq!(counted, tokens, "{usage}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let [prompt, total] = told;
        assert_eq!(
            body["usage"],
            serde_json::json!({"prompt_tokens": prompt, "total_tokens": total}),
            "{usage}"
        );
    }
}

#[test]
fn each_image_is_a_call_of_its_own_and_there_are_few() {
    let image = "data:image/png;base64,AAAA";
    let body = |count: usize| serde_json::json!({"model": "e", "input": vec![image; count], "input_type": "IMAGE"});
    let mut asked = asked(&body(2));
    for _ in 0..2 {
        assert_eq!(next(&asked), [image]);
        asked.answered(br#"{"embeddings":[[1]]}"#).unwrap();
    }
    let request = EmbeddingsRequest::parse(body(MAX_IMAGES + 1).to_string().as_bytes()).unwrap();
    assert!(embeddings(request).is_err());
}

#[test]
fn ocis_names_become_the_clients() {
    let mut asked = asked(&serde_json::json!({"model": "e", "input": inputs(100)}));
    let told = |asked: &Embeddings, param: &str| {
        let error = ApiError::invalid_request("no", Some(param.to_owned()));
        asked.in_clients_words(error).param.unwrap()
    };
    assert_eq!(told(&asked, "inputs[3]"), "input[3]");
    asked.answered(&answer(&next(&asked), 1)).unwrap();
    for (oci, client) in [
        ("inputs[3]", "input[99]"),
        ("inputs", "input"),
        ("output_dimensions", "dimensions"),
        ("truncate", "truncate"),
        ("model", "model"),
        ("messages", "input"),
    ] {
        assert_eq!(told(&asked, oci), client);
    }
    let none = ApiError::invalid_request("no", None);
    assert_eq!(asked.in_clients_words(none).param, None);
}
