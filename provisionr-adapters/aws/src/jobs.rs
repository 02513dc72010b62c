//! Jobs that make and take assignments: begun, looked at, and found again when their ids are lost.

use std::time::Duration;

use provisionr_http::{Answer, plain};
use provisionr_sdk::{Account, AdapterError, CallContext, Entitlement, ErrorKind, Probe, Request, Result, VendorRequestId, Wait, WaitReason, probe_by_looking};
use serde_json::{Value, json};

use crate::adapter::IdentityCenter;
use crate::assignments::Assignment;
use crate::client::{Operation, assign, look_sso};
use crate::errors::is_missing;
use crate::wire::Job;

/// Jobs take seconds; the Terraform provider looks every five.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// AWS works on so many assignments at once.
/// <https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html>
const OUTSTANDING: usize = 10;
/// Twice what the Terraform provider waits.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) fn wait(ticket: &str) -> Wait {
    Wait::new(WaitReason::VendorJob, LOOK_AGAIN).with_ticket(ticket).patience(PATIENCE)
}

/// Whether a job makes an assignment or takes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Create,
    Delete,
}

/// What became of a job as it was begun.
pub(crate) enum Started {
    Done(Option<VendorRequestId>),
    Working(String, Option<VendorRequestId>),
    Failed(AdapterError),
}

impl Way {
    pub(crate) fn start(self) -> Operation {
        match self {
            Self::Create => assign("CreateAccountAssignment"),
            Self::Delete => assign("DeleteAccountAssignment"),
        }
    }

    fn contrary(self) -> Self {
        match self {
            Self::Create => Self::Delete,
            Self::Delete => Self::Create,
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Create => "AccountAssignmentCreationStatus",
            Self::Delete => "AccountAssignmentDeletionStatus",
        }
    }

    fn job(self, answer: &Answer) -> Result<Job> {
        let mut body: Value = answer.json()?;
        let job = body.get_mut(self.field()).map(Value::take).unwrap_or_default();
        serde_json::from_value(job).map_err(|_| answer.unreadable("the answer holds no job where AWS describes one"))
    }

    /// A failed job comes with status 200.
    pub(crate) fn started(self, answer: &Answer) -> Result<Started> {
        let job = self.job(answer)?;
        match job.status.as_str() {
            "SUCCEEDED" => Ok(Started::Done(answer.request_id())),
            "IN_PROGRESS" if !job.request_id.is_empty() => Ok(Started::Working(job.request_id, answer.request_id())),
            // What a job did before it failed it does not say.
            "FAILED" => Ok(Started::Failed(AdapterError::other(job.why_failed()).with_code("FAILED").effect_unknown())),
            other => Err(answer.unreadable(format!("unknown status of a job `{other}`"))),
        }
    }
}

/// Whether AWS is at work on an assignment.
#[derive(Debug)]
pub(crate) enum Work {
    /// It is not.
    None,
    /// In this job.
    In(Job),
    /// It is at work on something, and may not be asked on what.
    Untold,
}

