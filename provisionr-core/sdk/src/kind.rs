//! Kinds of entitlement: declared once, as data plus a serde type.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::entitlement::{Entitlement, GrantKey, typed};
use crate::facts::ChangeFacts;
use crate::id::{KindName, RoleName, TargetName};
use crate::level::Level;

/// Whether something identifies a grant or is a value of it that can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Two grants that differ here are two grants.
    Key,
    /// The same grant with another value.
    Value,
}

/// A role of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    /// Its name, in the vendor's words.
    pub name: RoleName,
    /// Where it stands on the common scale, if it is on it.
    pub level: Option<Level>,
}

/// Which roles a kind has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Roles {
    /// None: holding it is all there is.
    None,
    /// These and no others, lowest first.
    Closed(Vec<Role>),
    /// Whatever the tenant has (Jira's project roles, Salesforce's profiles).
    Open,
}

/// What sort of value a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ParamType {
    /// Any text.
    Text,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
}

/// A parameter of a kind beside target and role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Param {
    /// Its name in policy lines.
    pub name: &'static str,
    /// What it takes.
    pub takes: ParamType,
    /// Whether a policy line must give it.
    pub required: bool,
    /// Whether it identifies the grant.
    pub part: Part,
    /// Whether it is the day the grant ends by itself.
    pub ends: bool,
    /// One line for people who write policies.
    pub doc: &'static str,
}

impl Param {
    const fn new(name: &'static str, takes: ParamType) -> Self {
        Self { name, takes, required: false, part: Part::Value, ends: false, doc: "" }
    }

    /// An optional text.
    pub const fn text(name: &'static str) -> Self {
        Self::new(name, ParamType::Text)
    }

    /// An optional day.
    pub const fn date(name: &'static str) -> Self {
        Self::new(name, ParamType::Date)
    }

    /// An optional whole number.
    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, ParamType::Integer)
    }

    /// An optional flag.
    pub const fn flag(name: &'static str) -> Self {
        Self::new(name, ParamType::Flag)
    }

    /// A policy line must give it.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The grant ends by itself after this day.
    #[must_use]
    pub const fn ends(mut self) -> Self {
        self.ends = true;
        self
    }

    /// One line for people who write policies.
    #[must_use]
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
}

/// How many of a kind an account holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cardinality {
    /// Any number.
    Many,
    /// One or none.
    AtMostOne,
    /// Always one (a Salesforce profile, a Google organizational unit): it is never revoked, it falls back.
    ExactlyOne {
        /// The target it falls back to, unless the host names another.
        fallback: Option<TargetName>,
    },
}

/// What an account must be before it can hold a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountNeed {
    /// Its id must be known, whatever its state.
    Known,
    /// Invited is enough.
    Invited,
    /// It must be active.
    Active,
}

/// Whether the call that makes an account can bring a kind along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCreate {
    /// No: always a call of its own.
    Separate,
    /// It can.
    May,
    /// It has to: no account without it.
    Must,
}

/// What disappears with a grant, beside the grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cascade {
    /// The kind that is taken along.
    pub kind: KindName,
    /// In words: what goes, and when.
    pub doc: &'static str,
}

/// What happens when two writes meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Contention {
    /// Nothing.
    None,
    /// Each write replaces the whole list of a target: one writer at a time per target.
    WholeList,
}

/// How many changes of a kind the vendor takes in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BatchRule {
    /// At most so many.
    pub max: usize,
    /// Whether they must share their target.
    pub same_target: bool,
}

