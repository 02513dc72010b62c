//! The adapter: each method of the contract, and who does it.

use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use provisionr_http::scim::Scim;
use provisionr_http::{HttpClient, RequestBuilder, path};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, AdapterError, BatchOutcome, CallContext, Change, Check, Coverage, Cursor, Descriptor, ErrorKind,
    Found, Grant, KindName, ListScope, Observation, Outcome, Owner, Page, PageRequest, Probe, Request, Resolution, Resolved, Result, Scope, Target, TargetName,
    probe_by_looking,
};
use serde::{Deserialize, Serialize};

use crate::channels::{INVITE_TO_CHANNEL, InviteToChannel, UNSEEN_CHANNELS};
use crate::roles::ASSIGN_WORKSPACE_ROLE;
use crate::usergroups::{ADD_TO_USERGROUP, AddToUsergroup};
use crate::wire::field;

/// One Slack workspace. Made by [`SlackConfig::connect`](crate::SlackConfig::connect).
pub struct Slack {
    pub(crate) web: HttpClient,
    pub(crate) grid: Option<Grid>,
    pub(crate) scim: Option<Scim>,
    /// The Web API, entered with SCIM's token.
    pub(crate) scim_owner: Option<HttpClient>,
    pub(crate) descriptor: Descriptor,
    pub(crate) team: Option<String>,
    pub(crate) attributes: Vec<&'static str>,
}

/// The organisation around the workspace, entered as one of its admins.
pub(crate) struct Grid {
    pub(crate) client: HttpClient,
    pub(crate) team: String,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack").field("system", &self.descriptor.system).field("client", &self.web).finish_non_exhaustive()
    }
}

/// Whether something was written before an error: then the error no longer promises that nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    No,
    Yes,
}

impl Written {
    pub(crate) fn mark(self, error: AdapterError) -> AdapterError {
        match self {
            Self::No => error,
            Self::Yes => error.effect_unknown(),
        }
    }
}

/// Ids go into lists separated by commas: what is none of Slack's form is not sent.
pub(crate) fn plain_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Looks names up with or without the sign people write before them.
pub(crate) fn named(names: &[TargetName], targets: &[Target], sign: char) -> Vec<Resolved> {
    let bare: Vec<Target> = targets.iter().map(|target| Target { name: target.name.as_str().trim_start_matches(sign).into(), ..target.clone() }).collect();
    let one = |name: &TargetName| {
        let mut resolved = Resolved::among(std::slice::from_ref(name), if name.as_str().starts_with(sign) { targets } else { &bare });
        if let Some(Resolved { resolution: Resolution::One(found), .. }) = resolved.first_mut()
            && let Some(target) = targets.iter().find(|target| target.id == found.id)
        {
            *found = target.clone();
        }
        resolved
    };
    names.iter().flat_map(one).collect()
}

/// Where a list of all grants of a kind stands: at which targets, and where in the list of the first of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Targets of the page at work that are still to come, and who else decides about each.
    pub(crate) left: Vec<(String, Option<Owner>)>,
    /// Whose token it is: asked once for a whole list.
    pub(crate) me: Option<String>,
    next: Option<Cursor>,
    grants: Option<Cursor>,
}

impl Place {
    pub(crate) fn read(page: &PageRequest) -> Result<Self> {
        page.cursor.as_ref().map_or(Ok(Self::default()), |cursor| {
            serde_json::from_str(cursor.as_str()).map_err(|_| AdapterError::stale_cursor("the cursor is none of this list"))
        })
    }

    /// The next page of targets: few enough to be carried along in a cursor.
    pub(crate) fn targets(&self) -> PageRequest {
        PageRequest { cursor: self.next.clone(), size: Some(100) }
    }

    pub(crate) fn fill(&mut self, page: Page<Target>) {
        self.left = page.items.into_iter().map(|target| (target.id.as_str().to_owned(), target.owner)).collect();
        self.next = page.next;
    }

    pub(crate) fn grants(&self, page: &PageRequest) -> PageRequest {
        PageRequest { cursor: self.grants.clone(), size: page.size }
    }

    /// The page as one of the whole list.
    pub(crate) fn go_on(mut self, mut page: Page<Grant>) -> Result<Page<Grant>> {
        self.grants = page.next.take();
        if self.grants.is_none() && !self.left.is_empty() {
            self.left.remove(0);
        }
        if self.grants.is_some() || !self.left.is_empty() || self.next.is_some() {
            let cursor = serde_json::to_string(&self).map_err(|error| AdapterError::other("the place in the list cannot be written").with_source(error))?;
            page.next = Some(cursor.into());
        }
        Ok(page)
    }
}

fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}

impl Slack {
    pub(crate) fn grid(&self) -> Result<&Grid> {
        self.grid.as_ref().ok_or_else(|| AdapterError::unsupported("this without an organisation"))
    }

    pub(crate) fn org_team(&self) -> Option<String> {
        self.team.clone()
    }

    /// Tokens of a whole organisation have to say which workspace is meant.
    pub(crate) fn for_team<'a>(&self, request: RequestBuilder<'a>) -> RequestBuilder<'a> {
        match &self.team {
            Some(team) => request.query("team_id", team),
            None => request,
        }
    }

    /// Whose token it is, and its scopes: Slack sends them with each answer, in a header.
    pub(crate) async fn me(&self, cx: &CallContext, client: &HttpClient) -> Result<(String, Option<BTreeSet<String>>)> {
        let answer = client.post(path!["auth.test"]).read().send(cx).await?;
        let scopes = answer.header("x-oauth-scopes").map(|scopes| scopes.split(',').map(|scope| scope.trim().to_owned()).collect());
        Ok((field(&answer, "user_id")?, scopes))
    }

    fn has_kind(&self, kind: &KindName) -> Result<()> {
        if self.descriptor.kinds.get(kind).is_some() { Ok(()) } else { Err(no_such_kind(kind)) }
    }
}

