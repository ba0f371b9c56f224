//! The dashboard: a page, its style, scripts and picture, as they stand beside this file. They are no secret and are served
//! to all, so that the page can ask for a key; what it shows it reads from the endpoints, by their own rules. Pure.

use sha2::{Digest, Sha256};

use crate::http::head::Head;
use crate::http::reply::Reply;

/// Its own files and its own server: no inline code, no other host, no frame around it, no form that is sent.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// One of its files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// `text` is a file beside this one.
macro_rules! file {
    ($path:literal, $content_type:expr, $text:literal) => {
        File {
            path: $path,
            content_type: $content_type,
            text: include_str!($text),
        }
    };
}

static FILES: [File; 11] = [
    file!("/", "text/html; charset=utf-8", "dashboard/page.html"),
    file!(
        "/dashboard/page.css",
        "text/css; charset=utf-8",
        "dashboard/page.css"
    ),
    file!("/dashboard/icon.svg", "image/svg+xml", "dashboard/icon.svg"),
    file!("/dashboard/page.js", SCRIPT, "dashboard/page.js"),
    file!("/dashboard/server.js", SCRIPT, "dashboard/server.js"),
    file!("/dashboard/words.js", SCRIPT, "dashboard/words.js"),
    file!("/dashboard/dom.js", SCRIPT, "dashboard/dom.js"),
    file!("/dashboard/charts.js", SCRIPT, "dashboard/charts.js"),
    file!("/dashboard/fleet.js", SCRIPT, "dashboard/fleet.js"),
    file!("/dashboard/chat.js", SCRIPT, "dashboard/chat.js"),
    file!("/dashboard/clients.js", SCRIPT, "dashboard/clients.js"),
];

/// The file that has exactly this path.
pub(crate) fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

impl File {
    /// The whole file, or 304 to a browser that has it. It asks each time, so that an upgrade shows at once.
    pub(crate) fn reply(&self, head: &Head) -> Reply {
        let tag = self.tag();
        let is_known = head
            .header("if-none-match")
            .is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
        let (status, body) = if is_known {
            (304, Vec::new())
        } else {
            (200, self.text.as_bytes().to_vec())
        };
        let headers = [
            ("Content-Type", self.content_type),
            ("Cache-Control", "no-cache"),
            ("ETag", &tag),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        Reply::new(status, headers.to_vec(), body)
    }

    /// Changes with the text.
    fn tag(&self) -> String {
        let digest = Sha256::digest(self.text.as_bytes());
        let first: String = digest
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("\"{first}\"")
    }
}

#[cfg(test)]
mod tests;
