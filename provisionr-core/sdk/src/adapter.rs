//! The contract between provisionr and one system.

use std::fmt;

use async_trait::async_trait;

use crate::account::{Account, AccountQuery, AccountState, Found};
use crate::change::{Change, Request};
use crate::context::CallContext;
use crate::descriptor::Descriptor;
use crate::entitlement::{Entitlement, Grant, GrantState, Source, Target};
use crate::error::{AdapterError, Result};
use crate::facts::Repeat;
use crate::id::{KindName, TargetName};
use crate::outcome::{BatchOutcome, Bound, Check, Observation, Outcome, Probe, Receipt, Resolution, Resolved, Scope, Wait, WaitReason};
use crate::page::{ListScope, Page, PageRequest};

/// Speaks to one system, in its own terms.
///
/// For all methods:
/// - No retry, no cache between calls, no undo: one call of a method is one attempt.
/// - Every future may be dropped at any await.
/// - An error with [`Effect::None`](crate::Effect::None) promises that nothing has changed; a write that was cut off
///   or timed out is [`effect_unknown`](AdapterError::effect_unknown).
/// - Unknown fields in answers are tolerated; secrets appear in no error, log or `Debug`.
///
/// The conformance suite of `provisionr-testkit` checks each bullet.
#[async_trait]
pub trait Adapter: fmt::Debug + Send + Sync + 'static {
    /// Facts about this configured instance, tier and options included.
    /// - Constant for the life of the value; no I/O.
    fn descriptor(&self) -> &Descriptor;

    /// Finds the account that is meant.
    /// - By the known id first; then by each key in turn.
    /// - A known id that is gone is `None` only where the vendor would show it; keys are tried then.
    /// - Deactivated and invited accounts count.
    /// - A search that cannot see everything answers `CannotTell`, not `None`.
    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found>;

    /// Looks at what an account holds.
    /// - Every grant in scope, with its source and state; of one entitlement all sources.
    /// - `coverage` says what could be seen; what is not covered is not absent.
    /// - An error is never an empty observation.
    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation>;

    /// Makes one change.
    /// - Repeating it has no second effect (no second mail, no second row) and is `Unchanged`, never an error.
    ///   Where the vendor is silent about "already there" it is `Applied` with `before` not seen.
    /// - A grant with another role changes the role. An inherited grant that is high enough is `Unchanged`.
    /// - A revoke checks what it expects (`request.expect`) and says what it removed; what is inherited is never revoked
    ///   directly, and shows as `still_effective`.
    /// - "Not found" on a revoke means "already gone" only when the target can be read with the same credential;
    ///   otherwise it is `NotFound(Unclear)`.
    /// - What another party owns is `OwnedElsewhere`, with the owner's name.
    /// - A change it does not know is [`AdapterError::unsupported`].
    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome>;

    /// Finds out what the credential can really do.
    /// - Its own accounts, what it lacks of the descriptor's abilities, free seats.
    /// - A missing scope switches off that ability only.
    /// - By default: nothing is known, nothing is lacking.
    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let _ = cx;
        Ok(Check::new())
    }

    /// Turns names of policies into targets, one answer for each name, in their order.
    /// - A name that is not there brings names that are near.
    /// - By default the name is the id.
    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let _ = (cx, kind);
        Ok(names.iter().map(|name| Resolved { name: name.clone(), resolution: Resolution::One(Target::new(name.as_str(), name.clone())) }).collect())
    }

    /// Puts the vendor's ids in the place of whatever else entitlements name, once their targets are resolved: roles that are the
    /// tenant's own, parameters that name something. One answer for each, in their order.
    /// - What is given and taken is known by these ids: what people call it may change meanwhile.
    /// - What is written as an id already stays.
    /// - `observe` and the lists show the same ids.
    /// - By default everything else is as the vendor has it.
    async fn bind(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        let _ = cx;
        Ok(entitlements.iter().cloned().map(Bound::One).collect())
    }

    /// Looks at whether a change holds; serves attempts in doubt and waits alike.
    /// - Never writes.
    /// - `Absent` only when the look could have seen it.
    /// - By default: `find_account` for changes of accounts, `observe` of the one entitlement for grants.
    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        probe_by_looking(self, cx, request).await
    }

    /// Makes several changes in one call, where a kind has a batch rule.
    /// - What is missing in the answer is unknown.
    /// - By default not supported.
    async fn apply_batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        let _ = (cx, requests);
        Err(AdapterError::unsupported("changes in batches"))
    }

    /// Lists all accounts, deactivated ones included.
    /// - By default not supported.
    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let _ = (cx, page);
        Err(AdapterError::unsupported("listing accounts"))
    }

    /// Lists the targets of a kind.
    /// - By default not supported.
    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        let _ = (cx, kind, page);
        Err(AdapterError::unsupported("listing targets"))
    }

    /// Lists grants, with their sources and states.
    /// - By default not supported.
    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let _ = (cx, scope, page);
        Err(AdapterError::unsupported("listing grants"))
    }
}

