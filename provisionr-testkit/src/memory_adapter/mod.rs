//! An adapter whose system is a few maps in memory.

mod decide;
mod fault;
mod look;
#[cfg(test)]
mod tests;
mod world;

use async_trait::async_trait;
use provisionr_sdk::{
    Ability, Access, Account, AccountFacts, AccountQuery, AccountState, Adapter, AdapterError, Attribute, BatchOutcome, Bound, Call, CallContext, Change,
    ChangeFacts, Check, Date, Descriptor, Entitlement, ErrorKind, Found, Grant, IdempotencyKey, Kind, KindName, LaneId, LaneReading, Level, ListScope,
    Observation, Outcome, Page, PageRequest, Param, Permit, Probe, Receipt, Request, Resolved, Result, RetryHint, Scope, Search, Suspension, SystemName,
    Target, TargetName, Transition, Wait, WaitReason, probe_by_looking,
};
use serde::{Deserialize, Serialize};

use self::decide::{Decision, decide};
pub use self::fault::MemoryFault;
use self::world::Pending;
pub use self::world::{MemoryCall, MemoryEffect, World};

/// The kind `join_group`: no roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinGroup {
    /// The group.
    pub target: String,
}

/// The kind `join_project`: roles `reader`, `writer` and `admin`, and a last day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinProject {
    /// The project.
    pub target: String,
    /// The role.
    pub role: String,
    /// The last day, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// A complete adapter over a [`World`] in memory.
///
/// It makes, updates, suspends, deactivates and deletes accounts, ends sessions, and manages the kinds `join_group`
/// and `join_project`, unless [`describe`](Self::describe) changes that: it does what its descriptor says. Each write
/// asks for one permit on the first lane, each read for one on the last; without lanes it asks for none.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use provisionr_sdk::*;
/// use provisionr_testkit::{MemoryAdapter, MemoryFault};
///
/// let adapter = MemoryAdapter::new("wiki");
/// let sarah = Account::new("account-sarah", AccountState::Active);
/// adapter.world().seed_account(sarah.clone());
/// adapter.world().fault(MemoryFault::lose_answer());
///
/// let change = Change::Grant(Entitlement::new("join_group", "engineering"));
/// let request = Request::new("sarah", AccountQuery::known(sarah.id.clone()), change, "key-1").with_account(sarah);
/// let error = adapter.apply(&CallContext::unlimited(), &request).await.unwrap_err();
/// assert_eq!(error.effect(), Effect::Unknown);
/// assert_eq!(adapter.world().effects_of(&request.key), 1);
/// assert!(matches!(adapter.probe(&CallContext::unlimited(), &request).await?, Probe::Holds(_)));
/// # Ok::<_, AdapterError>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct MemoryAdapter {
    descriptor: Descriptor,
    world: World,
}

impl MemoryAdapter {
    /// A system of this name, with a new and empty world.
    pub fn new(system: impl Into<SystemName>) -> Self {
        let accounts = AccountFacts::new()
            .found_by("login", Search::Exact)
            .found_by("email", Search::Exact)
            .attribute(Attribute::new("email").from("email"))
            .attribute(Attribute::new("first_name").from("first_name"))
            .attribute(Attribute::new("last_name").from("last_name"))
            .attribute(Attribute::new("department").from("department"))
            .created(ChangeFacts::unique("login"))
            .suspension(Suspension::State(AccountState::Suspended))
            .transition(Transition::new([AccountState::Active], AccountState::Suspended))
            .transition(Transition::new([AccountState::Staged, AccountState::Suspended, AccountState::Deactivated], AccountState::Active))
            .transition(Transition::new(
                [AccountState::Staged, AccountState::Invited, AccountState::Active, AccountState::Suspended],
                AccountState::Deactivated,
            ))
            .transition(Transition::new([AccountState::Deactivated], AccountState::Deleted).destroys("all grants").frees("login").irreversible());
        let group = Kind::per_target::<JoinGroup>("join_group").doc("Member of a group").target_noun("group");
        let project = Kind::per_target::<JoinProject>("join_project")
            .doc("Works on a project")
            .target_noun("project")
            .role("reader", Level::Read)
            .role("writer", Level::Write)
            .role("admin", Level::Admin)
            .value(Param::date("until").ends().doc("the last day"));
        let mut descriptor = Descriptor::new(system, "memory").accounts(accounts).kind(group).kind(project).can(Ability::EndSessions).can(Ability::Withdraw);
        descriptor = descriptor.can(Ability::ListAccounts);
        for kind in ["join_group", "join_project"] {
            descriptor = descriptor.can(Ability::ListTargets(kind.into())).can(Ability::ListGrants(kind.into()));
        }
        Self { descriptor, world: World::new() }
    }

