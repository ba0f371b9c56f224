//! What texts mean to the pretended models: each word is a direction of its own, and a text is the sum of its words, so that texts
//! with the same words are near each other. The same text always has the same vector. Pure.

use sha2::{Digest, Sha256};

/// What a Java program writes without an exponent.
const SMALLEST_PLAIN: f32 = 1e-3;

/// A vector of length 1.
pub(super) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0; dimensions];
    for word in words(text) {
        let mut state = seed(&word);
        for number in &mut sum {
            *number += next(&mut state);
        }
    }
    let length = sum.iter().map(|number| number * number).sum::<f32>().sqrt();
    sum.iter().map(|number| number / length).collect()
}

/// 1 for texts of the same words, about 0 for those that have none in common.
pub(super) fn likeness(one: &[f32], other: &[f32]) -> f32 {
    let product: f32 = one.iter().zip(other).map(|(one, other)| one * other).sum();
    product.clamp(0.0, 1.0)
}

/// How many words there are, at least one.
pub(super) fn tokens(text: &str) -> usize {
    words(text).count()
}

/// As the service writes a number: a small one with an exponent.
pub(super) fn number(number: f32) -> String {
    if number != 0.0 && number.abs() < SMALLEST_PLAIN {
        format!("{number:E}")
    } else {
        format!("{number:?}")
    }
}

/// In lower case, Chinese characters one by one. Of a text without words, the text as a whole.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.to_lowercase().chars() {
        if letter.is_alphanumeric() && letter.is_ascii() {
            word.push(letter);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if letter.is_alphanumeric() {
            words.push(letter.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    if words.is_empty() {
        words.push(text.to_owned());
    }
    words.into_iter()
}

fn seed(word: &str) -> u64 {
    let hash = Sha256::digest(word.as_bytes());
    let first = hash.iter().take(8);
    // Zero is where the generator stands still.
    first.fold(0, |seed, byte| seed << 8 | u64::from(*byte)) | 1
}

/// From -1 to 1. Marsaglia's xorshift.
fn next(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let [_, _, high, low, ..] = state.to_be_bytes();
    let number = i16::from_be_bytes([high, low]);
    f32::from(number) / 32_768.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_with_the_same_words_are_near_each_other() {
        let like = |one: &str, other: &str| likeness(&vector(one, 256), &vector(other, 256));
        assert!(like("The capital of France", "the CAPITAL of France!") > 0.999);
        assert!(like("the capital of France", "Paris is the capital of France") > 0.6);
        assert!(like("the capital of France", "cats sleep a lot") < 0.3);
        assert!(like("首都", "法国的首都") > 0.4);
        let length: f32 = vector("?!", 64).iter().map(|number| number * number).sum();
        assert!((length - 1.0).abs() < 1e-4);
        assert_eq!(tokens("two words"), 2);
        assert_eq!(tokens(""), 1);
    }

    #[test]
    fn small_numbers_have_an_exponent() {
        assert_eq!(number(0.5), "0.5");
        assert_eq!(number(-0.00025), "-2.5E-4");
        assert_eq!(number(0.0), "0.0");
    }
}