/// One kind of entitlement: what a policy line may say, and what executing it needs to know.
///
/// ```
/// use provisionr_sdk::{Kind, Level, Param};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct OpenDoor { target: String, role: String, until: Option<provisionr_sdk::Date> }
///
/// let kind = Kind::per_target::<OpenDoor>("open_door")
///     .doc("May open one door")
///     .role("visitor", Level::Read)
///     .role("keyholder", Level::Admin)
///     .value(Param::date("until").ends());
/// assert_eq!(kind.level("keyholder"), Some(Level::Admin));
/// ```
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct Kind {
    /// Its name; the action of a policy line.
    pub name: KindName,
    /// One line for people who write policies.
    pub doc: &'static str,
    /// What a target is called: `group`, `channel`.
    pub target_noun: &'static str,
    /// Its roles.
    pub roles: Roles,
    /// Whether the role identifies the grant.
    pub role_part: Part,
    /// The role meant when a policy line names none.
    pub default_role: Option<RoleName>,
    /// Its other parameters.
    pub params: Vec<Param>,
    /// How many of it an account holds.
    pub cardinality: Cardinality,
    /// What the account must be before.
    pub needs: AccountNeed,
    /// Whether the call that makes an account brings it along.
    pub on_create: OnCreate,
    /// What goes when it goes.
    pub cascades: Vec<Cascade>,
    /// Kinds an account needs first, in this system.
    pub prerequisites: Vec<KindName>,
    /// What is known of granting it.
    pub grant: ChangeFacts,
    /// What is known of revoking it.
    pub revoke: ChangeFacts,
    /// What happens when two writes meet.
    pub contention: Contention,
    /// Whether several go into one call.
    pub batch: Option<BatchRule>,
    /// The permissions a credential needs to grant and revoke it, in the vendor's words.
    pub scopes: Vec<&'static str>,
    #[serde(skip)]
    check: TypeCheck,
}

