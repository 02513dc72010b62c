//! Looking into a fake and making it fail: `/__fake/`, beside its API.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::front::{Door, Served};
use super::registry::near;
use crate::clock::lock;
use crate::fault::{Fault, FaultKind};
use crate::link::Act;
use crate::message::{FakeRequest, FakeResponse};

const ROOT: &str = "/__fake";

/// What there is: method, path, what it does. Told as it stands here, and held to by the router below.
const ROUTES: [(&str, &str, &str); 10] = [
    ("GET", "/__fake/state", "the whole state: the truth, past the API"),
    ("GET", "/__fake/requests?after=N", "the requests since number N, without credentials"),
    ("DELETE", "/__fake/requests", "forgets the requests and events so far"),
    ("GET", "/__fake/events?after=N", "the effective changes since number N"),
    ("GET", "/__fake/faults", "the faults, and how often each has struck"),
    ("POST", "/__fake/faults", r#"adds a fault or a list of them: {"on": {"method": "PUT", "path": "/api/**"}, "do": {"kind": "reset_after"}, "times": 1}"#),
    ("DELETE", "/__fake/faults", "removes all faults and ends an outage"),
    ("POST", "/__fake/act", r#"does what people do: {"act": "log_in", "args": {"user": "sarah@company.com"}, "after_ms": 0}"#),
    ("GET", "/__fake/clock", "what time it is for the fakes of this process"),
    ("POST", "/__fake/clock", r#"moves that time on: {"advance_ms": 60000}"#),
];

const FAULTS: &str = "kinds of faults: status {status, body, headers}, throttle {pause_ms}, reset_before, reset_after, delay {by_ms, effect: arrival | answer}, \
    lag {by_ms}, truncate_page {keep}, unknown_fields, partial_body {bytes}, outage {lasting_ms}; beside `do` a fault has on {method, path, access, query}, \
    skip, times (1; null for always), probability and seed";

type Answer = Result<Value, (u16, String)>;

fn wrong(why: impl Into<String>) -> (u16, String) {
    (400, why.into())
}

/// The answer to a request beside the API; none when it is for the API.
pub(super) fn answer(door: &Door, request: &FakeRequest) -> Option<FakeResponse> {
    let rest = request.path.strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    let told = match rest.strip_prefix("/fakes/") {
        Some(other) => elsewhere(door, other, request),
        None => door.served().map_or(Err((404, "there is no such fake".to_owned())), |served| route(door, served, rest.trim_matches('/'), request)),
    };
    Some(match told {
        Ok(body) => FakeResponse::json(200, &body),
        Err((status, why)) => FakeResponse::json(status, &json!({ "error": why })),
    })
}

/// Another fake of the process, which may be unreachable itself.
fn elsewhere(door: &Door, path: &str, request: &FakeRequest) -> Answer {
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    match door.fakes.iter().find(|served| served.name == name) {
        Some(served) => route(door, served, rest.trim_matches('/'), request),
        None => Err((404, format!("there is no fake `{name}` in this process; {}", near(name, door.fakes.iter().map(|served| served.name.as_str()))))),
    }
}

fn route(door: &Door, served: &Served, what: &str, request: &FakeRequest) -> Answer {
    let system = &served.system;
    match (&request.method, what) {
        (&Method::GET, "") => Ok(description(door, served)),
        (&Method::GET, "state") => Ok(system.state()),
        (&Method::GET, "requests") => requests(served, request),
        (&Method::DELETE, "requests") => {
            system.clear_log();
            Ok(json!({ "forgotten": true }))
        }
        (&Method::GET, "events") => events(served, request),
        (&Method::GET, "faults") => Ok(faults(served)),
        (&Method::POST, "faults") => {
            // Nothing is added unless all of it is right.
            read_faults(request)?.into_iter().for_each(|fault| system.fault(fault));
            Ok(faults(served))
        }
        (&Method::DELETE, "faults") => {
            system.clear_faults();
            Ok(faults(served))
        }
        (&Method::POST, "act") => {
            let act: Act = read(request, r#"{"act": "log_in", "args": {"user": "sarah@company.com"}}"#)?;
            system.act(act).map(|result| json!({ "result": result })).map_err(|error| wrong(error.to_string()))
        }
        (&Method::GET, "clock") => Ok(json!({ "now": system.clock().now() })),
        (&Method::POST, "clock") => {
            let Advance { advance_ms } = read(request, r#"{"advance_ms": 60000}"#)?;
            system.clock().advance(Duration::from_millis(advance_ms));
            Ok(json!({ "now": system.clock().now() }))
        }
        (method, what) => {
            let at = |path: &str| path.split('?').next().and_then(|path| path.strip_prefix("/__fake/")) == Some(what);
            let methods: Vec<_> = ROUTES.iter().filter(|(_, path, _)| at(path)).map(|(method, ..)| *method).collect();
            if methods.is_empty() {
                let paths = ROUTES.iter().map(|(_, path, _)| path.split('?').next().unwrap_or(path));
                return Err((404, format!("there is no `{}`; {}", request.path, near(&format!("{ROOT}/{what}"), paths))));
            }
            Err((405, format!("`{}` takes {}, not {method}", request.path, methods.join(" and "))))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

/// A body in JSON, whatever its content type says.
fn read<T: serde::de::DeserializeOwned>(request: &FakeRequest, example: &str) -> Result<T, (u16, String)> {
    request.json().map_err(|error| wrong(format!("the body is not as it should be: {error}; an example: {example}")))
}

fn description(door: &Door, served: &Served) -> Value {
    let routes: Vec<_> = ROUTES.iter().map(|(method, path, what)| json!({ "method": method, "path": path, "what": what })).collect();
    json!({
        "fake": served.name,
        "type": served.system.system_type(),
        "url": served.url,
        "routes": routes,
        "faults": FAULTS,
        "other_fakes": "those of this process answer at /__fake/fakes/NAME/… as well, also while they cannot be reached",
        "fakes": door.fakes.iter().map(|served| json!({ "name": served.name, "type": served.system.system_type(), "url": served.url })).collect::<Vec<_>>(),
        "problems": served.system.problems(),
    })
}

fn after(request: &FakeRequest) -> Result<u64, (u16, String)> {
    match request.query("after") {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| wrong(format!("`after` is the number of a request or event, and `{text}` is none"))),
    }
}

fn requests(served: &Served, request: &FakeRequest) -> Answer {
    let after = after(request)?;
    let shared = &served.system.shared;
    shared.clock.run_due();
    let book = lock(&shared.book);
    let kept: Vec<_> = book.log.iter().filter(|entry| entry.number > after).collect();
    let first = book.log.front().map_or(book.requests + 1, |entry| entry.number);
    Ok(json!({ "requests": kept, "last": book.requests, "dropped": first - 1 }))
}

fn events(served: &Served, request: &FakeRequest) -> Answer {
    let after = after(request)?;
    let shared = &served.system.shared;
    shared.clock.run_due();
    let book = lock(&shared.book);
    let dropped = book.earlier_events;
    let numbered = book.events.iter().zip(dropped + 1..).filter(|(_, number)| *number > after).map(|(event, number)| {
        let mut event = json!(event);
        if let Some(fields) = event.as_object_mut() {
            fields.insert("number".to_owned(), number.into());
        }
        event
    });
    Ok(json!({ "events": numbered.collect::<Vec<_>>(), "last": dropped + book.events.len() as u64, "dropped": dropped }))
}

fn faults(served: &Served) -> Value {
    let shared = &served.system.shared;
    let down = shared.is_down(shared.clock.now());
    let book = lock(&shared.book);
    let all: Vec<_> = book.faults.all().map(|(fault, struck)| json!({ "fault": fault, "struck": struck })).collect();
    json!({ "faults": all, "outage": down })
}

fn read_faults(request: &FakeRequest) -> Result<Vec<Fault>, (u16, String)> {
    let body: Value = read(request, r#"{"do": {"kind": "reset_after"}}"#)?;
    let listed = body.is_array();
    let items = match body {
        Value::Array(items) => items,
        one => vec![one],
    };
    let (mut faults, mut problems) = (Vec::new(), Vec::new());
    for (item, number) in items.into_iter().zip(1..) {
        match serde_json::from_value(item).map_err(|error| error.to_string()).and_then(checked) {
            Ok(fault) => faults.push(fault),
            Err(why) if listed => problems.push(format!("fault {number}: {why}")),
            Err(why) => problems.push(why),
        }
    }
    if problems.is_empty() { Ok(faults) } else { Err(wrong(format!("{}; {FAULTS}", problems.join("; ")))) }
}

fn checked(fault: Fault) -> Result<Fault, String> {
    if !(0.0..=1.0).contains(&fault.probability) {
        return Err(format!("a probability is from 0 to 1, and {} is not", fault.probability));
    }
    match &fault.kind {
        FaultKind::Status { status, .. } if !(200..=599).contains(status) => Err(format!("a status is from 200 to 599, and {status} is not")),
        _ => Ok(fault),
    }
}
