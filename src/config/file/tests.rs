//! Tables of lines, good and bad.

#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test ends where it fails")
)]

use super::*;

/// One entry or stray line a line: `[section]name=value@line`, `!line key: problem`. Checks the spans on the way.
fn listed(bytes: &[u8]) -> Vec<String> {
    let (file, strays) = scan(bytes);
    let mut listed = Vec::new();
    for section in &file.sections {
        for entry in &section.entries {
            assert_eq!(
                bytes.get(entry.span.clone()).unwrap(),
                entry.value.as_bytes(),
                "{entry:?}"
            );
            listed.push(format!(
                "[{}]{}={}@{}",
                section.name, entry.name, *entry.value, entry.line
            ));
        }
    }
    listed.extend(
        strays
            .iter()
            .map(|stray| format!("!{} {}: {}", stray.line, stray.key, stray.problem)),
    );
    listed
}

#[track_caller]
fn check(text: impl AsRef<[u8]>, expected: &[&str]) {
    let bytes = text.as_ref();
    assert_eq!(
        listed(bytes),
        expected,
        "{}",
        String::from_utf8_lossy(bytes)
    );
}

#[test]
fn values_are_read_as_written() {
    for (line, value) in [
        ("k = v", "v"),
        ("k=v", "v"),
        ("  k\t=\t v \t", "v"),
        ("k : v", "v"),
        ("k = a:b", "a:b"),
        ("k = 100%=safe", "100%=safe"),
        ("k =", ""),
        ("k", "!"),
        (r"k = C:\keys\new.pem", r"C:\keys\new.pem"),
        (r"k = C:\keys\", r"C:\keys\"),
        (r"k = C:\keys\ # why", r"C:\keys\"),
        (r#"k = "quoted" 'twice'"#, r#""quoted" 'twice'"#),
        ("k = v # why", "v"),
        ("k = v\t; why", "v"),
        ("k = v  # why ; and # how", "v"),
        ("k = v\u{3000}# why", "v"),
        ("k = a#b;c", "a#b;c"),
        ("k =#v", "#v"),
        ("k = # why", ""),
        ("k =   ; why", ""),
        ("k = 密钥 # 说明", "密钥"),
        ("k = [v]", "[v]"),
    ] {
        let expected = match value {
            "!" => {
                "!1 : neither a key with a value nor a section, expected `key = value`".to_owned()
            }
            value => format!("[]k={value}@1"),
        };
        for end in ["", "\n", "\r\n"] {
            check(format!("{line}{end}"), &[&expected]);
        }
    }
}

#[test]
fn lines_are_counted_whatever_stands_on_them() {
    check("", &[]);
    check("\n\n# c\n  ; c\n\na = 1\n", &["[]a=1@6"]);
    check("a = 1\r\n\r\n[S]\r\nb = 2\r\n", &["[]a=1@1", "[S]b=2@4"]);
    check("\u{FEFF}a = 1\n[S]\nb = 2", &["[]a=1@1", "[S]b=2@3"]);
    check("\u{FEFF}[S]\nb = 2", &["[S]b=2@2"]);
    // Neither a backslash at the end nor a line without `=` may swallow the next line.
    check("a = x\\\nb = y\r\n", &["[]a=x\\@1", "[]b=y@2"]);
    check("a = x\\\r\nb = y\r\n", &["[]a=x\\@1", "[]b=y@2"]);
    check(
        "stray\nb = y",
        &[
            "[]b=y@2",
            "!1 : neither a key with a value nor a section, expected `key = value`",
        ],
    );
}

#[test]
fn sections_may_have_spaces_and_comments() {
    check("  [ S T ]  # why\na = 1", &["[S T]a=1@2"]);
    check(
        "[S\na=1",
        &[
            "[]a=1@2",
            "!1 : a section without its closing bracket, expected [SECTION]",
        ],
    );
    check(
        "[ ]\na=1",
        &[
            "[]a=1@2",
            "!1 : a section without a name, expected [SECTION]",
        ],
    );
    check(
        "[S] x\na=1",
        &[
            "[S]a=1@2",
            "!1 : text after the section [S], expected a line of its own",
        ],
    );
    check(
        "[S]\n[T]\n[s]\na=1",
        &[
            "[s]a=1@4",
            "!3 [s]: this section already begins at line 1, expected each section once",
        ],
    );
}

#[test]
fn a_key_stands_once_in_a_section_and_a_model_may_have_a_colon() {
    check(
        "a = 1\nA = 2",
        &["[]a=1@1", "!2 A: already set at line 1, expected it once"],
    );
    check("a = 1\n[S]\na = 2", &["[]a=1@1", "[S]a=2@3"]);
    check(
        "[models]\nqwen3:8b = x.y\nGPT = a\ngpt = b\ngpt = c\nplain: d",
        &[
            "[models]qwen3:8b=x.y@2",
            "[models]GPT=a@3",
            "[models]gpt=b@4",
            "[models]plain=d@6",
            "!5 gpt: already set at line 4, expected it once",
        ],
    );
    check(
        "= v",
        &["!1 : a value without a key, expected `key = value`"],
    );
}

#[test]
fn what_is_no_text_is_named_by_its_line() {
    let utf8 = "!2 : not valid UTF-8: save the file as UTF-8";
    check(
        b"a = 1\nb = caf\xE9\nc = 3\n",
        &["[]a=1@1", "[]c=3@3", utf8],
    );
    check(
        b"\xFF\xFEa\0",
        &["!1 : the file is UTF-16, expected UTF-8: save it as UTF-8"],
    );
    check(
        "a = 1\rb = 2\r",
        &["!1 : a carriage return within the line: expected line breaks as LF or CRLF"],
    );
}

#[test]
fn a_pasted_key_is_one_problem_and_none_of_it_is_shown() {
    let text =
        "a = 1\n-----BEGIN PRIVATE KEY-----\nMIIEvQ\nabc==\n-----END PRIVATE KEY-----\nb = 2";
    let problem =
        "!2 : a PEM block: keep the key in a file of its own and name that file with key_file";
    check(text, &["[]a=1@1", "[]b=2@6", problem]);
    assert_eq!(
        shown("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"),
        "MIIEvQIB…"
    );
    assert_eq!(shown("tab\there"), "tab\\there");
}
