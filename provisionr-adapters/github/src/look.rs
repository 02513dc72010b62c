//! What a person has. Over REST a team or repository is asked about one by one, and shows what counts and not from where; over GraphQL a
//! hundred at once, with their sources.

use std::collections::BTreeMap;

use provisionr_http::{HttpClient, path};
use provisionr_sdk::{Account, AdapterError, CallContext, Coverage, Grant, Observation, Result, Scope};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::adapter::{Github, gone};
use crate::errors::takes_too_long;
use crate::orgs::ADD_TO_ORG;
use crate::repositories::GRANT_REPOSITORY;
use crate::teams::ADD_TO_TEAM;
use crate::wire::{Connection, Data, Membership, Node, Organization, RepositoryNode, TeamNode, User};

macro_rules! team_fields {
    () => {
        "id slug organization { login } \
         immediate: members(first: 100, query: $login, membership: IMMEDIATE) { pageInfo { hasNextPage endCursor } edges { role node { databaseId } } } \
         below: members(first: 100, query: $login, membership: CHILD_TEAM) { pageInfo { hasNextPage endCursor } edges { role node { databaseId } } } \
         invitations(first: 100) { pageInfo { hasNextPage endCursor } nodes { invitee { databaseId } } }"
    };
}

macro_rules! source_fields {
    () => {
        "edges { node { databaseId } permissionSources { roleName permission source { __typename ... on Team { id } } } }"
    };
}

macro_rules! repository_fields {
    () => {
        concat!(
            "id name owner { login } collaborators(first: 100, login: $login, affiliation: ALL) { pageInfo { hasNextPage endCursor } ",
            source_fields!(),
            " }"
        )
    };
}

const NODES: &str = concat!(
    "query Nodes($ids: [ID!]!, $login: String!) { nodes(ids: $ids) { __typename ... on Team { ",
    team_fields!(),
    " } ... on Repository { ",
    repository_fields!(),
    " } } }"
);

const TEAMS: &str = concat!(
    "query Teams($org: String!, $login: String!, $first: Int!, $cursor: String) { organization(login: $org) { viewerCanAdminister \
     page: teams(first: $first, after: $cursor) { pageInfo { hasNextPage endCursor } nodes { ",
    team_fields!(),
    " } } } }"
);

const REPOSITORIES: &str = concat!(
    "query Repositories($org: String!, $login: String!, $first: Int!, $cursor: String) { organization(login: $org) { viewerCanAdminister \
     page: repositories(first: $first, after: $cursor) { pageInfo { hasNextPage endCursor } nodes { ",
    repository_fields!(),
    " } } } }"
);

/// The direct collaborators of a repository, a hundred at a time.
pub(crate) const COLLABORATORS: &str = concat!(
    "query Collaborators($id: ID!, $first: Int!, $cursor: String) { node(id: $id) { ... on Repository { name owner { login } \
     collaborators(first: $first, after: $cursor, affiliation: DIRECT) { pageInfo { hasNextPage endCursor } ",
    source_fields!(),
    " } } } }"
);

const VIEWER: &str = "query Viewer($org: String!) { organization(login: $org) { viewerCanAdminister } }";

#[derive(serde::Deserialize)]
struct Viewed {
    organization: Option<Viewer>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Viewer {
    #[serde(default)]
    viewer_can_administer: bool,
}

#[derive(serde::Deserialize)]
struct Nodes {
    nodes: Vec<Option<Node>>,
}

#[derive(serde::Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct InOrganization<T> {
    organization: Option<Paged<T>>,
}

#[derive(serde::Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
#[serde(rename_all = "camelCase")]
struct Paged<T> {
    #[serde(default)]
    viewer_can_administer: bool,
    page: Connection<T>,
}

pub(crate) const UNSEEN_TEAMS: &str = "secret teams are seen by owners of the organization alone, and the credential is not one's";

pub(crate) const UNSEEN_REPOSITORIES: &str = "the credential does not see every repository of the organization";

const NOT_SEEN: &str = "the team or repository is not to be seen";

