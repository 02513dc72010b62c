//! Permission sets assigned to people in AWS accounts. AWS works on each assignment in a job.

use provisionr_sdk::{
    Account, AdapterError, CallContext, Entitlement, ErrorKind, Grant, Outcome, Receipt, Request, Resolved, Result, RetryHint, Source, Target, TargetName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::adapter::IdentityCenter;
use crate::client::{ASSIGN, look_sso};
use crate::errors::is_conflict;
use crate::jobs::{LOOK_AGAIN, Started, Way, Work, wait};
use crate::wire::{PermissionSet, Row, is_id, is_permission_set};

pub(crate) const ASSIGN_PERMISSION_SET: &str = "assign_permission_set";

/// A permission set assigned to a person in one AWS account; the target is the permission set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignPermissionSet {
    /// The permission set: its name in policies, its ARN everywhere else.
    pub target: String,
    /// The AWS account: its name in policies, its 12 digits everywhere else.
    pub account: String,
}

/// An assignment in AWS's terms.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    pub(crate) set: String,
    pub(crate) aws_account: String,
    pub(crate) user: String,
}

impl Assignment {
    fn body(&self) -> Value {
        json!({
            "PermissionSetArn": self.set, "TargetId": self.aws_account, "TargetType": "AWS_ACCOUNT",
            "PrincipalId": self.user, "PrincipalType": "USER",
        })
    }
}

impl IdentityCenter {
    pub(crate) fn assignment(&self, account: &Account, entitlement: &Entitlement) -> Result<Assignment> {
        let AssignPermissionSet { target, account: aws_account } = entitlement.to()?;
        if !is_id(account.id.as_str()) {
            return Err(AdapterError::account_not_found("the user is not in the identity store"));
        }
        if !is_permission_set(&target) {
            return Err(AdapterError::target_not_found("this is the ARN of no permission set"));
        }
        let id = self.facts.account_id(&aws_account).ok_or_else(|| AdapterError::invalid_request("an AWS account is known by its 12 digits"))?;
        Ok(Assignment { set: target, aws_account: id.to_owned(), user: account.id.as_str().to_owned() })
    }

    /// What a user has in all AWS accounts or in one, through groups too.
    pub(crate) async fn assignments(&self, cx: &CallContext, user: &str, aws_account: Option<&str>) -> Result<Vec<Grant>> {
        let mut body = json!({ "PrincipalId": user, "PrincipalType": "USER" });
        if let (Some(id), Value::Object(fields)) = (aws_account, &mut body) {
            fields.insert("Filter".to_owned(), json!({ "AccountId": id }));
        }
        let rows: Vec<Row> = self.client.all(cx, look_sso("ListAccountAssignmentsForPrincipal"), "AccountAssignments", &body).await?;
        Ok(rows.iter().map(|row| self.assigned(row, user)).collect())
    }

    pub(crate) fn assigned(&self, row: &Row, user: &str) -> Grant {
        let entitlement = Entitlement::new(ASSIGN_PERMISSION_SET, row.permission_set_arn.as_str()).with_param("account", row.account_id.as_str());
        let source = match row.principal_type.as_str() {
            "GROUP" => Source::Inherited(row.principal_id.as_str().into()),
            _ => Source::Direct,
        };
        Grant::direct(user, entitlement).from_source(source)
    }

    /// Direct, and through groups.
    async fn held(&self, cx: &CallContext, wanted: &Assignment) -> Result<(Option<Grant>, Vec<Grant>)> {
        let grants = self.assignments(cx, &wanted.user, Some(&wanted.aws_account)).await?;
        let account = Value::from(wanted.aws_account.as_str());
        let same = |grant: &Grant| grant.entitlement.target == *wanted.set && grant.entitlement.params.get("account") == Some(&account);
        let (mut direct, inherited): (Vec<_>, Vec<_>) = grants.into_iter().filter(same).partition(|grant| grant.source == Source::Direct);
        Ok((direct.pop(), inherited))
    }

