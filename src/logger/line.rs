//! What a line of the log looks like. Pure: the time comes in. Whatever is in a record, it is one line: neither a client nor an
//! upstream can forge lines or members, send commands to the terminal that shows the log, or fill the disk with one request.

use std::fmt::{self, Write};

use log::Level;
use log::kv::{Error, Key, Source, Value, VisitSource, VisitValue};
use time::OffsetDateTime;

use crate::dates;

/// What the record says may have this many characters, its members counted. What a client sends (a path, a method) may have
/// thousands.
const MAX_CHARS: usize = 2048;
/// Bytes that most lines fit into.
const USUAL_LENGTH: usize = 384;
/// Of a record, the message that stands in an object's `msg`, where its members say the rest; not a member itself.
const MESSAGE: &str = "msg";

/// `2025/08/05 21:23:25 message`; `now` is in local time.
pub(super) fn text(now: OffsetDateTime, message: fmt::Arguments<'_>) -> String {
    let mut line = Line::new(Escapes::None);
    line.stamp(format_args!("{} ", dates::Plain(now)));
    let _ = line.write_fmt(message);
    line.out
}

/// An object with `ts`, `level` and `msg`, and a member for each field; `now` is in UTC. The words that make up for a level that
/// does not show are left out of `msg`.
pub(super) fn json(
    now: OffsetDateTime,
    level: Level,
    message: fmt::Arguments<'_>,
    fields: &dyn Source,
) -> String {
    let mut line = Line::new(Escapes::Json);
    line.out.push_str("{\"ts\":\"");
    line.stamp(format_args!("{}", dates::Rfc3339(now)));
    let (level, prefix) = match level {
        Level::Error => ("error", "error: "),
        Level::Warn => ("warn", "warning: "),
        Level::Info => ("info", ""),
        Level::Debug => ("debug", ""),
        Level::Trace => ("trace", ""),
    };
    line.out.push_str("\",\"level\":\"");
    line.out.push_str(level);
    line.out.push_str("\",\"msg\":");
    match fields.get(Key::from_str(MESSAGE)) {
        Some(short) => line.string(format_args!("{short}")),
        None => line.string_without(prefix, message),
    }
    // Fails only if a member does, and none of ours can.
    let _ = fields.visit(&mut Members(&mut line));
    line.out.push('}');
    line.out
}

/// What stands for itself in the line's form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// Quotes and backslashes; controls never come that far.
    Json,
}

struct Line {
    out: String,
    escapes: Escapes,
    /// Characters that may still come.
    room: usize,
    /// Some did not find room, and there is a mark.
    is_cut: bool,
}

impl Line {
    fn new(escapes: Escapes) -> Self {
        Self {
            out: String::with_capacity(USUAL_LENGTH),
            escapes,
            room: MAX_CHARS,
            is_cut: false,
        }
    }

    /// Takes nothing of the line's room.
    fn stamp(&mut self, stamp: fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.out.write_fmt(stamp);
    }

    fn string(&mut self, text: fmt::Arguments<'_>) {
        self.out.push('"');
        let _ = self.write_fmt(text);
        self.out.push('"');
    }

    /// `string`, without this at its beginning.
    fn string_without(&mut self, prefix: &str, text: fmt::Arguments<'_>) {
        let begin = self.out.len() + 1;
        self.string(text);
        let end = begin + prefix.len();
        if self.out.get(begin..end) == Some(prefix) {
            self.out.replace_range(begin..end, "");
        }
    }

    fn push(&mut self, c: char) {
        if self.room == 0 {
            if !self.is_cut {
                self.is_cut = true;
                self.out.push('…');
            }
            return;
        }
        self.room -= 1;
        match clean(c) {
            c @ ('"' | '\\') if self.escapes == Escapes::Json => {
                self.out.push('\\');
                self.out.push(c);
            }
            c => self.out.push(c),
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Nearly all that is logged is this plain.
        let is_plain = |byte: u8| {
            matches!(byte, b' '..=b'~')
                && (self.escapes == Escapes::None || !matches!(byte, b'"' | b'\\'))
        };
        if text.len() <= self.room && text.bytes().all(is_plain) {
            self.room -= text.len();
            self.out.push_str(text);
        } else {
            text.chars().for_each(|c| self.push(c));
        }
        Ok(())
    }
}

fn clean(c: char) -> char {
    match c {
        // Line and paragraph separators: no controls, and line ends to some readers.
        '\u{2028}' | '\u{2029}' => ' ',
        // They turn the text around, so that a line shows what does not stand in it.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            ' '
        }
        c if c.is_control() => ' ',
        c => c,
    }
}

