//! Membership of the organization: <https://docs.github.com/rest/orgs/members>

use provisionr_http::{Paging, path};
use provisionr_sdk::{
    AdapterError, CallContext, Change, Entitlement, ErrorKind, Grant, GrantState, Outcome, Owner, Probe, Receipt, Request, Result, Source, TargetId,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Github;
use crate::changes::{Step, answered_meanwhile, granted, still_there};
use crate::wire::{Membership, OrgInvitation, User};

pub(crate) const ADD_TO_ORG: &str = "add_to_org";

/// Membership of the organization (`add_to_org`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgMembership {
    /// The organization's login.
    pub target: String,
    /// `member` or `admin`.
    pub role: String,
}

/// `Link` leads on, by ids in the place of names: from `/orgs/company/teams` to `/organizations/900/teams`.
/// <https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api>
pub(crate) fn paging() -> Paging {
    Paging::link_query().sized("per_page", 100)
}

pub(crate) fn entitlement(kind: &str, target: impl Into<TargetId>, role: &str) -> Entitlement {
    Entitlement::new(kind, target).with_role(role)
}

impl Github {
    pub(crate) fn is_ours(&self, organization: &str) -> bool {
        organization.eq_ignore_ascii_case(&self.organization)
    }

    /// What a person has in the organization.
    pub(crate) fn org_grants(&self, user: u64, membership: &Membership) -> Vec<Grant> {
        let grant = Grant::direct(user.to_string(), entitlement(ADD_TO_ORG, self.organization.as_str(), &membership.role));
        if membership.state == "pending" {
            return vec![grant.in_state(GrantState::Invited)];
        }
        let teams = &membership.enterprise_teams_providing_indirect_membership;
        let indirect = (!membership.direct_membership || !teams.is_empty()).then(|| {
            let names = if teams.is_empty() { "the enterprise".to_owned() } else { format!("enterprise team {}", teams.join(", ")) };
            grant.clone().from_source(Source::Owned(Owner::new(names)))
        });
        membership.direct_membership.then_some(grant).into_iter().chain(indirect).collect()
    }

    /// The membership or invitation of a person. That there is none is believed of a credential that sees who is invited: to others
    /// GitHub says "not found" too.
    pub(crate) async fn membership(&self, cx: &CallContext, user: &User) -> Result<Option<Membership>> {
        let found = self.client.get(path!["orgs", self.organization, "memberships", user.login]).send_if_found(cx).await?;
        if let Some(answer) = found {
            return answer.json().map(Some);
        }
        let sees = self.client.get(path!["orgs", self.organization, "invitations"]).query("per_page", 1).send_if_found(cx).await?;
        if sees.is_some() { Ok(None) } else { Err(AdapterError::not_found_unclear("the members of the organization are not to be seen")) }
    }

    pub(crate) async fn owners(&self, cx: &CallContext) -> Result<Vec<User>> {
        self.client.get(path!["orgs", self.organization, "members"]).query("role", "admin").all(cx, &paging()).await
    }

    fn check_target(&self, target: &Entitlement) -> Result<()> {
        if self.is_ours(target.target.as_str()) { Ok(()) } else { Err(AdapterError::target_not_found("this adapter works for another organization")) }
    }

