//! A fake of the door-badge API, written after its description.

use std::collections::BTreeMap;

use provisionr_testkit::{Fake, FakeContext, FakeRequest, FakeResponse, Reply, Router};
use serde_json::{Value, json};

/// The door-badge API. Holders and doors are kept by id, in the form in which they are shown.
#[derive(Clone, Debug, Default)]
pub struct BadgeFake {
    /// `{id, email, name, state, openings: [{target, role, until}]}`.
    pub holders: BTreeMap<String, Value>,
    /// `{id, name}`.
    pub doors: BTreeMap<String, Value>,
    made: usize,
}

impl BadgeFake {
    /// The credential it takes.
    pub const TOKEN: &'static str = "badge-token-7f3a";

    /// Puts a door there; gives its id.
    pub fn add_door(&mut self, name: &str) -> String {
        let id = format!("d-{}", self.doors.len());
        self.doors.insert(id.clone(), json!({ "id": id, "name": name }));
        id
    }

    /// Puts a holder there; none when the address is taken.
    pub fn add_holder(&mut self, email: &Value, name: &Value, state: &str) -> Option<&Value> {
        if self.holders.values().any(|holder| holder["email"] == *email) {
            return None;
        }
        self.made += 1;
        let id = format!("h-{}", self.made);
        Some(self.holders.entry(id.clone()).or_insert(json!({ "id": id, "email": email, "name": name, "state": state, "openings": [] })))
    }

    /// What a holder may open.
    pub fn openings(&mut self, holder: &str) -> Option<&mut Vec<Value>> {
        self.holders.get_mut(holder)?.get_mut("openings")?.as_array_mut()
    }
}

fn error(status: u16, message: &str) -> FakeResponse {
    FakeResponse::json(status, &json!({ "message": message }))
}

fn page(name: &str, items: &BTreeMap<String, Value>, request: &FakeRequest) -> Reply {
    let (after, email) = (request.query("after").unwrap_or_default(), request.query("email"));
    let limit = request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let mut found = items.values().filter(|item| item["id"].as_str() > Some(&after) && email.as_ref().is_none_or(|email| item["email"] == **email));
    let shown: Vec<_> = found.by_ref().take(limit).collect();
    let next = found.next().and(shown.last()).map(|last| &last["id"]);
    Ok(FakeResponse::json(200, &json!({ name: shown, "next": next })))
}

fn no_holder() -> FakeResponse {
    error(404, "no such holder")
}

fn routes() -> Router<BadgeFake> {
    Router::<BadgeFake>::new()
        .get("/doors", |fake, call, _| page("doors", &fake.doors, call.request))
        .get("/holders", |fake, call, _| page("holders", &fake.holders, call.request))
        .get("/holders/{id}", |fake, call, _| Ok(FakeResponse::json(200, fake.holders.get(call.param("id")).ok_or_else(no_holder)?)))
        .post("/holders", |fake, call, cx| {
            let wanted = call.json()?;
            let holder = fake.add_holder(&wanted["email"], &wanted["name"], "active").ok_or_else(|| error(409, "the address is taken"))?;
            cx.emit("holder.made", holder.clone());
            Ok(FakeResponse::json(201, holder))
        })
        .put("/holders/{id}/state", |fake, call, cx| {
            let (holder, wanted) = (fake.holders.get_mut(call.param("id")).ok_or_else(no_holder)?, call.json()?);
            if holder["state"] != wanted {
                holder["state"] = wanted;
                cx.emit("holder.state", holder.clone());
            }
            Ok(FakeResponse::empty(204))
        })
        .patch("/holders/{id}", |fake, call, cx| {
            let (holder, wanted) = (fake.holders.get_mut(call.param("id")).ok_or_else(no_holder)?, call.json()?);
            for (name, value) in wanted.as_object().into_iter().flatten() {
                holder[name] = value.clone();
            }
            cx.emit("holder.updated", holder.clone());
            Ok(FakeResponse::empty(204))
        })
        .delete("/holders/{id}", |fake, call, cx| {
            cx.emit("holder.deleted", fake.holders.remove(call.param("id")).ok_or_else(no_holder)?);
            Ok(FakeResponse::empty(204))
        })
        .put("/holders/{id}/openings/{door}", |fake, call, cx| {
            let (holder, mut opening) = (fake.holders.get(call.param("id")).ok_or_else(no_holder)?, call.json()?);
            if holder["state"] != "active" {
                return Err(error(409, "the badge is suspended"));
            }
            opening["target"] = fake.doors.get(call.param("door")).ok_or_else(|| error(404, "no such door"))?["id"].clone();
            let openings = fake.openings(call.param("id")).ok_or_else(no_holder)?;
            if !openings.contains(&opening) {
                openings.retain(|old| old["target"] != opening["target"]);
                openings.push(opening.clone());
                cx.emit("door.opened", opening);
            }
            Ok(FakeResponse::empty(204))
        })
        .delete("/holders/{id}/openings/{door}", |fake, call, cx| {
            let openings = fake.openings(call.param("id")).ok_or_else(no_holder)?;
            let at = openings.iter().position(|opening| opening["target"] == call.param("door")).ok_or_else(|| error(404, "no such opening"))?;
            cx.emit("door.closed", openings.remove(at));
            Ok(FakeResponse::empty(204))
        })
}

impl Fake for BadgeFake {
    fn system_type(&self) -> &'static str {
        "badge"
    }

    fn admit(&mut self, request: &FakeRequest, _cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let known = request.header("authorization") == Some(&format!("Bearer {}", Self::TOKEN));
        if known { Ok(()) } else { Err(error(401, "who is asking?")) }
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn state(&self) -> Value {
        json!({ "holders": self.holders, "doors": self.doors })
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }
}
