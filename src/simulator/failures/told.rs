//! A failure that was asked for, in the words and the shape of the vendor whose model is asked. Pure. Source: reference
//! §6.6, §8, the recorded errors, and the vendors' own words where OCI hands them through.

use super::Failure;
use crate::simulator::answer::{Finish, Plan, Vendor};
use crate::simulator::quirks::{Refusal, bad, long_prompt, openai_error};

/// Seconds after which a throttled client may ask again.
const RETRY_AFTER: u32 = 2;
/// Events of a broken stream at most.
const EVENTS_BEFORE_BREAK: usize = 5;

/// The error that comes instead of a planned answer, if the user asked for one.
pub(in crate::simulator) fn refusal(plan: &Plan) -> Option<Refusal> {
    match plan.failure? {
        Failure::Throttling => Some(throttled()),
        Failure::LongPrompt => Some(made_up_long_prompt(plan.vendor)),
        Failure::Filter => filtered(plan),
        Failure::Fault => Some(Refusal::fault()),
        Failure::BrokenStream => None,
    }
}

/// The same where nobody chats: a vendor's own words are Cohere's.
pub(in crate::simulator) fn of_words(failure: Failure) -> Option<Refusal> {
    match failure {
        Failure::Throttling => Some(throttled()),
        Failure::LongPrompt => Some(made_up_long_prompt(Vendor::Cohere)),
        Failure::Filter => Some(bad(
            "The prompt was blocked: it contains prohibited content.",
        )),
        Failure::Fault => Some(Refusal::fault()),
        Failure::BrokenStream => None,
    }
}

fn throttled() -> Refusal {
    Refusal {
        status: 429,
        code: "TooManyRequests",
        message: "Too many requests for the given tenancy".to_owned(),
        retry_after: Some(RETRY_AFTER),
    }
}

/// What comes of a stream before it breaks: never its finish event.
pub(in crate::simulator) fn before_break(events: Vec<String>) -> Vec<String> {
    // In a text the quotes would be escaped.
    let is_finish = |event: &String| event.contains("\"finishReason\":");
    let mut events: Vec<_> = events
        .into_iter()
        .take_while(|event| !is_finish(event))
        .collect();
    events.truncate(EVENTS_BEFORE_BREAK);
    events
}

fn made_up_long_prompt(vendor: Vendor) -> Refusal {
    let (most, prompt, completion) = match vendor {
        Vendor::Xai => (131_072, 137_254, 0),
        Vendor::Google => (1_048_576, 1_200_000, 0),
        Vendor::Cohere => (256_000, 300_000, 0),
        Vendor::Meta => (128_000, 126_000, 4000),
        Vendor::OpenAi | Vendor::GptOss | Vendor::Other => (128_000, 130_000, 0),
    };
    long_prompt(vendor, most, prompt, completion)
}

/// `None` in a format that has a reason to finish for it: then the answer says it.
fn filtered(plan: &Plan) -> Option<Refusal> {
    let mut finishes = plan.choices.iter().map(|choice| choice.finish);
    if finishes.any(|finish| finish == Finish::Filtered) {
        return None;
    }
    Some(match plan.vendor {
        Vendor::Xai => Refusal {
            status: 403,
            code: "403",
            message: "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"
                .to_owned(),
            retry_after: None,
        },
        Vendor::OpenAi | Vendor::GptOss => openai_error(
            "The response was filtered due to the prompt triggering the content management policy. \
             Please modify your prompt and retry.",
            "prompt",
            Some("content_filter"),
        ),
        Vendor::Cohere | Vendor::Google | Vendor::Meta | Vendor::Other => {
            bad("The prompt was blocked: it contains prohibited content.")
        }
    })
}

#[cfg(test)]
mod tests;
