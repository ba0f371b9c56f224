//! The lines of an INI file: sections, entries, and where in the file each value stands. Knows the form only, no key's meaning.
//! Follows the specification's §2.
//!
//! The scanner is ours because rust-ini points its errors at the end of the file, lets a line without `=` swallow the next one,
//! and takes a trailing backslash for a line continuation. rust-ini reads one value at a time, whose bounds the scanner has
//! found already; so the two cannot disagree about where a comment begins.

use std::fmt;
use std::ops::Range;

use ini::{Ini, ParseOption};
use zeroize::Zeroizing;

const BOM: &[u8] = b"\xEF\xBB\xBF";
/// Longest name from the file that a message repeats, characters. What stands left of a `=` need not be a key: it may be the
/// last line of a private key that was pasted into the wrong file.
const MAX_SHOWN_NAME: usize = 40;

/// A file's sections in their order. The first one is what stands before any header, and may be empty.
#[derive(Debug)]
pub(super) struct File {
    pub(super) sections: Vec<Section>,
}

#[derive(Debug)]
pub(super) struct Section {
    /// As written; empty before the first header.
    pub(super) name: String,
    /// Line of the header; 1 before the first one.
    pub(super) line: usize,
    /// Where the header's line begins, in bytes.
    pub(super) start: usize,
    /// Where the line after the header begins, in bytes.
    pub(super) body: usize,
    pub(super) entries: Vec<Entry>,
}

pub(super) struct Entry {
    /// As written.
    pub(super) name: String,
    /// It may be a secret.
    pub(super) value: Zeroizing<String>,
    pub(super) line: usize,
    /// Where the value stands in the file, in bytes. Of an empty value: the place right after the separator, twice.
    pub(super) span: Range<usize>,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stray {
    pub(super) line: usize,
    pub(super) key: String,
    pub(super) problem: String,
}

impl Section {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// `[NAME]`, for messages.
    pub(super) fn title(&self) -> String {
        format!("[{}]", shown(&self.name))
    }
}

/// Without the value.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} = ***", self.line, shown(&self.name))
    }
}

impl Entry {
    /// Keys are the same in any case.
    pub(super) fn is(&self, key: &str) -> bool {
        self.name.eq_ignore_ascii_case(key)
    }
}

/// A name out of the file, cut to a length that gives nothing away.
pub(super) fn shown(name: &str) -> String {
    match name.char_indices().nth(MAX_SHOWN_NAME) {
        // A key that long is none of ours: what it holds may be anything.
        Some(_) => {
            let beginning: String = name.chars().take(8).collect();
            format!("{}…", beginning.escape_debug())
        }
        None => name.escape_debug().to_string(),
    }
}

/// Reads the bytes of a file. What is readable of it is in `File` even if there are stray lines, so that one run reports all.
pub(super) fn scan(bytes: &[u8]) -> (File, Vec<Stray>) {
    let mut scan = Scan::new(bytes.starts_with(BOM));
    let mut start = 0;
    for (index, raw) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let skipped = if index == 0 && raw.starts_with(BOM) {
            BOM.len()
        } else {
            0
        };
        scan.line = index + 1;
        scan.start = start + skipped;
        start += raw.len();
        scan.next = start;
        let raw = raw.get(skipped..).unwrap_or_default();
        match std::str::from_utf8(raw) {
            Ok(text) => scan.read(text),
            Err(_)
                if index == 0
                    && [[0xFF, 0xFE], [0xFE, 0xFF]]
                        .iter()
                        .any(|mark| raw.starts_with(mark)) =>
            {
                scan.stray("", "the file is UTF-16, expected UTF-8: save it as UTF-8");
                break;
            }
            Err(_) => scan.stray("", "not valid UTF-8: save the file as UTF-8"),
        }
    }
    scan.finish()
}

struct Scan {
    done: Vec<Section>,
    section: Section,
    strays: Vec<Stray>,
    /// The line being read: its number, where it starts and where the next one does.
    line: usize,
    start: usize,
    next: usize,
    /// Within the lines of a pasted PEM block.
    in_pem: bool,
}

impl Scan {
    fn new(bom: bool) -> Self {
        let start = if bom { BOM.len() } else { 0 };
        let section = Section {
            name: String::new(),
            line: 1,
            start,
            body: start,
            entries: Vec::new(),
        };
        Self {
            done: Vec::new(),
            section,
            strays: Vec::new(),
            line: 0,
            start,
            next: start,
            in_pem: false,
        }
    }

    fn finish(mut self) -> (File, Vec<Stray>) {
        self.done.push(self.section);
        (
            File {
                sections: self.done,
            },
            self.strays,
        )
    }

