//! Embeddings: a request of any length as calls that OCI takes, and their answers as one. OCI's numbers are copied as they are
//! written, or packed for who wants base64; never rounded on the way. Specification: reference §9.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::oci::error::OciError;
use crate::oci::wire::Ask;
use crate::oci::wire::embed::{self, Answer, InputType, Truncate};
use crate::openai::embeddings::{EmbeddingsRequest, EmbeddingsUsage, EncodingFormat};
use crate::openai::error::ApiError;

use super::BadRequest;
use super::asked::{Answered, Asked};

/// Most images of a request: each is a call of its own.
const MAX_IMAGES: usize = 16;

/// What an image begins with.
const DATA_URI: &str = "data:image/";

/// Clients' words for what embeddings are for, in lower case: Cohere's, and those of others that mean the same.
const INPUT_TYPES: [(&str, InputType); 8] = [
    ("search_document", InputType::SearchDocument),
    ("search_query", InputType::SearchQuery),
    ("classification", InputType::Classification),
    ("clustering", InputType::Clustering),
    ("image", InputType::Image),
    ("document", InputType::SearchDocument),
    ("passage", InputType::SearchDocument),
    ("query", InputType::SearchQuery),
];

const TRUNCATES: [(&str, Truncate); 3] = [
    ("none", Truncate::None),
    ("start", Truncate::Start),
    ("end", Truncate::End),
];

/// OCI's names of what a call holds, and the client's.
const NAMES: [(&str, &str); 3] = [
    ("inputs", "input"),
    ("output_dimensions", "dimensions"),
    ("messages", "input"),
];

/// A request under way: what was asked, and the answer as far as it has come.
#[derive(Debug)]
pub(crate) struct Embeddings {
    model: String,
    inputs: Vec<String>,
    input_type: InputType,
    truncate: Truncate,
    dimensions: Option<i64>,
    format: EncodingFormat,
    /// Inputs that are answered.
    done: usize,
    /// The beginning of the answer.
    written: Vec<u8>,
    usage: EmbeddingsUsage,
    /// Some call has told what it took.
    has_usage: bool,
}

/// In OCI's words. Errors: 400 that names the field.
pub(crate) fn embeddings(request: EmbeddingsRequest) -> Result<Embeddings, BadRequest> {
    let input_type = one_of("input_type", request.input_type.as_deref(), &INPUT_TYPES)?;
    let truncate = one_of("truncate", request.truncate.as_deref(), &TRUNCATES)?;
    let input_type = input_type.unwrap_or(InputType::SearchDocument);
    if input_type == InputType::Image {
        check_images(&request.input)?;
    }
    Ok(Embeddings {
        model: request.model,
        inputs: request.input,
        input_type,
        truncate: truncate.unwrap_or(Truncate::End),
        dimensions: request.dimensions,
        format: request.encoding_format.unwrap_or_default(),
        done: 0,
        written: br#"{"object":"list","data":["#.to_vec(),
        usage: EmbeddingsUsage::default(),
        has_usage: false,
    })
}

/// In any case.
fn one_of<T: Copy, const N: usize>(
    param: &str,
    word: Option<&str>,
    words: &[(&str, T); N],
) -> Result<Option<T>, BadRequest> {
    let Some(word) = word else { return Ok(None) };
    let known = words
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word));
    match known {
        Some((_, value)) => Ok(Some(*value)),
        None => {
            let all: Vec<_> = words.iter().map(|(known, _)| *known).collect();
            let why = format!("expected one of {}", all.join(", "));
            Err(BadRequest::invalid(param, why))
        }
    }
}

fn check_images(inputs: &[String]) -> Result<(), BadRequest> {
    if inputs.len() > MAX_IMAGES {
        let why = format!("{MAX_IMAGES} images are the most of a request");
        return Err(BadRequest::invalid("input", why));
    }
    let is_image = |input: &String| {
        let start = input.get(..DATA_URI.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(DATA_URI))
    };
    match inputs.iter().position(|input| !is_image(input)) {
        None => Ok(()),
        Some(at) => {
            let why = "with `input_type` image this must be a data URI, `data:image/png;base64,…`";
            Err(BadRequest::invalid(format!("input[{at}]"), why))
        }
    }
}

impl Embeddings {
    /// How many inputs the next call has.
    fn batch(&self) -> usize {
        let most = match self.input_type {
            InputType::Image => 1,
            InputType::SearchDocument
            | InputType::SearchQuery
            | InputType::Classification
            | InputType::Clustering => embed::MAX_INPUTS,
        };
        self.inputs.len().saturating_sub(self.done).min(most)
    }

