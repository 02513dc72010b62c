//! What one configured system is and can do: data, without I/O.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::account::AccountState;
use crate::facts::{Calls, ChangeFacts, Undo};
use crate::id::{KindName, LaneId, SystemName, SystemType};
use crate::kind::Kind;
use crate::kinds::Kinds;
use crate::lane::Lane;

/// Something an adapter may be able to do, and a credential may be allowed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ability {
    /// Make accounts.
    CreateAccount,
    /// Change their attributes.
    UpdateAccount,
    /// Move them between states.
    SetState,
    /// End their sessions.
    EndSessions,
    /// Grant and revoke a kind.
    Manage(KindName),
    /// See who holds a kind.
    Observe(KindName),
    /// List all accounts.
    ListAccounts,
    /// List all targets of a kind.
    ListTargets(KindName),
    /// List all grants of a kind.
    ListGrants(KindName),
    /// Take back open invitations.
    Withdraw,
}

impl fmt::Display for Ability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAccount => f.write_str("create accounts"),
            Self::UpdateAccount => f.write_str("update accounts"),
            Self::SetState => f.write_str("change the state of accounts"),
            Self::EndSessions => f.write_str("end sessions"),
            Self::Manage(kind) => write!(f, "grant and revoke `{kind}`"),
            Self::Observe(kind) => write!(f, "see who holds `{kind}`"),
            Self::ListAccounts => f.write_str("list accounts"),
            Self::ListTargets(kind) => write!(f, "list the targets of `{kind}`"),
            Self::ListGrants(kind) => write!(f, "list the grants of `{kind}`"),
            Self::Withdraw => f.write_str("withdraw invitations"),
        }
    }
}

/// Whether a search by a key sees every account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// It does, at once: "none" means none.
    Exact,
    /// It goes through an index that lags: "none" means little.
    Indexed,
    /// Some accounts are hidden from it.
    Partial,
}

/// A key accounts can be found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyFacts {
    /// Its name: `login`, `email`, `external_id`.
    pub name: &'static str,
    /// Whether a search by it sees every account.
    pub search: Search,
}

/// A profile attribute of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Attribute {
    /// Its name, in the vendor's words.
    pub name: &'static str,
    /// The subject's attribute it is filled from unless the host maps another.
    pub from: Option<&'static str>,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether no account can be made without it.
    pub required: bool,
    /// Whether no two accounts can share a value.
    pub unique: bool,
    /// Whether the vendor writes to the person when it changes.
    pub mails: bool,
}

impl Attribute {
    /// A writable attribute.
    pub const fn new(name: &'static str) -> Self {
        Self { name, from: None, writable: true, required: false, unique: false, mails: false }
    }

    /// Filled from this attribute of the subject, unless the host maps another.
    #[must_use]
    pub const fn from(mut self, attribute: &'static str) -> Self {
        self.from = Some(attribute);
        self
    }

    /// No account without it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// No two accounts share a value.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The vendor writes to the person when it changes.
    #[must_use]
    pub const fn mails(mut self) -> Self {
        self.mails = true;
        self
    }

    /// It can be read and not written.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }
}

/// A transition between account states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// From any of these.
    pub from: Vec<AccountState>,
    /// To this.
    pub to: AccountState,
    /// What is lost by it.
    pub destroys: Vec<&'static str>,
    /// What is free for others afterwards: a seat, a login.
    pub frees: Vec<&'static str>,
    /// Whether it can be taken back.
    pub undo: Undo,
}

impl Transition {
    /// A transition that loses nothing and can be taken back.
    pub fn new(from: impl IntoIterator<Item = AccountState>, to: AccountState) -> Self {
        Self { from: from.into_iter().collect(), to, destroys: Vec::new(), frees: Vec::new(), undo: Undo::Inverse }
    }

    /// Names something that is lost.
    #[must_use]
    pub fn destroys(mut self, what: &'static str) -> Self {
        self.destroys.push(what);
        self
    }

    /// Names something that is free afterwards.
    #[must_use]
    pub fn frees(mut self, what: &'static str) -> Self {
        self.frees.push(what);
        self
    }

    /// No call brings it back.
    #[must_use]
    pub fn irreversible(mut self) -> Self {
        self.undo = Undo::Never;
        self
    }
}

/// How a person is kept out at once, with everything kept for a return.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suspension {
    /// By this state.
    State(AccountState),
    /// There is none: revoking everything stands in for it.
    RevokeAll,
    /// There is none, and nothing stands in for it: who has an account can come in, even when all that it holds is
    /// revoked. A leaver's plan says so, or asks somebody to switch the account off by hand.
    None,
}

/// What is known of accounts in a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccountFacts {
    /// What they are found by, best first.
    pub keys: Vec<KeyFacts>,
    /// Their profile attributes.
    pub attributes: Vec<Attribute>,
    /// Which states lead to which.
    pub transitions: Vec<Transition>,
    /// How a person is kept out at once.
    pub suspension: Suspension,
    /// What is known of making one; none where no call does.
    pub create: Option<ChangeFacts>,
    /// What is known of changing attributes.
    pub update: ChangeFacts,
    /// What is known of changing states.
    pub set_state: ChangeFacts,
    /// What is known of ending sessions.
    pub end_sessions: ChangeFacts,
    /// The calls that find an account whose id is known, lane by lane; where none are given a forecast counts one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub find: Vec<Calls>,
    /// What the credential has to be allowed for all of this, in the vendor's words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<&'static str>,
}