    fn stray(&mut self, key: &str, problem: impl Into<String>) {
        self.strays.push(Stray {
            line: self.line,
            key: key.to_owned(),
            problem: problem.into(),
        });
    }

    fn read(&mut self, raw: &str) {
        let ended = raw.strip_suffix('\n').unwrap_or(raw);
        let text = ended.strip_suffix('\r').unwrap_or(ended);
        let line = text.trim();
        if self.in_pem {
            self.in_pem = !line.starts_with("-----END");
        } else if line.is_empty() || line.starts_with(['#', ';']) {
        } else if text.contains('\r') {
            self.stray(
                "",
                "a carriage return within the line: expected line breaks as LF or CRLF",
            );
        } else if line.starts_with("-----BEGIN") {
            self.in_pem = !line.contains("-----END");
            self.stray(
                "",
                "a PEM block: keep the key in a file of its own and name that file with key_file",
            );
        } else if let Some(header) = line.strip_prefix('[') {
            self.header(header);
        } else {
            self.entry(text);
        }
    }

    fn header(&mut self, header: &str) {
        let Some((name, rest)) = header.split_once(']') else {
            return self.stray(
                "",
                "a section without its closing bracket, expected [SECTION]",
            );
        };
        let (name, rest) = (name.trim(), rest.trim_start());
        if name.is_empty() {
            return self.stray("", "a section without a name, expected [SECTION]");
        }
        if !rest.is_empty() && !rest.starts_with(['#', ';']) {
            self.stray(
                "",
                format!(
                    "text after the section [{}], expected a line of its own",
                    shown(name)
                ),
            );
        }
        if let Some(first) = self.line_of_section(name) {
            let problem =
                format!("this section already begins at line {first}, expected each section once");
            self.stray(&format!("[{}]", shown(name)), problem);
        }
        let name = name.to_owned();
        let section = Section {
            name,
            line: self.line,
            start: self.start,
            body: self.next,
            entries: Vec::new(),
        };
        self.done
            .push(std::mem::replace(&mut self.section, section));
    }

    fn line_of_section(&self, name: &str) -> Option<usize> {
        let mut sections = self.done.iter().chain([&self.section]);
        let same = sections.find(|section| section.is(name));
        same.map(|section| section.line)
    }

    fn entry(&mut self, text: &str) {
        let names_models = self.section.is("MODELS");
        // A client's name for a model may hold a colon (`qwen3:8b`), so there the `=` goes first.
        let separator = if names_models {
            text.find('=').or_else(|| text.find(':'))
        } else {
            text.find(['=', ':'])
        };
        let Some((name, rest)) =
            separator.and_then(|at| Some((text.get(..at)?.trim(), text.get(at + 1..)?)))
        else {
            return self.stray(
                "",
                "neither a key with a value nor a section, expected `key = value`",
            );
        };
        if name.is_empty() {
            return self.stray("", "a value without a key, expected `key = value`");
        }
        let same = |entry: &&Entry| {
            if names_models {
                entry.name == name
            } else {
                entry.is(name)
            }
        };
        if let Some(first) = self.section.entries.iter().find(same) {
            let problem = format!("already set at line {}, expected it once", first.line);
            return self.stray(&shown(name), problem);
        }
        let after = self.start + (text.len() - rest.len());
        let span = value_span(rest);
        let value = rest.get(span.clone()).map(value_of).unwrap_or_default();
        let span = after + span.start..after + span.end;
        self.section.entries.push(Entry {
            name: name.to_owned(),
            value,
            line: self.line,
            span,
        });
    }
}

/// Where the value stands in what follows the separator: without white space around, and without an inline comment, which
/// is a `#` or `;` after white space.
fn value_span(rest: &str) -> Range<usize> {
    let mut end = rest.len();
    let mut after_space = false;
    for (at, char) in rest.char_indices() {
        if after_space && matches!(char, '#' | ';') {
            end = at;
            break;
        }
        after_space = char.is_whitespace();
    }
    let value = rest.get(..end).unwrap_or_default();
    let start = value.len() - value.trim_start().len();
    let trimmed = value.trim();
    if trimmed.is_empty() {
        0..0
    } else {
        start..start + trimmed.len()
    }
}

/// One value, as rust-ini reads it: backslashes and quotes are literal.
fn value_of(text: &str) -> Zeroizing<String> {
    let literal = ParseOption {
        enabled_escape: false,
        enabled_quote: false,
        ..ParseOption::default()
    };
    let line = Zeroizing::new(format!("value={text}"));
    let read = Ini::load_from_str_opt(&line, literal).ok();
    // Taken out and not copied: what stays behind would not be wiped.
    let value = read.and_then(|mut ini| ini.delete_from(None::<String>, "value"));
    Zeroizing::new(value.unwrap_or_else(|| text.to_owned()))
}

#[cfg(test)]
mod tests;
