//! What stands ready for calls, whatever the thread that fetches it meets.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use super::super::Origin;
use super::*;
use crate::oci::keys::PrivateKey;

const KEY: &str = include_str!("../../../../tests/fixtures/identity/TEST-session-key.pem");

fn login(expires: Option<Instant>) -> Login {
    let key = PrivateKey::parse(KEY, None).unwrap();
    Login::signing(key, "token", expires, Origin::default()).unwrap()
}

/// Without a thread: the test publishes.
fn keeper() -> Keeper {
    Keeper {
        shared: Arc::default(),
        is_quick: true,
        expired: "the token has expired".to_owned(),
    }
}

fn publish(keeper: &Keeper, found: Result<Option<Login>, &str>) {
    keeper.shared.publish(found.map_err(str::to_owned), false);
}

#[test]
fn the_old_token_serves_until_its_end_whatever_becomes_of_the_next_one() {
    let (keeper, t0) = (keeper(), Instant::now());
    let later = t0 + Duration::from_secs(60);
    assert_eq!(
        keeper.login(t0).unwrap_err(),
        "the first token has not come yet"
    );
    publish(&keeper, Ok(Some(login(Some(later)))));
    assert!(keeper.login(t0).is_ok());
    assert_eq!(keeper.login(later).unwrap_err(), "the token has expired");
    publish(&keeper, Err("the metadata service does not answer"));
    assert!(keeper.login(t0).is_ok());
    assert_eq!(
        keeper.login(later).unwrap_err(),
        "the metadata service does not answer"
    );
    publish(&keeper, Ok(Some(login(None))));
    assert!(keeper.login(later).is_ok());
}

#[test]
fn a_refusal_asks_once_for_each_token_and_takes_what_is_newer() {
    let keeper = keeper();
    publish(&keeper, Ok(Some(login(None))));
    let old = keeper.login(Instant::now()).unwrap();
    assert!(keeper.refused(&old).is_none());
    assert!(keeper.shared.state.lock().is_refused);
    let far = Instant::now() + Duration::from_secs(60);
    assert_eq!(keeper.shared.wait(far, false), Some(true));
    // The second refusal of the same one waits for nothing.
    assert!(keeper.refused(&old).is_none());
    publish(&keeper, Ok(Some(login(None))));
    assert!(!keeper.shared.state.lock().is_refused);
    let newer = keeper.refused(&old).unwrap();
    assert!(!Arc::ptr_eq(&newer, &old));
    assert!(!keeper.shared.state.lock().is_refused);
}

#[test]
fn its_thread_ends_with_the_account() {
    let keeper = keeper();
    let shared = Arc::clone(&keeper.shared);
    let far = Instant::now() + Duration::from_secs(60);
    let waiting = thread::spawn(move || shared.wait(far, false));
    drop(keeper);
    assert_eq!(waiting.join().unwrap(), None);
}