/// Writes a record's fields as members.
struct Members<'a>(&'a mut Line);

impl<'kvs> VisitSource<'kvs> for Members<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        if key.as_str() == MESSAGE {
            return Ok(());
        }
        // A name is one of ours: plain, and short.
        self.0.out.push_str(",\"");
        self.0.out.push_str(key.as_str());
        self.0.out.push_str("\":");
        value.visit(Member(self.0))
    }
}

struct Member<'a>(&'a mut Line);

impl Member<'_> {
    fn bare(&mut self, value: impl fmt::Display) {
        let _ = write!(self.0.out, "{value}");
    }
}

impl<'v> VisitValue<'v> for Member<'_> {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0.string(format_args!("{value}"));
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.bare("null");
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.bare(value);
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.bare(value);
        Ok(())
    }

    fn visit_u128(&mut self, value: u128) -> Result<(), Error> {
        self.bare(value);
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.bare(value);
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use log::kv::ToValue;
    use serde_json::{Value as Json, json};
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-26 09:15:02.12 UTC);

    /// What stands behind the stamp.
    fn said(message: &str) -> String {
        let line = text(NOW, format_args!("{message}"));
        line.strip_prefix("2026/11/26 09:15:02 ")
            .unwrap()
            .to_owned()
    }

    #[track_caller]
    fn check_json(level: Level, message: &str, fields: &[(&str, Value<'_>)], expected: &Json) {
        let line = json(NOW, level, format_args!("{message}"), &fields);
        assert_eq!(serde_json::from_str::<Json>(&line).unwrap(), *expected);
        assert!(!line.chars().any(|c| clean(c) != c), "{line}");
    }

    const HOSTILE: &str = "a\nb\r\n\u{1b}[31mc 中文\u{85}\u{2028}d";
    const TAMED: &str = "a b   [31mc 中文  d";

    #[test]
    fn a_message_has_a_longest_length() {
        let long = "ü".repeat(MAX_CHARS);
        assert_eq!(said(&long), long);
        assert_eq!(said(&format!("{long}xyz")), format!("{long}…"));
        let plain = "u".repeat(MAX_CHARS);
        assert_eq!(said(&plain), plain);
        assert_eq!(said(&format!("{plain}xyz")), format!("{plain}…"));
    }

    #[test]
    fn a_message_stays_on_its_line() {
        assert_eq!(said(HOSTILE), TAMED);
        assert_eq!(
            said("status=\u{202e}002\u{202c} \u{2066}x\u{2069}\u{200f}\u{61c}"),
            "status= 002   x   "
        );
        assert_eq!(said("\"\\"), "\"\\");
    }

    #[test]
    fn an_object_has_time_level_message_and_a_member_for_each_field() {
        check_json(
            Level::Info,
            "a b=1",
            &[
                ("msg", "a".to_value()),
                ("b", 1_u16.to_value()),
                ("long", 1_u128.to_value()),
                ("none", None::<u64>.to_value()),
                ("text", "x".to_value()),
                ("shown", Value::from_display(&"y")),
            ],
            &json!({"ts": "2026-11-26T09:15:02.120Z", "level": "info", "msg": "a", "b": 1, "long": 1, "none": null, "text": "x", "shown": "y"}),
        );
    }

    #[test]
    fn what_a_level_says_is_not_said_twice() {
        for (level, message, name, expected) in [
            (Level::Warn, "warning: x", "warn", "x"),
            (Level::Error, "error: x", "error", "x"),
            (Level::Error, "x", "error", "x"),
            (Level::Info, "warning: x", "info", "warning: x"),
        ] {
            let expected =
                json!({"ts": "2026-11-26T09:15:02.120Z", "level": name, "msg": expected});
            check_json(level, message, &[], &expected);
        }
    }

    #[test]
    fn an_object_cannot_be_forged() {
        let forged = "x\",\"level\":\"error\\";
        check_json(
            Level::Info,
            HOSTILE,
            &[
                ("a", Value::from_display(&forged)),
                ("b", Value::from_display(&HOSTILE)),
            ],
            &json!({"ts": "2026-11-26T09:15:02.120Z", "level": "info", "msg": TAMED, "a": forged, "b": TAMED}),
        );
    }

    #[test]
    fn all_members_together_have_a_longest_length() {
        let long = "\"".repeat(MAX_CHARS - 1);
        let cut = json!({"ts": "2026-11-26T09:15:02.120Z", "level": "info", "msg": long, "a": "x…", "b": "", "c": 7});
        let fields = [
            ("a", Value::from("xy")),
            ("b", Value::from("z")),
            ("c", Value::from(7)),
        ];
        check_json(Level::Info, &long, &fields, &cut);
    }
}
