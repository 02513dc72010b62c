//! Users that an enterprise manages: what SCIM keeps of them, and the accounts GitHub makes of it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use provisionr_sdk::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer::message;
use super::state::{GithubUser, Org};
use crate::message::FakeResponse;
use crate::scim::protocol::Refusal;

/// An enterprise with managed users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubEnterprise {
    /// What paths call it.
    pub slug: String,
    /// What the logins of its users end in.
    pub short_code: String,
    /// Whether people log in over OIDC, and not over SAML.
    pub oidc: bool,
    /// Who may see its identities.
    pub owners: BTreeSet<u64>,
}

/// What SCIM keeps of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubIdentity {
    /// SCIM's id.
    pub id: String,
    /// As they were written.
    pub attributes: Map<String, Value>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last written.
    pub modified: Timestamp,
    /// Whether it shows whose it is.
    pub linked: bool,
}

impl GithubIdentity {
    /// An attribute that is a text; empty when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// `userName`.
    pub fn user_name(&self) -> &str {
        self.text("userName")
    }

    /// The first address.
    pub fn email(&self) -> &str {
        self.attributes.get("emails").and_then(|emails| emails.pointer("/0/value")?.as_str()).unwrap_or_default()
    }

    /// Whether the user is not suspended.
    pub fn is_active(&self) -> bool {
        self.attributes.get("active") != Some(&Value::Bool(false))
    }
}

/// Logins have at most so many characters, the short code included.
const LONGEST: usize = 39;

/// The login made of a user name.
/// <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/iam-configuration-reference/username-considerations-for-external-authentication>
fn login(user_name: &str, short_code: &str) -> Result<String, Refusal> {
    let own = user_name.rsplit('\\').next().unwrap_or_default().split('@').next().unwrap_or_default();
    let name: String = own.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let login = format!("{name}_{short_code}");
    if name.is_empty() || name.starts_with('-') || name.ends_with('-') || name.contains("--") || login.len() > LONGEST {
        return Err(Refusal::invalid("invalidValue", format!("{login} is not a valid username")));
    }
    Ok(login)
}

impl Org {
    fn login_of(&self, user_name: &str) -> Result<String, Refusal> {
        login(user_name, self.enterprise.as_ref().map_or("", |enterprise| enterprise.short_code.as_str()))
    }

    /// Suspended users keep their names from others.
    fn check_free(&self, besides: u64, wanted: &GithubIdentity, login: &str) -> Result<(), Refusal> {
        let taken = |what: &str| Err(Refusal::taken(format!("{what} is already taken")));
        for user in self.users.values().filter(|user| user.id != besides) {
            let theirs = user.scim.as_ref().and_then(|scim| self.login_of(scim.user_name()).ok());
            if user.login.eq_ignore_ascii_case(login) || theirs.is_some_and(|theirs| theirs.eq_ignore_ascii_case(login)) {
                return taken("userName");
            }
            let Some(scim) = &user.scim else { continue };
            if scim.text("externalId") == wanted.text("externalId") {
                return taken("externalId");
            }
            if scim.email().eq_ignore_ascii_case(wanted.email()) {
                return taken("emails");
            }
        }
        Ok(())
    }

    /// Makes a user and their account.
    pub(super) fn provision(&mut self, attributes: Map<String, Value>, now: Timestamp) -> Result<u64, Refusal> {
        let id = self.id();
        let scim = GithubIdentity { id: format!("7fce0092-d52e-4f76-b727-{id:012x}"), attributes, created: now, modified: now, linked: true };
        self.keep(GithubUser::person(id), scim)?;
        Ok(id)
    }

    /// Writes the attributes of a user anew.
    pub(super) fn rewrite(&mut self, user: u64, attributes: Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        let known = self.users.get(&user).cloned().ok_or_else(|| Refusal::not_found(&user.to_string()))?;
        let scim = known.scim.clone().ok_or_else(|| Refusal::not_found(&user.to_string()))?;
        self.keep(known, GithubIdentity { attributes, modified: now, ..scim })
    }

    /// What SCIM keeps decides about login and suspension.
    fn keep(&mut self, user: GithubUser, scim: GithubIdentity) -> Result<(), Refusal> {
        let login = self.login_of(scim.user_name())?;
        self.check_free(user.id, &scim, &login)?;
        let id = user.id;
        self.users.insert(id, GithubUser { login, suspended: !scim.is_active(), scim: Some(scim), ..user });
        self.obfuscate(id);
        Ok(())
    }

    /// Deletes for good what SCIM knows of a user.
    pub(super) fn deprovision(&mut self, user: u64) {
        if let Some(known) = self.users.get_mut(&user) {
            known.scim = None;
            known.suspended = true;
        }
        self.obfuscate(user);
    }

    /// "The user's username is obfuscated to a hash of the original username, followed by `_SHORTCODE`."
    /// <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/provisioning-user-accounts-with-scim/deprovisioning-and-reinstating-users>
    fn obfuscate(&mut self, user: u64) {
        let short_code = self.enterprise.as_ref().map(|enterprise| enterprise.short_code.clone()).unwrap_or_default();
        if let Some(user) = self.users.get_mut(&user).filter(|user| user.suspended) {
            let mut hasher = DefaultHasher::new();
            user.login.hash(&mut hasher);
            user.login = format!("{:016x}_{short_code}", hasher.finish());
        }
    }

    /// Whether somebody is added at once, and not invited.
    pub(super) fn joins_at_once(&self, user: u64) -> bool {
        !self.settings.managed_users_are_invited && self.users.get(&user).is_some_and(|user| user.scim.is_some())
    }

    /// <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/provisioning-user-accounts-with-scim/deprovisioning-and-reinstating-users#effects-of-reprovisioning>
    pub(super) fn may_be_added(&self, user: &GithubUser) -> Result<(), FakeResponse> {
        if user.suspended { Err(message(self.settings.suspended_user_status, "User is suspended")) } else { Ok(()) }
    }

    /// Whether a look-up by login or id shows a user.
    pub(super) fn looked_up<'a>(&self, user: &'a GithubUser) -> Option<&'a GithubUser> {
        Some(user).filter(|user| !(user.suspended && self.settings.suspended_users_are_hidden))
    }
}
