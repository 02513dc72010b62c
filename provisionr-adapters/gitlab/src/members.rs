//! Membership in groups and projects: what is direct, what is inherited, and what may be changed.

use http::Method;
use provisionr_http::{Answer, RequestBuilder};
use provisionr_sdk::{
    Account, AdapterError, CallContext, Date, Entitlement, ErrorKind, Grant, GrantState, Outcome, Owner, Receipt, Request, Result, Source, Wait, WaitReason,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::adapter::{Gitlab, user_id};
use crate::errors::{INHERITED, MEMBER};
use crate::places::{Place, Sort};
use crate::wire::{self, Member, ROLES, role_name};

/// Membership in a group (`add_to_group`) or project (`add_to_project`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The group or project: its full path in policies, its id everywhere else.
    pub target: String,
    /// The role: `guest`, `planner`, `reporter`, `developer`, `maintainer`, `owner`; `minimal_access` for top-level groups.
    pub role: String,
    /// The last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Date>,
}

impl Membership {
    pub(crate) fn level(&self) -> Result<u64> {
        let known = ROLES.iter().find(|(name, ..)| *name == self.role);
        known.map(|(_, level, _)| *level).ok_or_else(|| AdapterError::invalid_request(format!("GitLab has no role `{}`", self.role)))
    }