    /// The last owner is refused, in a status GitHub does not describe; a look at the owners tells why.
    async fn why_not(&self, cx: &CallContext, user: &User, error: AdapterError) -> AdapterError {
        if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidRequest | ErrorKind::Conflict) {
            return error;
        }
        match self.owners(cx).await.as_deref() {
            Ok([only]) if only.id == user.id => AdapterError::refused(format!("`{}` has no other owner", self.organization)),
            _ => error,
        }
    }

    /// Answers 200 to members and invited people alike, and again for a repeat.
    pub(crate) async fn invite(&self, cx: &CallContext, request: &Request, wanted: &Entitlement) -> Result<Outcome> {
        self.check_target(wanted)?;
        let role = wanted.to::<OrgMembership>()?.role;
        let user = self.user_or_gone(cx, request.account()?).await?;
        let grants = self.membership(cx, &user).await?.map(|membership| self.org_grants(user.id, &membership)).unwrap_or_default();
        let receipt = match self.before_grant(request, &grants, wanted)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(receipt, _) => receipt,
        };
        let call = self.client.put(path!["orgs", self.organization, "memberships", user.login]).json(&json!({ "role": role }));
        let answer = match call.send(cx).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.why_not(cx, &user, error).await),
        };
        let now: Membership = answer.json()?;
        let grant = self.org_grants(user.id, &now).into_iter().next();
        let grant = grant.ok_or_else(|| answer.unreadable("the answer shows no membership"))?;
        if now.role != role {
            return Err(answer.maybe_done(AdapterError::refused(format!("GitHub left the role at `{}`", now.role))));
        }
        Ok(granted(receipt.with_request_id(answer.request_id()), grant))
    }

    /// Takes every team and all access to repositories along; of an invitation, the invitation.
    pub(crate) async fn leave_org(&self, cx: &CallContext, request: &Request, unwanted: &Entitlement) -> Result<Outcome> {
        self.check_target(unwanted)?;
        let user = self.user_or_gone(cx, request.account()?).await?;
        let grants = self.membership(cx, &user).await?.map(|membership| self.org_grants(user.id, &membership)).unwrap_or_default();
        let (receipt, state) = match self.before_revoke(request, &grants)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(receipt, state) => (receipt, state),
        };
        if matches!(request.change, Change::Withdraw(_)) {
            return self.cancel_invitation(cx, &user, receipt).await;
        }
        let answer = match self.client.delete(path!["orgs", self.organization, "memberships", user.login]).send(cx).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                return match self.membership(cx, &user).await? {
                    None => Ok(Outcome::Unchanged(Receipt::new())),
                    Some(_) => Err(still_there()),
                };
            }
            Err(error) => return Err(self.why_not(cx, &user, error).await),
        };
        answer.empty()?;
        let receipt = if state == Some(GrantState::Held) && receipt.still_effective.is_empty() {
            receipt.and_changed("every team and all access to repositories of the organization went with the membership, and forks of private ones")
        } else {
            receipt
        };
        Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
    }

    async fn open_invitation(&self, cx: &CallContext, user: &User) -> Result<Option<u64>> {
        let open: Vec<OrgInvitation> = self.client.get(path!["orgs", self.organization, "invitations"]).all(cx, &paging()).await?;
        let theirs = open.iter().find(|one| one.login.as_deref().is_some_and(|login| login.eq_ignore_ascii_case(&user.login)));
        Ok(theirs.map(|invitation| invitation.id))
    }

    /// By its own id: `DELETE` of a membership takes a whole membership from who accepts meanwhile.
    /// <https://docs.github.com/rest/orgs/members#cancel-an-organization-invitation>
    async fn cancel_invitation(&self, cx: &CallContext, user: &User, receipt: Receipt) -> Result<Outcome> {
        let id = self.open_invitation(cx, user).await?.ok_or_else(answered_meanwhile)?;
        match self.client.delete(path!["orgs", self.organization, "invitations", id.to_string()]).send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                let open = self.open_invitation(cx, user).await?;
                Err(if open == Some(id) { still_there() } else { answered_meanwhile() })
            }
            Err(error) => Err(error),
        }
    }

    /// What became of an invitation that is open no more, and was not accepted.
    pub(crate) async fn why_absent(&self, cx: &CallContext, request: &Request, wanted: &Entitlement) -> Result<Probe> {
        let lapsed = |why: &str| Err(AdapterError::lapsed(format!("the invitation is open no more: {why}")));
        if !matches!(request.change, Change::Grant(_)) || (wanted.kind != *ADD_TO_ORG && wanted.kind != *crate::teams::ADD_TO_TEAM) {
            return lapsed("it was declined, has expired after seven days, or was taken back");
        }
        let user = self.user_or_gone(cx, request.account()?).await?;
        let failed: Vec<OrgInvitation> = self.client.get(path!["orgs", self.organization, "failed_invitations"]).all(cx, &paging()).await?;
        let reason = failed.iter().rev().find(|invitation| invitation.login.as_deref() == Some(user.login.as_str()));
        lapsed(reason.and_then(|invitation| invitation.failed_reason.as_deref()).unwrap_or("it was declined or taken back"))
    }
}
