//! An adapter that breaks one promise, and keeps all others.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use provisionr_sdk::*;
use provisionr_testkit::{MemoryAdapter, World};

/// A serde type that asks for more than its kind declares.
#[derive(serde::Serialize, serde::Deserialize)]
struct NeedsMore {
    target: String,
    more: String,
}

/// Handed to the adapter, to be shown by the one that tells it.
pub(crate) const SECRET: &str = "s3cret-of-the-wiki";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breakage {
    DescriptorChanges,
    DescriptorContradictsItself,
    AbilityNotDeclared,
    UndeclaredChangesSucceed,
    CheckInventsAbilities,
    KnownIdIsIgnored,
    OnlyTheFirstKey,
    SeveralBecomeTheFirst,
    BlindBecomesNone,
    SuspendedNotFound,
    DeactivatedNotFound,
    InvitedNotFound,
    ErrorsBecomeNone,
    AccountMadeTwice,
    AccountNotAdopted,
    ProfileForgotten,
    UpdateClearsTheRest,
    RepeatIsAnError,
    RepeatIsApplied,
    SecondRow,
    SecondMail,
    SuspensionRevokes,
    SessionsStay,
    OwnerNotNamed,
    RoleNotChanged,
    ValueNotChanged,
    InheritedIsMadeDirect,
    InheritedIsAlwaysEnough,
    InheritedIsRevoked,
    StillEffectiveNotShown,
    ExpectIgnored,
    HiddenCountsAsGone,
    RevokesFromEverybody,
    UnknownCalledNone,
    NoneCalledUnknown,
    RefusalHasAnEffect,
    ReceiptTellsAnother,
    SuspendedGranted,
    ProbeWrites,
    ProbeAlwaysHolds,
    ProbeAlwaysAbsent,
    ObservationOfErrorsIsEmpty,
    HiddenIsCovered,
    NothingIsCovered,
    OnlyDirectObserved,
    ScopeIgnored,
    InvitationCalledHeld,
    BindsWhatIsBound,
    NamesInAnyOrder,
    NothingIsNear,
    FirstOfSeveral,
    ListStopsAfterAPage,
    ListRepeatsAnItem,
    ListErrorEndsIt,
    StaleCursorStartsAgain,
    RetriesInside,
    PauseNotTold,
    ThrottlingCalledUnavailable,
    CredentialCalledForbidden,
    ForbiddenCalledRefused,
    LateCalledUnavailable,
    UnreachableLeavesItOpen,
    WritesWithoutPermit,
    WritesAsRead,
    PermitErrorReworded,
    SecretInDebug,
    SecretInErrors,
    BatchForgetsOne,
    InFlightForever,
    WithdrawTakesWhatIsHeld,
    HostileIdsAreCleaned,
    KindCannotReadItsLines,
    KeysForgottenAfterAnId,
    NobodyIsAnError,
    UnknownKeysArePassedOver,
    OnlyTheFirstLogin,
    StateNotChanged,
    SecondOfOneAllowed,
    RevokeForgetsWhat,
    GoneCalledRefused,
    HiddenResolves,
    KeyOfAnother,
    CallsMadeLight,
}

use Breakage as B;

pub(crate) struct Broken {
    inner: MemoryAdapter,
    descriptor: Descriptor,
    changed: Descriptor,
    asked: AtomicBool,
    in_flight: Mutex<BTreeSet<IdempotencyKey>>,
    how: Breakage,
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.how == B::SecretInDebug { SECRET } else { "…" };
        f.debug_struct("Broken").field("token", &secret).finish_non_exhaustive()
    }
}

impl Broken {
    pub(crate) fn new(inner: MemoryAdapter, how: Breakage) -> Self {
        let descriptor = inner.descriptor().clone();
        let descriptor = match how {
            B::DescriptorContradictsItself => descriptor.lane(Lane::new("reads")),
            B::KindCannotReadItsLines => descriptor.kind(Kind::per_target::<NeedsMore>("join_group").doc("Member of a group")),
            B::AbilityNotDeclared => descriptor.cannot(&Ability::EndSessions),
            _ => descriptor,
        };
        let changed = descriptor.clone().timeout(std::time::Duration::from_secs(1));
        Self { inner, descriptor, changed, asked: AtomicBool::new(false), in_flight: Mutex::default(), how }
    }