/// Whether target, role and parameters fit the serde type of a kind.
type TypeCheck = fn(&str, Option<&RoleName>, &BTreeMap<String, Value>) -> Result<(), String>;

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Kind {
    /// A kind that an account holds once per target; role and parameters are values that can change.
    pub fn per_target<T: Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name: name.into(),
            doc: "",
            target_noun: "target",
            roles: Roles::None,
            role_part: Part::Value,
            default_role: None,
            params: Vec::new(),
            cardinality: Cardinality::Many,
            needs: AccountNeed::Active,
            on_create: OnCreate::Separate,
            cascades: Vec::new(),
            prerequisites: Vec::new(),
            grant: ChangeFacts::set(),
            revoke: ChangeFacts::set(),
            contention: Contention::None,
            batch: None,
            scopes: Vec::new(),
            check: |target, role, params| typed::<T>(target, role, params).map(drop).map_err(|error| error.to_string()),
        }
    }

    /// A kind that an account may hold several times per target, once for each role (Jira's project roles).
    pub fn per_role<T: Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self { role_part: Part::Key, ..Self::per_target::<T>(name) }
    }

    /// One line for people who write policies.
    #[must_use]
    pub fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// What a target is called.
    #[must_use]
    pub fn target_noun(mut self, noun: &'static str) -> Self {
        self.target_noun = noun;
        self
    }

    /// Adds a role on the common scale; roles are closed then. Lowest first.
    #[must_use]
    pub fn role(self, name: &'static str, level: Level) -> Self {
        self.push_role(name, Some(level))
    }

    /// Adds a role that is on no scale; roles are closed then.
    #[must_use]
    pub fn role_off_scale(self, name: &'static str) -> Self {
        self.push_role(name, None)
    }

    fn push_role(mut self, name: &'static str, level: Option<Level>) -> Self {
        let role = Role { name: name.into(), level };
        match &mut self.roles {
            Roles::Closed(roles) => roles.push(role),
            other => *other = Roles::Closed(vec![role]),
        }
        self
    }

    /// Roles are whatever the tenant has.
    #[must_use]
    pub fn open_roles(mut self) -> Self {
        self.roles = Roles::Open;
        self
    }

    /// The role meant when a policy line names none.
    #[must_use]
    pub fn default_role(mut self, name: &'static str) -> Self {
        self.default_role = Some(name.into());
        self
    }

    /// Adds a parameter whose value can change.
    #[must_use]
    pub fn value(mut self, param: Param) -> Self {
        self.params.push(Param { part: Part::Value, ..param });
        self
    }

    /// Adds a parameter that identifies the grant; it is required.
    #[must_use]
    pub fn key(mut self, param: Param) -> Self {
        self.params.push(Param { part: Part::Key, required: true, ..param });
        self
    }

    /// How many of it an account holds.
    #[must_use]
    pub fn cardinality(mut self, cardinality: Cardinality) -> Self {
        self.cardinality = cardinality;
        self
    }

    /// What the account must be before.
    #[must_use]
    pub fn needs(mut self, needs: AccountNeed) -> Self {
        self.needs = needs;
        self
    }

    /// Whether the call that makes an account brings it along.
    #[must_use]
    pub fn on_create(mut self, on_create: OnCreate) -> Self {
        self.on_create = on_create;
        self
    }

    /// When it goes, grants of `kind` go too.
    #[must_use]
    pub fn cascade(mut self, kind: &'static str, doc: &'static str) -> Self {
        self.cascades.push(Cascade { kind: kind.into(), doc });
        self
    }

    /// An account needs a grant of `kind` first: where both are wanted, this one waits for it, and goes before it.
    #[must_use]
    pub fn after(mut self, kind: &'static str) -> Self {
        self.prerequisites.push(kind.into());
        self
    }

    /// What is known of granting it.
    #[must_use]
    pub fn granting(mut self, facts: ChangeFacts) -> Self {
        self.grant = facts;
        self
    }

    /// What is known of revoking it.
    #[must_use]
    pub fn revoking(mut self, facts: ChangeFacts) -> Self {
        self.revoke = facts;
        self
    }

    /// What happens when two writes meet.
    #[must_use]
    pub fn contention(mut self, contention: Contention) -> Self {
        self.contention = contention;
        self
    }

    /// Several go into one call.
    #[must_use]
    pub fn batch(mut self, rule: BatchRule) -> Self {
        self.batch = Some(rule);
        self
    }

    /// A permission the credential needs.
    #[must_use]
    pub fn scope(mut self, scope: &'static str) -> Self {
        self.scopes.push(scope);
        self
    }

    /// A parameter by name.
    pub fn param(&self, name: &str) -> Option<&Param> {
        self.params.iter().find(|param| param.name == name)
    }

    /// Where a role stands on the common scale; none for roles that are not on it or not known.
    pub fn level(&self, role: &str) -> Option<Level> {
        match &self.roles {
            Roles::Closed(roles) => roles.iter().find(|known| known.name == *role).and_then(|known| known.level),
            _ => None,
        }
    }

    /// What identifies a grant of this kind.
    pub fn key_of(&self, entitlement: &Entitlement) -> GrantKey {
        let mut key = format!("{}/{}", entitlement.kind, entitlement.target);
        if self.role_part == Part::Key
            && let Some(role) = &entitlement.role
        {
            key.push('/');
            key.push_str(role.as_str());
        }
        for param in self.params.iter().filter(|param| param.part == Part::Key) {
            let value = match entitlement.params.get(param.name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            key.push('/');
            key.push_str(param.name);
            key.push('=');
            key.push_str(&value);
        }
        GrantKey::new(key)
    }

    /// Whether a grant of `held` gives all that `wanted` asks for: the same, or a higher role on the common scale.
    pub fn satisfies(&self, held: &Entitlement, wanted: &Entitlement) -> bool {
        if self.key_of(held) != self.key_of(wanted) || held.params != wanted.params {
            return false;
        }
        match (&held.role, &wanted.role) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(held), Some(wanted)) => {
                held == wanted || matches!((self.level(held.as_str()), self.level(wanted.as_str())), (Some(held), Some(wanted)) if held >= wanted)
            }
        }
    }

    pub(crate) fn check(&self, target: &str, role: Option<&RoleName>, params: &BTreeMap<String, Value>) -> Result<(), String> {
        (self.check)(target, role, params)
    }
}
