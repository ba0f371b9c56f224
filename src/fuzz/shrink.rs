//! Makes an input smaller that breaks a promise: leaves out ever smaller pieces of it as long as it still does.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

/// Inputs tried for it. A check takes well below a millisecond.
const MAX_TRIES: usize = 4000;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// `fails` says whether an input breaks a promise; the panics of this thread are not shown meanwhile.
pub(super) fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let smallest = without_pieces(input, fails);
    IS_QUIET.set(false);
    smallest
}

fn without_pieces(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut tries = 0;
    let mut step = smallest.len().div_ceil(2);
    while step > 0 && tries < MAX_TRIES {
        let before = smallest.len();
        let mut at = 0;
        while at < smallest.len() && tries < MAX_TRIES {
            let mut candidate = smallest.clone();
            candidate.drain(at..(at + step).min(smallest.len()));
            tries += 1;
            if fails(&candidate) {
                smallest = candidate;
            } else {
                at += step;
            }
        }
        // Once more with the same step if that helped: a piece may have depended on a later one.
        if smallest.len() == before || step > 1 {
            step /= 2;
        }
    }
    smallest
}
