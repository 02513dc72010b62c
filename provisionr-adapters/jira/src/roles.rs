//! Roles in projects. Actors are added and taken away one by one: `PUT` replaces all of them, those others have added since
//! included, and is never sent.

use std::collections::BTreeMap;

use provisionr_http::{Path, path};
use provisionr_sdk::{
    Account, AccountId, AdapterError, Bound, CallContext, Entitlement, ErrorKind, Grant, Outcome, Page, PageRequest, Receipt, Request, Resolution, Resolved,
    Result, RetryHint, Source, Target, TargetName, did_you_mean,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accounts::refused;
use crate::adapter::{Jira, paged};
use crate::wire::{Project, ProjectRole, RoleActor};

pub(crate) const ADD_TO_PROJECT_ROLE: &str = "add_to_project_role";

/// Keys one search takes.
const MOST_KEYS: usize = 50;

/// A role in a project; the target is the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToProjectRole {
    /// The project: its key in policies, its id everywhere else.
    pub target: String,
    /// The role: its name in policies, its id everywhere else.
    pub role: String,
}

/// The roles of a project, name to id.
type Roles = BTreeMap<String, String>;

fn roles_path(project: &str) -> Path {
    path!["rest", "api", "3", "project", project, "role"]
}

fn project_gone() -> AdapterError {
    AdapterError::target_not_found("the project is not there, or the credential does not administer it")
}

impl Jira {
    /// None when the project is gone, or not administered by the credential.
    async fn roles(&self, cx: &CallContext, project: &str) -> Result<Option<Roles>> {
        let Some(answer) = self.client.get(roles_path(project)).send_if_found(cx).await? else { return Ok(None) };
        let roles: Roles = answer.json()?;
        let id = |url: String| url.rsplit('/').next().map(str::to_owned).unwrap_or_default();
        Ok(Some(roles.into_iter().map(|(name, url)| (name, id(url))).collect()))
    }

    async fn actors(&self, cx: &CallContext, project: &str, role: &str) -> Result<Vec<RoleActor>> {
        match self.client.get(roles_path(project).segment(role)).send_if_found(cx).await? {
            Some(answer) => Ok(answer.json::<ProjectRole>()?.actors),
            None => Err(project_gone()),
        }
    }

    /// Every grant of a user in a project, direct ones first. None where the project's roles are not to be seen.
    pub(crate) async fn roles_held(&self, cx: &CallContext, user: &AccountId, groups: &[String], project: &str) -> Result<Option<Vec<Grant>>> {
        let Some(roles) = self.roles(cx, project).await? else { return Ok(None) };
        let mut grants = Vec::new();
        for id in roles.into_values() {
            let wanted = Entitlement::new(ADD_TO_PROJECT_ROLE, project).with_role(id.as_str());
            grants.extend(held(&self.actors(cx, project, &id).await?, user, groups, &wanted));
        }
        Ok(Some(grants))
    }

    /// What one role gives a user. Groups are looked up only where a group is in the role.
    async fn role_held(&self, cx: &CallContext, user: &AccountId, role: &str, wanted: &Entitlement) -> Result<Vec<Grant>> {
        let actors = self.actors(cx, wanted.target.as_str(), role).await?;
        let groups = match actors.iter().any(|actor| actor.group().is_some()) {
            true => self.groups_of(cx, user.as_str()).await?.into_iter().map(|group| group.group_id).collect(),
            false => Vec::new(),
        };
        Ok(held(&actors, user, &groups, wanted))
    }

