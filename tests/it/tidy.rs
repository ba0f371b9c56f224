//! The house rules that a compiler does not check: which room may name which, who may read a clock, how long a file may
//! be, what may be in the tree of dependencies. The rules are data; the sources are read as text.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest source file, lines.
const MAX_LINES: usize = 500;

/// What every room may name.
const FREE: [&str; 6] = ["cores", "crypto", "dates", "names", "json", "recent"];

/// Each room, and the others that it may name. [`FREE`] is for all; `lib`, `self_check`, `server` and `watch` are the wiring and name all.
const ROOMS: &[(&str, &[&str])] = &[
    ("accounts", &[]),
    (
        "api",
        &[
            "workers",
            "dispatch",
            "messages",
            "translate",
            "openai",
            "completions",
            "responses",
            "http",
            "accounts",
            "oci::error",
            "stats",
            "life",
        ],
    ),
    ("cli", &["http", "init"]),
    ("completions", &["openai"]),
    (
        "config",
        &[
            "accounts",
            "api",
            "dispatch",
            "http",
            "logger",
            "oci",
            "translate",
            "workers",
        ],
    ),
    ("cores", &[]),
    ("crypto", &[]),
    ("dates", &[]),
    ("demo", &["simulator"]),
    (
        "dispatch",
        &["accounts", "translate", "oci", "openai", "http", "stats"],
    ),
    ("fuzz", &[]),
    (
        "http",
        &["messages::error", "openai::error", "openai::render"],
    ),
    ("init", &["config", "modes", "oci::keys"]),
    ("json", &[]),
    ("life", &[]),
    ("logger", &[]),
    ("messages", &["openai"]),
    ("modes", &[]),
    ("names", &[]),
    ("oci", &[]),
    ("openai", &[]),
    ("parts", &["accounts", "oci"]),
    ("recent", &[]),
    ("responses", &["openai"]),
    ("simulator", &[]),
    ("stats", &[]),
    ("systemd", &[]),
    ("translate", &["openai", "oci::wire", "oci::error"]),
    ("workers", &[]),
];

/// The wiring.
const WIRING: [&str; 5] = ["lib", "main", "self_check", "server", "watch"];

/// Pure cores: time comes in as an argument.
const CORES: &[&str] = &[
    "accounts/",
    "api/auth.rs",
    "api/models.rs",
    "api/route.rs",
    "cli.rs",
    "completions/",
    "config/",
    "dates.rs",
    "dispatch/catalogue.rs",
    "dispatch/journey.rs",
    "dispatch/verdict.rs",
    "dispatch/ways.rs",
    "http/body.rs",
    "http/chunked.rs",
    "http/cors.rs",
    "http/head.rs",
    "http/pace.rs",
    "http/reply.rs",
    "http/shape.rs",
    "http/ticket.rs",
    "http/event_stream.rs",
    "init/",
    "json.rs",
    "logger/file.rs",
    "messages/",
    "names.rs",
    "oci/blocks.rs",
    "oci/clock.rs",
    "oci/credential/certificate.rs",
    "oci/credential/claims.rs",
    "oci/credential/schedule.rs",
    "oci/error.rs",
    "oci/keys/",
    "oci/region.rs",
    "oci/signer.rs",
    "oci/sse.rs",
    "oci/wire/",
    "openai/",
    "recent.rs",
    "responses/",
    "stats/",
    "translate/",
    "workers.rs",
];

