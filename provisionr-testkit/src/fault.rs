//! Faults: what goes wrong, with which request, how often.

use std::collections::BTreeMap;
use std::time::Duration;

use provisionr_sdk::Access;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::link::millis;
use crate::message::FakeRequest;

/// Which requests are meant, by method and path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestMatch {
    /// The method; none or `*` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path, decoded: `*` or `{name}` stands for one segment, `**` at the end for any number. None for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it can change something, as the fake's [`access`](crate::Fake::access) says; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// A text the query must contain, as it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

impl RequestMatch {
    /// Requests of a method (or `*`) and a path pattern.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: Some(path.to_owned()), ..Self::default() }
    }

    /// All requests that look, or all that may change something.
    pub fn access(access: Access) -> Self {
        Self { access: Some(access), ..Self::default() }
    }

    /// Whether a request is meant, its access apart.
    pub fn matches(&self, request: &FakeRequest) -> bool {
        self.method.as_deref().is_none_or(|method| method == "*" || method.eq_ignore_ascii_case(request.method.as_str()))
            && self.path.as_deref().is_none_or(|path| fits(path, &request.segments()))
            && self.query.as_deref().is_none_or(|query| request.query.contains(query))
    }
}

fn fits(pattern: &str, segments: &[String]) -> bool {
    let mut wanted = pattern.trim_start_matches('/').split('/');
    for segment in segments {
        match wanted.next() {
            Some("**") => return true,
            Some("*") => {}
            Some(want) if want.starts_with('{') && want.ends_with('}') => {}
            Some(want) if want == segment => {}
            _ => return false,
        }
    }
    matches!(wanted.next(), None | Some("**"))
}

/// When the effect of a delayed request takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectAt {
    /// At once; only the answer is late.
    #[default]
    Arrival,
    /// With the answer. A client that has given up by then finds a write landing after its timeout.
    Answer,
}

/// What goes wrong. As JSON: `{"kind": "delay", "by_ms": 60000, "effect": "answer"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultKind {
    /// Answers so, and touches nothing.
    Status {
        /// The status code.
        status: u16,
        /// The body, a text as it is and anything else as JSON; by default the vendor's form for that status.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<Value>,
        /// Further headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
    },
    /// Answers in the vendor's form that a limit is hit, and touches nothing.
    Throttle {
        /// After how long the limit is lifted, so the answer says.
        #[serde(rename = "pause_ms", with = "millis")]
        pause: Duration,
    },
    /// Cuts the connection before anything happened.
    ResetBefore,
    /// Does what was asked and cuts the connection: the answer is lost.
    ResetAfter,
    /// Answers late.
    Delay {
        /// By how long.
        #[serde(rename = "by_ms", with = "millis")]
        by: Duration,
        /// When the effect takes place.
        #[serde(default)]
        effect: EffectAt,
    },
    /// Answers a read from the state of so long ago. Comes on top of other faults.
    Lag {
        /// How far behind.
        #[serde(rename = "by_ms", with = "millis")]
        by: Duration,
    },
    /// Leaves items out of a page, and the cursor as it is.
    TruncatePage {
        /// How many items are left.
        keep: usize,
    },
    /// Adds a field that nobody has described to each JSON object of the answer.
    UnknownFields,
    /// Does what was asked and cuts the connection within the body.
    PartialBody {
        /// How many bytes of the body arrive; fewer when the body is shorter.
        bytes: usize,
    },
    /// From this request on the system cannot be reached. Over a server the request itself is cut, for it has
    /// arrived; those after it find no connection.
    Outage {
        /// For how long.
        #[serde(rename = "lasting_ms", with = "millis")]
        lasting: Duration,
    },
}

impl FaultKind {
    /// Its name in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Throttle { .. } => "throttle",
            Self::ResetBefore => "reset_before",
            Self::ResetAfter => "reset_after",
            Self::Delay { .. } => "delay",
            Self::Lag { .. } => "lag",
            Self::TruncatePage { .. } => "truncate_page",
            Self::UnknownFields => "unknown_fields",
            Self::PartialBody { .. } => "partial_body",
            Self::Outage { .. } => "outage",
        }
    }
}

/// One fault of a script. As JSON:
/// `{"on": {"method": "PUT", "path": "/api/v1/groups/*/users/*"}, "do": {"kind": "reset_after"}, "skip": 1}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// With which requests; by default with all.
    #[serde(default)]
    pub on: RequestMatch,
    /// What goes wrong.
    #[serde(rename = "do")]
    pub kind: FaultKind,
    /// How many matching requests go well before.
    #[serde(default)]
    pub skip: u32,
    /// How many times it strikes; 1 by default, null for always.
    #[serde(default = "once")]
    pub times: Option<u32>,
    /// How likely it strikes at each matching request, from 0 to 1; drawn from `seed`, so the same each time.
    #[serde(default = "certain")]
    pub probability: f64,
    /// The seed of the draw.
    #[serde(default)]
    pub seed: u64,
}

