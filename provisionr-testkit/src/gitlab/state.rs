//! The state of a GitLab instance.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Whose GitLab it is: some calls are offered to administrators of an own instance alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Offering {
    /// An own instance.
    #[default]
    SelfManaged,
    /// gitlab.com: nobody is an administrator.
    GitlabCom,
}

/// The plan that is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the vendor's own words")]
#[non_exhaustive]
pub enum Plan {
    Free,
    #[default]
    Premium,
    Ultimate,
}

/// What is not the same for each instance, and what nothing public says for certain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GitlabSettings {
    /// Whose GitLab it is.
    pub offering: Offering,
    /// The plan: identities of groups, links, pending and billable members, and Minimal Access need Premium, custom roles Ultimate.
    pub plan: Plan,
    /// The most items of any page, whatever `per_page` asks for; 3, so that a client that does not page is found out. GitLab has 100.
    pub page_size: usize,
    /// Whether an administrator has to agree when somebody is promoted above Guest; no.
    pub approve_promotions: bool,
    /// How many users a group on the Free plan takes before further members are `awaiting`; without limit.
    pub user_cap: Option<usize>,
    /// Whether the memberships of a member who does not count for billing are listed; they are not, and are `404`. Not documented.
    pub unbilled_memberships: bool,
    /// Whether only dormant users can be deactivated, as the documentation has it; they need not be.
    pub only_dormant_deactivated: bool,
    /// Whether Admin Mode is switched on, so that a token of an administrator acts as one with the scope `admin_mode` alone; it is not.
    /// <https://docs.gitlab.com/administration/settings/sign_in_restrictions/#admin-mode>
    pub admin_mode: bool,
    /// Whether the refusal of a level below an inherited one has its older wording; it has not.
    pub old_wording: bool,
}

impl Default for GitlabSettings {
    fn default() -> Self {
        Self {
            offering: Offering::default(),
            plan: Plan::default(),
            page_size: 3,
            approve_promotions: false,
            user_cap: None,
            unbilled_memberships: false,
            only_dormant_deactivated: false,
            admin_mode: false,
            old_wording: false,
        }
    }
}

/// What an identity provider calls a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GitlabIdentity {
    /// `saml`, `ldapmain`; `group_saml` and `scim` for a group's own.
    pub provider: String,
    /// The name there.
    pub extern_uid: String,
    /// The group whose provider it is, by id.
    #[serde(default)]
    pub group: Option<u64>,
}

/// A user of the instance: the truth, past the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GitlabUser {
    /// The id.
    pub id: u64,
    /// The username.
    pub username: String,
    /// The name.
    pub name: String,
    /// The primary address, private.
    pub email: String,
    /// `active`, `blocked`, `ldap_blocked`, `deactivated`, `banned`, `blocked_pending_approval`.
    pub state: String,
    /// Whether it is an administrator.
    pub admin: bool,
    /// Whether it is the user of a group or project access token.
    pub bot: bool,
    /// Whether it has not been seen for long.
    pub dormant: bool,
    /// The top-level group whose enterprise user it is: that group's owners see the address.
    pub enterprise_group: Option<u64>,
    /// The group that provisioned it.
    pub provisioned_by: Option<u64>,
    /// Its identities.
    pub identities: Vec<GitlabIdentity>,
    /// The rest of the profile: `organization`, `location`, `external` …
    pub profile: Map<String, Value>,
    /// When it was created.
    pub created: Timestamp,
}

/// A direct membership.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GitlabMember {
    /// The access level.
    pub level: u64,
    /// The last day, `YYYY-MM-DD`.
    pub expires: Option<String>,
    /// The custom role.
    pub role: Option<u64>,
    /// Whether the seat is there: `awaiting` above the user cap.
    pub awaiting: bool,
    /// Who made it.
    pub by: Option<u64>,
    /// When it was made.
    pub created: Timestamp,
}

/// An open invitation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GitlabInvitation {
    /// The access level.
    pub level: u64,
    /// The last day of the membership.
    pub expires: Option<String>,
    /// Who made it.
    pub by: Option<u64>,
    /// When it was made.
    pub created: Timestamp,
}

/// A group or a project.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GitlabSource {
    /// The id: groups and projects are counted apart.
    pub id: u64,
    /// The full path.
    pub path: String,
    /// The name.
    pub name: String,
    /// The group it is in.
    pub parent: Option<u64>,
    /// Direct members, by user id.
    pub members: BTreeMap<u64, GitlabMember>,
    /// Open invitations, by address.
    pub invitations: BTreeMap<String, GitlabInvitation>,
    /// Groups that are invited, with the most they give.
    pub shared_with: BTreeMap<u64, u64>,
    /// Common names of LDAP groups that are synchronized into it, with the level they give.
    pub ldap_links: BTreeMap<String, u64>,
    /// Names of SAML groups that are linked to it, with the level they give.
    pub saml_links: BTreeMap<String, u64>,
    /// Whether its memberships are locked.
    pub membership_lock: bool,
    /// Whether the credentials of this test cannot see it: enforced single sign-on and IP restrictions do that.
    pub hidden: bool,
    /// When it was created.
    pub created: Timestamp,
}