/// Crates that would bring an async runtime.
const ASYNC_RUNTIMES: [&str; 8] = [
    "tokio",
    "async-std",
    "smol",
    "async-io",
    "async-executor",
    "futures-executor",
    "hyper",
    "mio",
];

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 30, "the sources were not found");
    files
        .into_iter()
        .map(|path| {
            (
                path.strip_prefix(&root).unwrap().display().to_string(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn is_test(file: &str) -> bool {
    ["tests", "fuzz"]
        .iter()
        .any(|name| file.ends_with(&format!("/{name}.rs")) || file.contains(&format!("/{name}/")))
}

/// The part of a file that is shipped: everything before its tests.
fn shipped(text: &str) -> &str {
    text.split("\n#[cfg(test)]\n#[expect")
        .next()
        .unwrap()
        .split("\n#[cfg(test)]\nmod tests")
        .next()
        .unwrap()
}

#[test]
fn rooms_name_only_whom_they_may() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let room = file.split(['/', '.']).next().unwrap();
        if WIRING.contains(&room) || is_test(&file) {
            continue;
        }
        let (_, allowed) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{file}: an unknown room"));
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for named in line.split("crate::").skip(1) {
                let target = named
                    .split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                    .next()
                    .unwrap();
                let fits = |room: &str| target == room || target.starts_with(&format!("{room}::"));
                if !FREE.iter().any(|free| fits(free))
                    && !fits(room)
                    && !allowed.iter().any(|room| fits(room))
                {
                    wrong.push(format!(
                        "src/{file}:{}: {room} may not name {target}",
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cores_read_no_clock() {
    for core in CORES {
        assert!(
            sources().iter().any(|(file, _)| file.starts_with(core)),
            "{core} is in the list and not in the tree"
        );
    }
    for (file, text) in sources() {
        if CORES.iter().any(|core| file.starts_with(core)) && !is_test(&file) {
            for clock in ["Instant::now", "SystemTime::now", "thread::sleep"] {
                assert!(
                    !shipped(&text).contains(clock),
                    "src/{file} is a pure core and names {clock}"
                );
            }
        }
    }
}

#[test]
fn files_fit_in_the_head() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= MAX_LINES,
            "src/{file} has {lines} lines: split it by idea"
        );
        assert!(
            text.starts_with("//!"),
            "src/{file} does not say what it is for"
        );
    }
}

#[test]
fn only_the_edges_name_their_libraries() {
    for (file, text) in sources() {
        for (library, room) in [
            ("tiny_http::", "http/"),
            ("ureq::", "oci/"),
            ("httparse::", "http/"),
            (" ring::", "crypto"),
            (" aws_lc_rs::", "crypto"),
            (" rustls::", "crypto"),
        ] {
            let at_home = file.starts_with(room)
                || (library == "httparse::" && file.starts_with("simulator/"));
            assert!(
                at_home || !text.contains(library),
                "src/{file} names {library}"
            );
        }
    }
}

#[test]
fn no_async_runtime_in_the_tree() {
    let lock =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    for name in ASYNC_RUNTIMES {
        assert!(
            !lock.contains(&format!("name = \"{name}\"\n")),
            "{name} is in the tree of dependencies"
        );
    }
}

/// Otherwise the first signature, and so the start, waits up to a fifth of a second.
#[cfg(feature = "aws-lc")]
#[test]
fn the_build_leaves_out_aws_lcs_noise_from_the_processors_timing() {
    assert_eq!(
        option_env!("AWS_LC_SYS_NO_JITTER_ENTROPY"),
        Some("1"),
        "build in the repository: .cargo/config.toml was not read"
    );
}

#[test]
fn every_crate_beyond_the_card_has_its_reason() {
    let manifest =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let further = manifest
        .split("# Further ones, each with its reason.")
        .nth(1)
        .unwrap();
    let dependencies = further.split("[profile.release]").next().unwrap();
    let mut commented = false;
    for line in dependencies.lines().map(str::trim) {
        if line.contains(" = ") && !line.starts_with('[') {
            assert!(commented, "no reason is given for {line}");
        }
        commented = line.starts_with('#')
            || (commented
                && line.contains(" = ")
                && line.starts_with(char::is_alphabetic)
                && shares_reason(line));
    }
}

/// Crates of one family stand under one reason.
fn shares_reason(line: &str) -> bool {
    ["aes", "cbc"]
        .iter()
        .any(|name| line.starts_with(&format!("{name} =")))
}
