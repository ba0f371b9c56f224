//! What a refusal says of the next requests, and what it does not.

use super::*;

#[test]
fn an_unsupported_value_is_remembered_as_that_value() {
    let error = refused(
        r#"{"error":{"message":"Unsupported value: 'minimal' is not supported with the 'm' model. Supported values are: 'low', 'medium', and 'high'.","type":"invalid_request_error","param":"reasoning_effort","code":"unsupported_value"}}"#,
    );
    let mut request = whole(&json!({}));
    let dropped = [repair(&error, &mut request).unwrap()];
    assert_eq!(json_of(&request).get("reasoningEffort"), None);
    let mut other = whole(&json!({"reasoning_effort": "high"}));
    assert!(apply_known(&dropped, &mut other).is_empty());
    assert_eq!(json_of(&other)["reasoningEffort"], "HIGH");
    assert_eq!(
        apply_known(&dropped, &mut whole(&json!({}))),
        ["reasoning_effort"]
    );
    // The value is quoted where a parameter could stand, and the parameter is named later.
    check_dropped(
        &said(
            "Unsupported value: 'minimal' is not supported for reasoning_effort with this model.",
        ),
        "reasoning_effort",
        "reasoningEffort",
    );
}

#[test]
fn what_is_refused_of_a_thinking_model_is_left_to_one_that_does_not_think() {
    let error = said("Unsupported parameter: 'temperature' is not supported with this model.");
    let high = json!({"reasoning_effort": "high"});
    let dropped = [repair(&error, &mut whole(&high)).unwrap()];
    assert_eq!(apply_known(&dropped, &mut whole(&high)), ["temperature"]);
    for other in [
        json!({"reasoning_effort": "none"}),
        json!({"reasoning_effort": null}),
    ] {
        assert!(apply_known(&dropped, &mut whole(&other)).is_empty());
    }
    // The effort itself is refused whatever it is.
    let error = said("Unsupported parameter: 'reasoning_effort' is not supported with this model.");
    let dropped = [repair(&error, &mut whole(&high)).unwrap()];
    let low = json!({"reasoning_effort": "low"});
    assert_eq!(
        apply_known(&dropped, &mut whole(&low)),
        ["reasoning_effort"]
    );
}

#[test]
fn a_limit_has_one_name() {
    let renamed = |name: &str| {
        let error = said(&format!(
            "Unsupported parameter: '{name}' is not supported with this model."
        ));
        let mut request = whole(&json!({}));
        if name == "max_completion_tokens" {
            let ChatRequest::Generic(inner) = &mut request else {
                unreachable!("it is GENERIC")
            };
            inner.max_completion_tokens = inner.max_tokens.take();
        }
        repair(&error, &mut request).unwrap()
    };
    let (one, other) = (renamed("max_tokens"), renamed("max_completion_tokens"));
    assert!(one.replaces(&other) && other.replaces(&one));
    let temperature = said("Unknown parameter: 'temperature'");
    let temperature = repair(&temperature, &mut whole(&json!({}))).unwrap();
    assert!(!temperature.replaces(&one) && !one.replaces(&temperature));
}

#[test]
fn a_model_that_must_not_think_to_call_tools_does_not() {
    let refused = |how: &str| {
        let message = format!(
            "Function tools with reasoning_effort are not supported for gpt-5.6 in /v1/chat/completions. {how}"
        );
        refused(
            &json!({"error": {"message": message, "type": "invalid_request_error",
            "param": "reasoning_effort", "code": null}})
            .to_string(),
        )
    };
    for (how, effort) in [
        (
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            json!(null),
        ),
        ("Please use /v1/responses instead.", json!("high")),
    ] {
        let more = json!({"reasoning_effort": effort});
        let mut request = whole(&more);
        let dropped = [repair(&refused(how), &mut request).unwrap()];
        assert_eq!(dropped[0].lost().as_deref(), Some("reasoning_effort"));
        assert_eq!(json_of(&request)["reasoningEffort"], "NONE");
        assert_eq!(repair(&refused(how), &mut request), None);
        assert_eq!(
            apply_known(&dropped, &mut whole(&more)),
            ["reasoning_effort"]
        );
        // Without tools it thinks as it is told.
        let mut plain =
            whole(&json!({"reasoning_effort": "high", "tools": [], "tool_choice": null}));
        let before = json_of(&plain);
        assert!(apply_known(&dropped, &mut plain).is_empty());
        assert_eq!(json_of(&plain), before);
    }
}
