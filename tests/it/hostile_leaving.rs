//! Clients that leave: at every point of a request the call upstream ends within seconds, and its worker is free again.

use std::time::Duration;

use ociai_proxy::simulator::{Gate, Script, Step};

use crate::hostile::{
    CHAT, Site, call, chat_head, chat_request, event, gated_stream, stream_body, stream_head,
};

/// Longest life of an upstream call whose client has left.
const SOON: Duration = Duration::from_secs(5);

fn assert_dropped(site: &Site) {
    let dropped = site.simulator.wait_for(|s| s.active_calls() == 0, SOON);
    assert!(dropped, "{:#?}", site.proxy.log());
}

#[test]
fn before_the_first_byte_of_the_answer() {
    let site = Site::start("global_max_concurrency = 1\n");
    let silent_head = || Script::Steps(vec![stream_head(), Step::Hang]);
    let streamed = chat_request(&stream_body().to_string());
    for (script, request) in [
        (Script::HangBeforeHead, chat_request(CHAT)),
        (Script::HangBeforeHead, streamed.clone()),
        (silent_head(), streamed),
    ] {
        drop(call(&site, script, &request));
        assert_dropped(&site);
    }
    site.assert_unharmed();
}

#[test]
fn in_the_middle_of_a_stream_that_is_silent() {
    let site = Site::start("global_max_concurrency = 1\n");
    for _ in 0..5 {
        let request = chat_request(&stream_body().to_string());
        let mut client = call(&site, gated_stream(&Gate::new()), &request);
        assert_eq!(client.head().status, 200);
        assert!(client.chunk().is_some_and(|chunk| !chunk.is_empty()));
        drop(client);
        assert_dropped(&site);
    }
    site.assert_unharmed();
}

#[test]
fn in_the_middle_of_a_stream_that_flows() {
    let site = Site::start("global_max_concurrency = 1\n");
    let mut steps = vec![stream_head()];
    for _ in 0..20_000 {
        steps.push(Step::Bytes(event("on and on")));
        steps.push(Step::Pause(Duration::from_millis(1)));
    }
    let request = chat_request(&stream_body().to_string());
    let mut client = call(&site, Script::Steps(steps), &request);
    assert_eq!(client.head().status, 200);
    for _ in 0..20 {
        assert!(client.chunk().is_some_and(|chunk| !chunk.is_empty()));
    }
    drop(client);
    assert_dropped(&site);
    site.assert_unharmed();
}

#[test]
fn with_further_requests_sent_behind_the_one_under_way() {
    let site = Site::start("global_max_concurrency = 1\n");
    let before = site.chats();
    let request = chat_request(CHAT);
    let mut client = call(&site, Script::HangBeforeHead, &request);
    client.send(request.repeat(20));
    drop(client);
    assert_dropped(&site);
    site.assert_unharmed();
    // The one that was under way and the one that shows that all is well.
    assert_eq!(site.chats(), before + 2);
}

#[test]
fn in_the_middle_of_its_own_request() {
    let site = Site::start("");
    for cut in [1, 20, chat_request(CHAT).len() - 1] {
        let mut client = site.proxy.connect();
        client.send(&chat_request(CHAT)[..cut]);
    }
    let mut client = site.proxy.connect();
    client.send(chat_head("Transfer-Encoding: chunked\r\n") + "5\r\n{\"mod");
    drop(client);
    site.assert_unharmed();
}

#[test]
fn a_stream_that_oci_breaks_is_never_mistaken_for_a_whole_one() {
    let site = Site::start("");
    let broken = Script::Steps(vec![stream_head(), Step::Bytes(event("half")), Step::Cut]);
    let mut client = call(&site, broken, &chat_request(&stream_body().to_string()));
    let answer = client.response("POST");
    // The body has an end, or some clients would throw its last part away: the event says that it is not all.
    assert!(answer.whole && !answer.text().contains("[DONE]"));
    let events = answer.events();
    let last: serde_json::Value = serde_json::from_str(events.last().unwrap()).unwrap();
    assert!(last["error"]["message"].is_string(), "{last}");
    assert!(client.rest().is_empty());
    site.assert_unharmed();
}
