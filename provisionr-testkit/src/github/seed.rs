//! How an organization comes to be as a test wants it, and what people do in it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::GithubFake;
use super::auth::{Grantee, Installation};
use super::managed::GithubEnterprise;
use super::state::{GithubInvitation, GithubMember, GithubRepository, GithubSettings, GithubTeam, GithubUser, ROLES};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<GithubSettings>,
    users: Vec<SeedUser>,
    members: Vec<SeedMember>,
    invitations: Vec<SeedInvitation>,
    teams: Vec<SeedTeam>,
    repositories: Vec<SeedRepository>,
    tokens: Vec<SeedToken>,
    installations: Vec<SeedInstallation>,
    enterprise: Option<SeedEnterprise>,
    managed: Vec<SeedManaged>,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedEnterprise {
    slug: String,
    short_code: String,
    #[serde(default)]
    oidc: bool,
    #[serde(default)]
    owners: BTreeSet<String>,
}

/// A managed user; what is left out follows from the name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedManaged {
    user_name: String,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    given_name: Option<String>,
    #[serde(default)]
    family_name: Option<String>,
    #[serde(default)]
    active: Option<bool>,
}

impl SeedManaged {
    fn attributes(self) -> Map<String, Value> {
        let Self { user_name, external_id, email, display_name, given_name, family_name, active } = self;
        let plain = user_name.split('@').next().unwrap_or_default().to_owned();
        let email = email.unwrap_or_else(|| if user_name.contains('@') { user_name.clone() } else { format!("{user_name}@company.test") });
        let mut attributes = Map::from_iter([
            ("userName".to_owned(), user_name.as_str().into()),
            ("externalId".to_owned(), external_id.unwrap_or_else(|| format!("idp-{user_name}")).into()),
            ("displayName".to_owned(), display_name.unwrap_or(plain).into()),
            ("emails".to_owned(), json!([{ "value": email, "type": "work", "primary": true }])),
            ("active".to_owned(), active.unwrap_or(true).into()),
        ]);
        if let (Some(given), Some(family)) = (given_name, family_name) {
            attributes.insert("name".to_owned(), json!({ "givenName": given, "familyName": family }));
        }
        attributes
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    login: String,
    #[serde(default = "user_kind")]
    kind: String,
    #[serde(default)]
    blocking: bool,
}

fn user_kind() -> String {
    "User".to_owned()
}

fn member_role() -> String {
    "member".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedMember {
    user: String,
    #[serde(default = "member_role")]
    role: String,
    #[serde(default)]
    enterprise_teams: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedInvitation {
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default = "member_role")]
    role: String,
    #[serde(default)]
    teams: BTreeMap<String, String>,
    #[serde(default)]
    failed: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedTeam {
    name: String,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
    #[serde(default)]
    repositories: BTreeMap<String, String>,
    #[serde(default)]
    idp_groups: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedRepository {
    name: String,
    #[serde(default)]
    collaborators: BTreeMap<String, String>,
    #[serde(default)]
    invitations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    owner: String,
    scopes: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedInstallation {
    id: u64,
    app: String,
    permissions: BTreeMap<String, String>,
    #[serde(default = "all")]
    selection: String,
    #[serde(default)]
    suspended: bool,
}

fn all() -> String {
    "all".to_owned()
}

fn missing(what: &str, key: &str) -> ActError {
    ActError::new(format!("there is no {what} `{key}`"))
}

impl GithubFake {
    fn find_user(&self, key: &str) -> Result<u64, ActError> {
        self.org.user(key).map(|user| user.id).ok_or_else(|| missing("user", key))
    }

    fn find_team(&self, key: &str) -> Result<u64, ActError> {
        self.org.team(key).map(|team| team.id).ok_or_else(|| missing("team", key))
    }

    fn find_repository(&self, key: &str) -> Result<u64, ActError> {
        self.org.repository(key).map(|repository| repository.id).ok_or_else(|| missing("repository", key))
    }

    fn find_users(&self, roles: BTreeMap<String, String>) -> Result<BTreeMap<u64, String>, ActError> {
        roles.into_iter().map(|(user, role)| Ok((self.find_user(&user)?, role))).collect()
    }
}

/// What a name is in a path.
fn slug(name: &str) -> String {
    let dashed: String = name.to_lowercase().chars().map(|c| if c.is_alphanumeric() || c == '_' { c } else { '-' }).collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

pub(super) fn seed(fake: &mut GithubFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        fake.org.settings = settings;
    }
    seed.limits.into_iter().for_each(|limit| fake.limits.add(limit));
    for SeedUser { login, kind, blocking } in seed.users {
        let id = fake.org.id();
        fake.org.users.insert(id, GithubUser { login, kind, blocking, ..GithubUser::person(id) });
    }
    if let Some(SeedEnterprise { slug, short_code, oidc, owners }) = seed.enterprise {
        let owners = owners.iter().map(|key| fake.find_user(key)).collect::<Result<_, ActError>>()?;
        fake.org.enterprise = Some(GithubEnterprise { slug, short_code, oidc, owners });
    }
    for user in seed.managed {
        provision(fake, user, cx)?;
    }
    for member in seed.members {
        let user = fake.find_user(&member.user)?;
        let direct = member.enterprise_teams.is_empty();
        fake.org.members.insert(user, GithubMember { role: member.role, direct, enterprise_teams: member.enterprise_teams });
    }
    for SeedTeam { name, parent, members, repositories: _, idp_groups } in seed.teams.iter().map(SeedTeam::copy) {
        let parent = parent.map(|parent| fake.find_team(&parent)).transpose()?;
        let (id, members) = (fake.org.id(), fake.find_users(members)?);
        fake.org.teams.insert(id, GithubTeam { id, slug: slug(&name), name, parent, members, repositories: BTreeMap::new(), idp_groups, hidden: false });
    }
    for SeedRepository { name, collaborators, invitations } in seed.repositories {
        let (id, direct) = (fake.org.id(), fake.find_users(collaborators)?);
        let invited = fake.find_users(invitations)?.into_iter().map(|(user, role)| (fake.org.id(), (user, role, cx.now()))).collect();
        fake.org.repositories.insert(id, GithubRepository { id, name, direct, sent: Vec::new(), invitations: invited, hidden: false });
    }
    for team in seed.teams {
        let here = fake.find_team(&team.name)?;
        let repositories = team.repositories.into_iter().map(|(name, role)| Ok((fake.find_repository(&name)?, role))).collect::<Result<_, ActError>>()?;
        if let Some(team) = fake.org.teams.get_mut(&here) {
            team.repositories = repositories;
        }
    }
    for SeedInvitation { user, email, role, teams, failed } in seed.invitations {
        let (id, user) = (fake.org.id(), user.map(|user| fake.find_user(&user)).transpose()?);
        let teams = teams.into_iter().map(|(team, role)| Ok((fake.find_team(&team)?, role))).collect::<Result<_, ActError>>()?;
        let failed = failed.map(|why| (cx.now(), why));
        fake.org.invitations.insert(id, GithubInvitation { id, user, email, role, teams, created: cx.now(), failed });
    }
    for SeedToken { token, owner, scopes } in seed.tokens {
        fake.auth.tokens.insert(token, Grantee::Person(owner, scopes));
    }
    for SeedInstallation { id, app, permissions, selection, suspended } in seed.installations {
        let suspended = suspended.then(|| cx.now());
        fake.auth.installations.insert(id, Installation { app, permissions, selection, suspended });
    }
    Ok(())
}

impl SeedTeam {
    fn copy(&self) -> Self {
        let Self { name, parent, members, repositories, idp_groups } = self;
        Self { name: name.clone(), parent: parent.clone(), members: members.clone(), repositories: repositories.clone(), idp_groups: idp_groups.clone() }
    }
}

fn provision(fake: &mut GithubFake, seed: SeedManaged, cx: &FakeContext) -> Result<u64, ActError> {
    fake.org.provision(seed.attributes(), cx.now()).map_err(|refusal| ActError::new(refusal.detail))
}

/// A managed user by the name it was provisioned under.
fn managed(fake: &GithubFake, user_name: &str) -> Option<u64> {
    let named = |user: &GithubUser| {
        let scim = user.scim.as_ref()?;
        scim.attributes.get("userName")?.as_str().filter(|name| name.eq_ignore_ascii_case(user_name)).map(|_| user.id)
    };
    fake.org.users.values().find_map(named)
}

fn activate(fake: &mut GithubFake, user: u64, active: bool, cx: &mut FakeContext) -> Result<(), ActError> {
    let Some(mut attributes) = fake.org.users.get(&user).and_then(|user| user.scim.as_ref()).map(|scim| scim.attributes.clone()) else { return Ok(()) };
    if attributes.insert("active".to_owned(), active.into()) != Some(active.into()) {
        fake.org.rewrite(user, attributes, cx.now()).map_err(|refusal| ActError::new(refusal.detail))?;
        cx.emit("user.updated", json!({ "user": user }));
    }
    Ok(())
}

/// The identity provider makes a user of the enterprise, or lets one in again who is there.
fn provision_or_enable(fake: &mut GithubFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let login = act.text("login")?;
    let user = match managed(fake, login) {
        Some(user) => user,
        None => {
            let text = |name: &str| act.text(name).ok().map(str::to_owned);
            let seed = SeedManaged {
                user_name: login.to_owned(),
                external_id: text("external_id"),
                email: text("email"),
                display_name: None,
                given_name: text("first_name"),
                family_name: text("last_name"),
                active: None,
            };
            let made = provision(fake, seed, cx)?;
            cx.emit("user.created", json!({ "user": made }));
            made
        }
    };
    activate(fake, user, true, cx)?;
    Ok(json!({ "user": user }))
}

pub(super) fn act(fake: &mut GithubFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let text = |name: &str| act.args.get(name).and_then(Value::as_str);
    let user = || act.text("user").and_then(|key| fake.find_user(key));
    let repository = || act.text("repository").and_then(|key| fake.find_repository(key));
    let role = text("role").unwrap_or("member").to_owned();
    match act.act.as_str() {
        "accept_invitation" => {
            let user = user()?;
            let mut accepted = false;
            if let Some(id) = fake.org.pending(user).map(|pending| pending.id) {
                fake.org.accept(id);
                accepted = true;
            }
            for one in fake.org.repositories.values_mut() {
                let open: Vec<_> = one.invitations.iter().filter(|(_, (who, ..))| *who == user).map(|(id, _)| *id).collect();
                for id in open {
                    if let Some((who, role, _)) = one.invitations.remove(&id) {
                        one.direct.insert(who, role);
                        accepted = true;
                    }
                }
            }
            if !accepted {
                return Err(ActError::new("no invitation is open"));
            }
            cx.emit("invitation.accepted", json!({ "user": user }));
        }
        // They lapse after seven days; people decline them.
        "expire_invitation" | "decline_invitation" => {
            let (user, why) = (user()?, if act.act == "expire_invitation" { "Invitation expired" } else { "Invitation declined" });
            fake.org.repositories.values_mut().for_each(|one| one.invitations.retain(|_, (who, ..)| *who != user));
            if let Some(open) = fake.org.invitations.values_mut().find(|open| open.user == Some(user) && open.failed.is_none()) {
                open.failed = Some((cx.now(), why.to_owned()));
            }
            cx.emit("invitation.failed", json!({ "user": user, "why": why }));
        }
        "set_member" => {
            let user = user()?;
            fake.org.members.insert(user, GithubMember { role, direct: true, enterprise_teams: BTreeSet::new() });
        }
        "invite_member" => {
            let user = user()?;
            let team = text("team").map(|key| fake.find_team(key)).transpose()?;
            let (id, teams) = (fake.org.id(), team.into_iter().map(|team| (team, role.clone())).collect());
            let role = if team.is_some() { "member".to_owned() } else { role };
            fake.org.invitations.insert(id, GithubInvitation { id, user: Some(user), email: None, role, teams, created: cx.now(), failed: None });
        }
        "remove_member" => {
            let user = user()?;
            fake.org.drop_member(user);
        }
        "join_team" => {
            let (user, team) = (user()?, fake.find_team(act.text("team")?)?);
            fake.org.teams.get_mut(&team).and_then(|team| team.members.insert(user, role));
        }
        "leave_team" => {
            let (user, team) = (user()?, fake.find_team(act.text("team")?)?);
            fake.org.teams.get_mut(&team).and_then(|team| team.members.remove(&user));
        }
        "add_collaborator" | "invite_collaborator" => {
            let (user, here) = (user()?, repository()?);
            if !ROLES.iter().any(|(_, known)| *known == role) {
                return Err(missing("role", &role));
            }
            let id = fake.org.id();
            if let Some(one) = fake.org.repositories.get_mut(&here) {
                if act.act == "add_collaborator" {
                    one.direct.insert(user, role);
                } else {
                    one.invitations.insert(id, (user, role, cx.now()));
                }
            }
        }
        "link_idp_group" => {
            let (team, group) = (fake.find_team(act.text("team")?)?, act.text("group")?);
            fake.org.teams.get_mut(&team).map(|team| team.idp_groups.insert(group.to_owned()));
        }
        "hide" => {
            if let Some(key) = text("team") {
                let team = fake.find_team(key)?;
                fake.org.teams.get_mut(&team).into_iter().for_each(|team| team.hidden = true);
            } else {
                let here = repository()?;
                fake.org.repositories.get_mut(&here).into_iter().for_each(|one| one.hidden = true);
            }
        }
        "rename_user" => {
            let (user, to) = (user()?, act.text("to")?);
            fake.org.users.get_mut(&user).into_iter().for_each(|user| to.clone_into(&mut user.login));
        }
        "delete_user" => {
            let user = user()?;
            fake.org.drop_member(user);
            fake.org.users.remove(&user);
        }
        "provision_user" => return provision_or_enable(fake, act, cx),
        "set_active" => {
            let (user, active) = (user()?, act.args.get("active").cloned().unwrap_or_else(|| true.into()));
            let mut attributes = fake.org.users.get(&user).and_then(|user| user.scim.as_ref()).map(|scim| scim.attributes.clone()).unwrap_or_default();
            attributes.insert("active".to_owned(), active);
            fake.org.rewrite(user, attributes, cx.now()).map_err(|refusal| ActError::new(refusal.detail))?;
        }
        // SCIM suspends; what a suspended user holds stays.
        "deprovision_user" => {
            if let Some(user) = managed(fake, act.text("login")?) {
                activate(fake, user, false, cx)?;
            }
        }
        "forget_user" => {
            let user = user()?;
            fake.org.deprovision(user);
        }
        "unlink_user" => {
            let user = user()?;
            fake.org.users.get_mut(&user).and_then(|user| user.scim.as_mut()).into_iter().for_each(|scim| scim.linked = false);
        }
        "revoke_token" => {
            fake.auth.tokens.remove(act.text("token")?);
        }
        _ => return Err(act.unknown()),
    }
    Ok(Value::Null)
}
