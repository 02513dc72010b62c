//! The adapter: each method of the contract, and who does it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use provisionr_http::{HttpClient, path};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Check, Coverage, Descriptor, ErrorKind, Found, Grant, KindName,
    ListScope, Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Source, Target, TargetName, Wait, WaitReason,
    probe_by_looking,
};
use serde_json::Value;

use crate::accounts::gone;
use crate::config::Flavour;
use crate::invitations::{address_of, invited};
use crate::lists::paging;
use crate::members::{QUEUED, approval, entitlement};
use crate::places::{Sort, above};
use crate::wire::{BillableRow, Member, Row, User};

/// One GitLab. Made by [`GitlabConfig::connect`](crate::GitlabConfig::connect).
pub struct Gitlab {
    pub(crate) client: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) flavour: Flavour,
    pub(crate) attributes: Vec<&'static str>,
}

impl fmt::Debug for Gitlab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gitlab").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

/// The id of a user; GitLab's are numbers, and anything else in a path could reach another route.
pub(crate) fn user_id(account: &Account) -> Result<&str> {
    let id = account.id.as_str();
    if id.parse::<u64>().is_ok() { Ok(id) } else { Err(gone()) }
}

impl Gitlab {
    /// Looks at what an account has.
    pub(crate) async fn look(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let email = address_of(&account.id);
        let seen = match email {
            Some(email) if self.invites() => invited(email),
            _ => self.present(cx, account).await?,
        };
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        let mut whole = Vec::new();
        for sort in [Sort::Group, Sort::Project] {
            let Some(targets) = scope.targets(sort.kind()) else {
                whole.extend(scope.wants_kind(sort.kind()).then_some(sort));
                continue;
            };
            for target in targets {
                // A list leaves out what is not to be seen.
                let Some(place) = self.place(cx, sort, &target).await? else {
                    coverage = coverage.unseen(sort.kind(), Some(target), "the group or project is not to be seen");
                    continue;
                };
                coverage = coverage.target(sort.kind(), target);
                let held = if email.is_none() { self.grants_at(cx, &place, seen.id.as_str()).await? } else { Vec::new() };
                if let (true, Some(email)) = (held.is_empty(), self.email_of(account).or_else(|| self.email_of(&seen))) {
                    grants.extend(self.offered(cx, &place, &seen.id, email).await?);
                }
                grants.extend(held);
            }
        }
        if !whole.is_empty() {
            match if email.is_some() { None } else { self.all_of(cx, seen.id.as_str(), &whole).await? } {
                Some((all, _)) if self.has_open_invitation(cx, account, &seen).await? => {
                    grants.extend(all);
                    let why = "an invitation to the person is open somewhere in the group, and GitLab does not tell where";
                    coverage = whole.into_iter().fold(coverage, |coverage, sort| coverage.unseen(sort.kind(), None, why));
                }
                Some((all, hidden)) => {
                    grants.extend(all);
                    coverage = whole.into_iter().fold(coverage, |coverage, sort| coverage.kind(sort.kind()));
                    let why = "the group or project is not to be seen";
                    coverage = hidden.into_iter().fold(coverage, |coverage, (sort, id)| coverage.unseen(sort.kind(), Some(id.to_string().into()), why));
                }
                None => {
                    let why = "GitLab lists neither the invitations of an address nor the memberships of those who do not count for billing";
                    coverage = whole.into_iter().fold(coverage, |coverage, sort| coverage.unseen(sort.kind(), None, why));
                }
            }
        }
        Ok(Observation::new(seen, grants, coverage))
    }

    /// What an account has in every place it is a direct member of, and the places that are hidden; none where GitLab does not list them.
    async fn all_of(&self, cx: &CallContext, user: &str, sorts: &[Sort]) -> Result<Option<(Vec<Grant>, Vec<(Sort, u64)>)>> {
        let rows: Vec<(Sort, u64)> = match &self.flavour {
            Flavour::Admin { .. } => {
                let rows: Vec<Row> = self.client.get(path!["users", user, "memberships"]).all(cx, &paging()).await?;
                rows.into_iter().map(|row| (if row.source_type == "Project" { Sort::Project } else { Sort::Group }, row.source_id)).collect()
            }
            Flavour::Group { path, .. } => {
                let rows = self.client.get(path!["groups", path, "billable_members", user, "memberships"]).all::<BillableRow>(cx, &paging()).await;
                match rows {
                    Ok(rows) => rows
                        .into_iter()
                        .map(|row| (if row.source_members_url.ends_with("project_members") { Sort::Project } else { Sort::Group }, row.source_id))
                        .collect(),
                    Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => return Ok(None),
                    Err(error) => return Err(error),
                }
            }
        };
        // The lists show neither paths nor, for administrators, the day a membership ends.
        let (mut places, mut grants, mut hidden) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (sort, id) in rows {
            let Some(place) = self.place_at(cx, sort, &id.to_string()).await? else {
                hidden.push((sort, id));
                continue;
            };
            if let Some(member) = self.direct(cx, &place, user).await? {
                places.insert((sort == Sort::Project, place.full_path.clone()), (place, member));
            }
        }
        for (place, member) in places.values().filter(|(place, _)| sorts.contains(&place.sort)) {
            grants.push(crate::members::grant(place, member));
            for path in above(&place.full_path) {
                let Some((group, row)) = places.get(&(false, path)).filter(|(_, row)| row.access_level > 5) else { continue };
                let inherited = Grant::direct(user, entitlement(place.sort, &place.id, row.access_level, row.expires_at));
                grants.push(inherited.from_source(Source::Inherited(group.id.as_str().into())));
            }
        }
        Ok(Some((grants, hidden)))
    }