pub(crate) async fn graphql<T: DeserializeOwned>(client: &HttpClient, cx: &CallContext, query: &str, variables: Value) -> Result<T> {
    let body = json!({ "query": query, "variables": variables });
    let answer = client.post(path!["graphql"]).json(&body).read().send(cx).await?;
    Ok(answer.json::<Data<T>>()?.data)
}

impl Github {
    pub(crate) async fn graphql<T: DeserializeOwned>(&self, cx: &CallContext, query: &str, variables: Value) -> Result<T> {
        graphql(&self.client, cx, query, variables).await
    }

    /// Teams and repositories by their node ids, with what the person has there.
    async fn nodes(&self, cx: &CallContext, ids: &[String], user: &User) -> Result<Vec<Option<Node>>> {
        let (mut nodes, mut left, mut size) = (Vec::new(), ids, 50);
        while !left.is_empty() {
            let (ids, rest) = left.split_at(size.min(left.len()));
            let found: Nodes = match self.graphql(cx, NODES, json!({ "ids": ids, "login": user.login })).await {
                Err(error) if takes_too_long(&error) && ids.len() > 1 => {
                    size = ids.len() / 2;
                    continue;
                }
                found => found?,
            };
            left = rest;
            if found.nodes.len() != ids.len() {
                return Err(AdapterError::protocol("more or fewer nodes were answered than were asked for"));
            }
            nodes.extend(found.nodes);
        }
        Ok(nodes)
    }

    pub(crate) async fn node(&self, cx: &CallContext, id: &str, user: &User) -> Result<Option<Node>> {
        Ok(self.nodes(cx, &[id.to_owned()], user).await?.pop().flatten())
    }

    /// All teams, or all repositories, with what the person has there; and whether the credential is an owner's.
    async fn everywhere<T: DeserializeOwned>(&self, cx: &CallContext, query: &str, user: &User) -> Result<(Vec<T>, bool)> {
        let (mut all, mut cursor, mut first) = (Vec::new(), None::<String>, 100);
        loop {
            let variables = json!({ "org": self.organization, "login": user.login, "first": first, "cursor": cursor });
            let found: InOrganization<T> = match self.graphql(cx, query, variables).await {
                Err(error) if takes_too_long(&error) && first > 1 => {
                    first /= 2;
                    continue;
                }
                found => found?,
            };
            let found = found.organization.ok_or_else(|| AdapterError::not_found_unclear("the organization is not to be seen"))?;
            let (page, owner) = (found.page, found.viewer_can_administer);
            let next = page.next().map(str::to_owned);
            all.extend(page.edges);
            match next {
                Some(next) if cursor.as_ref() == Some(&next) => return Err(AdapterError::protocol("the list goes in circles")),
                Some(next) => cursor = Some(next),
                None => return Ok((all, owner)),
            }
        }
    }

