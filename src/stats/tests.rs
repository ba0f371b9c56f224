//! What one recording does to all figures at once.

use crate::names::RequestId;
use crate::stats::errors::ErrorType;

use super::*;

fn problem(kind: ErrorType, status: u16) -> Problem {
    Problem {
        kind,
        status,
        code: None,
        message: "why".to_owned(),
        hint: None,
        opc_request_id: None,
    }
}

fn served(figures: &Figures, model: Option<&str>, problem: Option<&Problem>, now: Instant) {
    let request = RequestId::from_random([7; 16]);
    let model = model.map(ModelName::new);
    let served = Served {
        operation: Operation::Chat,
        whose: Whose {
            request: &request,
            model: model.as_ref(),
            account: None,
            answered: true,
        },
        duration: Duration::from_millis(100),
        first_token: Some(Duration::from_millis(20)),
        tokens: Some((5, 3)),
        problem,
    };
    figures.served(served, now);
}

#[test]
fn one_recording_is_seen_everywhere() {
    let now = Instant::now();
    let figures = Figures::new(now);
    figures.set_models([ModelName::new("grok")].iter());
    served(&figures, Some("grok"), None, now);
    served(
        &figures,
        Some("grok"),
        Some(&problem(ErrorType::Timeout, 504)),
        now,
    );
    served(
        &figures,
        None,
        Some(&problem(ErrorType::ModelNotFound, 404)),
        now,
    );
    served(
        &figures,
        Some("grok"),
        Some(&problem(ErrorType::ClientLeft, 499)),
        now,
    );
    served(
        &figures,
        Some("grok"),
        Some(&problem(ErrorType::QueueTimeout, 503)),
        now,
    );
    let models: Vec<_> = figures.models().iter().map(ModelView::requests).collect();
    assert_eq!(models, [4, 1]);
    let history = figures.history(now);
    let bucket = history.buckets.last().unwrap();
    assert_eq!((bucket.requests, bucket.errors, bucket.shed), (5, 2, 1));
    assert_eq!((bucket.input_tokens, bucket.output_tokens), (25, 15));
    let [p50, p95] = bucket.first_token;
    assert!(p50 == p95 && (18..=22).contains(&p50.unwrap()), "{p50:?}");
    // Who leaves has no error to be looked at.
    let recent = figures.recent_errors();
    let kinds: Vec<_> = recent.iter().map(|entry| entry.problem.kind).collect();
    let expected = [
        ErrorType::QueueTimeout,
        ErrorType::ModelNotFound,
        ErrorType::Timeout,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn who_is_refused_at_the_door_is_of_no_model() {
    let now = Instant::now();
    let figures = Figures::new(now);
    let request = RequestId::from_random([7; 16]);
    let whose = Whose {
        request: &request,
        model: None,
        account: None,
        answered: true,
    };
    figures.shed(whose, &problem(ErrorType::QueueFull, 503), 12, now);
    figures.waiting(3, now);
    let history = figures.history(now);
    let bucket = history.buckets.last().unwrap();
    let counts = (
        bucket.requests,
        bucket.errors,
        bucket.shed,
        bucket.queue_max,
    );
    assert_eq!(counts, (1, 1, 1, 12));
    assert_eq!(figures.models().first().unwrap().requests(), 0);
    assert_eq!(figures.recent_errors().len(), 1);
}

#[test]
fn attempts_are_counted_by_kind() {
    let figures = Figures::new(Instant::now());
    figures.further(Further::Retry);
    figures.further(Further::Repair);
    figures.further(Further::Repair);
    let counts = [Further::Retry, Further::Failover, Further::Repair];
    assert_eq!(counts.map(|kind| figures.further_attempts(kind)), [1, 0, 2]);
    figures.upstream_failed(UpstreamError::of_status(429));
    figures.upstream_failed(UpstreamError::Status);
    let mut errors: Vec<_> = figures.upstream_errors().collect();
    errors.retain(|(_, count)| *count > 0);
    assert_eq!(
        errors,
        [(UpstreamError::Throttled, 1), (UpstreamError::Status, 1)]
    );
}
