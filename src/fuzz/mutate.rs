//! Damages that need no understanding: of bytes, and of lines.

#![expect(clippy::indexing_slicing, reason = "a test")]

use std::ops::Range;

use super::random::Random;

/// Longest piece that is taken out, doubled or moved, in bytes.
const MAX_PIECE: usize = 64;
/// Most repetitions of a byte.
const MAX_RUN: usize = 9000;

/// Bytes and texts that parsers trip over.
const BYTES: [&[u8]; 34] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"\x0b",
    b"\x1b[2J",
    b"\x7f",
    b"\x85",
    b"\xa0",
    b"\xff",
    b"\xc3",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x99",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    "\u{85}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{212a}".as_bytes(),
    "😀".as_bytes(),
    br"\ud83d",
    br"\ude00",
    br"\u0000",
    b"\"",
    b"\\",
    b"{",
    b"]",
    b",",
    b":",
    b"=",
];

/// Numbers at the edge of something.
const NUMBERS: [&str; 24] = [
    "0",
    "-0",
    "1",
    "-1",
    "+1",
    "00",
    "127",
    "128",
    "129",
    "255",
    "256",
    "65535",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999",
    "0.1",
];

/// Does one damage to the bytes. `corpus` lends pieces.
pub(super) fn damage(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&str], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(12) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.byte();
            }
        }
        2 => input.insert(at, random.byte()),
        3 => insert(input, at, random.pick(&BYTES)),
        4 => {
            input.drain(piece(input, random));
        }
        5 => {
            let copy = input[piece(input, random)].to_vec();
            insert(input, at, &copy);
        }
        6 => {
            let other = random.of(corpus);
            let from = other[piece(other, random)].to_vec();
            insert(input, at, &from);
        }
        7 => {
            // The beginning of one and the end of another.
            let other = random.of(corpus);
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        8 => replace_number(input, at, random),
        9 if !words.is_empty() => insert(input, at, random.pick(words).as_bytes()),
        10 => {
            let (byte, many) = (input.get(at).copied().unwrap_or(b'a'), random.below(64));
            let many = if random.one_in(8) {
                random.below(MAX_RUN)
            } else {
                many
            };
            insert(input, at, &vec![byte; many]);
        }
        _ => input.truncate(at),
    }
}

/// Does one damage to whole lines.
pub(super) fn damage_lines(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = lines(input);
    if lines.is_empty() {
        return;
    }
    let (at, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(5) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => {
            let theirs: &Vec<u8> = random.of(corpus);
            let theirs = self::lines(theirs);
            if !theirs.is_empty() {
                lines.insert(at, random.of(&theirs).clone());
            }
        }
        _ => {
            let content = lines[at].trim_ascii_end().len();
            lines[at].truncate(content);
            let ends = [b"\n".as_slice(), b"\r\n", b"\r", b"", b" \n", b"\n\n"];
            lines[at].extend_from_slice(random.pick(&ends));
        }
    }
    *input = lines.concat();
}

/// With their ends.
pub(super) fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    text.split_inclusive(|&byte| byte == b'\n')
        .map(<[u8]>::to_vec)
        .collect()
}

/// A number at the edge of something.
pub(super) fn number(random: &mut Random) -> &'static str {
    random.pick(&NUMBERS)
}

fn insert(input: &mut Vec<u8>, at: usize, what: &[u8]) {
    input.splice(at..at, what.iter().copied());
}

fn piece(bytes: &[u8], random: &mut Random) -> Range<usize> {
    let start = random.below(bytes.len() + 1);
    let end = (start + random.below(MAX_PIECE)).min(bytes.len());
    start..end
}

/// The next number behind `at`, or one is put there.
fn replace_number(input: &mut Vec<u8>, at: usize, random: &mut Random) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let start = input[at..]
        .iter()
        .position(is_digit)
        .map_or(at, |skip| at + skip);
    let length = input[start..]
        .iter()
        .take_while(|byte| is_digit(byte))
        .count();
    input.splice(start..start + length, number(random).bytes());
}