#[expect(clippy::unnecessary_wraps, reason = "serde asks for the field's type")]
fn once() -> Option<u32> {
    Some(1)
}

fn certain() -> f64 {
    1.0
}

impl Fault {
    /// A fault that strikes once, at the next request.
    pub fn new(kind: FaultKind) -> Self {
        Self { on: RequestMatch::default(), kind, skip: 0, times: once(), probability: certain(), seed: 0 }
    }

    /// An error answer in the vendor's form; nothing is touched.
    pub fn status(status: u16) -> Self {
        Self::new(FaultKind::Status { status, body: None, headers: BTreeMap::new() })
    }

    /// The vendor's answer when a limit is hit, to be lifted after `pause`.
    pub fn throttle(pause: Duration) -> Self {
        Self::new(FaultKind::Throttle { pause })
    }

    /// A connection cut before anything happened.
    pub fn reset_before() -> Self {
        Self::new(FaultKind::ResetBefore)
    }

    /// A lost answer: done, and the connection is cut.
    pub fn reset_after() -> Self {
        Self::new(FaultKind::ResetAfter)
    }

    /// A late answer; the effect takes place at once.
    pub fn late_answer(by: Duration) -> Self {
        Self::new(FaultKind::Delay { by, effect: EffectAt::Arrival })
    }

    /// A late effect, and the answer with it: a write that lands after its client gave up.
    pub fn late_effect(by: Duration) -> Self {
        Self::new(FaultKind::Delay { by, effect: EffectAt::Answer })
    }

    /// Reads that show the state of so long ago, always.
    pub fn lag(by: Duration) -> Self {
        Self::new(FaultKind::Lag { by }).always()
    }

    /// A page without its last items.
    pub fn truncate_page(keep: usize) -> Self {
        Self::new(FaultKind::TruncatePage { keep })
    }

    /// A connection cut after so many bytes of the body.
    pub fn partial_body(bytes: usize) -> Self {
        Self::new(FaultKind::PartialBody { bytes })
    }

    /// A system that cannot be reached, from the matching request on.
    pub fn outage(lasting: Duration) -> Self {
        Self::new(FaultKind::Outage { lasting })
    }

    /// Strikes only requests of a method (or `*`) and a path pattern, as [`RequestMatch`] reads them.
    #[must_use]
    pub fn on(mut self, method: &str, path: &str) -> Self {
        self.on = RequestMatch::new(method, path);
        self
    }

    /// Strikes only requests that look, or only those that may change something.
    #[must_use]
    pub fn on_access(mut self, access: Access) -> Self {
        self.on = RequestMatch::access(access);
        self
    }

    /// Lets so many matching requests go well before.
    #[must_use]
    pub fn skip(mut self, matches: u32) -> Self {
        self.skip = matches;
        self
    }

    /// Strikes so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Strikes every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = None;
        self
    }

    /// Strikes with a probability from 0 to 1, drawn from a seed.
    #[must_use]
    pub fn with_probability(mut self, probability: f64, seed: u64) -> Self {
        self.probability = probability;
        self.seed = seed;
        self
    }
}

/// The faults of a fake, and how often each has matched and struck.
#[derive(Debug, Default)]
pub(crate) struct FaultScript {
    faults: Vec<Armed>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    matched: u32,
    struck: u32,
    draws: u64,
}

/// What strikes one request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Strike {
    pub(crate) kind: Option<FaultKind>,
    pub(crate) lag: Duration,
}

impl FaultScript {
    pub(crate) fn add(&mut self, fault: Fault) {
        let draws = fault.seed;
        self.faults.push(Armed { fault, matched: 0, struck: 0, draws });
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    /// The furthest any fault lets a read lag.
    pub(crate) fn longest_lag(&self) -> Duration {
        let lags = self.faults.iter().filter_map(|armed| match armed.fault.kind {
            FaultKind::Lag { by } => Some(by),
            _ => None,
        });
        lags.max().unwrap_or_default()
    }

    /// Each fault, with how often it has struck.
    #[cfg(feature = "server")]
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Fault, u32)> {
        self.faults.iter().map(|armed| (&armed.fault, armed.struck))
    }

    /// Faults that have yet to strike for the first time.
    pub(crate) fn unused(&self) -> Vec<Fault> {
        self.faults.iter().filter(|armed| armed.struck == 0).map(|armed| armed.fault.clone()).collect()
    }