    pub(crate) async fn assign(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let assignment = self.assignment(account, wanted)?;
        let (mut direct, mut inherited) = self.held(cx, &assignment).await?;
        if direct.is_some() {
            (direct, inherited) = self.settled(cx, Way::Delete, &assignment).await?;
        }
        if let Some(grant) = direct.or_else(|| inherited.pop()) {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        let receipt =
            Receipt::new().before_absent().with_grant(Grant::direct(account.id.clone(), wanted.clone().with_param("account", assignment.aws_account.as_str())));
        match self.start(cx, Way::Create, &assignment).await? {
            Started::Done(id) => Ok(Outcome::Applied(receipt.with_request_id(id))),
            Started::Working(ticket, id) => Ok(Outcome::Waiting(wait(&ticket), receipt.with_request_id(id))),
            Started::Failed(error) => Err(error),
        }
    }

    pub(crate) async fn unassign(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let assignment = self.assignment(account, unwanted)?;
        let (mut direct, mut inherited) = self.held(cx, &assignment).await?;
        if direct.is_none() {
            (direct, inherited) = self.settled(cx, Way::Create, &assignment).await?;
        }
        let receipt = inherited.into_iter().fold(Receipt::new(), Receipt::still);
        let Some(grant) = direct else { return Ok(Outcome::Unchanged(receipt.before_absent())) };
        request.check_expected(Some(&grant))?;
        let receipt = receipt.before_grant(grant);
        match self.start(cx, Way::Delete, &assignment).await? {
            Started::Done(id) => Ok(Outcome::Applied(receipt.with_request_id(id))),
            Started::Working(ticket, id) => Ok(Outcome::Waiting(wait(&ticket), receipt.with_request_id(id))),
            // A job that finds nothing to take fails over it.
            Started::Failed(error) => match self.held(cx, &assignment).await {
                Ok((None, inherited)) => Ok(Outcome::Unchanged(inherited.into_iter().fold(Receipt::new(), Receipt::still))),
                _ => Err(error),
            },
        }
    }

    /// What is there, and stays: no job is at work on the contrary, whoever began it. One that ended after the look before is
    /// seen by this one.
    async fn settled(&self, cx: &CallContext, contrary: Way, assignment: &Assignment) -> Result<(Option<Grant>, Vec<Grant>)> {
        match self.running(cx, contrary, assignment).await? {
            Work::In(_) => Err(AdapterError::not_ready("AWS is still at work on this assignment, and on the contrary of what is wanted")),
            Work::Untold => Err(AdapterError::not_ready("AWS may be at work on the contrary of what is wanted: the keys may not look at jobs")),
            Work::None => self.held(cx, assignment).await,
        }
    }

    /// Begins a job. Where AWS refuses because one is under way for the same assignment and in the same direction, it is that one.
    async fn start(&self, cx: &CallContext, way: Way, assignment: &Assignment) -> Result<Started> {
        match self.client.call(cx, way.start(), assignment.body()).await {
            Ok(answer) => way.started(&answer),
            Err(error) if is_conflict(&error) => match self.running(cx, way, assignment).await {
                Ok(Work::In(job)) => Ok(Started::Working(job.request_id, None)),
                _ if self.is_full(cx).await? => Err(too_many()),
                _ => Err(error),
            },
            // In either form it is no failure of this assignment, and jobs take longer than the pause of a rate limit.
            Err(error) if matches!(error.kind(), ErrorKind::RateLimited(_)) && error.hint() == RetryHint::Backoff && self.is_full(cx).await? => Err(too_many()),
            Err(error) => Err(error),
        }
    }

    async fn permission_set(&self, cx: &CallContext, arn: &str) -> Result<Target> {
        let answer = self.client.call(cx, look_sso("DescribePermissionSet"), json!({ "PermissionSetArn": arn })).await?;
        let described: Described = answer.json()?;
        Ok(Target::new(described.permission_set.permission_set_arn, described.permission_set.name))
    }

    /// The list has ARNs alone; each name is a call.
    pub(crate) async fn permission_sets(&self, cx: &CallContext, arns: &[String]) -> Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(arns.len());
        for arn in arns {
            targets.push(self.permission_set(cx, arn).await?);
        }
        Ok(targets)
    }

    /// Names are unique, so that nothing is read beyond the last one that is looked for.
    pub(crate) async fn resolve_permission_sets(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let arns: Vec<String> = self.client.all(cx, look_sso("ListPermissionSets"), "PermissionSets", &json!({})).await?;
        let mut targets: Vec<Target> = Vec::new();
        for arn in &arns {
            if names.iter().all(|name| targets.iter().any(|target| target.name == *name)) {
                break;
            }
            targets.push(self.permission_set(cx, arn).await?);
        }
        Ok(Resolved::among(names, &targets))
    }
}

/// AWS works on as many jobs as it does at once.
fn too_many() -> AdapterError {
    AdapterError::rate_limited(ASSIGN, Some(LOOK_AGAIN))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    permission_set: PermissionSet,
}