    /// The scopes of a personal access token; none where the credential is another.
    async fn scopes(&self, cx: &CallContext) -> Option<Vec<String>> {
        let answer = self.client.get(path!["personal_access_tokens", "self"]).send(cx).await.ok()?;
        let scopes = answer.value().get("scopes").and_then(Value::as_array)?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(scopes)
    }
}

#[async_trait]
impl Adapter for Gitlab {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        self.look(cx, account, scope).await
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) if self.descriptor.has(&Ability::UpdateAccount) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::Grant(wanted) => match address_of(&request.account()?.id) {
                Some(email) if self.invites() => {
                    let place = self.seen_place(cx, wanted).await?;
                    self.invite(cx, &place, request.account()?, email, wanted).await
                }
                _ => self.join(cx, request, request.account()?, wanted).await,
            },
            Change::Revoke(unwanted) if address_of(&request.account()?.id).is_some() && self.invites() => self.withdraw(cx, request.account()?, unwanted).await,
            Change::Revoke(unwanted) => self.leave(cx, request, request.account()?, unwanted).await,
            Change::Withdraw(unwanted) if self.invites() => self.withdraw(cx, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let me: User = self.client.get(path!["user"]).send(cx).await?.json()?;
        let mut check = Check::new().own(me.id.to_string());
        let both = |ability: fn(KindName) -> Ability| [Sort::Group, Sort::Project].map(|sort| ability(sort.kind().into()));
        let has = |ability: &Ability| self.descriptor.has(ability);
        let writes = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::Withdraw];
        if self.scopes(cx).await.is_some_and(|scopes| !scopes.iter().any(|scope| scope == "api")) {
            let all = writes.iter().cloned().chain(both(Ability::Manage)).filter(has);
            check = check.lacks_all(all, "the token has not the scope `api`".to_owned());
        }
        match &self.flavour {
            Flavour::Admin { .. } if me.is_admin != Some(true) => {
                let all = writes.into_iter().chain([Ability::ListAccounts]).filter(has);
                check = check.lacks_all(all, "the token is not an administrator's".to_owned());
            }
            Flavour::Admin { .. } => {
                // With Admin Mode switched on, a token without its scope is a plain user's, and sees what a user sees.
                let look = self.client.get(path!["users", me.id.to_string(), "memberships"]).query("per_page", 1).send(cx).await;
                match look {
                    Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                        let all = writes.into_iter().chain([Ability::ListAccounts]).chain(both(Ability::ListTargets)).chain(both(Ability::ListGrants));
                        let why = "the token does not act as an administrator: with Admin Mode switched on it needs the scope `admin_mode`".to_owned();
                        check = check.lacks_all(all.chain(both(Ability::Manage)).filter(has), why);
                    }
                    Err(error) => return Err(error),
                    Ok(_) => {}
                }
            }
            Flavour::Group { path, .. } => {
                let member = self.client.get(path!["groups", path, "members", "all", me.id.to_string()]).send_if_found(cx).await?;
                let level = member.map(|answer| answer.json::<Member>()).transpose()?.map_or(0, |member| member.access_level);
                if level < 50 {
                    let all = writes.into_iter().chain(both(Ability::Manage)).filter(has);
                    check = check.lacks_all(all, format!("the token's user does not own `{path}`"));
                }
            }
        }
        Ok(check)
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let sort = Sort::of(kind.as_str())?;
        let mut resolved = Vec::with_capacity(names.len());
        for name in names {
            resolved.push(Resolved { name: name.clone(), resolution: self.resolve_one(cx, sort, name).await? });
        }
        Ok(resolved)
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        let ticket = request.ticket.as_ref().map(provisionr_sdk::Ticket::as_str);
        match &request.change {
            Change::EnsureAccount(spec) if self.invites() => self.probe_ensured(cx, request, spec).await,
            Change::SetState(AccountState::Deleted) => Ok(match (self.user(cx, request.account()?.id.as_str()).await?, ticket) {
                (None, _) => Probe::Holds(provisionr_sdk::Receipt::new()),
                (Some(_), Some(_)) => Probe::Pending(Wait::new(WaitReason::VendorJob, std::time::Duration::from_secs(30))),
                (Some(_), None) => Probe::Absent,
            }),
            _ => Ok(match probe_by_looking(self, cx, request).await? {
                // A queued promotion shows nowhere before it is agreed to.
                Probe::Absent if ticket == Some(QUEUED) => Probe::Pending(approval()),
                probe => probe,
            }),
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        if !self.descriptor.has(&Ability::ListAccounts) {
            return Err(AdapterError::unsupported("listing accounts"));
        }
        self.list_users(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.targets(cx, kind.as_str(), page).await
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.grants(cx, scope, page).await
    }
}