    pub(crate) async fn look(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account).await?;
        let account = self.account(cx, &user).await?.ok_or_else(gone)?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        let mut asked = BTreeMap::new();
        for kind in [ADD_TO_TEAM, GRANT_REPOSITORY] {
            asked.extend(scope.targets(kind).into_iter().flatten().map(|target| (target.as_str().to_owned(), kind)));
        }
        let everywhere = scope.targets(GRANT_REPOSITORY).is_none() && scope.wants_kind(GRANT_REPOSITORY);
        let org = scope.wants_kind(ADD_TO_ORG) && scope.targets(ADD_TO_ORG).is_none_or(|targets| targets.iter().any(|target| self.is_ours(target.as_str())));
        let membership = if org || everywhere { self.membership(cx, &user).await? } else { None };
        if scope.wants_kind(ADD_TO_ORG) {
            grants.extend(membership.iter().filter(|_| org).flat_map(|membership| self.org_grants(user.id, membership)));
            coverage = self.covered_org(scope);
        }
        let ids: Vec<String> = asked.keys().cloned().collect();
        for ((id, kind), node) in asked.into_iter().zip(self.nodes(cx, &ids, &user).await?) {
            let held = match node {
                Some(Node::Team(team)) if kind == ADD_TO_TEAM && self.is_ours(&team.organization.login) => self.team_grants(cx, &team, &user).await?.0,
                Some(Node::Repository(repository)) if kind == GRANT_REPOSITORY && self.is_ours(&repository.owner.login) => {
                    self.with_invitation(cx, &repository, &user).await?.0
                }
                _ => {
                    coverage = coverage.unseen(kind, Some(id.into()), NOT_SEEN);
                    continue;
                }
            };
            grants.extend(held);
            coverage = coverage.target(kind, id);
        }
        if scope.targets(ADD_TO_TEAM).is_none() && scope.wants_kind(ADD_TO_TEAM) {
            let (teams, owner) = self.everywhere::<TeamNode>(cx, TEAMS, &user).await?;
            for team in teams {
                grants.extend(self.team_grants(cx, &team, &user).await?.0);
                coverage = coverage.target(ADD_TO_TEAM, team.id);
            }
            let whole = owner || self.installation.is_some();
            coverage = if whole { coverage.kind(ADD_TO_TEAM) } else { coverage.unseen(ADD_TO_TEAM, None, UNSEEN_TEAMS) };
        }
        if everywhere {
            let (held, seen) = self.look_everywhere(cx, &user, membership.as_ref(), coverage).await?;
            grants.extend(held);
            coverage = seen;
        }
        Ok(Observation::new(account, grants, coverage))
    }

    fn covered_org(&self, scope: &Scope) -> Coverage {
        let Some(targets) = scope.targets(ADD_TO_ORG) else { return Coverage::none().kind(ADD_TO_ORG) };
        targets.into_iter().fold(Coverage::none(), |coverage, target| {
            if self.is_ours(target.as_str()) {
                coverage.target(ADD_TO_ORG, target)
            } else {
                coverage.unseen(ADD_TO_ORG, Some(target), "this adapter works for another organization")
            }
        })
    }

    /// All that a person has in repositories. Members have no open invitations there; those of others are listed by repository alone.
    async fn look_everywhere(&self, cx: &CallContext, user: &User, membership: Option<&Membership>, mut coverage: Coverage) -> Result<(Vec<Grant>, Coverage)> {
        let (repositories, _) = self.everywhere::<RepositoryNode>(cx, REPOSITORIES, user).await?;
        let (mut grants, count) = (Vec::new(), repositories.len());
        let member = membership.is_some_and(|membership| membership.state == "active");
        for repository in repositories {
            grants.extend(Self::repository_grants(&repository, user)?);
            let held = grants.last().is_some_and(|grant: &Grant| grant.entitlement.target == *repository.id);
            coverage = if member || held { coverage.target(GRANT_REPOSITORY, repository.id) } else { coverage };
        }
        let gap = if !self.sees_all(cx, count).await? {
            Some(UNSEEN_REPOSITORIES)
        } else if !member {
            Some("invitations of people who are not in the organization are listed by repository alone")
        } else {
            None
        };
        Ok((
            grants,
            match gap {
                None => coverage.kind(GRANT_REPOSITORY),
                Some(why) => coverage.unseen(GRANT_REPOSITORY, None, why),
            },
        ))
    }

    /// Whether all teams are seen: secret ones are by owners, and by an app that may see members.
    pub(crate) async fn sees_all_teams(&self, cx: &CallContext) -> Result<bool> {
        if self.installation.is_some() {
            return Ok(true);
        }
        let found: Viewed = self.graphql(cx, VIEWER, json!({ "org": self.organization })).await?;
        Ok(found.organization.is_some_and(|organization| organization.viewer_can_administer))
    }

    /// Whether these are all repositories: an app may be installed in some, a token be for some.
    pub(crate) async fn sees_all(&self, cx: &CallContext, count: usize) -> Result<bool> {
        if let Some(installation) = &self.installation {
            return Ok(installation.facts(cx).await?.repository_selection == "all");
        }
        let organization: Organization = self.client.get(path!["orgs", self.organization]).send(cx).await?.json()?;
        Ok(organization.total_private_repos.is_some_and(|private| private + organization.public_repos == count))
    }
}
