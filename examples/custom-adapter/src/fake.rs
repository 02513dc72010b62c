//! A fake of the door-badge API, written after its description.
#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have reads as null")]

use std::collections::BTreeMap;

use provisionr_testkit::{Call, Fake, FakeContext, FakeRequest, FakeResponse, Reply, Router};
use serde_json::{Value, json};

/// The door-badge API: holders and doors by id, in the form in which it shows them.
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
        self.made += 1;
        let id = format!("d-{}", self.made);
        self.doors.insert(id.clone(), json!({ "id": id, "name": name }));
        id
    }

    /// Puts a holder there, unless the address is taken.
    pub fn add_holder(&mut self, email: &Value, name: &Value, state: &str) -> Reply<&Value> {
        self.made += 1;
        let id = format!("h-{}", self.made);
        let free = !self.holders.values().any(|holder| holder["email"] == *email);
        let holder = json!({ "id": id, "email": email, "name": name, "state": state, "openings": [] });
        free.then(|| &*self.holders.entry(id).or_insert(holder)).ok_or_else(|| FakeResponse::empty(409))
    }

    /// What a holder may open.
    pub fn openings(&mut self, holder: &str) -> Reply<&mut Vec<Value>> {
        self.holders.get_mut(holder).and_then(|holder| holder["openings"].as_array_mut()).ok_or_else(gone)
    }
}

fn gone() -> FakeResponse {
    FakeResponse::json(404, &json!({ "message": "there is no such thing" }))
}

fn page(name: &str, items: &BTreeMap<String, Value>, call: &Call<'_>) -> Reply {
    let (after, email) = (call.request.query("after").unwrap_or_default(), call.request.query("email"));
    let limit = call.request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100);
    let mut found = items.values().filter(|item| item["id"].as_str() > Some(&after) && email.as_ref().is_none_or(|email| item["email"] == **email));
    let shown: Vec<_> = found.by_ref().take(limit).collect();
    let next = found.next().and(shown.last()).map(|last| &last["id"]);
    Ok(FakeResponse::json(200, &json!({ name: shown, "next": next })))
}

fn routes() -> Router<BadgeFake> {
    Router::<BadgeFake>::new()
        .get("/doors", |fake, call, _| page("doors", &fake.doors, call))
        .get("/holders", |fake, call, _| page("holders", &fake.holders, call))
        .get("/holders/{id}", |fake, call, _| Ok(FakeResponse::json(200, fake.holders.get(call.param("id")).ok_or_else(gone)?)))
        .post("/holders", |fake, call, cx| {
            let wanted = call.json()?;
            let holder = fake.add_holder(&wanted["email"], &wanted["name"], "active")?;
            cx.emit("holder.made", holder.clone());
            Ok(FakeResponse::json(201, holder))
        })
        .put("/holders/{id}/state", |fake, call, cx| {
            fake.holders.get_mut(call.param("id")).ok_or_else(gone)?["state"] = call.json()?;
            cx.emit("holder.state", call.json()?);
            Ok(FakeResponse::empty(204))
        })
        .patch("/holders/{id}", |fake, call, cx| {
            let holder = fake.holders.get_mut(call.param("id")).ok_or_else(gone)?;
            for (name, value) in call.json()?.as_object().into_iter().flatten() {
                holder[name] = value.clone();
            }
            cx.emit("holder.changed", holder.clone());
            Ok(FakeResponse::empty(204))
        })
        .delete("/holders/{id}", |fake, call, cx| {
            cx.emit("holder.deleted", fake.holders.remove(call.param("id")).ok_or_else(gone)?);
            Ok(FakeResponse::empty(204))
        })
        .put("/holders/{id}/openings/{door}", |fake, call, cx| {
            let mut opening = call.json()?;
            opening["target"] = fake.doors.get(call.param("door")).ok_or_else(gone)?["id"].clone();
            if fake.holders.get(call.param("id")).is_some_and(|holder| holder["state"] != "active") {
                return Err(FakeResponse::empty(409));
            }
            let openings = fake.openings(call.param("id"))?;
            if !openings.contains(&opening) {
                openings.retain(|old| old["target"] != opening["target"]);
                openings.push(opening.clone());
                cx.emit("door.opened", opening);
            }
            Ok(FakeResponse::empty(204))
        })
        .delete("/holders/{id}/openings/{door}", |fake, call, cx| {
            let openings = fake.openings(call.param("id"))?;
            let at = openings.iter().position(|opening| opening["target"] == call.param("door")).ok_or_else(gone)?;
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
        if known { Ok(()) } else { Err(FakeResponse::empty(401)) }
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