    fn world(&self) -> &World {
        self.inner.world()
    }

    /// The context handed on: with or without its permits.
    fn hand_on(&self, cx: &CallContext) -> CallContext {
        struct Bent(CallContext, Breakage);
        #[async_trait]
        impl CallGate for Bent {
            async fn permit(&self, call: &Call) -> Result<Permit> {
                match self.1 {
                    B::WritesWithoutPermit if call.access == Access::Write => return Ok(Permit::free()),
                    B::WritesAsRead => return self.0.permit(&Call { access: Access::Read, ..call.clone() }).await,
                    // A second request on the side, of which nothing is declared.
                    B::CallsMadeLight => drop(self.0.permit(call).await?),
                    B::PermitErrorReworded => return self.0.permit(call).await.map_err(|_| AdapterError::unavailable("no room")),
                    _ => {}
                }
                self.0.permit(call).await
            }
            fn heard(&self, lane: &LaneId, reading: LaneReading) {
                if self.1 != B::PauseNotTold {
                    self.0.heard(lane, reading);
                }
            }
            fn now(&self) -> Timestamp {
                self.0.now()
            }
        }
        CallContext::new(Arc::new(Bent(cx.clone(), self.how)))
    }

    fn bend(&self, error: AdapterError) -> AdapterError {
        let message = error.message().to_owned();
        match (self.how, error.kind()) {
            (B::UnknownCalledNone, _) if error.effect() == Effect::Unknown => AdapterError::new(error.kind().clone(), error.hint(), message),
            (B::NoneCalledUnknown, _) => error.effect_unknown(),
            (B::OwnerNotNamed, ErrorKind::OwnedElsewhere) => AdapterError::owned_elsewhere("somebody else owns it"),
            (B::ThrottlingCalledUnavailable, ErrorKind::RateLimited(_)) => AdapterError::unavailable(message),
            (B::CredentialCalledForbidden, ErrorKind::Unauthenticated) => AdapterError::permission_denied(message),
            (B::ForbiddenCalledRefused, ErrorKind::PermissionDenied) => AdapterError::refused(message),
            (B::LateCalledUnavailable, ErrorKind::TimedOut) => AdapterError::unavailable(message).effect_unknown(),
            (B::UnreachableLeavesItOpen, ErrorKind::Unavailable) => error.effect_unknown(),
            (B::SecretInErrors, ErrorKind::Unauthenticated) => error.with_source(format!("token {SECRET} was refused")),
            _ => error,
        }
    }

    fn holds(&self, account: &AccountId, wanted: &Entitlement) -> Vec<Grant> {
        let mut grants = self.world().grants_of(account);
        grants.retain(|grant| grant.entitlement.kind == wanted.kind && grant.entitlement.target == wanted.target);
        grants
    }