    /// The fields a write sets. An end that is not wanted is cleared.
    pub(crate) fn fields(&self) -> Result<Map<String, Value>> {
        let fields = [("access_level", self.level()?.into()), ("expires_at", self.expires_at.map_or(Value::Null, |day| day.to_string().into()))];
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// How long a person takes to agree to something; whoever moves runs stretches it.
const APPROVAL: std::time::Duration = std::time::Duration::from_secs(3600);

/// The ticket of a promotion that an administrator has to agree to: it shows nowhere until they have.
pub(crate) const QUEUED: &str = "queued";

pub(crate) fn approval() -> Wait {
    Wait::new(WaitReason::Approval, APPROVAL).with_ticket(QUEUED)
}

pub(crate) fn entitlement(sort: Sort, target: &str, level: u64, expires_at: Option<Date>) -> Entitlement {
    let entitlement = Entitlement::new(sort.kind(), target).with_role(role_name(level));
    match expires_at {
        Some(day) => entitlement.with_param("expires_at", day.to_string()),
        None => entitlement,
    }
}

pub(crate) fn grant(place: &Place, member: &Member) -> Grant {
    let grant = Grant::direct(member.user.id.to_string(), entitlement(place.sort, &place.id, member.access_level, member.expires_at));
    let grant = if member.membership_state.as_deref() == Some("awaiting") { grant.in_state(GrantState::NeedsApproval) } else { grant };
    match &place.owner {
        Some(owner) => grant.from_source(Source::Owned(owner.clone())),
        None => grant,
    }
}

impl Gitlab {
    fn member_request(&self, method: Method, place: &Place, user: &str) -> RequestBuilder<'_> {
        self.client.request(method, place.path().segment("members").segment(user))
    }

    /// The direct row.
    pub(crate) async fn direct(&self, cx: &CallContext, place: &Place, user: &str) -> Result<Option<Member>> {
        self.member_request(Method::GET, place, user).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// The membership that counts, wherever it comes from. GitLab shows the highest, and not from where.
    async fn effective(&self, cx: &CallContext, place: &Place, user: &str) -> Result<Option<Member>> {
        if place.above.is_empty() && place.shared.is_empty() {
            return Ok(None);
        }
        let request = self.client.get(place.path().segment("members").segment("all").segment(user));
        request.send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// What a person has here from the groups above, and from groups that are invited.
    /// `direct` is the level of the direct row, 0 for none.
    async fn inherited(&self, cx: &CallContext, place: &Place, user: &str, direct: u64) -> Result<Vec<Grant>> {
        let Some(effective) = self.effective(cx, place, user).await? else { return Ok(Vec::new()) };
        let mut grants = Vec::new();
        let from = |level: u64, day: Option<Date>, source: Source| Grant::direct(user, entitlement(place.sort, &place.id, level, day)).from_source(source);
        let inherited = |group: u64| Source::Inherited(group.to_string().into());
        for path in &place.above {
            let request = self.client.get(Sort::Group.path(path).segment("members").segment(user));
            let Some(answer) = request.send_if_found(cx).await? else { continue };
            let row: Member = answer.json()?;
            // Minimal Access opens the top-level group alone.
            if row.access_level > 5 {
                let group: wire::Source = self.client.get(Sort::Group.path(path)).query("with_projects", "false").send(cx).await?.json()?;
                grants.push((row.access_level, from(row.access_level, row.expires_at, inherited(group.id))));
            }
        }
        if effective.access_level > grants.iter().map(|(level, _)| *level).fold(direct, u64::max) {
            // From a group that is invited here; which, where there are several, GitLab does not say.
            let giver = place.shared.iter().max_by_key(|shared| shared.group_access_level);
            let source = giver.map_or_else(|| Source::Rule(Owner::new("a group that is invited to one above")), |giver| inherited(giver.group_id));
            grants.push((effective.access_level, from(effective.access_level, effective.expires_at, source)));
        }
        Ok(grants.into_iter().map(|(_, grant)| grant).collect())
    }

    /// All that a person has at one place, with its sources.
    pub(crate) async fn grants_at(&self, cx: &CallContext, place: &Place, user: &str) -> Result<Vec<Grant>> {
        let direct = self.direct(cx, place, user).await?;
        let mut grants: Vec<Grant> = direct.iter().map(|member| grant(place, member)).collect();
        grants.extend(self.inherited(cx, place, user, direct.map_or(0, |member| member.access_level)).await?);
        Ok(grants)
    }

    fn is_enough(&self, held: &Entitlement, wanted: &Entitlement) -> bool {
        self.descriptor.kinds.get(&wanted.kind).is_some_and(|kind| kind.satisfies(held, wanted))
    }

    pub(crate) async fn seen_place(&self, cx: &CallContext, wanted: &Entitlement) -> Result<Place> {
        let place = self.place(cx, Sort::of(wanted.kind.as_str())?, &wanted.target).await?;
        place.ok_or_else(|| AdapterError::target_not_found("the group or project is not there, or not to be seen"))
    }

    pub(crate) async fn join(&self, cx: &CallContext, request: &Request, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        Sort::of(wanted.kind.as_str())?;
        let user = user_id(account)?;
        let mut fields = wanted.to::<Membership>()?.fields()?;
        let place = self.seen_place(cx, wanted).await?;
        let direct = self.direct(cx, &place, user).await?;
        if let Some(member) = direct {
            return self.change(cx, request, &place, member, wanted).await;
        }
        place.check_owner()?;
        let inherited = self.inherited(cx, &place, user, 0).await?;
        if let Some(enough) = inherited.into_iter().find(|grant| self.is_enough(&grant.entitlement, wanted)) {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(enough.clone()).with_grant(enough)));
        }
        fields.insert("user_id".to_owned(), json!(user.parse::<u64>().unwrap_or_default()));
        fields.retain(|_, value| !value.is_null());
        match self.client.post(place.path().segment("members")).json(&fields).send(cx).await {
            Ok(answer) => self.outcome(&place, &answer, Receipt::new().before_absent()),
            // Somebody was faster, and GitLab leaves the level as it is.
            Err(error) if error.code() == Some(MEMBER) => match self.direct(cx, &place, user).await? {
                Some(member) => self.change(cx, request, &place, member, wanted).await,
                None => Err(error),
            },
            Err(error) if error.code() == Some(INHERITED) => {
                let above = self.inherited(cx, &place, user, 0).await?;
                Ok(Outcome::Unchanged(above.into_iter().fold(Receipt::new(), Receipt::still)))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(AdapterError::account_not_found("the user is not there, or not to be seen")),
            Err(error) => Err(error),
        }
    }

    /// Sets role and end of a direct membership.
    async fn change(&self, cx: &CallContext, request: &Request, place: &Place, before: Member, wanted: &Entitlement) -> Result<Outcome> {
        let there = grant(place, &before);
        let receipt = Receipt::new().before_grant(there.clone());
        if there.entitlement == *wanted {
            return Ok(match there.state {
                GrantState::NeedsApproval => Outcome::Waiting(Wait::new(WaitReason::Approval, APPROVAL), receipt.with_grant(there)),
                _ => Outcome::Unchanged(receipt.with_grant(there)),
            });
        }
        place.check_owner()?;
        request.check_expected(Some(&there))?;
        let membership = wanted.to::<Membership>()?;
        let (mut fields, level) = (membership.fields()?, membership.level()?);
        let receipt = match &before.member_role {
            // A write that does not name the custom role takes it away, and it fits its own level only.
            Some(role) if level == before.access_level => {
                fields.insert("member_role_id".to_owned(), role.id.into());
                receipt
            }
            Some(role) => receipt.and_changed(format!("the custom role `{}` went with its level", role.name)),
            None => receipt,
        };
        let user = before.user.id.to_string();
        match self.member_request(Method::PUT, place, &user).json(&fields).send(cx).await {
            Ok(answer) => self.outcome(place, &answer, receipt),
            Err(error) if error.code() == Some(INHERITED) => self.fall_back(cx, place, &before, wanted, receipt).await,
            Err(error) => Err(self.why_not(cx, place, &before, error).await),
        }
    }

    /// A direct level below an inherited one cannot be set. Where what is inherited is enough, the direct row goes; what is left is what was
    /// wanted, as near as GitLab lets it be.
    async fn fall_back(&self, cx: &CallContext, place: &Place, before: &Member, wanted: &Entitlement, receipt: Receipt) -> Result<Outcome> {
        let user = before.user.id.to_string();
        let left = self.inherited(cx, place, &user, before.access_level).await?;
        if !left.iter().any(|grant| self.is_enough(&grant.entitlement, wanted)) {
            return Err(AdapterError::refused("the groups above give a higher level: take the direct membership away instead").with_code(INHERITED));
        }
        let answer = match self.removal(place, &user).send(cx).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.why_not(cx, place, before, error).await),
        };
        answer.empty()?;
        let receipt = receipt.with_request_id(answer.request_id()).and_changed("the direct membership went, for the groups above give more than was wanted");
        Ok(Outcome::Applied(left.into_iter().fold(receipt, Receipt::still)))
    }