impl Default for AccountFacts {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            attributes: Vec::new(),
            transitions: Vec::new(),
            suspension: Suspension::None,
            create: None,
            update: ChangeFacts::set(),
            set_state: ChangeFacts::set(),
            end_sessions: ChangeFacts::set(),
            find: Vec::new(),
            scopes: Vec::new(),
        }
    }
}

impl AccountFacts {
    /// Accounts that exist, and that this adapter neither makes nor changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what the credential has to be allowed, in the vendor's words.
    #[must_use]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.scopes.push(scope);
        self
    }

    /// Adds a key they are found by.
    #[must_use]
    pub fn found_by(mut self, name: &'static str, search: Search) -> Self {
        self.keys.push(KeyFacts { name, search });
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// Adds a transition.
    #[must_use]
    pub fn transition(mut self, transition: Transition) -> Self {
        self.transitions.push(transition);
        self
    }

    /// A person is kept out at once by this state; it follows on active, active follows on it, and nothing is lost.
    #[must_use]
    pub fn suspended_by(self, state: AccountState) -> Self {
        let (there, back) = (Transition::new([AccountState::Active], state), Transition::new([state], AccountState::Active));
        self.suspension(Suspension::State(state)).transition(there).transition(back)
    }

    /// How a person is kept out at once.
    #[must_use]
    pub fn suspension(mut self, suspension: Suspension) -> Self {
        self.suspension = suspension;
        self
    }

    /// The adapter makes accounts.
    #[must_use]
    pub fn created(mut self, facts: ChangeFacts) -> Self {
        self.create = Some(facts);
        self
    }

    /// What is known of changing attributes.
    #[must_use]
    pub fn updated(mut self, facts: ChangeFacts) -> Self {
        self.update = facts;
        self
    }

    /// What is known of changing states.
    #[must_use]
    pub fn moved(mut self, facts: ChangeFacts) -> Self {
        self.set_state = facts;
        self
    }

    /// What is known of ending sessions.
    #[must_use]
    pub fn logged_out(mut self, facts: ChangeFacts) -> Self {
        self.end_sessions = facts;
        self
    }

    /// Finding an account whose id is known takes so many calls of a lane.
    #[must_use]
    pub fn found_with(mut self, lane: impl Into<LaneId>, count: u32) -> Self {
        self.find.push(Calls { lane: lane.into(), count });
        self
    }

    /// The transition between two states.
    pub fn transition_between(&self, from: AccountState, to: AccountState) -> Option<&Transition> {
        self.transitions.iter().find(|transition| transition.to == to && transition.from.contains(&from))
    }
}

/// Facts about one configured system. Constant for the life of the adapter.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Descriptor {
    /// What the host calls it.
    pub system: SystemName,
    /// What kind of system it is.
    pub system_type: SystemType,
    /// What accounts are here.
    pub accounts: AccountFacts,
    /// What an account can hold here.
    pub kinds: Kinds,
    /// The vendor's rate limits. An adapter that declares lanes asks `CallContext::permit` before each request
    /// (the HTTP kit does it), and the intent of a change becomes durable at its first write; for an adapter
    /// without lanes it becomes durable before `apply` is called.
    pub lanes: Vec<Lane>,
    /// What the adapter can do beside finding accounts and looking at them.
    pub abilities: BTreeSet<Ability>,
    /// How long one attempt may take in all before it counts as cut off. 30 seconds unless set.
    pub timeout: Duration,
    /// How long after a request was cut off its effect may still come. 30 seconds unless set.
    pub late_effect: Duration,
}

impl Descriptor {
    /// A system with nothing declared yet.
    pub fn new(system: impl Into<SystemName>, system_type: impl Into<SystemType>) -> Self {
        Self {
            system: system.into(),
            system_type: system_type.into(),
            accounts: AccountFacts::new(),
            kinds: Kinds::default(),
            lanes: Vec::new(),
            abilities: BTreeSet::new(),
            timeout: Duration::from_secs(30),
            late_effect: Duration::from_secs(30),
        }
    }

    /// What accounts are here; abilities follow: creating where there are facts about it, updating where an
    /// attribute can be written, changing states where there are transitions.
    #[must_use]
    pub fn accounts(mut self, facts: AccountFacts) -> Self {
        for (there, ability) in [
            (facts.create.is_some(), Ability::CreateAccount),
            (facts.attributes.iter().any(|attribute| attribute.writable), Ability::UpdateAccount),
            (!facts.transitions.is_empty(), Ability::SetState),
        ] {
            if there {
                self.abilities.insert(ability);
            }
        }
        self.accounts = facts;
        self
    }

    /// Adds a kind that the adapter can manage and observe.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.abilities.insert(Ability::Manage(kind.name.clone()));
        self.abilities.insert(Ability::Observe(kind.name.clone()));
        self.kinds = Kinds::new(self.kinds.iter().cloned().chain([kind]));
        self
    }

    /// Adds a lane.
    #[must_use]
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lanes.push(lane);
        self
    }

    /// Adds an ability.
    #[must_use]
    pub fn can(mut self, ability: Ability) -> Self {
        self.abilities.insert(ability);
        self
    }

    /// Takes an ability away.
    #[must_use]
    pub fn cannot(mut self, ability: &Ability) -> Self {
        self.abilities.remove(ability);
        self
    }

    /// How long one attempt may take in all.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long after a cut its effect may still come.
    #[must_use]
    pub fn late_effect(mut self, late_effect: Duration) -> Self {
        self.late_effect = late_effect;
        self
    }

    /// Whether the adapter can do something.
    pub fn has(&self, ability: &Ability) -> bool {
        self.abilities.contains(ability)
    }
}
