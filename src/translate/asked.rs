//! What is asked that is no chat, seen from whoever makes the calls: one or several, one after the other, and an answer at the end.

use crate::oci::error::OciError;
use crate::oci::wire::Ask;
use crate::openai::error::ApiError;

/// A request under way.
pub(crate) trait Asked {
    /// The next call.
    fn ask(&self) -> Ask<'_>;

    /// Takes the answer of that call. Errors: [`OciError::Broken`] for one that cannot be used; the call can then be made again.
    fn answered(&mut self, answer: &[u8]) -> Result<Answered, OciError>;

    /// Bytes that it holds of the answer.
    fn held(&self) -> usize;

    /// The error of a call with the client's names in it.
    fn in_clients_words(&self, told: ApiError) -> ApiError;
}

/// How far it has come.
#[derive(Debug)]
pub(crate) enum Answered {
    /// There is another call to make.
    Part {
        /// Prompt and completion tokens so far, if OCI said.
        tokens: Option<(u64, u64)>,
    },
    Whole {
        /// JSON.
        body: Vec<u8>,
        /// Prompt and completion tokens, if OCI said.
        tokens: Option<(u64, u64)>,
    },
}