    pub(crate) async fn grant_role(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let AddToProjectRole { target, role } = wanted.to()?;
        let roles = self.roles(cx, &target).await?.ok_or_else(project_gone)?;
        let id = &meant(&roles, &role).ok_or_else(|| AdapterError::invalid_request(no_such_role(&roles, &role)))?;
        let wanted = &Entitlement::new(ADD_TO_PROJECT_ROLE, target.as_str()).with_role(id.as_str());
        if let Some(grant) = self.role_held(cx, &account.id, id, wanted).await?.into_iter().next() {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        let grant = Grant::direct(account.id.clone(), wanted.clone());
        match self.client.post(roles_path(&target).segment(id)).json(&json!({ "user": [account.id] })).send(cx).await {
            Ok(answer) => {
                if !answer.json::<ProjectRole>()?.actors.iter().any(|actor| actor.user() == Some(account.id.as_str())) {
                    return Err(answer.unreadable("the role was added to, and the answer does not show the user in it"));
                }
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(match self.user(cx, account.id.as_str()).await? {
                None => AdapterError::account_not_found("the user is not on the site, or not to be seen"),
                Some(user) if !user.active => AdapterError::conflict("the account is deactivated").with_hint(RetryHint::Replan),
                Some(_) => project_gone(),
            }),
            // "Already a member" is a refusal like any other: what is there tells.
            Err(error) if refused(&error) => {
                let held = self.role_held(cx, &account.id, id, wanted).await?;
                if held.contains(&grant) { Ok(Outcome::Unchanged(Receipt::new().with_grant(grant))) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn revoke_role(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let AddToProjectRole { target, role } = unwanted.to()?;
        let Some(roles) = self.roles(cx, &target).await? else {
            return Err(AdapterError::not_found_unclear("the project is not there, or the credential does not administer it"));
        };
        let Some(id) = &meant(&roles, &role) else {
            // An id that the project does not have is that of a role which is gone. A name may be that of a role which is called otherwise now.
            return match is_id(&role) {
                true => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
                false => Err(AdapterError::not_found_unclear(no_such_role(&roles, &role))),
            };
        };
        let unwanted = &Entitlement::new(ADD_TO_PROJECT_ROLE, target.as_str()).with_role(id.as_str());
        let (direct, inherited) = split(self.role_held(cx, &account.id, id, unwanted).await?);
        let Some(grant) = direct else {
            let receipt = match inherited.first() {
                Some(grant) => Receipt::new().before_grant(grant.clone()),
                None => Receipt::new().before_absent(),
            };
            return Ok(Outcome::Unchanged(inherited.into_iter().fold(receipt, Receipt::still)));
        };
        request.check_expected(Some(&grant))?;
        let receipt = inherited.into_iter().fold(Receipt::new(), Receipt::still);
        match self.client.delete(roles_path(&target).segment(id)).query("user", &account.id).send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(receipt.before_grant(grant).with_request_id(answer.request_id())))
            }
            // Whether an actor who is none is an error, nobody says.
            Err(error) if refused(&error) && split(self.role_held(cx, &account.id, id, unwanted).await?).0.is_none() => {
                Ok(Outcome::Unchanged(receipt.before_absent()))
            }
            Err(error) => Err(error),
        }
    }

    /// Ids in the place of names of roles. The roles of each project are read once.
    pub(crate) async fn bind_roles(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        let mut known: BTreeMap<String, Option<Roles>> = BTreeMap::new();
        let mut bound = Vec::with_capacity(entitlements.len());
        for entitlement in entitlements {
            let Some(role) = entitlement.role.as_ref().filter(|_| entitlement.kind == *ADD_TO_PROJECT_ROLE) else {
                bound.push(Bound::One(entitlement.clone()));
                continue;
            };
            let project = entitlement.target.as_str();
            if !known.contains_key(project) {
                known.insert(project.to_owned(), self.roles(cx, project).await?);
            }
            bound.push(match known.get(project).and_then(Option::as_ref) {
                None => Bound::None(project_gone().message().to_owned()),
                Some(roles) => match named(roles, role.as_str()) {
                    Some(id) => Bound::One(entitlement.clone().with_role(id)),
                    None => Bound::None(no_such_role(roles, role.as_str())),
                },
            });
        }
        Ok(bound)
    }

    pub(crate) async fn resolve_projects(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let mut found = Vec::new();
        for names in names.chunks(MOST_KEYS) {
            found.extend(self.projects_with(cx, names.iter().map(|name| ("keys", name.as_str()))).await?);
        }
        for name in names.iter().filter(|name| !found.iter().any(|target| target.name == **name)).cloned().collect::<Vec<_>>() {
            let beginning: String = name.as_str().chars().take(3).collect();
            found.extend(self.projects_with(cx, [("query", beginning.as_str())]).await?);
        }
        found.sort_by(|one, other| one.id.cmp(&other.id));
        found.dedup();
        let mut resolved = Resolved::among(names, &found);
        if resolved.iter().any(|one| matches!(one.resolution, Resolution::None(_))) && !self.sees_all_projects(cx).await? {
            for one in resolved.iter_mut().filter(|one| matches!(one.resolution, Resolution::None(_))) {
                one.resolution = Resolution::Hidden(NOT_ALL.to_owned());
            }
        }
        Ok(resolved)
    }

    /// The projects a search finds; that there is none is answered 404.
    pub(crate) async fn projects_with<'a>(&self, cx: &CallContext, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Target>> {
        let search = self.client.get(path!["rest", "api", "3", "project", "search"]);
        let search = pairs.into_iter().fold(search, |search, (name, value)| search.query(name, value));
        match search.all::<Project>(cx, &paged(100)).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Ok(Vec::new()),
            found => Ok(found?.iter().map(Project::target).collect()),
        }
    }

    /// Projects, as far as they are to be seen; only an administrator of Jira sees all of them.
    pub(crate) async fn list_projects(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Target>> {
        let request = self.client.get(path!["rest", "api", "3", "project", "search"]);
        let targets = match request.page::<Project>(cx, page, &paged(100)).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Page::last(Vec::new()),
            page => page?.map(|project| project.target()),
        };
        Ok(match page.cursor.is_some() || self.sees_all_projects(cx).await? {
            true => targets,
            false => targets.incomplete(NOT_ALL),
        })
    }

    /// Everybody in the roles of a project: users, and the members of groups. Each group is read once.
    pub(crate) async fn grants_in(&self, cx: &CallContext, project: &str) -> Result<Option<Vec<Grant>>> {
        let Some(roles) = self.roles(cx, project).await? else { return Ok(None) };
        let mut members: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
        let mut grants = Vec::new();
        for id in roles.into_values() {
            let role = Entitlement::new(ADD_TO_PROJECT_ROLE, project).with_role(id.as_str());
            for actor in self.actors(cx, project, &id).await? {
                grants.extend(actor.user().map(|user| Grant::direct(user, role.clone())));
                let Some(group) = actor.group() else { continue };
                if !members.contains_key(group) {
                    members.insert(group.to_owned(), self.all_members(cx, group).await?);
                }
                let inherited = |member: &AccountId| Grant::direct(member.clone(), role.clone()).from_source(Source::Inherited(group.into()));
                grants.extend(members.get(group).into_iter().flatten().map(inherited));
            }
        }
        Ok(Some(grants))
    }
}

fn is_id(role: &str) -> bool {
    !role.is_empty() && role.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id a policy means: by the role's name, or written as it is.
fn named(roles: &Roles, role: &str) -> Option<String> {
    roles.get(role).or_else(|| roles.values().find(|id| *id == role)).cloned()
}

/// The id a change means, which has ids; names only where an older version planned it.
fn meant(roles: &Roles, role: &str) -> Option<String> {
    roles.values().find(|id| *id == role).or_else(|| roles.get(role)).cloned()
}

fn no_such_role(roles: &Roles, role: &str) -> String {
    let near = did_you_mean(role, roles.keys().map(String::as_str)).unwrap_or_default();
    format!("the project has no role `{role}`; {near}")
}

pub(crate) const NOT_ALL: &str = "only who may administer Jira sees every project";

/// What actors of a role mean for one user.
fn held(actors: &[RoleActor], user: &AccountId, groups: &[String], wanted: &Entitlement) -> Vec<Grant> {
    let direct = actors.iter().any(|actor| actor.user() == Some(user.as_str())).then_some(Source::Direct);
    let inherited = actors.iter().filter_map(RoleActor::group).filter(|group| groups.iter().any(|known| known == group));
    let sources = direct.into_iter().chain(inherited.map(|group| Source::Inherited(group.into())));
    sources.map(|source| Grant::direct(user.clone(), wanted.clone()).from_source(source)).collect()
}

fn split(held: Vec<Grant>) -> (Option<Grant>, Vec<Grant>) {
    let (direct, inherited): (Vec<_>, Vec<_>) = held.into_iter().partition(|grant| grant.source == Source::Direct);
    (direct.into_iter().next(), inherited)
}
