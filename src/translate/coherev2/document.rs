//! The text of a file that a client sends along. COHEREV2's documents are objects of texts, so that a text file can be one,
//! and a PDF cannot. Source: OCI API 20231130, CohereDocumentContentV2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Media types beside `text/*` that are text.
const TEXTS: [&str; 6] = [
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/javascript",
];

/// Of a data URI in base64; `None` if it is no text, or not in UTF-8.
pub(in crate::translate) fn text(url: &str) -> Option<String> {
    let (kind, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = kind.strip_suffix(";base64")?;
    let media_type = kind.split(';').next().unwrap_or_default();
    let is_text = media_type.starts_with("text/") || TEXTS.contains(&media_type);
    let bytes = is_text.then(|| STANDARD.decode(data).ok())??;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_is_text() {
        for (url, expected) in [
            ("data:text/plain;base64,5aSp5rCU", Some("天气")),
            ("data:text/markdown;charset=utf-8;base64,IyBI", Some("# H")),
            ("data:application/json;base64,e30=", Some("{}")),
            ("data:text/plain;base64,", Some("")),
            ("data:application/pdf;base64,IyBI", None),
            ("data:text/plain;base64,/w==", None),
            ("data:text/plain;base64,*", None),
            ("data:text/plain,plain", None),
            ("https://example.com/a.txt", None),
        ] {
            assert_eq!(text(url).as_deref(), expected, "{url}");
        }
    }
}
