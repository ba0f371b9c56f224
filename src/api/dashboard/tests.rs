//! What the dashboard's files may hold: no foreign host, no inline code, nothing that takes data for HTML, every text in both
//! languages, and not much of it. How they are served is tested as a black box, and what they do in a browser.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may fail"
)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// All files together, bytes: the program is small.
const MAX_BYTES: usize = 60 * 1024;

/// Each key of the words, with its English and its Chinese text.
fn words() -> BTreeMap<String, [String; 2]> {
    let text = file("/dashboard/words.js").unwrap().text;
    let table = text.split("export const words = {\n").nth(1).unwrap();
    let table = table.split("\n};\n").next().unwrap();
    // Entries whose line would be too long have their texts on lines of their own.
    let table = table.replace("[\n    ", "[").replace(",\n    ", ", ");
    let mut words = BTreeMap::new();
    for line in table.replace(",\n  ],", "],").lines().map(str::trim) {
        if line.is_empty() || line.starts_with("//") {
            continue;
        }
        let (key, pair) = line.split_once(": ").unwrap();
        let pair: [String; 2] = serde_json::from_str(pair.trim_end_matches(','))
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        let before = words.insert(key.to_owned(), pair);
        assert_eq!(before, None, "{key} stands there twice");
    }
    words
}

/// What stands between `before` and the next quotation mark, each time.
fn quoted<'a>(text: &'a str, before: &str) -> BTreeSet<&'a str> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect()
}

#[test]
fn every_text_has_both_languages_and_the_same_places() {
    let words = words();
    assert!(words.len() > 100, "the words were not found");
    for (key, texts) in &words {
        let places = |text: &str| -> BTreeSet<char> {
            text.split('{')
                .skip(1)
                .filter_map(|rest| rest.chars().next())
                .collect()
        };
        let [english, chinese] = texts;
        assert!(!english.is_empty() && !chinese.is_empty(), "{key}");
        // A text may leave out what it has no use for, but not in one language alone.
        assert_eq!(places(english), places(chinese), "{key}");
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        assert!(
            !english.chars().any(is_han) || key == "other_language",
            "{key}: {english}"
        );
    }
}

#[test]
fn every_text_that_is_asked_for_is_there_and_each_is_asked_for() {
    let words = words();
    let mut asked = BTreeSet::new();
    for File { text, .. } in &FILES {
        for before in ["say(\"", "data-word=\"", "data-label=\"", "data-hint=\""] {
            asked.extend(quoted(text, before));
        }
    }
    for key in &asked {
        assert!(words.contains_key(*key), "{key} is not among the words");
    }
    // The others are named in some other way: as a state, a column, a hint's code.
    let all: String = FILES
        .iter()
        .filter(|file| file.path != "/dashboard/words.js")
        .map(|file| file.text)
        .collect();
    for key in words.keys().filter(|key| !asked.contains(key.as_str())) {
        let from_outside = ["hint_", "why_"]
            .iter()
            .any(|prefix| key.starts_with(prefix));
        let strategies = ["round_robin", "weighted", "least_connections"];
        assert!(
            from_outside
                || strategies.contains(&key.as_str())
                || all.contains(&format!("\"{key}\""))
                || all.contains(&format!("{key}: \"")),
            "nobody shows {key}"
        );
    }
}

#[test]
fn nothing_is_fetched_from_elsewhere() {
    for File { path, text, .. } in &FILES {
        let namespace = "http://www.w3.org/2000/svg";
        let rest = text.replace(namespace, "");
        for foreign in [
            "http:",
            "https:",
            "\"//",
            "'//",
            "url(",
            "@import",
            "sendBeacon",
            "WebSocket",
        ] {
            assert!(!rest.contains(foreign), "{path} names {foreign}");
        }
    }
}

#[test]
fn what_is_read_never_becomes_code_and_is_never_stored() {
    for File { path, text, .. } in &FILES {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
            "localStorage",
            "sessionStorage",
            "indexedDB",
            "document.cookie",
            "pushState",
            "replaceState",
        ] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
    let page = file("/").unwrap().text;
    let inline = |tag: &str| page.matches(tag).count();
    assert_eq!(
        inline("<script "),
        inline("<script type=\"module\" src=\"/")
    );
    assert_eq!(inline("<script>") + inline("<style") + inline(" style="), 0);
    for (start, _) in page.match_indices(" on") {
        let name = page[start + 1..]
            .split(|c: char| !c.is_ascii_lowercase())
            .next()
            .unwrap();
        assert!(
            !page[start + 1 + name.len()..].starts_with('='),
            "an inline handler: {name}"
        );
    }
}

#[test]
fn every_file_that_another_one_names_is_served() {
    for File { path, text, .. } in &FILES {
        for name in quoted(text, "from \"./") {
            let named = format!("/dashboard/{name}");
            assert!(file(&named).is_some(), "{path} imports {name}");
        }
        for before in ["src=\"/", "href=\"/"] {
            for name in quoted(text, before) {
                assert!(file(&format!("/{name}")).is_some(), "{path} names /{name}");
            }
        }
    }
}

#[test]
fn the_files_are_small() {
    let bytes: usize = FILES.iter().map(|file| file.text.len()).sum();
    assert!(bytes < MAX_BYTES, "{bytes} bytes");
}

#[test]
fn a_tag_is_of_the_text() {
    let tags: BTreeSet<String> = FILES.iter().map(File::tag).collect();
    assert_eq!(tags.len(), FILES.len());
    assert!(tags.iter().all(|tag| tag.len() == 18), "{tags:?}");
}
