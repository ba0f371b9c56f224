//! Runs the cases under `tests/golden/<format>/`: a case is a directory of files and no Rust.
//!
//! - `case.json` (optional): `model_id`, `default_max_tokens`, `force_non_stream`, `include_usage`, `choices`,
//!   `function_call`.
//! - `request.openai.json` gives `request.oci.json`, or `request.error.json` if it is refused. The answers of the same
//!   case are answers to it.
//! - `response.oci.json` gives `response.openai.json`, and `response.openai.sse`: the same as a stream; or
//!   `response.error.json` if it is no answer.
//! - `stream.oci.sse` gives `stream.openai.sse`.
//!
//! `tests/golden/embeddings` and `tests/golden/rerank` have the same files, but no streams.
//!
//! `UPDATE_GOLDEN=1 cargo test golden` writes what comes out; the diff is to be read.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod asked;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde::Deserialize;
use serde_json::{Value, json};

use super::models::ModelTarget;
use super::{
    Dialect, ReplyMeta, Rules, StreamTranslator, completion, completion_as_chunks, error, request,
};
use crate::oci::wire::ApiFormat;
use crate::openai::chat::ChatRequest;
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// By default one that speaks the directory's format.
    model_id: Option<String>,
    default_max_tokens: u32,
    force_non_stream: bool,
    include_usage: bool,
    choices: u32,
    function_call: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            model_id: None,
            default_max_tokens: 4000,
            force_non_stream: false,
            include_usage: true,
            choices: 1,
            function_call: false,
        }
    }
}

impl Case {
    fn target(&self, format: ApiFormat) -> ModelTarget {
        let usual = match format {
            ApiFormat::Generic => "xai.grok-4.3",
            ApiFormat::Cohere => "cohere.command-a-03-2025",
            ApiFormat::CohereV2 => "cohere.command-a-reasoning-08-2025",
        };
        ModelTarget::new(self.model_id.as_deref().unwrap_or(usual), Some(format))
    }

    fn meta(&self, dialect: &Dialect) -> ReplyMeta {
        ReplyMeta {
            id: "chatcmpl-golden".to_owned(),
            created: 1_700_000_000,
            model: "the-clients-name".to_owned(),
            tool_id_seed: "golden".to_owned(),
            function_call: self.function_call,
            dialect: dialect.clone(),
        }
    }

    fn request(&self, body: &[u8], target: &ModelTarget) -> Result<Value, ApiError> {
        let rules = Rules {
            default_max_tokens: self.default_max_tokens,
            force_non_stream: self.force_non_stream,
        };
        let translated = request(ChatRequest::parse(body)?, target, &rules)?;
        Ok(json!({"servingMode": target.serving_mode(), "chatRequest": translated}))
    }

    fn stream(&self, sse: &str, dialect: &Dialect) -> String {
        let meta = self.meta(dialect);
        let mut translator = StreamTranslator::new(meta, self.include_usage, self.choices);
        let mut out = String::new();
        let events = sse.lines().filter_map(|line| line.strip_prefix("data:"));
        for event in events {
            match translator.push(event) {
                Ok(chunks) => write_chunks(&chunks, &mut out),
                Err(failure) => {
                    writeln!(out, "data: {}\n", error(&failure).to_json()).unwrap();
                    return out;
                }
            }
        }
        match translator.finish() {
            Ok(chunks) => {
                write_chunks(&chunks, &mut out);
                out.push_str("data: [DONE]\n\n");
            }
            Err(failure) => writeln!(out, "data: {}\n", error(&failure).to_json()).unwrap(),
        }
        out
    }
}