    /// Changes what the system is: its kinds, facts, lanes and abilities.
    #[must_use]
    pub fn describe(mut self, change: impl FnOnce(Descriptor) -> Descriptor) -> Self {
        self.descriptor = change(self.descriptor);
        self
    }

    /// Puts it over another world: one that an adapter before it has left behind.
    #[must_use]
    pub fn over(mut self, world: World) -> Self {
        self.world = world;
        self
    }

    /// The truth behind it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Takes note of a call, waits for its permit, and meets the fault planned for it.
    async fn enter(&self, cx: &CallContext, method: &'static str, access: Access, key: Option<&IdempotencyKey>) -> Result<Permit> {
        let permit = match self.lane(access) {
            Some(lane) => cx.permit(&Call::new(lane, access)).await?,
            None => Permit::free(),
        };
        self.world.lock().calls.push(MemoryCall { method, access, key: key.cloned() });
        // A vendor takes time: whoever drops the future may drop it here.
        tokio::task::yield_now().await;
        if access == Access::Read {
            let failed = self.world.lock().script.next_read();
            failed.map_err(|error| heard(cx, error))?;
        }
        Ok(permit)
    }

    /// The lane reads or writes count on.
    pub(crate) fn lane(&self, access: Access) -> Option<LaneId> {
        let lane = match access {
            Access::Write => self.descriptor.lanes.first(),
            Access::Read => self.descriptor.lanes.last(),
        };
        lane.map(|lane| lane.id.clone())
    }

    fn can(&self, ability: &Ability) -> Result<()> {
        if self.descriptor.has(ability) { Ok(()) } else { Err(AdapterError::unsupported(ability)) }
    }

    /// Makes the change, at once and as a whole.
    fn enact(&self, request: &Request, wait: Option<&Wait>) -> Result<Outcome> {
        let mut state = self.world.lock();
        if let Some(pending) = state.pending.get(&request.key) {
            return Ok(Outcome::Waiting(pending.wait.clone(), Receipt::new()));
        }
        let (step, receipt, mails) = match decide(&mut state, &self.descriptor, request)? {
            Decision::Unchanged(receipt) => return Ok(Outcome::Unchanged(receipt)),
            Decision::Do(step, receipt, mails) => (step, receipt, mails),
        };
        let account = receipt.account.as_ref().or(request.account.as_ref()).map_or_else(|| "".into(), |account| account.id.clone());
        state.record(request, &account);
        state.mails += mails;
        if let Some(wait) = wait {
            state.mails += usize::from(wait.reason == WaitReason::InvitationSent && mails == 0);
            state.pending.insert(request.key.clone(), Pending { step, wait: wait.clone() });
            return Ok(Outcome::Waiting(wait.clone(), receipt));
        }
        state.enact(step);
        Ok(Outcome::Applied(receipt))
    }
}

