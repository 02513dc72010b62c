//! What came of an attempt, a look, a search.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::account::Account;
use crate::descriptor::Ability;
use crate::entitlement::{Entitlement, Grant, Target};
use crate::error::Result;
use crate::id::{AccountId, EventKey, IdempotencyKey, KindName, TargetId, TargetName, Ticket, VendorRequestId};
use crate::kinds::suggestion;

/// What was there before a change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Before {
    /// Nothing of the kind.
    Absent,
    /// This grant.
    Grant(Grant),
    /// This account.
    Account(Account),
    /// The vendor did not say, and nobody looked.
    #[default]
    NotSeen,
}

/// What a change did, as far as the vendor showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Receipt {
    /// What was there before.
    #[serde(default)]
    pub before: Before,
    /// The grant that is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
    /// The account as it is now, where the change was about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// What else the vendor changed along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_changed: Vec<String>,
    /// What stays in force although it was taken away: an inherited role beneath a direct one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub still_effective: Vec<Grant>,
    /// The vendor's id of the request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<VendorRequestId>,
}

impl Receipt {
    /// A receipt that says nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing of the kind was there.
    #[must_use]
    pub fn before_absent(mut self) -> Self {
        self.before = Before::Absent;
        self
    }

    /// This grant was there.
    #[must_use]
    pub fn before_grant(mut self, grant: Grant) -> Self {
        self.before = Before::Grant(grant);
        self
    }

    /// This account was there.
    #[must_use]
    pub fn before_account(mut self, account: Account) -> Self {
        self.before = Before::Account(account);
        self
    }

    /// This grant is there now.
    #[must_use]
    pub fn with_grant(mut self, grant: Grant) -> Self {
        self.grant = Some(grant);
        self
    }

    /// The account as it is now.
    #[must_use]
    pub fn with_account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// The vendor changed this along with it.
    #[must_use]
    pub fn and_changed(mut self, what: impl Into<String>) -> Self {
        self.also_changed.push(what.into());
        self
    }

    /// This stays in force all the same.
    #[must_use]
    pub fn still(mut self, grant: Grant) -> Self {
        self.still_effective.push(grant);
        self
    }

    /// The vendor's id of the request that did it.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<VendorRequestId>) -> Self {
        self.request_id = id;
        self
    }
}

/// What came of an attempt that is no error.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// It holds now, and this made it so.
    Applied(Receipt),
    /// It held already; nothing was changed.
    Unchanged(Receipt),
    /// It was accepted, and holds only after something outside has happened.
    Waiting(Wait, Receipt),
}

/// What a parked operation waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitReason {
    /// The account is made by another party.
    AccountAppears,
    /// The person has to log in for the first time.
    FirstLogin,
    /// The person has to accept an invitation.
    InvitationSent,
    /// The vendor is working on it.
    VendorJob,
    /// It is done, and does not show yet.
    Propagating,
    /// Somebody has to agree.
    Approval,
    /// Somebody has to do it by hand.
    ManualStep,
    /// A time has to come.
    Until,
}

/// An operation parked on something outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Wait {
    /// What for.
    pub reason: WaitReason,
    /// The vendor's handle, handed back when it is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// How long until a look is worth a call; whoever moves runs stretches it for long waits.
    pub look_after: Duration,
    /// The outside event that makes a look worthwhile at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventKey>,
    /// How long it may take before a person hears of it; none for as long as it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<Duration>,
}

impl Wait {
    /// A wait to be looked at after `look_after`.
    pub fn new(reason: WaitReason, look_after: Duration) -> Self {
        Self { reason, ticket: None, look_after, event: None, patience: None }
    }

    /// Sets the vendor's handle.
    #[must_use]
    pub fn with_ticket(mut self, ticket: impl Into<Ticket>) -> Self {
        self.ticket = Some(ticket.into());
        self
    }

    /// Sets the outside event.
    #[must_use]
    pub fn on_event(mut self, event: impl Into<EventKey>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }
}

/// A look at whether a change holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Probe {
    /// It holds.
    Holds(Receipt),
    /// It does not hold, and the look could have seen it.
    Absent,
    /// It does not hold, and what was under way to make it so has failed; the vendor's reason, for people.
    Failed(String),
    /// The vendor, or a person, is still at it.
    Pending(Wait),
    /// The look cannot tell; why.
    Unclear(String),
}

/// What a joint call did, by the key of each request. What is not in it is unknown, never failed.
pub type BatchOutcome = BTreeMap<IdempotencyKey, Result<Outcome>>;

/// Which grants of an account are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scope {
    /// Whether it holds these.
    Only(Vec<Entitlement>),
    /// All of these kinds.
    Kinds(Vec<KindName>),
    /// All there is.
    All,
}

impl Scope {
    /// Whether grants of a kind are asked for.
    pub fn wants_kind(&self, kind: &str) -> bool {
        match self {
            Self::Only(entitlements) => entitlements.iter().any(|entitlement| entitlement.kind == *kind),
            Self::Kinds(kinds) => kinds.iter().any(|wanted| wanted == kind),
            Self::All => true,
        }
    }

    /// Whether this is asked for: its kind and, where targets are asked for one by one, its target.
    pub fn wants(&self, entitlement: &Entitlement) -> bool {
        match self {
            Self::Only(wanted) => wanted.iter().any(|wanted| wanted.kind == entitlement.kind && wanted.target == entitlement.target),
            _ => self.wants_kind(entitlement.kind.as_str()),
        }
    }

    /// The targets of a kind that are asked for one by one; none when all of them are.
    pub fn targets(&self, kind: &str) -> Option<BTreeSet<TargetId>> {
        match self {
            Self::Only(entitlements) => {
                Some(entitlements.iter().filter(|entitlement| entitlement.kind == *kind).map(|entitlement| entitlement.target.clone()).collect())
            }
            _ => None,
        }
    }
}

