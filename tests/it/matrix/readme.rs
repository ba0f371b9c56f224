//! The matrix as the README shows it: faults that end alike in one line.

use crate::matrix::rows::{Asked, BODIES, EMBEDDINGS, EVENTS, End, HEADS, RERANKINGS, Row};

/// How a fault ends: with one account, with several, and behind a stream's first event.
type Ends = [Option<End>; 3];

fn ends(row: &Row) -> Ends {
    if row.asked == Asked::Begun {
        return [None, None, Some(row.alone)];
    }
    [Some(row.alone), Some(row.fleet), row.begun]
}

fn cell(end: &End) -> String {
    let mut cell = match (end.code, end.done, end.by_faulty, end.kept) {
        (None, true, true, _) => "the answer".to_owned(),
        (None, true, false, _) => "another account's answer".to_owned(),
        (Some(code), false, true, true) => format!("{} `{code}`", end.status),
        (Some(code), false, true, false) => format!("error event `{code}`"),
        _ => panic!("no words for {end:?}"),
    };
    if end.calls > 1 && end.by_faulty {
        cell += ", tried again";
    }
    match end.state {
        "available" if end.failures > 0 => cell += "; a failure",
        "available" => {}
        state => cell += &format!("; {state}"),
    }
    cell
}

fn table() -> String {
    let mut groups: Vec<(Ends, Vec<&str>)> = Vec::new();
    let tables = [HEADS, BODIES, EMBEDDINGS, RERANKINGS, EVENTS];
    for row in tables.into_iter().flatten() {
        match groups.iter_mut().find(|(known, _)| *known == ends(row)) {
            Some((_, names)) if names.contains(&row.name) => {}
            Some((_, names)) => names.push(row.name),
            None => groups.push((ends(row), vec![row.name])),
        }
    }
    let mut table = String::from(
        "| upstream | one account | several, one of them faulty | behind a stream's first event |\n|---|---|---|---|\n",
    );
    for (ends, names) in groups {
        let cells = ends.map(|end| end.map_or_else(String::new, |end| cell(&end)));
        table += &format!("| {} | {} |\n", names.join("; "), cells.join(" | "));
    }
    table
}

#[test]
fn the_readme_has_the_matrix() {
    let (table, readme) = (table(), include_str!("../../../README.md"));
    assert!(
        readme.contains(&table),
        "the README's table should be\n\n{table}"
    );
}
