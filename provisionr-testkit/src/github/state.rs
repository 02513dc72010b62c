//! What there is: people, one organization, its teams and repositories.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_sdk::Timestamp;
use serde::{Deserialize, Serialize};

use super::managed::{GithubEnterprise, GithubIdentity};

/// What is not the same for each organization, or what GitHub's description leaves open.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GithubSettings {
    /// Items on a page at most; 100 unless set.
    pub page_size: usize,
    /// Seats of the plan; none for without limit, which it is unless set.
    pub seats: Option<usize>,
    /// Invitations to the organization in 24 hours: 500 on a paid plan.
    pub invitations_a_day: usize,
    /// Invitations to one repository in 24 hours: 50.
    pub repository_invitations_a_day: usize,
    /// Whether points and content are counted as GitHub counts them; they are not unless set, for tests that do not wait.
    pub secondary_limits: bool,
    /// What every member may do in each repository: `none` or a role; `none` unless set.
    pub base_permission: String,
    /// The status that refuses to leave the organization without an owner. The description does not say; 403 unless set.
    pub last_owner_status: u16,
    /// The status for taking somebody from a team who is not in it. The description does not say; 404 unless set.
    pub not_in_team_status: u16,
    /// The status for what a token may see and not change: 403, or 404, which hides it; 403 unless set.
    pub unwritable_status: u16,
    /// Nodes a query over GraphQL may ask for at once before it takes too long, and is answered 502; without limit unless set.
    pub graphql_at_once: Option<usize>,
    /// Secondary limits answer 403, or 429 as both are described; 403 unless set.
    pub secondary_status: u16,
    /// Whether managed users who are suspended are not found by login or id. Nobody says; they are found unless set.
    pub suspended_users_are_hidden: bool,
    /// The status that refuses to add a suspended user to anything. That they are added once they are back is described, the refusal is not;
    /// 422 unless set.
    pub suspended_user_status: u16,
    /// Whether managed users have to accept invitations. Nobody says; they are members and collaborators at once unless set.
    pub managed_users_are_invited: bool,
}

impl Default for GithubSettings {
    fn default() -> Self {
        Self {
            page_size: 100,
            seats: None,
            invitations_a_day: 500,
            repository_invitations_a_day: 50,
            secondary_limits: false,
            base_permission: "none".to_owned(),
            last_owner_status: 403,
            not_in_team_status: 404,
            unwritable_status: 403,
            graphql_at_once: None,
            secondary_status: 403,
            suspended_users_are_hidden: false,
            suspended_user_status: 422,
            managed_users_are_invited: false,
        }
    }
}

/// A person of GitHub, in the organization or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubUser {
    /// The id.
    pub id: u64,
    /// The login, which they may change.
    pub login: String,
    /// `User`, `Bot` or `Organization`.
    pub kind: String,
    /// Whether they have blocked the organization: invitations are refused.
    pub blocking: bool,
    /// Whether the enterprise that manages them has suspended them.
    pub suspended: bool,
    /// What SCIM keeps of them.
    pub scim: Option<GithubIdentity>,
}

impl GithubUser {
    /// A person without a login.
    pub(super) fn person(id: u64) -> Self {
        Self { id, login: String::new(), kind: "User".to_owned(), blocking: false, suspended: false, scim: None }
    }

    pub(super) fn organization(org: &Org) -> Self {
        Self { login: org.login.clone(), kind: "Organization".to_owned(), ..Self::person(org.id) }
    }
}

/// A member of the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubMember {
    /// `admin`, `member` or `billing_manager`.
    pub role: String,
    /// Whether they are a member by themselves, and not only through teams of the enterprise.
    pub direct: bool,
    /// Teams of the enterprise they are a member through.
    pub enterprise_teams: BTreeSet<String>,
}