/// What each ability needs of the token: all of the lists, any scope of each.
type Need = &'static [&'static [&'static str]];

/// Whoever is looked at is read first, and found by the address. Channels are asked for public and private in one call.
const SEE_CHANNELS: Need = &[&["users:read"], &["users:read.email"], &["channels:read"], &["groups:read"]];
const MANAGE_CHANNELS: Need = &[
    &["users:read"],
    &["users:read.email"],
    &["channels:read"],
    &["groups:read"],
    &["channels:manage", "channels:write", "groups:write"],
    &["channels:join", "channels:write"],
];
const SEE_GROUPS: Need = &[&["users:read"], &["users:read.email"], &["usergroups:read"]];
const MANAGE_GROUPS: Need = &[&["users:read"], &["users:read.email"], &["usergroups:read"], &["usergroups:write"]];
const SEE_ROLES: Need = &[&["admin.teams:read"]];
const MANAGE_ROLES: Need = &[&["admin.teams:read"], &["admin.users:write"]];

fn lacking(mut check: Check, descriptor: &Descriptor, scopes: Option<&BTreeSet<String>>, needs: &[(Ability, Need)]) -> Check {
    let Some(scopes) = scopes else { return check };
    for (ability, need) in needs.iter().filter(|(ability, _)| descriptor.has(ability)) {
        let missing: Vec<String> = need.iter().filter(|any| !any.iter().any(|scope| scopes.contains(*scope))).map(|any| any.join(" or ")).collect();
        if !missing.is_empty() {
            check = check.lacks(ability.clone(), format!("the token lacks the scope {}", missing.join(" and ")));
        }
    }
    check
}

fn all(kind: &str, manage: Need, see: Need) -> [(Ability, Need); 4] {
    let kind = KindName::from(kind);
    [
        (Ability::Manage(kind.clone()), manage),
        (Ability::Observe(kind.clone()), see),
        (Ability::ListTargets(kind.clone()), see),
        (Ability::ListGrants(kind), see),
    ]
}

#[async_trait]
impl Adapter for Slack {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        for kind in self.descriptor.kinds.iter().filter(|kind| scope.wants_kind(kind.name.as_str())) {
            let (held, seen) = match kind.name.as_str() {
                INVITE_TO_CHANNEL => self.see_channels(cx, &user.id, scope, coverage).await?,
                ADD_TO_USERGROUP => self.see_usergroups(cx, &user.id, scope, coverage).await?,
                _ => self.see_roles(cx, &user.id, scope, coverage).await?,
            };
            grants.extend(held);
            coverage = seen;
        }
        grants.retain(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(self.account(&user), grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        let account = || request.account();
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, account()?, *state).await,
            Change::EndSessions => self.end_sessions(cx, account()?).await,
            Change::Grant(wanted) if wanted.kind == *INVITE_TO_CHANNEL => self.enter(cx, &wanted.to::<InviteToChannel>()?.target, account()?).await,
            Change::Revoke(unwanted) if unwanted.kind == *INVITE_TO_CHANNEL => {
                self.leave(cx, request, account()?, &unwanted.to::<InviteToChannel>()?.target).await
            }
            Change::Grant(wanted) if wanted.kind == *ADD_TO_USERGROUP => self.join_group(cx, account()?, &wanted.to::<AddToUsergroup>()?.target).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_USERGROUP => {
                self.leave_group(cx, request, account()?, &unwanted.to::<AddToUsergroup>()?.target).await
            }
            Change::Grant(wanted) if wanted.kind == *ASSIGN_WORKSPACE_ROLE && self.grid.is_some() => self.give_role(cx, request, account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ASSIGN_WORKSPACE_ROLE && self.grid.is_some() => {
                self.take_role(cx, request, account()?, unwanted).await
            }
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn apply_batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        self.enter_together(cx, requests).await
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let (me, scopes) = self.me(cx, &self.web).await?;
        let needs: Vec<_> = all(INVITE_TO_CHANNEL, MANAGE_CHANNELS, SEE_CHANNELS)
            .into_iter()
            .chain(all(ADD_TO_USERGROUP, MANAGE_GROUPS, SEE_GROUPS))
            .chain([(Ability::ListAccounts, &[&["users:read"] as &[_]] as Need)])
            .collect();
        let mut check = lacking(Check::new().own(me), &self.descriptor, scopes.as_ref(), &needs);
        if let Some(grid) = &self.grid {
            let (me, scopes) = self.me(cx, &grid.client).await?;
            let people: Need = &[&["admin.users:write"]];
            let mut needs: Vec<_> = all(ASSIGN_WORKSPACE_ROLE, MANAGE_ROLES, SEE_ROLES).into_iter().chain([(Ability::EndSessions, people)]).collect();
            if self.scim.is_none() {
                needs.extend([(Ability::CreateAccount, people), (Ability::SetState, people)]);
            }
            check = lacking(check.own(me), &self.descriptor, scopes.as_ref(), &needs);
        }
        if let Some(owner) = &self.scim_owner {
            let (me, scopes) = self.me(cx, owner).await?;
            let needs = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState].map(|ability| (ability, &[&["admin"] as &[_]] as Need));
            check = lacking(check.own(me), &self.descriptor, scopes.as_ref(), &needs);
        }
        // Free workspaces have no user groups, whatever the scopes.
        match self.usergroups(cx).await {
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                let abilities = all(ADD_TO_USERGROUP, MANAGE_GROUPS, SEE_GROUPS).into_iter().map(|(ability, _)| ability);
                Ok(abilities.fold(check, |check, ability| if check.lacking.contains_key(&ability) { check } else { check.lacks(ability, error.to_string()) }))
            }
            Err(error) => Err(error),
            Ok(_) => Ok(check),
        }
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        self.has_kind(kind)?;
        match kind.as_str() {
            INVITE_TO_CHANNEL => self.resolve_channels(cx, names).await,
            ADD_TO_USERGROUP => Ok(named(names, &self.list_usergroups(cx).await?, '@')),
            _ => Ok(Resolved::among(names, &self.all_teams(cx).await?)),
        }
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match &request.change {
            Change::EnsureAccount(spec) => self.probe_ensure(cx, request, spec).await,
            _ => probe_by_looking(self, cx, request).await,
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.list_users(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.has_kind(kind)?;
        match kind.as_str() {
            INVITE_TO_CHANNEL => self.list_channels(cx, page).await,
            ADD_TO_USERGROUP => Ok(Page::last(self.list_usergroups(cx).await?)),
            _ => self.list_teams(cx, page).await,
        }
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.has_kind(scope.kind())?;
        match (scope, scope.kind().as_str()) {
            (ListScope::Account(kind, account), _) => {
                let account = Account::new(account.clone(), AccountState::Active);
                let seen = self.observe(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?;
                let complete = seen.coverage.covers_kind(kind);
                let page = Page::last(seen.grants);
                Ok(if complete { page } else { page.incomplete(UNSEEN_CHANNELS) })
            }
            (ListScope::Target(_, channel), INVITE_TO_CHANNEL) => self.list_members(cx, channel.as_str(), page).await,
            (ListScope::Target(_, group), ADD_TO_USERGROUP) => self.list_group_members(cx, Some(group.as_str())).await,
            (ListScope::Target(_, team), _) => Ok(Page::last(self.roles_in(cx, team.as_str()).await?)),
            (ListScope::Kind(_), INVITE_TO_CHANNEL) => self.list_memberships(cx, page).await,
            (ListScope::Kind(_), ADD_TO_USERGROUP) => self.list_group_members(cx, None).await,
            (ListScope::Kind(_), _) => self.list_all_roles(cx, page).await,
            (other, _) => Err(AdapterError::unsupported(other)),
        }
    }
}
