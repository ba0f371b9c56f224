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
//! `tests/golden/embeddings` and `tests/golden/rerank` have the same files, but no streams. The directories of
//! [`OTHER_APIS`] are run where their APIs are known, `api::golden`.
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
use crate::openai::error::ApiError;
use crate::openai::render::{ChatRender, Event, Render};

/// The directories of the other APIs that a chat answers.
pub(crate) const OTHER_APIS: [&str; 3] = ["responses", "messages", "completions"];

/// An API that a chat answers.
pub(crate) struct Api {
    /// Whose words are in the names of the client's files.
    pub(crate) words: &'static str,
    pub(crate) read: fn(&[u8]) -> Result<Read, ApiError>,
    /// The body of a refusal.
    pub(crate) refusal: fn(&ApiError) -> String,
}

/// A client's request, in the words of a chat.
pub(crate) struct Read {
    pub(crate) chat: ChatRequest,
    pub(crate) render: Box<dyn Render>,
    /// What was left out because a chat has no word for it.
    pub(crate) left_out: Vec<String>,
}

const CHAT: Api = Api {
    words: "openai",
    read: |body| {
        Ok(Read {
            chat: ChatRequest::parse(body)?,
            render: Box::new(ChatRender),
            left_out: Vec::new(),
        })
    },
    refusal: ApiError::to_json,
};

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

    fn request(&self, read: Read, target: &ModelTarget) -> Result<Value, ApiError> {
        let rules = Rules {
            default_max_tokens: self.default_max_tokens,
            force_non_stream: self.force_non_stream,
        };
        let Read { chat, render, .. } = read;
        let translated = request(chat, target, &rules).map_err(|bad| render.refusal(bad.into()))?;
        Ok(json!({"servingMode": target.serving_mode(), "chatRequest": translated}))
    }

    fn stream(&self, sse: &str, dialect: &Dialect, render: &mut dyn Render) -> String {
        let meta = self.meta(dialect);
        let mut translator = StreamTranslator::new(meta, self.include_usage, self.choices);
        let mut out = String::new();
        let events = sse.lines().filter_map(|line| line.strip_prefix("data:"));
        for event in events {
            match translator.push(event) {
                Ok(chunks) => write_events(&render.chunks(chunks), &mut out),
                Err(failure) => {
                    write_events(&render.error(&error(&failure)), &mut out);
                    return out;
                }
            }
        }
        match translator.finish() {
            Ok(chunks) => {
                write_events(&render.chunks(chunks), &mut out);
                write_events(&render.end(), &mut out);
            }
            Err(failure) => write_events(&render.error(&error(&failure)), &mut out),
        }
        out
    }
}

fn write_events(events: &[Event], out: &mut String) {
    for event in events {
        if let Some(name) = event.name {
            writeln!(out, "event: {name}").unwrap();
        }
        writeln!(out, "data: {}\n", event.data).unwrap();
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

/// A case of an API that a chat answers, of a model that speaks that format. Returns how many inputs it has.
fn run(dir: &Path, format: ApiFormat, api: &Api, differences: &mut Vec<String>) -> usize {
    let read = |name: &str| fs::read(dir.join(name)).ok();
    let words = api.words;
    let case: Case =
        read("case.json").map_or_else(Case::default, |text| serde_json::from_slice(&text).unwrap());
    let target = case.target(format);
    let body = read(&format!("request.{words}.json"));
    // Each answer is written by a render of its own. Some cases of a chat are of an answer alone.
    let asked = || (api.read)(body.as_deref().unwrap_or_default());
    let render = || match body {
        Some(_) => asked().map(|read| read.render).unwrap(),
        None => Box::new(ChatRender),
    };
    let parsed = asked().map_or_else(|_| ChatRequest::default(), |read| read.chat);
    let dialect = Dialect::of(&parsed, &target);
    let mut inputs = 0;
    if body.is_some() {
        inputs += 1;
        let read = asked().map(|mut read| (std::mem::take(&mut read.left_out), read));
        match read.and_then(|(left_out, read)| Ok((left_out, case.request(read, &target)?))) {
            Ok((left_out, translated)) => {
                settle(
                    &dir.join("request.oci.json"),
                    &pretty(&translated),
                    differences,
                );
                let path = dir.join("request.left-out.json");
                if !left_out.is_empty() || path.exists() {
                    settle(&path, &pretty(&left_out), differences);
                }
            }
            Err(refused) => {
                let path = dir.join("request.error.json");
                settle(&path, &refusal(&refused, api), differences);
            }
        }
    }
    if let Some(answer) = read("response.oci.json") {
        inputs += 1;
        run_response(dir, &case, &answer, &dialect, (api, &render), differences);
    }
    if let Some(sse) = read("stream.oci.sse") {
        inputs += 1;
        let sse = String::from_utf8(sse).unwrap();
        let translated = case.stream(&sse, &dialect, &mut *render());
        let path = dir.join(format!("stream.{words}.sse"));
        settle(&path, &translated, differences);
    }
    inputs
}

fn refusal(error: &ApiError, api: &Api) -> String {
    let body: Value = serde_json::from_str(&(api.refusal)(error)).unwrap();
    pretty(&json!({"status": error.status, "body": body}))
}

fn run_response(
    dir: &Path,
    case: &Case,
    body: &[u8],
    dialect: &Dialect,
    (api, render): (&Api, &dyn Fn() -> Box<dyn Render>),
    differences: &mut Vec<String>,
) {
    let words = api.words;
    let result = serde_json::from_slice(body).unwrap();
    match completion(result, &case.meta(dialect)) {
        Ok(translated) => {
            let (mut stream, mut render_stream) = (String::new(), render());
            let chunks = completion_as_chunks(&translated, case.include_usage);
            write_events(&render_stream.chunks(chunks), &mut stream);
            write_events(&render_stream.end(), &mut stream);
            let whole = render().whole(translated).unwrap();
            let whole: Value = serde_json::from_slice(&whole).unwrap();
            let path = dir.join(format!("response.{words}.json"));
            settle(&path, &pretty(&whole), differences);
            settle(
                &dir.join(format!("response.{words}.sse")),
                &stream,
                differences,
            );
        }
        Err(failure) => {
            let path = dir.join("response.error.json");
            settle(&path, &refusal(&error(&failure), api), differences);
        }
    }
}

/// Runs all cases of a directory of `tests/golden`. `run` returns how many inputs a case has.
fn run_all(directory: &str, run: &mut dyn FnMut(&Path) -> usize) {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let dir = entry.unwrap().path();
        assert!(run(&dir) > 0, "{} holds no input", dir.display());
        cases += 1;
    }
    assert!(cases > 0, "{directory} holds no case");
}

/// Runs the cases of another API, of models that speak the general format.
pub(crate) fn run_api(directory: &str, api: &Api, differences: &mut Vec<String>) {
    run_all(directory, &mut |dir| {
        run(dir, ApiFormat::Generic, api, differences)
    });
}

/// Ends the test if there are differences.
pub(crate) fn judge(differences: &[String]) {
    if !differences.is_empty() {
        panic!(
            "{} of the golden files differ:\n{}",
            differences.len(),
            differences.join("\n")
        );
    }
}

#[test]
fn golden_cases() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut differences = Vec::new();
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name();
        let name = name.to_str().unwrap();
        if OTHER_APIS.contains(&name) {
            continue;
        }
        run_all(name, &mut |dir| match asked::Kind::of(name) {
            Some(kind) => asked::run(dir, kind, &mut differences),
            None => run(dir, name.parse().unwrap(), &CHAT, &mut differences),
        });
    }
    judge(&differences);
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