/// An invitation to the organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubInvitation {
    /// Its id.
    pub id: u64,
    /// Who is invited; none for who was invited by address.
    pub user: Option<u64>,
    /// The address, for who was invited by one.
    pub email: Option<String>,
    /// `admin`, `member` or `billing_manager`.
    pub role: String,
    /// Teams they will be in, and as what.
    pub teams: BTreeMap<u64, String>,
    /// When it was sent.
    pub created: Timestamp,
    /// Why it failed, and when.
    pub failed: Option<(Timestamp, String)>,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubTeam {
    /// Its id.
    pub id: u64,
    /// What people call it.
    pub name: String,
    /// What paths call it.
    pub slug: String,
    /// The team above.
    pub parent: Option<u64>,
    /// Its immediate members: `member` or `maintainer`.
    pub members: BTreeMap<u64, String>,
    /// Its repositories, and its role there.
    pub repositories: BTreeMap<u64, String>,
    /// Groups of an identity provider that decide who is in it.
    pub idp_groups: BTreeSet<String>,
    /// Whether the credential does not see it.
    pub hidden: bool,
}

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GithubRepository {
    /// Its id.
    pub id: u64,
    /// Its name, without the organization.
    pub name: String,
    /// Who was added to it by itself, and as what.
    pub direct: BTreeMap<u64, String>,
    /// When invitations to it went out.
    pub sent: Vec<Timestamp>,
    /// Open invitations: who, and as what.
    pub invitations: BTreeMap<u64, (u64, String, Timestamp)>,
    /// Whether the credential does not see it.
    pub hidden: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Org {
    pub(super) settings: GithubSettings,
    pub(super) enterprise: Option<GithubEnterprise>,
    pub(super) login: String,
    pub(super) id: u64,
    pub(super) users: BTreeMap<u64, GithubUser>,
    pub(super) members: BTreeMap<u64, GithubMember>,
    pub(super) invitations: BTreeMap<u64, GithubInvitation>,
    pub(super) teams: BTreeMap<u64, GithubTeam>,
    pub(super) repositories: BTreeMap<u64, GithubRepository>,
    pub(super) last_id: u64,
}

/// The roles of a repository, lowest first, in the words of paths and in those people see.
pub(super) const ROLES: [(&str, &str); 5] = [("pull", "read"), ("triage", "triage"), ("push", "write"), ("maintain", "maintain"), ("admin", "admin")];

/// A node id of GitHub's newer form.
pub(super) fn node(prefix: &str, id: u64) -> String {
    format!("{prefix}_kgDO{id:08X}")
}

impl Org {
    pub(super) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A person by login, id, node id or what SCIM calls them; logins are compared without case.
    pub(super) fn user(&self, key: &str) -> Option<&GithubUser> {
        let named = |user: &&GithubUser| user.scim.as_ref().is_some_and(|scim| scim.user_name().eq_ignore_ascii_case(key));
        let found = self.users.values().find(|user| user.login.eq_ignore_ascii_case(key) || user.id.to_string() == key || node("U", user.id) == key);
        found.or_else(|| self.users.values().find(named))
    }

    pub(super) fn team(&self, key: &str) -> Option<&GithubTeam> {
        self.teams.values().find(|team| team.slug == key || team.name == key || node("T", team.id) == key)
    }

    pub(super) fn repository(&self, key: &str) -> Option<&GithubRepository> {
        self.repositories.values().find(|repository| repository.name.eq_ignore_ascii_case(key) || node("R", repository.id) == key)
    }

    pub(super) fn pending(&self, user: u64) -> Option<&GithubInvitation> {
        self.invitations.values().find(|invitation| invitation.user == Some(user) && invitation.failed.is_none())
    }

    /// Who takes a seat.
    pub(super) fn seats(&self) -> BTreeSet<u64> {
        let invited = self.invitations.values().filter(|one| one.failed.is_none()).filter_map(|one| one.user);
        let outside = self.repositories.values().flat_map(|one| one.direct.keys().copied().chain(one.invitations.values().map(|(who, ..)| *who)));
        self.members.keys().copied().chain(invited).chain(outside).collect()
    }

    pub(super) fn is_admin(&self, user: u64) -> bool {
        self.members.get(&user).is_some_and(|member| member.role == "admin")
    }

    /// A team and all below it.
    pub(super) fn below(&self, team: u64) -> BTreeSet<u64> {
        let mut all = BTreeSet::from([team]);
        while let Some(more) = self.teams.values().find(|one| !all.contains(&one.id) && one.parent.is_some_and(|parent| all.contains(&parent))) {
            all.insert(more.id);
        }
        all
    }

    /// Whether somebody is in a team through one below it.
    pub(super) fn through_child(&self, team: u64, user: u64) -> bool {
        self.below(team).iter().filter(|id| **id != team).any(|id| self.teams.get(id).is_some_and(|one| one.members.contains_key(&user)))
    }

    /// The role that shows: owners are always maintainers.
    pub(super) fn team_role(&self, team: &GithubTeam, user: u64) -> Option<String> {
        let role = team.members.get(&user).cloned().or_else(|| self.through_child(team.id, user).then(|| "member".to_owned()))?;
        Some(if self.is_admin(user) { "maintainer".to_owned() } else { role })
    }

    pub(super) fn join(&mut self, user: u64, role: &str) {
        self.members.insert(user, GithubMember { role: role.to_owned(), direct: true, enterprise_teams: BTreeSet::new() });
    }

    /// Takes away everything that membership gave, and membership. Repositories go too.
    pub(super) fn drop_member(&mut self, user: u64) {
        self.members.remove(&user);
        self.teams.values_mut().for_each(|team| drop(team.members.remove(&user)));
        self.repositories.values_mut().for_each(|repository| drop(repository.direct.remove(&user)));
    }

    /// Makes an invited person a member, with their teams.
    pub(super) fn accept(&mut self, invitation: u64) -> Option<GithubInvitation> {
        let user = self.invitations.get(&invitation)?.user?;
        let invitation = self.invitations.remove(&invitation)?;
        self.join(user, &invitation.role);
        for (team, role) in &invitation.teams {
            if let Some(team) = self.teams.get_mut(team) {
                team.members.insert(user, role.clone());
            }
        }
        Some(invitation)
    }

    /// Where access to a repository comes from: the role, and `repository`, `organization` or the id of a team.
    pub(super) fn sources(&self, repository: &GithubRepository, user: u64) -> Vec<(String, Giver)> {
        let mut sources: Vec<_> = repository.direct.get(&user).map(|role| (role.clone(), Giver::Repository)).into_iter().collect();
        for team in self.teams.values() {
            let Some(role) = team.repositories.get(&repository.id) else { continue };
            if team.members.contains_key(&user) || self.through_child(team.id, user) {
                sources.push((role.clone(), Giver::Team(team.id)));
            }
        }
        if self.is_admin(user) {
            sources.push(("admin".to_owned(), Giver::Organization));
        } else if self.settings.base_permission != "none" && self.members.contains_key(&user) {
            sources.push((self.settings.base_permission.clone(), Giver::Organization));
        }
        sources
    }
}

/// What gives a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Giver {
    Repository,
    Team(u64),
    Organization,
}
