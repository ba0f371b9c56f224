//! Accounts that cannot make every kind of call, and accounts that have nothing to sign with for now.

use super::*;

fn of(paths: Paths) -> Ask {
    Ask { paths, ..fresh() }
}

fn enlisted_for(id: &str, paths: Paths) -> Enlisted {
    let mut account = enlisted(id, 2);
    account.settings.paths = paths;
    account
}

/// An account that signs, one with an API key of the service, and one that signs.
fn mixed() -> Bench {
    let mut bench = Bench::new(&[]);
    bench.enlist(vec![
        enlisted_for("s1", Paths::Either),
        enlisted_for("key", Paths::OpenAi),
        enlisted_for("s2", Paths::Either),
    ]);
    bench
}

#[test]
fn who_cannot_make_a_call_is_passed_over_as_if_it_were_not_there() {
    let mut bench = mixed();
    for id in ["s1", "s2", "s1", "s2"] {
        bench.take(of(Paths::Native), id);
    }
    // Both are full, and the third one is of no use.
    bench.wait(of(Paths::Native));
    for id in ["key", "key"] {
        bench.take(of(Paths::Either), id);
    }
    bench.wait(of(Paths::OpenAi));
}

#[test]
fn if_no_account_can_the_refusal_says_so() {
    let mut bench = Bench::new(&[]);
    bench.enlist(vec![
        enlisted_for("k1", Paths::OpenAi),
        enlisted_for("k2", Paths::OpenAi),
    ]);
    let denied = bench.fleet.acquire(of(Paths::Native), bench.now);
    let impossible = NoAccount {
        returns_at: None,
        is_impossible: true,
        is_missing: false,
    };
    assert_eq!(denied, Acquired::Denied(impossible));
    bench.take(of(Paths::OpenAi), "k1");
}

#[test]
fn the_only_one_that_can_is_asked_whatever_speaks_against_it() {
    let mut bench = Bench::new(&[]);
    bench.enlist(vec![
        enlisted_for("signs", Paths::Either),
        enlisted_for("key", Paths::OpenAi),
    ]);
    for _ in 0..3 {
        let grant = bench.take(of(Paths::Native), "signs");
        bench.settle(&grant, Ending::Outage);
    }
    // For what both can do there is another one.
    bench.take(of(Paths::Either), "key");
    bench.take(of(Paths::Either), "key");
}

#[test]
fn an_account_without_a_token_takes_nothing_until_it_has_one() {
    let mut bench = mixed();
    let grant = bench.take(of(Paths::Native), "s1");
    bench.settle(&grant, Ending::LockedOut);
    let why = bench.view("s1").locked_out;
    assert!(why.is_some());
    assert_eq!(bench.view("s1").trouble, why);
    assert_eq!(bench.view("s1").counts.refused, 1);
    bench.take(of(Paths::Native), "s2");
    bench.take(of(Paths::Native), "s2");
    // Full, and the other one is out: nobody knows until when.
    let waiting = bench.wait(of(Paths::Native));
    let seats = bench.fleet.view(bench.now).seats;
    let s1 = seats.iter().find(|seat| seat.settings.id.as_str() == "s1");
    let number = s1.unwrap().number;
    let now = bench.now;
    bench.fleet.reset(None, now);
    assert!(
        bench.view("s1").locked_out.is_some(),
        "a reset brings no token"
    );
    bench.fleet.credential(number, None, true, now);
    bench.served(waiting, "s1");
    bench
        .fleet
        .credential(number, Some("the token has expired".to_owned()), false, now);
    assert_eq!(
        bench.view("s1").trouble.as_deref(),
        Some("the token has expired")
    );
}
