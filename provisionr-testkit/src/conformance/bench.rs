//! One case at work: an adapter, its harness, and the steps most cases share.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use provisionr_sdk::{
    Ability, Access, Account, AccountId, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Completeness, Cursor, Descriptor, Entitlement,
    Expect, Found, Grant, Kind, Observation, Outcome, Page, PageRequest, Probe, Receipt, Request, Resolution, Result as AdapterResult, RoleName, Scope, Source,
    Target, TargetId, TargetName,
};

use super::gate::Gate;
use super::harness::{Harness, Person, Sent};
use super::trouble::Trouble;
use super::verdict::{Case, Stop, demand, does_not_apply, fails};

pub(super) struct Bench<'a> {
    pub(super) harness: &'a dyn Harness,
    pub(super) adapter: Box<dyn Adapter>,
    pub(super) gate: Arc<Gate>,
    pub(super) cx: CallContext,
    counter: AtomicUsize,
}

/// Everything that is true of one account, for comparing before and after.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Truth {
    pub(super) accounts: Vec<Account>,
    pub(super) grants: Vec<Vec<Grant>>,
    pub(super) mails: Option<usize>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(harness: &'a dyn Harness) -> Self {
        let gate = Arc::new(Gate::default());
        let cx = CallContext::new(gate.clone());
        Self { harness, adapter: harness.adapter(), gate, cx, counter: AtomicUsize::new(0) }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        self.adapter.descriptor()
    }

    fn count(&self) -> usize {
        self.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn has(&self, ability: &Ability) -> Result<(), Stop> {
        if self.descriptor().has(ability) { Ok(()) } else { Err(does_not_apply(format!("it cannot {ability}"))) }
    }

    /// The kinds the adapter manages.
    pub(super) fn managed(&self) -> Result<Vec<Kind>, Stop> {
        let descriptor = self.descriptor();
        let kinds: Vec<_> = descriptor.kinds.iter().filter(|kind| descriptor.has(&Ability::Manage(kind.name.clone()))).cloned().collect();
        if kinds.is_empty() { Err(does_not_apply("it manages no kind")) } else { Ok(kinds) }
    }

    pub(super) fn person(&self) -> Person {
        Person::new(self.count())
    }

    /// How a person is found: by every key the harness has a value for.
    pub(super) fn who(&self, person: &Person) -> AccountQuery {
        let keys = self.descriptor().accounts.keys.iter();
        keys.filter_map(|key| Some((key.name, self.harness.key(person, key.name)?))).fold(AccountQuery::default(), |who, (name, value)| who.or(name, value))
    }

    /// A new person's account in a state, as the harness made it.
    pub(super) async fn account_in(&self, state: AccountState) -> Result<(Person, Account), Stop> {
        let person = self.person();
        let id = self.harness.seed_account(&person, state).await.ok_or_else(|| does_not_apply(format!("there is no account that is {state}")))?;
        self.harness.settle().await;
        let account = self.account(&id).await.ok_or_else(|| fails(format!("the harness made the account `{id}` and does not list it")))?;
        Ok((person, account))
    }

    /// A new person's active account.
    pub(super) async fn active(&self) -> Result<Account, Stop> {
        Ok(self.account_in(AccountState::Active).await?.1)
    }

    /// A new active account that has what a kind needs first.
    pub(super) async fn ready_for(&self, kind: &Kind) -> Result<Account, Stop> {
        let account = self.active().await?;
        for name in &kind.prerequisites {
            let Some(first) = self.descriptor().kinds.get(name).cloned() else { continue };
            let wanted = self.wanted(&first).await?;
            self.seed(Grant::direct(account.id.clone(), wanted)).await?;
        }
        Ok(account)
    }

    /// The account as it really is.
    pub(super) async fn account(&self, id: &AccountId) -> Option<Account> {
        self.harness.accounts().await.into_iter().find(|account| account.id == *id)
    }

    pub(super) async fn target(&self, kind: &Kind) -> Result<TargetId, Stop> {
        let name = format!("target-{}", self.count());
        self.target_named(kind, &name).await
    }

    pub(super) async fn target_named(&self, kind: &Kind, name: &str) -> Result<TargetId, Stop> {
        let target = self.harness.seed_target(&kind.name, name).await;
        self.harness.settle().await;
        target.ok_or_else(|| does_not_apply(format!("there can be no target `{name}` of `{}`", kind.name)))
    }

    /// An entitlement of a kind on a target, with its lowest role.
    pub(super) fn on(&self, kind: &Kind, target: &TargetId) -> Entitlement {
        let role = self.harness.roles(kind).into_iter().next();
        self.with_role(kind, target, role)
    }

    pub(super) fn with_role(&self, kind: &Kind, target: &TargetId, role: Option<RoleName>) -> Entitlement {
        let mut entitlement = Entitlement::new(kind.name.clone(), target.clone());
        entitlement.role = role;
        self.harness.complete(kind, entitlement)
    }

    /// An entitlement of a kind on a new target, with its lowest role.
    pub(super) async fn wanted(&self, kind: &Kind) -> Result<Entitlement, Stop> {
        let target = self.target(kind).await?;
        Ok(self.on(kind, &target))
    }

    pub(super) async fn seed(&self, grant: Grant) -> Result<Grant, Stop> {
        let made = self.harness.seed_grant(&grant).await;
        self.harness.settle().await;
        if made { Ok(grant) } else { Err(does_not_apply(format!("there can be no grant of `{}` that is {:?}", grant.entitlement, grant.source))) }
    }

    /// A request of a known account.
    pub(super) fn request(&self, account: &Account, change: Change) -> Request {
        let key = format!("key-{}", self.count());
        Request::new(format!("subject-{}", account.id), AccountQuery::known(account.id.clone()), change, key).with_account(account.clone())
    }

    /// A request for the account of a new person.
    pub(super) fn ensure(&self, person: &Person) -> Request {
        let spec = self.harness.spec(person, self.descriptor());
        let key = format!("key-{}", self.count());
        Request::new(format!("subject-{}", person.number), self.who(person), Change::EnsureAccount(spec), key)
    }

    pub(super) async fn apply(&self, request: &Request) -> AdapterResult<Outcome> {
        let outcome = self.adapter.apply(&self.cx, request).await;
        self.harness.settle().await;
        outcome
    }

    pub(super) async fn probe(&self, request: &Request) -> AdapterResult<Probe> {
        self.adapter.probe(&self.cx, request).await
    }

    pub(super) async fn observe(&self, account: &Account, scope: &Scope) -> AdapterResult<Observation> {
        self.adapter.observe(&self.cx, account, scope).await
    }

    pub(super) async fn find(&self, who: &AccountQuery) -> AdapterResult<Found> {
        self.adapter.find_account(&self.cx, who).await
    }

    /// Applies a request and does whatever its outcome waits for. What came of it, and whether anything was changed.
    pub(super) async fn bring_about(&self, request: &Request) -> Result<Outcome, Stop> {
        let outcome = self.apply(request).await?;
        if let Outcome::Waiting(wait, receipt) = &outcome {
            let account = request.account.as_ref().or(receipt.account.as_ref()).map(|account| account.id.clone());
            let account = account.ok_or_else(|| fails("an outcome that waits says nothing of the account"))?;
            if !self.harness.finish(&account, wait).await {
                return Err(does_not_apply(format!("it waits ({:?}), and the harness cannot finish that", wait.reason)));
            }
            self.harness.settle().await;
        }
        Ok(outcome)
    }

    pub(super) async fn truth(&self) -> Truth {
        let mut accounts = self.harness.accounts().await;
        accounts.sort_by(|one, other| one.id.cmp(&other.id));
        let mut grants = Vec::new();
        for account in &accounts {
            grants.push(self.rows(&account.id).await);
        }
        Truth { accounts, grants, mails: self.harness.mails() }
    }

    pub(super) async fn rows(&self, account: &AccountId) -> Vec<Grant> {
        let mut rows = self.harness.grants(account).await;
        rows.sort_by_cached_key(|grant| format!("{} {:?} {:?}", grant.entitlement, grant.source, grant.state));
        rows
    }

    /// The rows of an account on one target.
    pub(super) async fn rows_on(&self, account: &AccountId, entitlement: &Entitlement) -> Vec<Grant> {
        let mut rows = self.rows(account).await;
        rows.retain(|grant| grant.entitlement.kind == entitlement.kind && grant.entitlement.target == entitlement.target);
        rows
    }

    /// Demands that an account holds exactly this directly on its target, once.
    pub(super) async fn holds_once(&self, account: &AccountId, entitlement: &Entitlement, after: &str) -> Case {
        let rows = self.rows_on(account, entitlement).await;
        let direct: Vec<_> = rows.iter().filter(|grant| grant.source == Source::Direct).map(|grant| &grant.entitlement).collect();
        demand!(direct == [entitlement], "{after} the account should hold `{entitlement}` once, and holds {direct:?}");
        Ok(())
    }

    /// Demands that an account holds nothing directly on a target.
    pub(super) async fn holds_nothing(&self, account: &AccountId, entitlement: &Entitlement, after: &str) -> Case {
        let rows = self.rows_on(account, entitlement).await;
        demand!(!rows.iter().any(|grant| grant.source == Source::Direct), "{after} the account should not hold `{entitlement}`, and holds {rows:?}");
        Ok(())
    }

    pub(super) async fn trouble(&self, trouble: Trouble) -> Result<(), Stop> {
        if self.harness.trouble(trouble).await { Ok(()) } else { Err(does_not_apply(format!("the harness cannot play {trouble:?}"))) }
    }

    /// The log of requests.
    pub(super) fn requests(&self) -> Result<Vec<Sent>, Stop> {
        self.harness.requests().ok_or_else(|| does_not_apply("there is no log of requests"))
    }

    pub(super) fn requests_since(&self, before: usize) -> Result<Vec<Sent>, Stop> {
        Ok(self.requests()?.split_off(before))
    }

    /// Resolves one name.
    pub(super) async fn resolve(&self, kind: &Kind, name: &str) -> Result<Resolution, Stop> {
        let names = [TargetName::from(name)];
        let mut resolved = self.adapter.resolve(&self.cx, &kind.name, &names).await?;
        match (resolved.pop(), resolved.is_empty()) {
            (Some(one), true) if one.name == *name => Ok(one.resolution),
            (last, _) => Err(fails(format!("one name was asked for, and the answer ends with {last:?}"))),
        }
    }
}

