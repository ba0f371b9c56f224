//! What can be wrong with an account, and how a simulated one is made to suffer it. Knows no proxy and no clock.

use std::time::Duration;

use ociai_proxy::simulator::{Framing, Script, Simulator, Step};

use crate::client::Kind;

/// The pause between the events of a stream that is to be killed. The system makes several milliseconds of it.
const BUSY_PACE: Duration = Duration::from_millis(1);

/// What happens to one of three accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing: two healthy fleets against each other show how much of a figure is noise.
    Nothing,
    /// Nobody listens any more.
    Refused,
    /// The request is read, and the connection closed without a byte.
    ClosedBeforeHead,
    /// The request is read, and nothing comes.
    Hang,
    /// An error with this status, at once.
    Status(u16),
    /// Something that is not HTTP.
    GarbageHead,
    /// A good head, and the connection ends before the first event of a stream, or inside of a whole answer.
    CutBeforeFirstEvent,
    /// It dies in the middle of the load, with the calls that it is answering.
    Killed,
}

impl Fault {
    /// The rows of the table.
    pub(crate) const ALL: [Self; 11] = [
        Self::Nothing,
        Self::Refused,
        Self::ClosedBeforeHead,
        Self::Hang,
        Self::Status(500),
        Self::Status(503),
        Self::Status(429),
        Self::Status(401),
        Self::GarbageHead,
        Self::CutBeforeFirstEvent,
        Self::Killed,
    ];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Nothing => "none (noise)".to_owned(),
            Self::Refused => "refused".to_owned(),
            Self::ClosedBeforeHead => "closed before the head".to_owned(),
            Self::Hang => "hang".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::GarbageHead => "garbage head".to_owned(),
            Self::CutBeforeFirstEvent => "cut before the first event".to_owned(),
            Self::Killed => "killed in the middle of the load".to_owned(),
        }
    }

    /// It is there from the first request on. If not, it comes once, in the middle.
    pub(crate) fn lasts(self) -> bool {
        self != Self::Killed
    }

    /// The pause before each event of a stream.
    pub(crate) fn pace(self) -> Duration {
        if self.lasts() {
            Duration::ZERO
        } else {
            BUSY_PACE
        }
    }

    /// Brings it about. The simulator is that of the account `id`.
    pub(crate) fn strike(self, simulator: &mut Option<Simulator>, id: &str, kind: Kind) {
        if matches!(self, Self::Refused | Self::Killed) {
            *simulator = None;
        }
        if let Some(simulator) = simulator {
            simulator.set_for_account(id, self.script(kind));
        }
    }

    fn script(self, kind: Kind) -> Option<Script> {
        match self {
            Self::Nothing | Self::Refused | Self::Killed => None,
            Self::ClosedBeforeHead => Some(Script::CloseBeforeHead),
            Self::Hang => Some(Script::HangBeforeHead),
            Self::Status(status) => Some(Script::status(
                status,
                format!(r#"{{"code":"{}","message":"simulated"}}"#, code_of(status)),
            )),
            Self::GarbageHead => Some(Script::GarbageHead),
            Self::CutBeforeFirstEvent => {
                let head = Step::Head {
                    status: 200,
                    content_type: kind.upstream_content_type().to_owned(),
                    framing: Framing::Chunked,
                };
                Some(Script::Steps(vec![head, Step::Cut]))
            }
        }
    }
}

/// OCI's word for a status.
fn code_of(status: u16) -> &'static str {
    match status {
        401 => "NotAuthenticated",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        _ => "InternalServerError",
    }
}