    /// What strikes a request: the first fault that is due, and the longest lag. Every fault counts every request it
    /// matches, whether or not another strikes.
    pub(crate) fn strike(&mut self, request: &FakeRequest, access: Option<Access>) -> Strike {
        let mut strike = Strike::default();
        for armed in &mut self.faults {
            let meant = armed.fault.on.matches(request) && armed.fault.on.access.is_none_or(|wanted| access == Some(wanted));
            if !meant {
                continue;
            }
            armed.matched = armed.matched.saturating_add(1);
            let due = armed.matched > armed.fault.skip && armed.fault.times.is_none_or(|times| armed.struck < times);
            if !due || !draw(&mut armed.draws, armed.fault.probability) {
                continue;
            }
            match &armed.fault.kind {
                FaultKind::Lag { by } => strike.lag = strike.lag.max(*by),
                kind if strike.kind.is_none() => strike.kind = Some(kind.clone()),
                _ => continue,
            }
            armed.struck = armed.struck.saturating_add(1);
        }
        strike
    }
}

/// SplitMix64: small, and the same draw from the same seed for ever.
fn draw(state: &mut u64, probability: f64) -> bool {
    if probability >= 1.0 {
        return true;
    }
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    #[expect(clippy::cast_precision_loss, reason = "the upper 53 bits fit a float")]
    let unit = (bits >> 11) as f64 / (1_u64 << 53) as f64;
    unit < probability
}

#[cfg(test)]
mod tests {
    use http::Method;
    use serde_json::json;

    use super::*;

    fn get(path: &str) -> FakeRequest {
        FakeRequest::new(Method::GET, path)
    }

    #[test]
    fn patterns_match_whole_paths() {
        let matches = |pattern: &str, path: &str| RequestMatch::new("*", pattern).matches(&get(path));
        assert!(matches("/groups/*/users/{id}", "/groups/1/users/2"));
        assert!(!matches("/groups/*", "/groups/1/users"));
        assert!(!matches("/groups/*/users", "/groups/1"));
        assert!(matches("/groups/**", "/groups/1/users"));
        assert!(matches("/groups/**", "/groups"));
        assert!(!RequestMatch::new("PUT", "/a").matches(&get("/a")));
    }

    #[test]
    fn a_fault_strikes_the_nth_match_so_many_times() {
        let mut script = FaultScript::default();
        script.add(Fault::status(503).on("GET", "/a").skip(1).times(2));
        let struck: Vec<_> = (0..5).map(|_| script.strike(&get("/a"), Some(Access::Read)).kind.is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert_eq!(script.strike(&get("/b"), Some(Access::Read)), Strike::default());
    }

    #[test]
    fn a_fault_can_be_for_writes_alone() {
        let mut script = FaultScript::default();
        script.add(Fault::status(503).on_access(Access::Write));
        for (access, struck) in [(None, false), (Some(Access::Read), false), (Some(Access::Write), true)] {
            assert_eq!(script.strike(&get("/a"), access).kind.is_some(), struck);
        }
    }

    #[test]
    fn the_first_due_fault_strikes_and_lag_comes_on_top() {
        let mut script = FaultScript::default();
        script.add(Fault::reset_before());
        script.add(Fault::reset_after());
        script.add(Fault::lag(Duration::from_secs(3)));
        let first = script.strike(&get("/a"), Some(Access::Read));
        assert_eq!((first.kind, first.lag), (Some(FaultKind::ResetBefore), Duration::from_secs(3)));
        assert_eq!(script.strike(&get("/a"), Some(Access::Read)).kind, Some(FaultKind::ResetAfter));
        assert_eq!(script.strike(&get("/a"), Some(Access::Read)).kind, None);
    }

    #[test]
    fn chance_is_the_same_from_the_same_seed() {
        let run = |seed| {
            let mut script = FaultScript::default();
            script.add(Fault::status(500).always().with_probability(0.3, seed));
            (0..1000).map(|_| script.strike(&get("/a"), Some(Access::Read)).kind.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let hits = run(1).into_iter().filter(|hit| *hit).count();
        assert!((250..350).contains(&hits), "{hits}");
    }

    #[test]
    fn a_fault_has_a_json_form() {
        let text = json!({ "on": { "method": "PUT", "path": "/g/*" }, "do": { "kind": "delay", "by_ms": 60_000, "effect": "answer" }, "times": null });
        let fault: Fault = serde_json::from_value(text).unwrap();
        assert_eq!(fault, Fault::late_effect(Duration::from_secs(60)).on("PUT", "/g/*").always());
        let again: Fault = serde_json::from_value(serde_json::to_value(&fault).unwrap()).unwrap();
        assert_eq!(again, fault);
        assert!(serde_json::from_value::<Fault>(json!({ "do": { "kind": "delay", "by_s": 1 } })).is_err());
        assert_eq!(serde_json::from_value::<Fault>(json!({ "do": { "kind": "reset_after" } })).unwrap().times, Some(1));
    }
}
