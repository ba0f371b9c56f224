//! The dashboard's files as a black box: who gets them, with which headers, and what stays an error. What the page does is shown in
//! a browser, by tests/browser/run.

use crate::harness::{Proxy, Response, simulator};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// A request of somebody elsewhere, without a key.
fn ask(proxy: &Proxy, method: &str, path: &str, header: &str) -> Response {
    let mut client = proxy.connect();
    client.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: proxy.example\r\nX-Forwarded-For: 203.0.113.7\r\n{header}\r\n"
    ));
    client.response(method)
}

/// The paths that the page names, and those that they name.
fn paths(proxy: &Proxy) -> Vec<String> {
    let mut paths = vec!["/".to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next).cloned() {
        next += 1;
        let text = ask(proxy, "GET", &path, "").text().to_owned();
        let named = [
            ("src=\"/", "/"),
            ("href=\"/", "/"),
            ("from \"./", "/dashboard/"),
        ];
        for (before, folder) in named {
            for rest in text.split(before).skip(1) {
                let path = format!("{folder}{}", rest.split('"').next().unwrap());
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
    }
    paths
}

#[test]
fn the_page_and_its_files_are_open_to_all_and_say_what_they_may_do() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    let paths = paths(&proxy);
    assert!(paths.len() > 8, "{paths:?}");
    for path in &paths {
        let answer = ask(&proxy, "GET", path, "");
        assert_eq!(answer.status, 200, "{path}");
        let content_type = match path.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        for (name, value) in [
            ("content-type", content_type),
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert_eq!(answer.header("set-cookie"), None, "{path}");
        assert!(answer.whole && !answer.body.is_empty(), "{path}");
    }
    // What it reads is not.
    ask(&proxy, "GET", "/stats/accounts", "").assert_error(401, Some("invalid_api_key"));
}

#[test]
fn a_browser_that_has_a_file_gets_nothing_and_keeps_its_connection() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for path in ["/", "/dashboard/page.js"] {
        let first = ask(&proxy, "GET", path, "");
        let tag = first.header("etag").unwrap();
        for known in [tag.to_owned(), format!("\"other\", {tag}")] {
            // One connection: what came after the head would be taken for the next answer.
            let mut client = proxy.connect();
            let header = [("If-None-Match", known.as_str())];
            client.send_request("GET", path, &header, "");
            let answer = client.head();
            assert_eq!(answer.status, 304, "{path} {known}");
            assert_eq!(answer.header("content-length"), None, "{path}");
            assert_eq!(answer.header("etag"), Some(tag), "{path}");
            client.send_request("GET", "/health", &[], "");
            assert_eq!(client.response("GET").json()["status"], "ok");
        }
        let changed = ask(&proxy, "GET", path, "If-None-Match: \"other\"\r\n");
        assert_eq!(
            (changed.status, &changed.body),
            (200, &first.body),
            "{path}"
        );
    }
}

#[test]
fn head_is_get_without_the_body_and_other_methods_are_refused() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for path in ["/", "/dashboard/page.css"] {
        let mut client = proxy.connect();
        client.send_request("HEAD", path, &[], "");
        let head = client.response("HEAD");
        client.send_request("GET", path, &[], "");
        let get = client.response("GET");
        assert_eq!((head.status, get.status), (200, 200));
        for name in [
            "content-type",
            "content-length",
            "etag",
            "content-security-policy",
        ] {
            assert!(head.header(name).is_some(), "{path} {name}");
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let refused = proxy.request(method, path, "");
            refused.assert_error(405, Some("method_not_allowed"));
            assert_eq!(
                refused.header("allow"),
                Some("GET, HEAD"),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn what_is_none_of_its_files_stays_unknown() {
    let simulator = simulator();
    let proxy = Proxy::start(&simulator, "");
    for path in [
        "//",
        "/dashboard",
        "/dashboard/",
        "/dashboard/page.js/",
        "/dashboard/page.html",
        "/dashboard/../",
        "/dashboard/tests.rs",
        "/v1/dashboard/page.js",
        "/index.html",
        "/favicon.ico",
    ] {
        proxy.get(path).assert_error(404, Some("unknown_url"));
    }
}
