//! The fuzzer finds what is there, again with the same seed, and makes it small.
#![expect(clippy::unwrap_used, reason = "a test")]

use super::*;

fn target<'a>(form: Form, corpus: &'a [Vec<u8>], words: &'a [&'a str]) -> Target<'a> {
    Target {
        name: "fuzz::tests",
        executions: 2000,
        form,
        corpus,
        words,
    }
}

fn failure_of(target: &Target<'_>, check: impl Fn(&[u8]) -> bool) -> String {
    let failure = (0..target.executions).find_map(|seed| {
        let run = || target.execute(seed, &|input, _| check(input));
        catch_unwind(AssertUnwindSafe(run)).err()
    });
    said(&*failure.unwrap())
}

#[test]
fn a_broken_promise_is_found_again_and_made_small() {
    let corpus = texts(&["first = 1\nsecond = 2\n", "third = 3\n"]);
    let target = target(Form::Lines, &corpus, &["boom"]);
    let check = |input: &[u8]| {
        assert!(
            !input.windows(4).any(|word| word == b"boom"),
            "it went boom"
        );
        true
    };
    let failure = failure_of(&target, check);
    assert!(failure.starts_with("it went boom"), "{failure}");
    assert!(
        failure.contains("smallest that breaks a promise: b\"boom\""),
        "{failure}"
    );
    let (_, rest) = failure.split_once("FUZZ_SEED=").unwrap();
    let seed = rest.split(' ').next().unwrap().parse().unwrap();
    let again = catch_unwind(AssertUnwindSafe(|| {
        target.execute(seed, &|input, _| check(input))
    }));
    assert_eq!(said(&*again.unwrap_err()), failure);
}

#[test]
fn json_stays_json_most_of_the_time_and_is_damaged_everywhere() {
    let corpus = texts(&[r#"{"a":[1,{"b":"c"}],"d":null}"#]);
    let target = target(Form::Json, &corpus, &["a", "e"]);
    let inputs: Vec<Vec<u8>> = (0..target.executions)
        .map(|seed| target.input(&mut Random::new(seed)))
        .collect();
    let values = inputs
        .iter()
        .filter_map(|input| serde_json::from_slice::<serde_json::Value>(input).ok());
    let values: Vec<_> = values.collect();
    assert!(values.len() > inputs.len() / 2, "{}", values.len());
    for place in ["/a", "/a/0", "/a/1/b", "/d", "/e", "/0", "/a/5"] {
        assert!(
            values.iter().any(|value| value.pointer(place).is_some()),
            "{place}"
        );
    }
}

#[test]
fn a_seed_is_an_input() {
    let corpus = fixtures("stream");
    let target = target(Form::Events, &corpus, &["index"]);
    let input = |seed| target.input(&mut Random::new(seed));
    assert_eq!(input(7), input(7));
    let different = (0..100)
        .filter(|&seed| input(seed) != input(seed + 1))
        .count();
    assert!(different > 90, "{different}");
}