    /// What it does in the place of the right thing, where its breakage strikes.
    async fn instead(&self, cx: &CallContext, request: &Request) -> Option<Result<Outcome>> {
        let held = match (&request.account, request.change.entitlement()) {
            (Some(account), Some(wanted)) => self.holds(&account.id, wanted),
            _ => Vec::new(),
        };
        let direct = held.iter().any(|grant| grant.source == Source::Direct);
        let unchanged = || Some(Ok(Outcome::Unchanged(Receipt::new())));
        let account = request.account.clone();
        match (self.how, &request.change) {
            (B::UndeclaredChangesSucceed, Change::SetState(AccountState::Frozen)) => unchanged(),
            (B::AccountMadeTwice, Change::EnsureAccount(spec)) => {
                let id = format!("another-{}", self.world().accounts().len());
                self.world().seed_account(Account::new(id.as_str(), spec.state));
                None
            }
            (B::AccountNotAdopted, Change::EnsureAccount(_)) => {
                let found = self.inner.find_account(&CallContext::unlimited(), &request.who).await;
                matches!(found, Ok(Found::One(_))).then(|| Err(AdapterError::conflict("there is such an account")))
            }
            (B::ProfileForgotten, Change::EnsureAccount(spec)) => {
                let mut bare = request.clone();
                bare.change = Change::EnsureAccount(AccountSpec { profile: [].into(), ..spec.clone() });
                Some(self.inner.apply(cx, &bare).await)
            }
            (B::OnlyTheFirstLogin, Change::EnsureAccount(spec)) => {
                let mut first = request.clone();
                first.change = Change::EnsureAccount(AccountSpec { logins: spec.logins.iter().take(1).cloned().collect(), ..spec.clone() });
                Some(self.inner.apply(cx, &first).await)
            }
            (B::StateNotChanged, Change::SetState(_)) => Some(Ok(Outcome::Applied(Receipt::new()))),
            (B::SecondOfOneAllowed, Change::Grant(wanted)) if wanted.kind == "sit_at_desk" => {
                self.world().seed_grant(Grant::direct(account?.id, wanted.clone()));
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            (B::UpdateClearsTheRest, Change::UpdateAccount(_)) => {
                let mut account = self.world().account(&account?.id)?;
                account.profile.clear();
                self.world().seed_account(account);
                None
            }
            (B::SuspensionRevokes, Change::SetState(AccountState::Suspended)) => {
                for grant in self.world().grants_of(&account.as_ref()?.id) {
                    self.world().remove_grant(&grant.account, &grant.entitlement);
                }
                None
            }
            (B::SessionsStay, Change::EndSessions) => unchanged(),
            (B::RoleNotChanged, Change::Grant(wanted)) if wanted.role.is_some() && direct => unchanged(),
            (B::ValueNotChanged, Change::Grant(wanted)) if held.iter().any(|grant| grant.entitlement.role == wanted.role) && direct => unchanged(),
            (B::InheritedIsMadeDirect, Change::Grant(wanted)) if !direct && !held.is_empty() => {
                self.world().seed_grant(Grant::direct(account?.id, wanted.clone()));
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            (B::InheritedIsAlwaysEnough, Change::Grant(_)) if !direct && !held.is_empty() => unchanged(),
            (B::InheritedIsRevoked, Change::Revoke(wanted)) if !direct && !held.is_empty() => {
                self.world().remove_grant(&account?.id, wanted);
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            (B::RevokesFromEverybody, Change::Revoke(wanted)) => {
                for other in self.world().accounts() {
                    if Some(&other.id) != account.as_ref().map(|account| &account.id) {
                        self.world().remove_grant(&other.id, wanted);
                    }
                }
                None
            }
            (B::SuspendedGranted, Change::Grant(wanted)) if account.as_ref()?.state != AccountState::Active => {
                self.world().seed_grant(Grant::direct(account?.id, wanted.clone()));
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            (B::WithdrawTakesWhatIsHeld, Change::Withdraw(wanted)) if direct => {
                self.world().remove_grant(&account?.id, wanted);
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            (B::HostileIdsAreCleaned, Change::Grant(wanted)) if wanted.target.as_str().contains("..") => {
                let target = self.world().targets(&wanted.kind).into_iter().next()?;
                self.world().seed_grant(Grant::direct(account?.id, Entitlement { target: target.id, ..wanted.clone() }));
                Some(Ok(Outcome::Applied(Receipt::new())))
            }
            _ => None,
        }
    }

    fn after(&self, request: &Request, outcome: Result<Outcome>) -> Result<Outcome> {
        let account = request.account.as_ref();
        match (self.how, outcome, &request.change) {
            (B::RepeatIsAnError, Ok(Outcome::Unchanged(_)), _) => Err(AdapterError::conflict("it is so already")),
            (B::RepeatIsApplied, Ok(Outcome::Unchanged(receipt)), _) => Ok(Outcome::Applied(receipt.before_absent())),
            (B::SecondRow, Ok(Outcome::Unchanged(receipt)), Change::Grant(wanted)) => {
                if let Some(account) = account {
                    self.world().seed_grant(Grant::direct(account.id.clone(), wanted.clone()));
                }
                Ok(Outcome::Unchanged(receipt))
            }
            (B::SecondMail, Ok(Outcome::Unchanged(receipt)), Change::EnsureAccount(_)) => {
                self.world().send_mail();
                Ok(Outcome::Unchanged(receipt))
            }
            (B::StillEffectiveNotShown, Ok(Outcome::Unchanged(mut receipt) | Outcome::Applied(mut receipt)), Change::Revoke(_)) => {
                receipt.still_effective.clear();
                Ok(Outcome::Unchanged(receipt))
            }
            (B::HiddenCountsAsGone, Err(error), Change::Revoke(_)) if matches!(error.kind(), ErrorKind::NotFound(_)) => Ok(Outcome::Unchanged(Receipt::new())),
            (B::RefusalHasAnEffect, Err(error), Change::Grant(wanted)) if *error.kind() == ErrorKind::Refused => {
                if let Some(account) = account {
                    self.world().seed_grant(Grant::direct(account.id.clone(), wanted.clone()));
                }
                Err(error)
            }
            (B::RevokeForgetsWhat, Ok(Outcome::Applied(receipt)), Change::Revoke(_)) => Ok(Outcome::Applied(receipt.before_absent())),
            (B::GoneCalledRefused, Err(error), _) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(AdapterError::refused("no")),
            (B::ReceiptTellsAnother, Ok(Outcome::Applied(receipt)), Change::Grant(wanted)) => {
                let other = Entitlement { target: "another".into(), ..wanted.clone() };
                Ok(Outcome::Applied(receipt.with_grant(Grant::direct("somebody", other))))
            }
            (_, outcome, _) => outcome.map_err(|error| self.bend(error)),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Adapter for Broken {
    fn descriptor(&self) -> &Descriptor {
        if self.how == B::DescriptorChanges && self.asked.load(Ordering::Relaxed) { &self.changed } else { &self.descriptor }
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.asked.store(true, Ordering::Relaxed);
        let cx = &self.hand_on(cx);
        let mut who = who.clone();
        match self.how {
            B::KnownIdIsIgnored if !who.keys.is_empty() => who.known = None,
            B::OnlyTheFirstKey => who.keys.truncate(1),
            B::KeysForgottenAfterAnId if who.known.is_some() => who.keys.clear(),
            B::UnknownKeysArePassedOver => who.keys.retain(|key| key.name != "no_such_key"),
            B::KeyOfAnother => who.keys.retain(|key| key.name != "email"),
            _ => {}
        }
        let mut found = self.inner.find_account(cx, &who).await;
        if self.how == B::RetriesInside && found.is_err() {
            found = self.inner.find_account(cx, &who).await;
        }
        let lost = |state| match self.how {
            B::SuspendedNotFound => state == AccountState::Suspended,
            B::DeactivatedNotFound => state == AccountState::Deactivated,
            B::InvitedNotFound => state == AccountState::Invited,
            _ => false,
        };
        match found {
            Ok(Found::One(mut account)) if self.how == B::OwnerNotNamed => {
                account.managed_by = None;
                Ok(Found::One(account))
            }
            Ok(Found::One(account)) if lost(account.state) => Ok(Found::None),
            Ok(Found::Several(mut accounts)) if self.how == B::SeveralBecomeTheFirst => Ok(Found::One(accounts.remove(0))),
            Ok(Found::CannotTell(_)) if self.how == B::BlindBecomesNone => Ok(Found::None),
            Ok(Found::None) if self.how == B::NobodyIsAnError => Err(AdapterError::account_not_found("nobody")),
            Err(_) if self.how == B::ErrorsBecomeNone => Ok(Found::None),
            found => found.map_err(|error| self.bend(error)),
        }
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let scope = if self.how == B::ScopeIgnored { &Scope::All } else { scope };
        let mut seen = match self.inner.observe(&self.hand_on(cx), account, scope).await {
            Err(_) if self.how == B::ObservationOfErrorsIsEmpty => {
                let coverage = Coverage::none().kind("join_group").kind("join_project").kind("sit_at_desk");
                return Ok(Observation::new(account.clone(), Vec::new(), coverage));
            }
            seen => seen.map_err(|error| self.bend(error))?,
        };
        match self.how {
            B::HiddenIsCovered => seen.coverage = Coverage::none().kind("join_group").kind("join_project").kind("sit_at_desk"),
            B::NothingIsCovered => seen.coverage = Coverage::none(),
            B::OnlyDirectObserved => seen.grants.retain(|grant| grant.source == Source::Direct),
            B::InvitationCalledHeld => seen.grants.iter_mut().for_each(|grant| grant.state = GrantState::Held),
            _ => {}
        }
        Ok(seen)
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        let cx = &self.hand_on(cx);
        let mut request = request.clone();
        if self.how == B::ExpectIgnored {
            request.expect = Expect::Anything;
        }
        if let Some(outcome) = self.instead(cx, &request).await {
            return outcome;
        }
        if self.how == B::InFlightForever && !self.in_flight.lock().unwrap().insert(request.key.clone()) {
            return Ok(Outcome::Unchanged(Receipt::new()));
        }
        let mut outcome = self.inner.apply(cx, &request).await;
        self.in_flight.lock().unwrap().remove(&request.key);
        if self.how == B::RetriesInside && outcome.is_err() {
            outcome = self.inner.apply(cx, &request).await;
        }
        self.after(&request, outcome)
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let check = self.inner.check(&self.hand_on(cx)).await.map_err(|error| self.bend(error))?;
        Ok(if self.how == B::CheckInventsAbilities { check.lacks(Ability::ListTargets("nothing".into()), "no scope") } else { check })
    }

    async fn bind(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        let mut bound = self.inner.bind(&self.hand_on(cx), entitlements).await?;
        if self.how == B::BindsWhatIsBound {
            for one in &mut bound {
                if let Bound::One(entitlement) = one {
                    entitlement.target = format!("id-of-{}", entitlement.target).into();
                }
            }
        }
        Ok(bound)
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let mut resolved = self.inner.resolve(&self.hand_on(cx), kind, names).await.map_err(|error| self.bend(error))?;
        if self.how == B::NamesInAnyOrder {
            resolved.sort_by(|one, other| one.name.cmp(&other.name));
        }
        for one in &mut resolved {
            match (&mut one.resolution, self.how) {
                (Resolution::None(near), B::NothingIsNear) => near.clear(),
                (Resolution::Several(targets), B::FirstOfSeveral) => one.resolution = Resolution::One(targets.remove(0)),
                (Resolution::One(target), B::OwnerNotNamed) => target.owner = None,
                (Resolution::None(_), B::HiddenResolves) => one.resolution = Resolution::One(Target::new("t-0", one.name.clone())),
                _ => {}
            }
        }
        Ok(resolved)
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match self.how {
            B::ProbeWrites => {
                self.inner.apply(cx, request).await?;
                Ok(Probe::Holds(Receipt::new()))
            }
            B::ProbeAlwaysHolds => Ok(Probe::Holds(Receipt::new())),
            B::ProbeAlwaysAbsent => Ok(Probe::Absent),
            _ => probe_by_looking(self, cx, request).await,
        }
    }

    async fn apply_batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        let mut outcomes = self.inner.apply_batch(&self.hand_on(cx), requests).await.map_err(|error| self.bend(error))?;
        if self.how == B::BatchForgetsOne {
            outcomes.pop_last();
        }
        Ok(outcomes)
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let listed = self.inner.list_accounts(&self.hand_on(cx), page).await;
        let mut listed = match (self.how, listed) {
            (B::ListErrorEndsIt, Err(_)) => Page::last(Vec::new()),
            (B::StaleCursorStartsAgain, Err(_)) => self.inner.list_accounts(cx, &PageRequest::first()).await?,
            (_, listed) => listed.map_err(|error| self.bend(error))?,
        };
        match self.how {
            B::ListStopsAfterAPage => listed.next = None,
            B::ListRepeatsAnItem => listed.items.extend(listed.items.first().cloned()),
            _ => {}
        }
        Ok(listed)
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        let mut listed = self.inner.list_targets(&self.hand_on(cx), kind, page).await.map_err(|error| self.bend(error))?;
        if self.how == B::ListStopsAfterAPage {
            listed.next = None;
        }
        Ok(listed)
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let mut listed = self.inner.list_grants(&self.hand_on(cx), scope, page).await.map_err(|error| self.bend(error))?;
        if self.how == B::ListStopsAfterAPage {
            listed.next = None;
        }
        Ok(listed)
    }
}
