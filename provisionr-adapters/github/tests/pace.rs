//! Many people at the pace of the lanes: GitHub's limits are not met.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use provisionr_github::GithubConfig;
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, Call, CallContext, CallGate, Change, Entitlement, Lane, LaneId, LaneReading, Permit, Request, Result, Secret,
    Timestamp,
};
use provisionr_testkit::FakeClock;
use provisionr_testkit::github::GithubFake;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// Holds calls to the windows of their lanes: each begins full, and fills evenly.
struct Paced {
    lanes: BTreeMap<LaneId, (Lane, Mutex<(f64, Instant)>)>,
    clock: FakeClock,
}

impl Paced {
    fn take(&self, call: &Call) -> Option<Instant> {
        let (lane, left) = &self.lanes[call.lane.as_ref().unwrap()];
        let window = lane.window.unwrap();
        let (rate, most, now) = (f64::from(window.units) / window.per.as_secs_f64(), f64::from(window.units), Instant::now());
        let mut left = left.lock().unwrap();
        *left = ((left.0 + now.duration_since(left.1).as_secs_f64() * rate).min(most), now);
        let missing = f64::from(call.cost) - left.0;
        if missing > 0.0 {
            return Some(now + Duration::from_secs_f64(missing / rate).max(Duration::from_millis(1)));
        }
        left.0 -= f64::from(call.cost);
        None
    }
}

#[async_trait]
impl CallGate for Paced {
    async fn permit(&self, call: &Call) -> Result<Permit> {
        while let Some(until) = self.take(call) {
            sleep_until(until).await;
        }
        Ok(Permit::free())
    }

    fn heard(&self, _lane: &LaneId, _reading: LaneReading) {}

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[tokio::test(start_paused = true)]
async fn hundreds_join_and_leave_and_no_limit_is_met() {
    let people: Vec<String> = (0..550).map(|number| format!("person-{number}")).collect();
    let users: Vec<Value> = people.iter().map(|login| json!({ "login": login })).collect();
    let members: Vec<Value> = people.iter().map(|login| json!({ "user": login })).collect();
    let fake = GithubFake::new().seeded(&json!({ "users": users, "members": members, "teams": [{ "name": "Platform" }] }));
    let fake = fake.with_settings(|settings| settings.secondary_limits = true).start();
    let github = GithubConfig::organization(GithubFake::ORG).token(Secret::new(GithubFake::TOKEN)).connect("github", &fake.transport()).unwrap();
    let lanes = github.descriptor().lanes.iter();
    let lanes = lanes.map(|lane| (lane.id.clone(), (lane.clone(), Mutex::new((f64::from(lane.window.unwrap().units), Instant::now()))))).collect();
    let cx = CallContext::new(Arc::new(Paced { lanes, clock: fake.clock().clone() }));
    let member = Entitlement::new("add_to_team", fake.team_id("platform").unwrap()).with_role("member");
    let begun = Instant::now();
    for (change, people) in [(Change::Grant(member.clone()), &people[..]), (Change::Revoke(member), &people[..150])] {
        for login in people {
            let account = Account::new(fake.user_id(login).unwrap(), AccountState::Active);
            let request = Request::new("s-1", AccountQuery::by("login", login), change.clone(), "k-1").with_account(account);
            github.apply(&cx, &request).await.unwrap();
        }
    }
    // 500 an hour, and those who leave do not wait for it.
    let took = begun.elapsed().as_secs() / 60;
    assert!((55..80).contains(&took), "{took} minutes");
}