/// How much an observation could see. Unseen is not absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    kinds: BTreeSet<KindName>,
    targets: BTreeSet<(KindName, TargetId)>,
    unseen: BTreeMap<(KindName, Option<TargetId>), String>,
}

impl Coverage {
    /// Nothing was seen.
    pub fn none() -> Self {
        Self::default()
    }

    /// All grants of this kind were seen.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<KindName>) -> Self {
        self.kinds.insert(kind.into());
        self
    }

    /// Whether this target is held was seen.
    #[must_use]
    pub fn target(mut self, kind: impl Into<KindName>, target: impl Into<TargetId>) -> Self {
        self.targets.insert((kind.into(), target.into()));
        self
    }

    /// A kind, or one of its targets, could not be seen; why.
    #[must_use]
    pub fn unseen(mut self, kind: impl Into<KindName>, target: Option<TargetId>, why: impl Into<String>) -> Self {
        self.unseen.insert((kind.into(), target), why.into());
        self
    }

    /// Whether it follows from silence that this target is not held.
    pub fn covers(&self, kind: &KindName, target: &TargetId) -> bool {
        let pair = (kind.clone(), Some(target.clone()));
        !self.unseen.contains_key(&pair)
            && (self.targets.contains(&(kind.clone(), target.clone())) || (self.kinds.contains(kind) && !self.unseen.contains_key(&(kind.clone(), None))))
    }

    /// Whether all grants of a kind were seen.
    pub fn covers_kind(&self, kind: &KindName) -> bool {
        self.kinds.contains(kind) && !self.unseen.keys().any(|(unseen, _)| unseen == kind)
    }

    /// What could not be seen, and why.
    pub fn gaps(&self) -> impl Iterator<Item = (&KindName, Option<&TargetId>, &str)> {
        self.unseen.iter().map(|((kind, target), why)| (kind, target.as_ref(), why.as_str()))
    }
}

/// What an account holds, as far as it was asked for and could be seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The account as it is now.
    pub account: Account,
    /// What it holds; of one entitlement there may be several grants, from several sources.
    pub grants: Vec<Grant>,
    /// How much of it could be seen.
    pub coverage: Coverage,
}

impl Observation {
    /// An observation.
    pub fn new(account: Account, grants: Vec<Grant>, coverage: Coverage) -> Self {
        Self { account, grants, coverage }
    }
}

/// What a name of a policy stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resolution {
    /// This target.
    One(Target),
    /// There is none; these names are near.
    None(Vec<TargetName>),
    /// More than one has the name.
    Several(Vec<Target>),
    /// It may be there, and the credential cannot see it; why.
    Hidden(String),
}

/// A name, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name asked for.
    pub name: TargetName,
    /// What it stands for.
    pub resolution: Resolution,
}

/// Seats of a licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    /// The licence.
    pub pool: String,
    /// How many there are; none for without limit.
    pub total: Option<u32>,
    /// How many are taken.
    pub taken: u32,
}

/// What an entitlement whose target is resolved means, once all its other names are resolved too.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bound {
    /// This, in the vendor's own ids.
    One(Entitlement),
    /// Nothing the vendor has, or it cannot be told; why, in words that name what is near.
    None(String),
}

impl Resolved {
    /// Looks names up among all targets that can be seen, for [`Adapter::resolve`](crate::Adapter::resolve): one answer
    /// for each name, in their order, with the nearest name where there is none.
    pub fn among(names: &[TargetName], targets: &[Target]) -> Vec<Self> {
        let resolve = |name: &TargetName| {
            let mut same = targets.iter().filter(|target| target.name == *name).cloned();
            let resolution = match (same.next(), same.next()) {
                (None, _) => {
                    let near = suggestion(name.as_str(), targets.iter().map(|target| target.name.as_str()));
                    Resolution::None(near.map(TargetName::from).into_iter().collect())
                }
                (Some(only), None) => Resolution::One(only),
                (Some(one), Some(other)) => Resolution::Several([one, other].into_iter().chain(same).collect()),
            };
            Self { name: name.clone(), resolution }
        };
        names.iter().map(resolve).collect()
    }
}

/// What the credential turned out to be able to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The credential's own accounts: never to be changed.
    pub own_accounts: Vec<AccountId>,
    /// Abilities of the descriptor that it lacks, and why (a missing scope, a missing plan).
    pub lacking: BTreeMap<Ability, String>,
    /// Licences, where the vendor counts them.
    pub seats: Vec<Seats>,
}

impl Check {
    /// Nothing is known, nothing is lacking.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an own account.
    #[must_use]
    pub fn own(mut self, account: impl Into<AccountId>) -> Self {
        self.own_accounts.push(account.into());
        self
    }

    /// The credential lacks an ability.
    #[must_use]
    pub fn lacks(mut self, ability: Ability, why: impl Into<String>) -> Self {
        self.lacking.insert(ability, why.into());
        self
    }

    /// The credential lacks these abilities, all for one reason; where there is none it has them.
    #[must_use]
    pub fn lacks_all(mut self, abilities: impl IntoIterator<Item = Ability>, why: impl Into<Option<String>>) -> Self {
        if let Some(why) = why.into() {
            self.lacking.extend(abilities.into_iter().map(|ability| (ability, why.clone())));
        }
        self
    }

    /// Adds seats.
    #[must_use]
    pub fn seats(mut self, pool: impl Into<String>, total: Option<u32>, taken: u32) -> Self {
        self.seats.push(Seats { pool: pool.into(), total, taken });
        self
    }
}