    /// Appends the embeddings of one call; on an error some of them.
    fn append(&mut self, embeddings: &[&RawValue]) -> Result<(), OciError> {
        for (index, embedding) in (self.done..).zip(embeddings) {
            let numbers =
                numbers(embedding).ok_or_else(|| broken("an embedding is no list of numbers"))?;
            if index > 0 {
                self.written.push(b',');
            }
            let head = format!(r#"{{"object":"embedding","index":{index},"embedding":"#);
            self.written.extend_from_slice(head.as_bytes());
            match self.format {
                EncodingFormat::Float => {
                    self.written.extend_from_slice(embedding.get().as_bytes());
                }
                EncodingFormat::Base64 => {
                    let floats = packed(numbers)
                        .ok_or_else(|| broken("a number of an embedding is too large"))?;
                    self.written.push(b'"');
                    self.written
                        .extend_from_slice(STANDARD.encode(floats).as_bytes());
                    self.written.push(b'"');
                }
            }
            self.written.push(b'}');
        }
        Ok(())
    }

    fn tokens(&self) -> Option<(u64, u64)> {
        self.has_usage.then_some((self.usage.prompt_tokens, 0))
    }

    fn finish(&mut self) -> Answered {
        let end = serde_json::json!({"model": self.model, "usage": self.usage}).to_string();
        self.written.extend_from_slice(b"],");
        self.written
            .extend_from_slice(end.trim_start_matches('{').as_bytes());
        Answered::Whole {
            body: std::mem::take(&mut self.written),
            tokens: self.tokens(),
        }
    }
}

impl Asked for Embeddings {
    fn ask(&self) -> Ask<'_> {
        let end = self.done + self.batch();
        Ask::Embed(embed::Request {
            inputs: self.inputs.get(self.done..end).unwrap_or_default(),
            input_type: self.input_type,
            truncate: self.truncate,
            output_dimensions: self.dimensions,
        })
    }

    fn answered(&mut self, answer: &[u8]) -> Result<Answered, OciError> {
        let answer: Answer<'_> =
            serde_json::from_slice(answer).map_err(|error| unreadable(&error))?;
        let (embeddings, batch) = (answer.floats(), self.batch());
        if embeddings.len() != batch {
            return Err(broken(&format!(
                "it has {} embeddings of {batch} inputs",
                embeddings.len()
            )));
        }
        let before = self.written.len();
        if let Err(error) = self.append(&embeddings) {
            self.written.truncate(before);
            return Err(error);
        }
        let prompt = answer.usage.prompt_tokens.or(answer.usage.total_tokens);
        let total = answer.usage.total_tokens.or(answer.usage.prompt_tokens);
        self.has_usage |= prompt.is_some();
        let usage = &mut self.usage;
        usage.prompt_tokens = usage.prompt_tokens.saturating_add(prompt.unwrap_or(0));
        usage.total_tokens = usage.total_tokens.saturating_add(total.unwrap_or(0));
        self.done += batch;
        if self.done < self.inputs.len() {
            // All calls' answers are about as long: room is made once.
            let (written, rest) = (self.written.len(), self.inputs.len() - self.done);
            self.written.reserve_exact(written / self.done * rest);
            return Ok(Answered::Part {
                tokens: self.tokens(),
            });
        }
        Ok(self.finish())
    }

    fn held(&self) -> usize {
        self.written.capacity()
    }

    fn in_clients_words(&self, told: ApiError) -> ApiError {
        let param = told.param.as_deref().map(|param| {
            let end = param.find(['.', '[']).unwrap_or(param.len());
            let (name, place) = param.split_at(end);
            let known = NAMES.iter().find(|(oci, _)| *oci == name);
            let name = known.map_or(name, |(_, name)| *name);
            // Of a later call the places count from its own first input.
            let number = place
                .strip_prefix('[')
                .and_then(|place| place.split_once(']'));
            let number =
                number.and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
            match number {
                Some((number, rest)) => {
                    format!("{name}[{}]{rest}", number.saturating_add(self.done))
                }
                None => format!("{name}{place}"),
            }
        });
        told.with_param(param)
    }
}

/// What stands between the brackets of a list of numbers; `None` of anything else.
fn numbers(embedding: &RawValue) -> Option<&str> {
    let inside = embedding.get().strip_prefix('[')?.strip_suffix(']')?;
    let is_of_numbers = |byte: u8| byte.is_ascii_digit() || b"+-.eE, \t\r\n".contains(&byte);
    // It is valid JSON, so that such characters can be nothing but numbers.
    (!inside.trim_ascii().is_empty() && inside.bytes().all(is_of_numbers)).then_some(inside)
}

/// Little-endian single-precision floats; `None` if one is too large for that.
fn packed(numbers: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for number in numbers.split(',') {
        let float: f32 = number.trim_ascii().parse().ok()?;
        if !float.is_finite() {
            return None;
        }
        bytes.extend(float.to_le_bytes());
    }
    Some(bytes)
}

fn broken(why: &str) -> OciError {
    OciError::Broken {
        why: why.to_owned(),
    }
}

/// serde_json's own message may quote the answer.
pub(super) fn unreadable(error: &serde_json::Error) -> OciError {
    broken(&format!(
        "the answer is not the JSON expected of such a call (line {}, column {})",
        error.line(),
        error.column()
    ))
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]
mod tests;
