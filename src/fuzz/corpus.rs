//! Where good inputs come from: the recorded answers, and what the golden cases translate.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// The files of a folder of `tests/fixtures`, in the order of their names.
pub(crate) fn fixtures(folder: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(tests().join("fixtures").join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The inputs of that name of all golden cases of a format (`generic`), each once, in order.
pub(crate) fn golden(format: &str, name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(tests().join("golden").join(format)).unwrap();
    let found: BTreeSet<Vec<u8>> = entries
        .filter_map(|case| fs::read(case.unwrap().path().join(name)).ok())
        .collect();
    assert!(!found.is_empty(), "no {name} of {format}");
    found.into_iter().collect()
}

pub(crate) fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