fn write_chunks(chunks: &[ChatChunk], out: &mut String) {
    for chunk in chunks {
        writeln!(out, "data: {}\n", serde_json::to_string(chunk).unwrap()).unwrap();
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

/// Compares, or writes if asked to. What differs goes into `differences`.
fn settle(path: &Path, got: &str, differences: &mut Vec<String>) {
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, got).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_else(|_| "(no such file)".to_owned());
    if expected != got {
        differences.push(format!(
            "{}\n--- expected\n{expected}\n--- got\n{got}",
            path.display()
        ));
    }
}

fn run(dir: &Path, format: ApiFormat, differences: &mut Vec<String>) -> usize {
    let read = |name: &str| fs::read(dir.join(name)).ok();
    let case: Case =
        read("case.json").map_or_else(Case::default, |text| serde_json::from_slice(&text).unwrap());
    let target = case.target(format);
    let asked = read("request.openai.json");
    let parsed = ChatRequest::parse(asked.as_deref().unwrap_or_default()).unwrap_or_default();
    let dialect = Dialect::of(&parsed, &target);
    let mut inputs = 0;
    if let Some(body) = asked {
        inputs += 1;
        match case.request(&body, &target) {
            Ok(translated) => settle(
                &dir.join("request.oci.json"),
                &pretty(&translated),
                differences,
            ),
            Err(refused) => {
                let body: Value = serde_json::from_str(&refused.to_json()).unwrap();
                let answer = json!({"status": refused.status, "body": body});
                settle(
                    &dir.join("request.error.json"),
                    &pretty(&answer),
                    differences,
                );
            }
        }
    }
    if let Some(body) = read("response.oci.json") {
        inputs += 1;
        run_response(dir, &case, &body, &dialect, differences);
    }
    if let Some(sse) = read("stream.oci.sse") {
        inputs += 1;
        let translated = case.stream(&String::from_utf8(sse).unwrap(), &dialect);
        settle(&dir.join("stream.openai.sse"), &translated, differences);
    }
    inputs
}

fn run_response(
    dir: &Path,
    case: &Case,
    body: &[u8],
    dialect: &Dialect,
    differences: &mut Vec<String>,
) {
    let result = serde_json::from_slice(body).unwrap();
    match completion(result, &case.meta(dialect)) {
        Ok(translated) => {
            let mut stream = String::new();
            let chunks = completion_as_chunks(&translated, case.include_usage);
            write_chunks(&chunks, &mut stream);
            let whole = pretty(&translated);
            settle(&dir.join("response.openai.json"), &whole, differences);
            settle(&dir.join("response.openai.sse"), &stream, differences);
        }
        Err(failure) => {
            let refused = error(&failure);
            let body: Value = serde_json::from_str(&refused.to_json()).unwrap();
            let answer = pretty(&json!({"status": refused.status, "body": body}));
            settle(&dir.join("response.error.json"), &answer, differences);
        }
    }
}

#[test]
fn golden_cases() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut differences = Vec::new();
    let mut cases = 0;
    for formats in fs::read_dir(&root).unwrap() {
        let formats = formats.unwrap();
        let name = formats.file_name();
        let name = name.to_str().unwrap();
        for entry in fs::read_dir(formats.path()).unwrap() {
            let dir = entry.unwrap().path();
            let inputs = match asked::Kind::of(name) {
                Some(kind) => asked::run(&dir, kind, &mut differences),
                None => run(&dir, name.parse().unwrap(), &mut differences),
            };
            assert!(inputs > 0, "{} holds no input", dir.display());
            cases += 1;
        }
    }
    assert!(cases > 0);
    if !differences.is_empty() {
        panic!(
            "{} of the golden files differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }
}

/// The recorded answers are copied into cases, so that a case can be read by itself.
#[test]
fn every_recorded_answer_and_stream_has_its_case() {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files_in = |folder: PathBuf| {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().path())
    };
    let formats = files_in(tests.join("golden"));
    let cases: Vec<PathBuf> = formats.flat_map(files_in).collect();
    let inputs_named = |name: &str| -> Vec<Vec<u8>> {
        let found = cases.iter().map(|case| fs::read(case.join(name)));
        found.filter_map(Result::ok).collect()
    };
    let (streams, answers) = (
        inputs_named("stream.oci.sse"),
        inputs_named("response.oci.json"),
    );
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let mut seen = 0;
    let recorded =
        files_in(tests.join("fixtures/chat")).chain(files_in(tests.join("fixtures/stream")));
    for path in recorded {
        let bytes = fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let found = if name.ends_with(".sse") {
            streams.contains(&bytes)
        } else if name.starts_with("response.") {
            answers.iter().any(|answer| json(answer) == json(&bytes))
        } else {
            continue;
        };
        assert!(found, "no case has {name}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}