/// Whether something is a group or a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum Sort {
    Group,
    Project,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Project => "project",
        }
    }
}

/// What a token allows. `Debug` of the whole must not show tokens.
#[derive(Clone, Debug)]
pub(super) struct Grantee {
    pub(super) owner: u64,
    pub(super) scopes: BTreeSet<String>,
}

/// All of an instance but its credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Instance {
    pub(super) settings: GitlabSettings,
    pub(super) users: BTreeMap<u64, GitlabUser>,
    pub(super) groups: BTreeMap<u64, GitlabSource>,
    pub(super) projects: BTreeMap<u64, GitlabSource>,
    last: u64,
}

impl Instance {
    /// A new id, ascending.
    pub(super) fn id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// A user by id, username or address.
    pub(super) fn user(&self, key: &str) -> Option<&GitlabUser> {
        if let Some(user) = key.parse().ok().and_then(|id: u64| self.users.get(&id)) {
            return Some(user);
        }
        self.users.values().find(|user| user.username.eq_ignore_ascii_case(key) || user.email.eq_ignore_ascii_case(key))
    }

    pub(super) fn sources(&self, sort: Sort) -> &BTreeMap<u64, GitlabSource> {
        match sort {
            Sort::Group => &self.groups,
            Sort::Project => &self.projects,
        }
    }

    pub(super) fn source_mut(&mut self, sort: Sort, id: u64) -> Option<&mut GitlabSource> {
        match sort {
            Sort::Group => self.groups.get_mut(&id),
            Sort::Project => self.projects.get_mut(&id),
        }
    }

    /// A group or project by id or full path.
    pub(super) fn source(&self, sort: Sort, key: &str) -> Option<&GitlabSource> {
        let sources = self.sources(sort);
        match key.parse::<u64>() {
            Ok(id) => sources.get(&id),
            Err(_) => sources.values().find(|source| source.path.eq_ignore_ascii_case(key)),
        }
    }

    /// The groups above, nearest first.
    pub(super) fn ancestors(&self, source: &GitlabSource) -> Vec<&GitlabSource> {
        let mut above = Vec::new();
        let mut parent = source.parent;
        while let Some(group) = parent.and_then(|id| self.groups.get(&id)) {
            above.push(group);
            parent = group.parent;
        }
        above
    }

    /// Everything below a group, itself included.
    pub(super) fn below(&self, group: u64) -> Vec<(Sort, u64)> {
        let within = |source: &GitlabSource| source.parent == Some(group) || self.ancestors(source).iter().any(|above| above.id == group);
        let mut all = vec![(Sort::Group, group)];
        all.extend(self.groups.values().filter(|source| within(source)).map(|source| (Sort::Group, source.id)));
        all.extend(self.projects.values().filter(|source| within(source)).map(|source| (Sort::Project, source.id)));
        all
    }

    /// The highest membership that comes from elsewhere: from groups above, and from invited ones.
    pub(super) fn inherited(&self, source: &GitlabSource, user: u64) -> Option<(&GitlabSource, GitlabMember)> {
        let above = self.ancestors(source);
        let shared = std::iter::once(source).chain(above.iter().copied()).flat_map(|here| &here.shared_with);
        let shared = shared.filter_map(|(id, most)| {
            let group = self.groups.get(id)?;
            let member = group.members.get(&user)?;
            Some((group, GitlabMember { level: member.level.min(*most), ..member.clone() }))
        });
        // Minimal Access opens the top-level group alone.
        let above = above.iter().filter_map(|group| Some((*group, group.members.get(&user)?.clone())));
        let found = above.filter(|(_, member)| member.level > 5).chain(shared);
        found.max_by_key(|(_, member)| member.level)
    }

    /// The membership that counts.
    pub(super) fn effective(&self, source: &GitlabSource, user: u64) -> Option<GitlabMember> {
        let inherited = self.inherited(source, user).map(|(_, member)| member);
        let direct = source.members.get(&user).cloned();
        match (direct, inherited) {
            (Some(direct), Some(inherited)) => Some(if inherited.level > direct.level { inherited } else { direct }),
            (direct, inherited) => direct.or(inherited),
        }
    }
}