/// Passes on what an error says about a lane.
fn heard(cx: &CallContext, error: AdapterError) -> AdapterError {
    if let (ErrorKind::RateLimited(lane), RetryHint::After(pause)) = (error.kind(), error.hint()) {
        cx.heard(lane, LaneReading { pause: Some(pause), ..LaneReading::default() });
    }
    error
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Adapter for MemoryAdapter {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        let _permit = self.enter(cx, "find_account", Access::Read, None).await?;
        Ok(look::find(&self.world.lock(), &self.descriptor, who))
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let _permit = self.enter(cx, "observe", Access::Read, None).await?;
        look::observe(&mut self.world.lock(), &self.descriptor, account, scope)
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        decide::supported(&self.descriptor, &request.change)?;
        let _permit = self.enter(cx, "apply", Access::Write, Some(&request.key)).await?;
        let fault = self.world.lock().script.next_write(request);
        let outcome = match fault {
            None => self.enact(request, None),
            Some(MemoryFault::Refuse(error)) => Err(error()),
            Some(MemoryFault::Lose(error)) => self.enact(request, None).and_then(|_| Err(error())),
            Some(MemoryFault::Wait(wait)) => self.enact(request, Some(&wait)),
            Some(MemoryFault::DelayEffect(long)) => {
                tokio::time::sleep(long).await;
                self.enact(request, None)
            }
            Some(MemoryFault::DelayAnswer(long)) => {
                let outcome = self.enact(request, None);
                tokio::time::sleep(long).await;
                outcome
            }
            Some(MemoryFault::Hang) => std::future::pending().await,
            Some(MemoryFault::HangAfter) => {
                let _ = self.enact(request, None);
                std::future::pending().await
            }
        };
        tokio::task::yield_now().await;
        outcome.map_err(|error| heard(cx, error))
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let _permit = self.enter(cx, "check", Access::Read, None).await?;
        let state = self.world.lock();
        let check = state.own.iter().fold(Check::new(), |check, account| check.own(account.clone()));
        Ok(state.lacking.iter().fold(check, |check, (ability, why)| check.lacks(ability.clone(), why.clone())))
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let _permit = self.enter(cx, "resolve", Access::Read, None).await?;
        Ok(look::resolve(&self.world.lock(), kind, names))
    }

    /// What entitlements name is what they are known by.
    async fn bind(&self, _cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        Ok(entitlements.iter().cloned().map(Bound::One).collect())
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        {
            let state = self.world.lock();
            if let Some(pending) = state.pending.get(&request.key) {
                return Ok(Probe::Pending(pending.wait.clone()));
            }
            if let (Change::EndSessions, Some(account)) = (&request.change, &request.account) {
                return Ok(if state.sessions.contains(&account.id) { Probe::Absent } else { Probe::Holds(Receipt::new()) });
            }
        }
        probe_by_looking(self, cx, request).await
    }

    async fn apply_batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        for request in requests {
            let kind = request.change.entitlement().and_then(|wanted| self.descriptor.kinds.get(&wanted.kind));
            let Some(rule) = kind.and_then(|kind| kind.batch) else {
                return Err(AdapterError::unsupported("changes in batches"));
            };
            if requests.len() > rule.max {
                return Err(AdapterError::invalid_request(format!("a batch holds {} changes at most", rule.max)));
            }
        }
        let mut outcomes = BatchOutcome::new();
        for request in requests {
            outcomes.insert(request.key.clone(), self.apply(cx, request).await);
        }
        Ok(outcomes)
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.can(&Ability::ListAccounts)?;
        let _permit = self.enter(cx, "list_accounts", Access::Read, None).await?;
        let state = self.world.lock();
        look::page(&state, state.accounts.values().cloned().collect(), page)
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.can(&Ability::ListTargets(kind.clone()))?;
        let _permit = self.enter(cx, "list_targets", Access::Read, None).await?;
        let state = self.world.lock();
        look::page(&state, look::targets(&state, kind), page)
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.can(&Ability::ListGrants(scope.kind().clone()))?;
        let _permit = self.enter(cx, "list_grants", Access::Read, None).await?;
        let state = self.world.lock();
        look::page(&state, look::grants(&state, scope), page)
    }
}