/// The default of [`Adapter::probe`], for adapters that add to it.
///
/// # Errors
/// Those of `find_account` and `observe`.
pub async fn probe_by_looking<A: Adapter + ?Sized>(adapter: &A, cx: &CallContext, request: &Request) -> Result<Probe> {
    let found = match &request.account {
        Some(account) if !matches!(request.change, Change::EnsureAccount(_)) => adapter.find_account(cx, &AccountQuery::known(account.id.clone())).await?,
        _ => adapter.find_account(cx, &request.who).await?,
    };
    let account = match found {
        Found::One(account) => account,
        Found::None => {
            return Ok(match &request.change {
                Change::SetState(AccountState::Deleted) | Change::EndSessions => Probe::Holds(Receipt::new()),
                _ => Probe::Absent,
            });
        }
        Found::Several(accounts) => return Ok(Probe::Unclear(format!("{} accounts answer to the query", accounts.len()))),
        Found::CannotTell(why) => return Ok(Probe::Unclear(why)),
    };
    match &request.change {
        Change::EnsureAccount(spec) if spec.state == AccountState::Active && account.state == AccountState::Invited => {
            Ok(Probe::Pending(Wait::new(WaitReason::InvitationSent, std::time::Duration::from_secs(3600))))
        }
        // Nobody can come in by it: the next attempt says so.
        Change::EnsureAccount(spec)
            if spec.state == AccountState::Active && matches!(account.state, AccountState::Frozen | AccountState::Suspended | AccountState::Deactivated) =>
        {
            Ok(Probe::Absent)
        }
        Change::EnsureAccount(_) => Ok(Probe::Holds(Receipt::new().with_account(account))),
        Change::SetState(state) if account.state == *state => Ok(Probe::Holds(Receipt::new().with_account(account))),
        Change::SetState(state) if account.settling == Some(*state) => Ok(Probe::Pending(Wait::new(WaitReason::VendorJob, std::time::Duration::from_secs(5)))),
        Change::SetState(_) => Ok(Probe::Absent),
        Change::UpdateAccount(delta) => {
            let holds = delta.0.iter().all(|(name, wanted)| account.profile.get(name) == wanted.as_ref());
            Ok(if holds { Probe::Holds(Receipt::new().with_account(account)) } else { Probe::Absent })
        }
        // Nobody can see them; ending them again does no harm.
        Change::EndSessions if adapter.descriptor().accounts.end_sessions.repeat == Repeat::Set => Ok(Probe::Absent),
        Change::EndSessions => Ok(Probe::Unclear("sessions cannot be looked at".to_owned())),
        Change::Grant(wanted) | Change::Revoke(wanted) | Change::Withdraw(wanted) => {
            let observation = adapter.observe(cx, &account, &Scope::Only(vec![wanted.clone()])).await?;
            Ok(judge(adapter.descriptor(), &request.change, wanted, &observation))
        }
    }
}

fn judge(descriptor: &Descriptor, change: &Change, wanted: &Entitlement, seen: &Observation) -> Probe {
    let Some(kind) = descriptor.kinds.get(&wanted.kind) else {
        return Probe::Unclear(format!("unknown kind `{}`", wanted.kind));
    };
    let key = kind.key_of(wanted);
    let mut same = seen.grants.iter().filter(|grant| kind.key_of(&grant.entitlement) == key);
    let covered = seen.coverage.covers(&wanted.kind, &wanted.target);
    let gap = || Probe::Unclear(format!("`{wanted}` could not be seen"));
    match change {
        Change::Grant(_) => {
            let mut waiting = None;
            for grant in same {
                if !kind.satisfies(&grant.entitlement, wanted) {
                    continue;
                }
                waiting = Some(match grant.state {
                    GrantState::Held => return Probe::Holds(Receipt::new().with_grant(grant.clone())),
                    GrantState::Invited => WaitReason::InvitationSent,
                    GrantState::NeedsApproval => WaitReason::Approval,
                    GrantState::InProgress => WaitReason::VendorJob,
                });
            }
            match waiting {
                Some(reason) => Probe::Pending(Wait::new(reason, std::time::Duration::from_secs(60))),
                None if covered => Probe::Absent,
                None => gap(),
            }
        }
        Change::Withdraw(_) => {
            if same.any(|grant| grant.state != GrantState::Held) {
                Probe::Absent
            } else if covered {
                Probe::Holds(Receipt::new())
            } else {
                gap()
            }
        }
        _ => {
            // A revoke takes the direct grant; what comes from elsewhere stays and is told.
            let (direct, other): (Vec<_>, Vec<_>) = same.cloned().partition(|grant| grant.source == Source::Direct);
            if !direct.is_empty() {
                Probe::Absent
            } else if covered {
                Probe::Holds(other.into_iter().fold(Receipt::new(), Receipt::still))
            } else {
                gap()
            }
        }
    }
}
