//! Failures that the user of a client asks for in the question, so that people and tests can see how the client shows
//! them. What comes then is `told`'s business. Pure.

pub(super) mod told;

/// What the user's last text has in it, in any case, and what comes instead of the usual answer. The first one counts.
const PHRASES: [(&str, Failure); 5] = [
    ("simulate throttling", Failure::Throttling),
    ("simulate a long prompt", Failure::LongPrompt),
    ("simulate a filter", Failure::Filter),
    ("simulate a fault", Failure::Fault),
    ("simulate a broken stream", Failure::BrokenStream),
];
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    Throttling,
    /// The prompt is said to be longer than the context.
    LongPrompt,
    /// The prompt is refused for what it says.
    Filter,
    Fault,
    /// A stream ends before its finish event. A whole answer comes as usual.
    BrokenStream,
}

impl Failure {
    /// `question`: the last text from the user.
    pub(super) fn asked_for(question: &str) -> Option<Self> {
        let question = question.to_lowercase();
        let mut known = PHRASES.iter();
        let found = known.find(|(phrase, _)| question.contains(phrase));
        found.map(|(_, failure)| *failure)
    }
}