    /// Without the parameter the direct memberships in everything below would go too, wanted or not.
    fn removal(&self, place: &Place, user: &str) -> RequestBuilder<'_> {
        self.member_request(Method::DELETE, place, user).query("skip_subresources", "true")
    }

    /// Success may be a member, a queued promotion, or a failure in words.
    fn outcome(&self, place: &Place, answer: &Answer, receipt: Receipt) -> Result<Outcome> {
        let receipt = receipt.with_request_id(answer.request_id());
        let body: Map<String, Value> = answer.json()?;
        let said = body.get("message").map(Value::to_string).unwrap_or_default();
        if body.contains_key("queued_users") || said.contains("queued for administrator approval") {
            return Ok(Outcome::Waiting(approval(), receipt));
        }
        if body.get("status").is_some_and(|status| status == "error") {
            let why = provisionr_http::plain(&said).unwrap_or_default();
            return Err(AdapterError::refused(format!("GitLab answered with success, and says: {why}")));
        }
        let now = grant(place, &answer.json()?);
        let waits = now.state == GrantState::NeedsApproval;
        let receipt = receipt.with_grant(now);
        Ok(if waits { Outcome::Waiting(Wait::new(WaitReason::Approval, APPROVAL), receipt) } else { Outcome::Applied(receipt) })
    }

    /// GitLab refuses to leave a group without an owner in the same words as a lack of rights; a look at the owners tells.
    async fn why_not(&self, cx: &CallContext, place: &Place, member: &Member, error: AdapterError) -> AdapterError {
        if *error.kind() != ErrorKind::PermissionDenied || member.access_level < 50 {
            return error;
        }
        let request = self.client.get(place.path().segment("members").segment("all"));
        match request.all::<Member>(cx, &crate::lists::paging()).await {
            Ok(all) if all.iter().filter(|other| other.access_level >= 50).count() == 1 => {
                AdapterError::refused(format!("`{}` has no other owner", place.full_path))
            }
            _ => error,
        }
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let sort = Sort::of(unwanted.kind.as_str())?;
        let user = user_id(account)?;
        let Some(place) = self.place(cx, sort, &unwanted.target).await? else {
            return Err(AdapterError::not_found_unclear("the group or project is not to be seen"));
        };
        place.check_owner()?;
        let still = |receipt: Receipt, left: Vec<Grant>| left.into_iter().fold(receipt, Receipt::still);
        let Some(member) = self.direct(cx, &place, user).await? else {
            return Ok(Outcome::Unchanged(still(Receipt::new().before_absent(), self.inherited(cx, &place, user, 0).await?)));
        };
        let there = grant(&place, &member);
        request.check_expected(Some(&there))?;
        let answer = match self.removal(&place, user).send(cx).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.why_not(cx, &place, &member, error).await),
        };
        answer.empty()?;
        let receipt = Receipt::new().before_grant(there).with_request_id(answer.request_id());
        // The removal stands, whatever this look sees.
        let left = self.inherited(cx, &place, user, 0).await.unwrap_or_default();
        Ok(Outcome::Applied(still(receipt, left)))
    }
}
