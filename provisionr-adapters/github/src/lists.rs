//! Names and lists, page by page.

use std::collections::BTreeSet;

use provisionr_http::path;
use provisionr_sdk::{
    Account, AccountState, AdapterError, CallContext, Completeness, Cursor, Grant, GrantState, ListScope, Page, PageRequest, Resolution, Resolved, Result,
    Scope, Source, Target, TargetId, TargetName,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Github;
use crate::errors::takes_too_long;
use crate::look::{COLLABORATORS, UNSEEN_REPOSITORIES, UNSEEN_TEAMS};
use crate::orgs::{ADD_TO_ORG, entitlement, paging};
use crate::repositories::{GRANT_REPOSITORY, collaborator_grants, invitation_grant};
use crate::teams::{ADD_TO_TEAM, owners};
use crate::wire::{CollaboratorEdge, Connection, OrgInvitation, RepositoryRow, TeamMember, TeamMembership, TeamRow, User};

/// Where a list of all grants of a kind stands: which targets are left of their page, and where in the list of the first.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    left: Vec<(String, String)>,
    targets: Option<Cursor>,
    grants: Option<Cursor>,
}

#[derive(Deserialize)]
struct OneRepository {
    node: Option<Collaborators>,
}

#[derive(Deserialize)]
struct Collaborators {
    #[serde(default)]
    name: String,
    collaborators: Option<Connection<CollaboratorEdge>>,
}

const UNKNOWN: &str = "somebody is invited whose account is not known: by address, or by a login that is gone";

/// As what an invitation invites, in the words of memberships.
fn role_of(invitation: &OrgInvitation) -> &str {
    if invitation.role == "direct_member" { "member" } else { &invitation.role }
}

fn stale() -> AdapterError {
    AdapterError::stale_cursor("the cursor is none of this list")
}

impl Github {
    fn org_target(&self) -> Target {
        Target::new(self.organization.as_str(), self.organization.as_str())
    }

    async fn team_target(&self, cx: &CallContext, row: &TeamRow) -> Result<Target> {
        let target = Target::new(row.node_id.as_str(), row.slug.as_str());
        Ok(match self.team_owner_if_synced(cx, &row.slug).await? {
            Some(owner) => target.owned_by(owner),
            None => target,
        })
    }

