//! What goes wrong on the way to a system.

use std::collections::BTreeMap;
use std::time::Duration;

use provisionr_sdk::Access;

use crate::fault::{Fault, FaultKind};

/// Something that goes wrong once, with the next request it fits.
///
/// `Access` picks the request: the next that only looks, or the next that may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// The write takes effect; the connection ends before its answer.
    LoseAnswer,
    /// The write takes effect; no answer comes in time.
    AnswerTooLate,
    /// The connection ends before the system has seen the request.
    LoseRequest(Access),
    /// No connection can be made.
    Unreachable(Access),
    /// Refused by a rule, with the system's own answer for that: nothing changes.
    Refuse,
    /// Too much at once; come back after this long (whole seconds).
    Throttle(Access, Duration),
    /// The credential is not accepted. A renewed one is not either.
    Unauthenticated(Access),
    /// The credential may not do this.
    Forbidden(Access),
    /// Status 503, or what the system has for it. Whether a write took effect is open.
    ServerError(Access),
    /// Success, with a page of HTML in place of what was asked for.
    Html(Access),
    /// Status 404 with a page of HTML, for the request of this number (the first is 1) of its access: the answer of something on the
    /// way, a proxy or a gateway, in the system's place. Nothing changes.
    GatewayNotFound(Access, u32),
    /// All answers from now on have fields that nobody has described.
    UnknownFields,
    /// The page of this number (the first is 1) of the next list fails with a server error.
    FailPage(u32),
    /// The next page of a list is cut in its middle, after a good status.
    TruncatePage,
}

impl Trouble {
    /// The fault of a fake that plays it, for an ordinary HTTP API: refusals are status 400.
    pub fn fault(self) -> Fault {
        let (fault, access) = match self {
            Self::LoseAnswer => (Fault::reset_after(), Access::Write),
            Self::AnswerTooLate => (Fault::late_answer(Duration::from_secs(3600)), Access::Write),
            Self::LoseRequest(access) => (Fault::reset_before(), access),
            Self::Unreachable(access) => (Fault::outage(Duration::ZERO), access),
            Self::Refuse => (Fault::status(400), Access::Write),
            Self::Throttle(access, pause) => (Fault::throttle(pause), access),
            // Once more for a client that renews its credential and asks again.
            Self::Unauthenticated(access) => (Fault::status(401).times(2), access),
            Self::Forbidden(access) => (Fault::status(403), access),
            Self::ServerError(access) => (Fault::status(503), access),
            Self::Html(access) => {
                let body = Some("<html><body>Sign in</body></html>".into());
                (Fault::new(FaultKind::Status { status: 200, body, headers: BTreeMap::new() }), access)
            }
            Self::GatewayNotFound(access, number) => {
                let body = Some("<html><body>404 Not Found</body></html>".into());
                let headers = BTreeMap::from([("content-type".to_owned(), "text/html".to_owned())]);
                (Fault::new(FaultKind::Status { status: 404, body, headers }).skip(number.saturating_sub(1)), access)
            }
            Self::UnknownFields => return Fault::new(FaultKind::UnknownFields).always(),
            Self::FailPage(number) => (Fault::status(503).skip(number.saturating_sub(1)), Access::Read),
            Self::TruncatePage => (Fault::partial_body(20), Access::Read),
        };
        fault.on_access(access)
    }
}
