//! Log probabilities: OCI has them in the lists of OpenAI's old completions, clients want one object a token. Should a
//! vendor's answer come through in the clients' shape, that is understood as well.
//! Source: reference §5.

use serde_json::{Map, Value};

use crate::oci::wire::generic as wire;
use crate::openai::chat::{LogProb, LogProbs, TokenLogProb};

/// What OpenAI itself says of a token too unlikely to measure; stands for a logarithm that is missing.
const UNKNOWN: f64 = -9999.0;

/// `None` if there is no token.
pub(super) fn logprobs(from: wire::LogProbs) -> Option<LogProbs> {
    if from.tokens.is_empty() {
        let content: Vec<_> = from.content.into_iter().map(token).collect();
        return (!content.is_empty()).then_some(LogProbs {
            content,
            refusal: None,
        });
    }
    let mut numbers = from.token_logprobs.into_iter();
    let mut tops = from.top_logprobs.into_iter();
    let content = from.tokens.into_iter().map(|token| TokenLogProb {
        chosen: log_prob(token, numbers.next().flatten()),
        top_logprobs: alternatives(tops.next().unwrap_or_default()),
    });
    Some(LogProbs {
        content: content.collect(),
        refusal: None,
    })
}

fn token(from: wire::TokenLogProb) -> TokenLogProb {
    let log_prob = |token: Option<String>, number: Option<String>| {
        let number = number.and_then(|number| number.parse().ok());
        log_prob(
            token.unwrap_or_default(),
            number.filter(|n: &f64| n.is_finite()),
        )
    };
    let top = from.top_logprobs.into_iter();
    TokenLogProb {
        chosen: log_prob(from.token, from.logprob),
        top_logprobs: top.map(|top| log_prob(top.token, top.logprob)).collect(),
    }
}

fn alternatives(top: Map<String, Value>) -> Vec<LogProb> {
    let mut alternatives: Vec<LogProb> = top
        .into_iter()
        .map(|(token, value)| {
            let number = match value {
                Value::Number(number) => number.as_f64(),
                // By the schema the values are strings.
                Value::String(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            };
            log_prob(token, number)
        })
        .collect();
    alternatives.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
    alternatives
}

fn log_prob(token: String, number: Option<f64>) -> LogProb {
    LogProb {
        logprob: number.unwrap_or(UNKNOWN),
        // A replacement character means that the token was a piece of one: its bytes are lost.
        bytes: (!token.contains('\u{fffd}')).then(|| token.as_bytes().to_vec()),
        token,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_become_one_object_a_token() {
        let lists = json!({
            "textOffset": [0, 2],
            "tokens": ["Hi", "\u{fffd}", "!"],
            "tokenLogprobs": [-0.5, null],
            "topLogprobs": [{"Ho": "-2.5", "Hi": "-0.5"}, null]
        });
        let logprobs = logprobs(serde_json::from_value(lists).unwrap()).unwrap();
        assert_eq!(
            serde_json::to_value(&logprobs).unwrap(),
            json!({"refusal": null, "content": [
                {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [
                    {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
                    {"token": "Ho", "logprob": -2.5, "bytes": [72, 111]}]},
                {"token": "\u{fffd}", "logprob": -9999.0, "bytes": null, "top_logprobs": []},
                {"token": "!", "logprob": -9999.0, "bytes": [33], "top_logprobs": []}
            ]})
        );
    }

    #[test]
    fn the_clients_own_shape_is_understood() {
        for top in ["topLogprobs", "top_logprobs"] {
            let shape = json!({"content": [
                {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], top: [{"token": "Ho", "logprob": -2}]}, {}]});
            let logprobs = logprobs(serde_json::from_value(shape).unwrap()).unwrap();
            assert_eq!(
                serde_json::to_value(&logprobs).unwrap(),
                json!({"refusal": null, "content": [
                    {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [
                        {"token": "Ho", "logprob": -2.0, "bytes": [72, 111]}]},
                    {"token": "", "logprob": -9999.0, "bytes": [], "top_logprobs": []}
                ]})
            );
        }
    }

    #[test]
    fn no_tokens_are_no_log_probabilities() {
        assert_eq!(logprobs(wire::LogProbs::default()), None);
    }
}
