//! GitHub's objects, as far as they are read. What is not named here is passed over.

use std::collections::BTreeMap;

use provisionr_sdk::{Account, AccountKind, AccountState};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) login: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
}

impl User {
    pub(crate) fn account(&self) -> Account {
        let kind = if self.kind == "Bot" { AccountKind::Bot } else { AccountKind::Unknown };
        Account::new(self.id.to_string(), AccountState::Active).with_login(self.login.as_str()).with_kind(kind)
    }
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Membership {
    pub(crate) state: String,
    pub(crate) role: String,
    #[serde(default = "yes")]
    pub(crate) direct_membership: bool,
    #[serde(default)]
    pub(crate) enterprise_teams_providing_indirect_membership: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct OrgInvitation {
    pub(crate) id: u64,
    /// None for who was invited by address.
    #[serde(default)]
    pub(crate) login: Option<String>,
    #[serde(default)]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) failed_reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TeamMembership {
    pub(crate) state: String,
    pub(crate) role: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TeamRow {
    pub(crate) node_id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TeamMember {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) inherited: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RepositoryRow {
    pub(crate) node_id: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RepositoryInvitation {
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) invitee: Option<User>,
    pub(crate) permissions: String,
    #[serde(default)]
    pub(crate) expired: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Groups {
    #[serde(default)]
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) group_name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Organization {
    #[serde(default)]
    pub(crate) public_repos: usize,
    /// Owners alone are shown it.
    #[serde(default)]
    pub(crate) total_private_repos: Option<usize>,
    #[serde(default)]
    pub(crate) plan: Option<Plan>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Plan {
    #[serde(default)]
    pub(crate) seats: Option<u32>,
    #[serde(default)]
    pub(crate) filled_seats: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InstallationFacts {
    pub(crate) account: InstalledIn,
    #[serde(default)]
    pub(crate) permissions: BTreeMap<String, String>,
    /// `all` or `selected`.
    #[serde(default)]
    pub(crate) repository_selection: String,
    #[serde(default)]
    pub(crate) suspended_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct InstalledIn {
    #[serde(default)]
    pub(crate) login: Option<String>,
}

/// An answer of GraphQL. Its errors are read by the classifier.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Data<T> {
    pub(crate) data: T,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    #[serde(default)]
    pub(crate) has_next_page: bool,
    #[serde(default)]
    pub(crate) end_cursor: Option<String>,
}

/// A page of a connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection<T> {
    #[serde(default)]
    pub(crate) page_info: Option<PageInfo>,
    #[serde(alias = "nodes")]
    pub(crate) edges: Vec<T>,
}

impl<T> Connection<T> {
    /// Where the next page begins.
    pub(crate) fn next(&self) -> Option<&str> {
        self.page_info.as_ref().filter(|info| info.has_next_page)?.end_cursor.as_deref()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) login: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Person {
    #[serde(default)]
    pub(crate) database_id: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TeamEdge {
    pub(crate) role: String,
    pub(crate) node: Person,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Invited {
    #[serde(default)]
    pub(crate) invitee: Option<Person>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TeamNode {
    pub(crate) id: String,
    pub(crate) slug: String,
    pub(crate) organization: Named,
    pub(crate) immediate: Connection<TeamEdge>,
    pub(crate) below: Connection<TeamEdge>,
    pub(crate) invitations: Connection<Invited>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RepositoryNode {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: Named,
    /// None for whom the credential may not ask about collaborators.
    pub(crate) collaborators: Option<Connection<CollaboratorEdge>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollaboratorEdge {
    pub(crate) node: Person,
    pub(crate) permission_sources: Option<Vec<PermissionSource>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PermissionSource {
    #[serde(default)]
    pub(crate) role_name: Option<String>,
    pub(crate) permission: String,
    pub(crate) source: Giver,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Giver {
    #[serde(rename = "__typename")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) id: Option<String>,
}

/// A team or repository by its node id.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "__typename")]
pub(crate) enum Node {
    Team(TeamNode),
    Repository(RepositoryNode),
    #[serde(other)]
    Other,
}
