//! Tells when an answer is about to end for whoever reads it: a reader is free for its next call once it has read the
//! finish, not only at the last byte. Pure.

use super::script::Step;

/// What the end of an answer has and nothing before it: in a text the quotes would be escaped. The last ones are the key
/// of COHERE's restated answer and that of an error event.
const SIGNS: [&str; 5] = [
    "\"finishReason\"",
    "\"usage\"",
    "[DONE]",
    "\"chatHistory\"",
    "\"code\":",
];
/// A sign may be cut into several writes; as many bytes of what was written are kept, one less than the longest has.
const KEPT_BYTES: usize = 13;

/// Reads along with what is written.
#[derive(Default)]
pub(super) struct Ending {
    /// The end of what was written.
    tail: Vec<u8>,
    has_head: bool,
}

impl Ending {
    /// Whether the reader may be done with the answer once these bytes of its body are written.
    pub(super) fn comes_with(&mut self, bytes: &[u8]) -> bool {
        self.tail.extend(bytes);
        let text = String::from_utf8_lossy(&self.tail);
        let comes = SIGNS.iter().any(|sign| text.contains(sign));
        let old = self.tail.len().saturating_sub(KEPT_BYTES);
        self.tail.drain(..old);
        comes
    }

    /// The same of a script's step. What is no head, and the head of an error, may be enough for the reader.
    pub(super) fn comes_with_step(&mut self, step: &Step) -> bool {
        match step {
            Step::Head { status, .. } => {
                self.has_head = true;
                *status != 200
            }
            Step::Bytes(bytes) | Step::ByteByByte(bytes) | Step::Endless { bytes, .. } => {
                self.comes_with(bytes) || !self.has_head
            }
            Step::Pause(_)
            | Step::WaitFor(_)
            | Step::Hang
            | Step::CloseCleanly
            | Step::KeepOpen
            | Step::Cut => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_also_if_they_are_cut_but_not_in_a_text() {
        let check = |writes: &[&str], expected: Option<usize>| {
            let mut ending = Ending::default();
            let at = writes
                .iter()
                .position(|bytes| ending.comes_with(bytes.as_bytes()));
            assert_eq!(at, expected, "{writes:?}");
        };
        let longest = SIGNS.iter().map(|sign| sign.len()).max();
        assert_eq!(longest, Some(KEPT_BYTES + 1));
        check(
            &["data: {}", r#"{"finishReason":"stop"}"#, "[DONE]"],
            Some(1),
        );
        check(&[r#"{"text":"\"usage\""}"#, "data: [DO", "NE]"], Some(2));
        check(&["é", "é\"finishReas", "on", "\":null"], Some(3));
        check(&["no end", ""], None);
    }
}