/// All items of a list, page by page.
pub(super) async fn whole_list<T, F>(size: Option<u32>, mut next: F) -> Result<Vec<T>, Stop>
where
    T: Debug,
    F: AsyncFnMut(PageRequest) -> AdapterResult<Page<T>>,
{
    let mut items = Vec::new();
    let mut request = PageRequest { size, ..PageRequest::first() };
    let mut seen: Vec<Cursor> = Vec::new();
    loop {
        let page = next(request).await?;
        demand!(page.completeness == Completeness::Complete, "a list that can be read whole is said to be {:?}", page.completeness);
        items.extend(page.items);
        let Some(cursor) = page.next else { return Ok(items) };
        demand!(!seen.contains(&cursor), "the cursor `{cursor}` came twice: the list would never end");
        seen.push(cursor.clone());
        request = PageRequest { size, ..PageRequest::first().after(cursor) };
    }
}

/// The receipt of an outcome that did not say it waits.
pub(super) fn receipt(outcome: &Outcome) -> Option<&Receipt> {
    match outcome {
        Outcome::Applied(receipt) | Outcome::Unchanged(receipt) | Outcome::Waiting(_, receipt) => Some(receipt),
        _ => None,
    }
}

/// An error where there has to be one.
pub(super) fn error_of<T: Debug>(result: AdapterResult<T>, after: &str) -> Result<AdapterError, Stop> {
    match result {
        Err(error) => Ok(error),
        Ok(answer) => Err(fails(format!("{after} there should be an error, and there is {answer:?}"))),
    }
}

/// Runs a case for each of these kinds; it applies if it applies to one of them.
pub(super) async fn for_each(kinds: Vec<Kind>, mut case: impl AsyncFnMut(&Kind) -> Case) -> Case {
    let mut applied = false;
    let mut reasons = Vec::new();
    for kind in &kinds {
        match case(kind).await {
            Ok(()) => applied = true,
            Err(Stop::DoesNotApply(why)) => reasons.push(format!("`{}`: {why}", kind.name)),
            Err(Stop::Fails(why)) => return Err(fails(format!("`{}`: {why}", kind.name))),
        }
    }
    if applied { Ok(()) } else { Err(does_not_apply(reasons.join("; "))) }
}

/// Which access a request has, for sorting logs.
pub(super) fn writes(sent: &[Sent]) -> usize {
    sent.iter().filter(|request| request.access == Access::Write).count()
}

/// A request that expects this grant to be there.
pub(super) fn expecting(request: Request, grant: &Grant) -> Request {
    request.expecting(Expect::Grant(grant.clone()))
}

/// The target of an id and name.
pub(super) fn target_of(resolution: &Resolution) -> Option<&Target> {
    match resolution {
        Resolution::One(target) => Some(target),
        _ => None,
    }
}