    /// All names are looked for in one list: a hundred targets a call, however many names there are.
    pub(crate) async fn resolve_names(&self, cx: &CallContext, kind: &str, names: &[TargetName]) -> Result<Vec<Resolved>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let before = format!("{}/", self.organization.to_lowercase());
        let plain = |name: &TargetName| {
            let lower = name.as_str().to_lowercase();
            lower.strip_prefix(&before).map(str::to_owned).unwrap_or(lower)
        };
        let (targets, called): (Vec<Target>, Vec<String>) = match kind {
            ADD_TO_ORG => {
                self.client.get(path!["orgs", self.organization]).send(cx).await?;
                (vec![self.org_target()], vec![String::new()])
            }
            ADD_TO_TEAM => {
                let rows: Vec<TeamRow> = self.client.get(path!["orgs", self.organization, "teams"]).all(cx, &paging()).await?;
                rows.into_iter().map(|row| (Target::new(row.node_id, row.slug), row.name.to_lowercase())).unzip()
            }
            GRANT_REPOSITORY => {
                let rows: Vec<RepositoryRow> = self.client.get(path!["orgs", self.organization, "repos"]).all(cx, &paging()).await?;
                rows.into_iter().map(|row| (Target::new(row.node_id, row.name), String::new())).unzip()
            }
            other => return Err(AdapterError::unsupported(other)),
        };
        let mut resolved = Vec::new();
        for name in names {
            let wanted = plain(name);
            let by_slug = targets.iter().find(|target| target.name.as_str().eq_ignore_ascii_case(&wanted));
            let by_name: Vec<&Target> = targets.iter().zip(&called).filter(|(_, called)| **called == wanted).map(|(target, _)| target).collect();
            let resolution = match (by_slug, by_name.as_slice()) {
                (Some(target), _) => Resolution::One(self.with_owner(cx, kind, target).await?),
                (None, [target]) => Resolution::One(self.with_owner(cx, kind, target).await?),
                (None, [_, _, ..]) => Resolution::Several(by_name.into_iter().cloned().collect()),
                (None, []) => match Resolved::among(&[TargetName::from(wanted)], &targets).pop() {
                    Some(Resolved { resolution: resolution @ Resolution::None(_), .. }) => resolution,
                    _ => Resolution::None(Vec::new()),
                },
            };
            resolved.push(Resolved { name: name.clone(), resolution });
        }
        Ok(resolved)
    }

    async fn with_owner(&self, cx: &CallContext, kind: &str, target: &Target) -> Result<Target> {
        let owner = if kind == ADD_TO_TEAM { self.team_owner_if_synced(cx, target.name.as_str()).await? } else { None };
        Ok(owner.map_or_else(|| target.clone(), |owner| target.clone().owned_by(owner)))
    }

    pub(crate) async fn targets(&self, cx: &CallContext, kind: &str, page: &PageRequest) -> Result<Page<Target>> {
        match kind {
            ADD_TO_TEAM => {
                let rows = self.client.get(path!["orgs", self.organization, "teams"]).page::<TeamRow>(cx, page, &paging()).await?;
                let mut items = Vec::new();
                for row in &rows.items {
                    items.push(self.team_target(cx, row).await?);
                }
                let whole = rows.next.is_some() || self.sees_all_teams(cx).await?;
                let page = Page { items, next: rows.next, completeness: rows.completeness };
                Ok(if whole { page } else { page.incomplete(UNSEEN_TEAMS) })
            }
            GRANT_REPOSITORY => {
                // How many there were before this page tells at the end whether there are more than are seen.
                let (before, within) = match &page.cursor {
                    None => (0, None),
                    Some(cursor) => {
                        cursor.as_str().split_once(' ').and_then(|(count, rest)| Some((count.parse().ok()?, Some(rest.into())))).ok_or_else(stale)?
                    }
                };
                let request = self.client.get(path!["orgs", self.organization, "repos"]).query("sort", "created").query("direction", "asc");
                let rows = request.page::<RepositoryRow>(cx, &PageRequest { cursor: within, size: page.size }, &paging()).await?;
                let count: usize = before + rows.items.len();
                let whole = rows.next.is_some() || self.sees_all(cx, count).await?;
                let mut page = rows.map(|row| Target::new(row.node_id, row.name));
                page.next = page.next.map(|next| format!("{count} {next}").into());
                Ok(if whole { page } else { page.incomplete(UNSEEN_REPOSITORIES) })
            }
            other => Err(AdapterError::unsupported(other)),
        }
    }

    pub(crate) async fn grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let kind = scope.kind().as_str();
        match scope {
            // Invitations to repositories are listed by repository alone, so that such a list could not be whole.
            ListScope::Account(kind, _) if *kind == *GRANT_REPOSITORY => Err(AdapterError::unsupported("the repositories of one person as a list")),
            ListScope::Account(kind, account) => {
                let account = Account::new(account.clone(), AccountState::Active);
                let seen = self.look(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?;
                let complete = seen.coverage.covers_kind(kind);
                let page = Page::last(seen.grants);
                Ok(if complete { page } else { page.incomplete(UNSEEN_TEAMS) })
            }
            ListScope::Target(_, target) if kind == ADD_TO_ORG && !self.is_ours(target.as_str()) => {
                Err(AdapterError::target_not_found("this adapter works for another organization"))
            }
            ListScope::Kind(_) | ListScope::Target(..) if kind == ADD_TO_ORG => self.org_rows(cx, page).await,
            ListScope::Target(_, target) if kind == ADD_TO_TEAM => {
                let rows: Vec<TeamRow> = self.client.get(path!["orgs", self.organization, "teams"]).all(cx, &paging()).await?;
                let row = rows.into_iter().find(|row| row.node_id == target.as_str());
                let row = row.ok_or_else(|| AdapterError::target_not_found("the team is not there, or not to be seen"))?;
                self.team_rows(cx, target, &row.slug, page).await
            }
            ListScope::Target(_, target) if kind == GRANT_REPOSITORY => self.repository_rows(cx, target, page).await,
            ListScope::Kind(_) => {
                let at = page.cursor.as_ref().map_or(Ok(Position::default()), |cursor| serde_json::from_str(cursor.as_str()).map_err(|_| stale()))?;
                self.all_grants(cx, kind, at, page.size).await
            }
            other => Err(AdapterError::unsupported(other)),
        }
    }

    async fn all_grants(&self, cx: &CallContext, kind: &str, mut at: Position, size: Option<u32>) -> Result<Page<Grant>> {
        let mut targets = Completeness::Complete;
        if at.left.is_empty() {
            let page = self.targets(cx, kind, &PageRequest { cursor: at.targets.take(), size: None }).await?;
            at.left = page.items.into_iter().map(|target| (target.id.as_str().to_owned(), target.name.as_str().to_owned())).collect();
            (at.targets, targets) = (page.next, page.completeness);
        }
        let within = PageRequest { cursor: at.grants.take(), size };
        let mut page = match at.left.first().cloned() {
            Some((id, slug)) if kind == ADD_TO_TEAM => self.team_rows(cx, &id.into(), &slug, &within).await?,
            Some((id, _)) => self.repository_rows(cx, &id.into(), &within).await?,
            None => Page::last(Vec::new()),
        };
        at.grants = page.next.take();
        if at.grants.is_none() && !at.left.is_empty() {
            at.left.remove(0);
        }
        let more = at.grants.is_some() || !at.left.is_empty() || at.targets.is_some();
        page.next = more.then(|| serde_json::to_string(&at).ok()).flatten().map(Cursor::from);
        Ok(match targets {
            Completeness::Incomplete(why) => page.incomplete(why),
            _ => page,
        })
    }

    /// Owners, then members, then who is invited: rows do not say which they are.
    async fn org_rows(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let (phase, within) = page.cursor.as_ref().map_or(Ok(("admin", "")), |cursor| cursor.as_str().split_once(' ').ok_or_else(stale))?;
        let inner = PageRequest { cursor: Some(within).filter(|within| !within.is_empty()).map(Cursor::from), size: page.size };
        let target = self.organization.as_str();
        let then = match phase {
            "admin" => "member",
            "member" => "invited",
            "invited" => {
                let rows = self.client.get(path!["orgs", self.organization, "invitations"]).page::<OrgInvitation>(cx, &inner, &paging()).await?;
                let (mut items, mut unknown) = (Vec::new(), false);
                for row in &rows.items {
                    let Some(user) = self.invitee(cx, row.login.as_deref()).await? else {
                        unknown = true;
                        continue;
                    };
                    items.push(Grant::direct(user.id.to_string(), entitlement(ADD_TO_ORG, target, role_of(row))).in_state(GrantState::Invited));
                }
                let page = Page { items, next: rows.next.map(|next| format!("invited {next}").into()), completeness: rows.completeness };
                return Ok(if unknown { page.incomplete(UNKNOWN) } else { page });
            }
            _ => return Err(stale()),
        };
        let request = self.client.get(path!["orgs", self.organization, "members"]).query("role", phase);
        let rows = request.page::<User>(cx, &inner, &paging()).await?;
        let next = rows.next.as_ref().map_or_else(|| format!("{then} "), |next| format!("{phase} {next}"));
        let mut page = rows.map(|user| Grant::direct(user.id.to_string(), entitlement(ADD_TO_ORG, target, phase)));
        page.next = Some(next.into());
        Ok(page)
    }

    async fn invitee(&self, cx: &CallContext, login: Option<&str>) -> Result<Option<User>> {
        match login {
            Some(login) => self.user_by_login(cx, login).await,
            None => Ok(None),
        }
    }

    async fn team_rows(&self, cx: &CallContext, target: &TargetId, slug: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let place = path!["orgs", self.organization, "teams", slug];
        let rows = self.client.get(place.clone().segment("members")).page::<TeamMember>(cx, page, &paging()).await?;
        let direct: Vec<&TeamMember> = rows.items.iter().filter(|row| !row.inherited).collect();
        let maintained = direct.iter().any(|row| row.role.as_deref() == Some("maintainer"));
        let own: BTreeSet<u64> = if maintained { self.owners(cx).await?.into_iter().map(|owner| owner.id).collect() } else { BTreeSet::new() };
        let grant = |user: u64, role: &str| Grant::direct(user.to_string(), entitlement(ADD_TO_TEAM, target.clone(), role));
        let mut items = Vec::new();
        for row in direct {
            match row.role.as_deref().unwrap_or("member") {
                "maintainer" if own.contains(&row.id) => items.extend([grant(row.id, "member"), grant(row.id, "maintainer").from_source(owners())]),
                role => items.push(grant(row.id, role)),
            }
        }
        let mut unknown = false;
        if rows.next.is_none() {
            let open: Vec<OrgInvitation> = self.client.get(place.clone().segment("invitations")).all(cx, &paging()).await?;
            for row in &open {
                let Some(user) = self.invitee(cx, row.login.as_deref()).await? else {
                    unknown = true;
                    continue;
                };
                let shown = self.client.get(place.clone().segment("memberships").segment(&user.login)).send_if_found(cx).await?;
                let shown = shown.map(|answer| answer.json::<TeamMembership>()).transpose()?;
                items.extend(shown.filter(|shown| shown.state == "pending").map(|shown| grant(user.id, &shown.role).in_state(GrantState::Invited)));
            }
        }
        if let Some(owner) = self.team_owner_if_synced(cx, slug).await? {
            items.iter_mut().filter(|grant| grant.source == Source::Direct).for_each(|grant| grant.source = Source::Owned(owner.clone()));
        }
        let page = Page { items, next: rows.next, completeness: rows.completeness };
        Ok(if unknown { page.incomplete(UNKNOWN) } else { page })
    }

    async fn repository_rows(&self, cx: &CallContext, target: &TargetId, page: &PageRequest) -> Result<Page<Grant>> {
        let mut first = page.size.unwrap_or(100).clamp(1, 100);
        let found: OneRepository = loop {
            let variables = json!({ "id": target, "first": first, "cursor": page.cursor.as_ref().map(Cursor::as_str) });
            match self.graphql(cx, COLLABORATORS, variables).await {
                Err(error) if takes_too_long(&error) && first > 1 => first /= 2,
                found => break found?,
            }
        };
        let repository = found.node.ok_or_else(|| AdapterError::target_not_found("the repository is not there, or not to be seen"))?;
        let Some(collaborators) = repository.collaborators else {
            return Err(AdapterError::permission_denied("the collaborators of the repository are not to be seen"));
        };
        let mut items = Vec::new();
        for edge in &collaborators.edges {
            items.extend(collaborator_grants(target.as_str(), edge)?.into_iter().filter(|grant| grant.source == Source::Direct));
        }
        let (next, mut unknown) = (collaborators.next().map(Cursor::from), false);
        if next.is_none() {
            for invitation in self.repository_invitations(cx, &repository.name).await? {
                match &invitation.invitee {
                    Some(invitee) => items.push(invitation_grant(target.as_str(), invitee.id, &invitation)),
                    None => unknown = true,
                }
            }
        }
        let page = Page::new(items, next);
        Ok(if unknown { page.incomplete(UNKNOWN) } else { page })
    }
}
