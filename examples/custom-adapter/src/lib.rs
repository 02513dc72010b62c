//! An adapter for a door-badge system: who holds a badge, and which doors it opens.

#[cfg(test)]
mod conformance;
#[cfg(any(test, feature = "fake"))]
pub mod fake;

use async_trait::async_trait;
use provisionr_http::{HttpClient, Paging, Routes, path};
use provisionr_sdk::AccountState::{Active, Deleted, Suspended};
use provisionr_sdk::*;
use serde::{Deserialize, Serialize};

/// One door a badge opens: the policy line, the API's own form and the observed grant alike.
#[derive(Serialize, Deserialize)]
pub struct OpenDoor {
    target: String,
    role: String,
    until: Option<Date>,
}

#[derive(Deserialize)]
struct Holder {
    id: String,
    email: String,
    name: String,
    state: AccountState,
    openings: Vec<OpenDoor>,
}

/// The door-badge system.
#[derive(Debug)]
pub struct Badge {
    descriptor: Descriptor,
    http: HttpClient,
}

impl Badge {
    /// The system of this name, behind a client for its API that brings the credential.
    pub fn new(system: impl Into<SystemName>, http: HttpClient) -> Self {
        let accounts = AccountFacts::new()
            .found_by("email", Search::Exact)
            .attribute(Attribute::new("email").from("email").required().unique())
            .attribute(Attribute::new("name").from("name").required())
            .created(ChangeFacts::unique("email"))
            .suspended_by(Suspended)
            .transition(Transition::new([Active, Suspended], Deleted).destroys("all openings").irreversible());
        let open_door = Kind::per_target::<OpenDoor>("open_door")
            .doc("May open one door")
            .target_noun("door")
            .role("visitor", Level::Read)
            .role("keyholder", Level::Admin)
            .value(Param::date("until").ends().doc("the last day"));
        let descriptor = Descriptor::new(system, "badge").accounts(accounts).kind(open_door).can(Ability::ListAccounts).lane(Lane::per_minute("api", 600));
        Self { descriptor, http: http.routes(Routes::new().any("/**", "api")) }
    }

    async fn holder(&self, cx: &CallContext, id: impl AsRef<str>) -> Result<Option<Holder>> {
        self.http.get(path!["holders", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    async fn present(&self, cx: &CallContext, account: &Account) -> Result<Holder> {
        self.holder(cx, &account.id).await?.ok_or_else(|| AdapterError::account_not_found("the badge is gone"))
    }

    async fn ensure(&self, cx: &CallContext, request: &Request, profile: &impl Serialize) -> Result<Outcome> {
        if let Some(account) = self.find_account(cx, &request.who).await?.at_most_one()? {
            return Ok(Outcome::Unchanged(Receipt::new().with_account(account)));
        }
        let made: Holder = self.http.post(path!["holders"]).json(profile).send(cx).await?.json()?;
        Ok(Outcome::Applied(Receipt::new().before_absent().with_account(made.account())))
    }

    async fn revoke(&self, cx: &CallContext, request: &Request, account: &Account, door: &TargetId) -> Result<Outcome> {
        let Some(before) = self.present(cx, account).await?.grants()?.into_iter().find(|grant| grant.entitlement.target == *door) else {
            return Ok(Outcome::Unchanged(Receipt::new().before_absent()));
        };
        request.check_expected(Some(&before))?;
        self.http.delete(path!["holders", account.id, "openings", door]).send_if_found(cx).await?;
        Ok(Outcome::Applied(Receipt::new().before_grant(before)))
    }
}

impl Holder {
    fn account(&self) -> Account {
        Account::new(self.id.as_str(), self.state).with_email(&self.email).with("email", self.email.as_str()).with("name", self.name.as_str())
    }

    fn grants(&self) -> Result<Vec<Grant>> {
        self.openings.iter().map(|opening| Grant::typed(self.id.as_str(), "open_door", opening)).collect()
    }
}

#[async_trait]
impl Adapter for Badge {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(holder) = self.holder(cx, id).await?
        {
            return Ok(Found::One(holder.account()));
        }
        for key in who.keys.iter().filter(|key| key.name == "email") {
            let holders: Vec<Holder> = self.http.get(path!["holders"]).query("email", &key.value).all(cx, &pages("/holders")).await?;
            if !holders.is_empty() {
                return Ok(Found::among(holders.iter().map(Holder::account)));
            }
        }
        let looked = who.keys.is_empty() || who.key("email").is_some();
        Ok(if looked { Found::None } else { Found::CannotTell("badges are found by their e-mail address".to_owned()) })
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let holder = self.present(cx, account).await?;
        let grants = holder.grants()?.into_iter().filter(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(holder.account(), grants.collect(), Coverage::none().kind("open_door")))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => return self.ensure(cx, request, &spec.profile).await,
            Change::Revoke(wanted) if wanted.kind == "open_door" => return self.revoke(cx, request, request.account()?, &wanted.target).await,
            Change::Grant(wanted) if wanted.kind == "open_door" => {
                let door = path!["holders", request.account()?.id, "openings", wanted.target];
                self.http.put(door).json(&wanted.to::<OpenDoor>()?).send(cx).await?;
            }
            Change::UpdateAccount(delta) => drop(self.http.patch(path!["holders", request.account()?.id]).json(delta).send(cx).await?),
            Change::SetState(state @ (Active | Suspended)) => drop(self.http.put(path!["holders", request.account()?.id, "state"]).json(state).send(cx).await?),
            Change::SetState(Deleted) => drop(self.http.delete(path!["holders", request.account()?.id]).send_if_found(cx).await?),
            other => return Err(AdapterError::unsupported(other)),
        }
        Ok(Outcome::Applied(Receipt::new()))
    }

    async fn resolve(&self, cx: &CallContext, _kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        Ok(Resolved::among(names, &self.http.get(path!["doors"]).all(cx, &pages("/doors")).await?))
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        Ok(self.http.get(path!["holders"]).page::<Holder>(cx, page, &pages("/holders")).await?.map(|holder| holder.account()))
    }
}

fn pages(items: &'static str) -> Paging {
    Paging::token("/next", "after").items(items).sized("limit", 100)
}