impl IdentityCenter {
    /// A job by its id; none where AWS has forgotten it, which it does after a while.
    async fn job(&self, cx: &CallContext, way: Way, id: &str) -> Result<Option<Job>> {
        let (operation, body) = match way {
            Way::Create => ("DescribeAccountAssignmentCreationStatus", json!({ "AccountAssignmentCreationRequestId": id })),
            Way::Delete => ("DescribeAccountAssignmentDeletionStatus", json!({ "AccountAssignmentDeletionRequestId": id })),
        };
        match self.client.call(cx, look_sso(operation), body).await {
            Ok(answer) => way.job(&answer).map(Some),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The jobs under way; the list has ids alone.
    async fn under_way(&self, cx: &CallContext, way: Way) -> Result<Vec<Job>> {
        let (operation, items) = match way {
            Way::Create => ("ListAccountAssignmentCreationStatus", "AccountAssignmentsCreationStatus"),
            Way::Delete => ("ListAccountAssignmentDeletionStatus", "AccountAssignmentsDeletionStatus"),
        };
        self.client.all(cx, look_sso(operation), items, &json!({ "Filter": { "Status": "IN_PROGRESS" } })).await
    }

    /// A job under way for this assignment, whoever began it. What a job is about is a call each, and AWS works on no more than ten.
    pub(crate) async fn running(&self, cx: &CallContext, way: Way, assignment: &Assignment) -> Result<Work> {
        for Job { request_id, .. } in self.under_way(cx, way).await? {
            let job = match self.job(cx, way, &request_id).await {
                Ok(Some(job)) => job,
                Ok(None) => continue,
                Err(error) if *error.kind() == ErrorKind::PermissionDenied => return Ok(Work::Untold),
                Err(error) => return Err(error),
            };
            let same = job.status == "IN_PROGRESS"
                && job.principal_id.as_ref() == Some(&assignment.user)
                && job.permission_set_arn.as_ref() == Some(&assignment.set)
                && job.target_id.as_ref() == Some(&assignment.aws_account);
            if same {
                return Ok(Work::In(job));
            }
        }
        Ok(Work::None)
    }

    /// Whether AWS takes no more jobs.
    pub(crate) async fn is_full(&self, cx: &CallContext) -> Result<bool> {
        Ok(self.under_way(cx, Way::Create).await?.len() + self.under_way(cx, Way::Delete).await?.len() >= OUTSTANDING)
    }

    /// How a job stands. Who may not look at it learns from the list whether it still works.
    async fn standing(&self, cx: &CallContext, way: Way, id: &str) -> Result<Option<Job>> {
        match self.job(cx, way, id).await {
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                Ok(self.under_way(cx, way).await?.into_iter().find(|job| job.request_id == id).map(|job| Job { status: "IN_PROGRESS".to_owned(), ..job }))
            }
            job => job,
        }
    }

    /// What is there decides. A job matters only while it works, on this or on the contrary, and where it says why nothing came of it.
    pub(crate) async fn probe_assignment(&self, cx: &CallContext, request: &Request, way: Way, account: &Account, wanted: &Entitlement) -> Result<Probe> {
        let assignment = self.assignment(account, wanted)?;
        let mut failed = None;
        if let Some(ticket) = &request.ticket
            && let Some(job) = self.standing(cx, way, ticket.as_str()).await?
        {
            match job.status.as_str() {
                "IN_PROGRESS" => return Ok(Probe::Pending(wait(ticket.as_str()))),
                "FAILED" => failed = Some(job.why_failed()),
                _ => {}
            }
        }
        // Before the look: one that ends meanwhile has done what the look sees.
        if !matches!(self.running(cx, way.contrary(), &assignment).await?, Work::None) {
            return Ok(Probe::Pending(Wait::new(WaitReason::VendorJob, LOOK_AGAIN).patience(PATIENCE)));
        }
        let seen = probe_by_looking(self, cx, request).await?;
        match (seen, failed) {
            (Probe::Absent, Some(why)) => Ok(Probe::Failed(why)),
            // What does not hold yet may be under way under an id that was lost.
            (Probe::Absent, None) if request.ticket.is_none() => Ok(match self.running(cx, way, &assignment).await? {
                Work::In(job) => Probe::Pending(wait(&job.request_id)),
                Work::Untold => Probe::Pending(Wait::new(WaitReason::VendorJob, LOOK_AGAIN).patience(PATIENCE)),
                Work::None => Probe::Absent,
            }),
            (seen, _) => Ok(seen),
        }
    }
}

impl Job {
    fn why_failed(&self) -> String {
        let why = self.failure_reason.as_deref().and_then(plain).unwrap_or_else(|| "AWS gives no reason".to_owned());
        format!("the job failed: {why}")
    }
}
