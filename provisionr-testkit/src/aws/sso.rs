//! Permission sets, and the jobs that assign them in AWS accounts.

use std::time::Duration;

use serde_json::{Value, json};

use super::AwsFake;
use super::answer::{Reply, digits, id, invalid, missing, page, refuse, text};
use super::state::{AwsAccount, AwsAssignment, AwsPermissionSet, Job, Missing, Way};
use crate::fake::FakeContext;
use crate::message::FakeResponse;

fn arn(text: &str) -> bool {
    text.starts_with("arn:aws:sso:::permissionSet/ssoins-") && text.rsplit('/').next().is_some_and(|id| id.starts_with("ps-") && id.len() == 19)
}

fn known_set<'a>(aws: &'a AwsFake, cx: &FakeContext, body: &Value) -> Result<&'a AwsPermissionSet, FakeResponse> {
    let key = text(aws, cx, body, "PermissionSetArn", arn)?;
    aws.instance.sets.get(&key).ok_or_else(|| missing(aws, cx, "PermissionSet", &key))
}

fn instance() -> Value {
    json!({ "InstanceArn": AwsFake::INSTANCE, "IdentityStoreId": AwsFake::IDENTITY_STORE, "OwnerAccountId": "999999999999", "Status": "ACTIVE", "CreatedDate": 1_700_000_000.5 })
}

pub(super) fn describe_instance(_: &mut AwsFake, _: &Value, _: &mut FakeContext) -> Reply {
    Ok(instance())
}

pub(super) fn list_instances(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    page(aws, cx, body, "Instances", vec![(AwsFake::INSTANCE.to_owned(), instance())])
}

/// The AWS accounts of the organization, 20 on a page at most.
pub(super) fn list_accounts(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    if body.get("MaxResults").is_some_and(|size| size.as_u64().is_none_or(|size| !(1..=20).contains(&size))) {
        return Err(refuse(
            aws,
            cx,
            400,
            "InvalidInputException",
            json!({ "Message": "You provided a value that is not in the range.", "Reason": "MAX_VALUE_EXCEEDED" }),
        ));
    }
    let shown = |account: &AwsAccount| {
        let status = if account.suspended { "SUSPENDED" } else { "ACTIVE" };
        let arn = format!("arn:aws:organizations::999999999999:account/o-fake/{}", account.id);
        (account.id.clone(), json!({ "Id": account.id, "Arn": arn, "Name": account.name, "Status": status }))
    };
    page(aws, cx, body, "Accounts", aws.instance.accounts.values().map(shown).collect())
}

pub(super) fn list_sets(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    page(aws, cx, body, "PermissionSets", aws.instance.sets.keys().map(|arn| (arn.clone(), arn.as_str().into())).collect())
}

pub(super) fn describe_set(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let set = known_set(aws, cx, body)?;
    Ok(json!({ "PermissionSet": { "Name": set.name, "PermissionSetArn": set.arn, "CreatedDate": 1_700_000_000.5, "SessionDuration": "PT1H" } }))
}

pub(super) fn accounts_of_set(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let set = known_set(aws, cx, body)?;
    page(aws, cx, body, "AccountIds", set.provisioned.iter().map(|id| (id.clone(), id.as_str().into())).collect())
}

fn row(assignment: &AwsAssignment) -> (String, Value) {
    let AwsAssignment { account, permission_set, principal_type, principal } = assignment;
    let row = json!({ "AccountId": account, "PermissionSetArn": permission_set, "PrincipalType": principal_type, "PrincipalId": principal });
    (format!("{account}{permission_set}{principal_type}{principal}"), row)
}

pub(super) fn list_assignments(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (set, account) = (known_set(aws, cx, body)?, text(aws, cx, body, "AccountId", digits)?);
    let rows = aws.instance.assignments.iter().filter(|one| one.permission_set == set.arn && one.account == account);
    page(aws, cx, body, "AccountAssignments", rows.map(row).collect())
}

/// What a user has in their own name and, as the shape of the rows says, through their groups.
pub(super) fn list_of_principal(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let (principal, kind) = (text(aws, cx, body, "PrincipalId", id)?, principal_type(aws, cx, body)?);
    let account = body.pointer("/Filter/AccountId").and_then(Value::as_str);
    let through = |one: &AwsAssignment| {
        let group = aws.instance.groups.get(&one.principal).filter(|_| aws.instance.settings.inherited_rows && one.principal_type == "GROUP");
        kind == "USER" && group.is_some_and(|group| group.members.contains_key(&principal))
    };
    let own = |one: &AwsAssignment| one.principal == principal && one.principal_type == kind;
    let rows = aws.instance.assignments.iter().filter(|one| own(one) || through(one)).filter(|one| account.is_none_or(|account| one.account == account));
    page(aws, cx, body, "AccountAssignments", rows.map(row).collect())
}

fn principal_type(aws: &AwsFake, cx: &FakeContext, body: &Value) -> Result<String, FakeResponse> {
    text(aws, cx, body, "PrincipalType", |text| matches!(text, "USER" | "GROUP"))
}

fn wanted(aws: &AwsFake, cx: &FakeContext, body: &Value) -> Result<AwsAssignment, FakeResponse> {
    text(aws, cx, body, "TargetType", |text| text == "AWS_ACCOUNT")?;
    let account = text(aws, cx, body, "TargetId", digits)?;
    let (principal_type, principal) = (principal_type(aws, cx, body)?, text(aws, cx, body, "PrincipalId", id)?);
    let set = known_set(aws, cx, body)?.arn.clone();
    let Some(known) = aws.instance.accounts.get(&account) else { return Err(missing(aws, cx, "Account", &account)) };
    if known.suspended {
        return Err(refuse(aws, cx, 400, "ConflictException", json!({ "Message": "The account is suspended." })));
    }
    Ok(AwsAssignment { account, permission_set: set, principal_type, principal })
}

fn begin(aws: &mut AwsFake, cx: &mut FakeContext, way: Way, assignment: AwsAssignment) -> Reply {
    let under_way = || aws.instance.jobs.values().filter(|job| job.status == "IN_PROGRESS");
    if under_way().any(|job| job.assignment == assignment) {
        let why = "There is a conflicting operation in process for this assignment.";
        return Err(refuse(aws, cx, 400, "ConflictException", json!({ "Message": why })));
    }
    if under_way().count() >= aws.instance.settings.outstanding {
        let why = "There are too many requests processing. Please try again later.";
        return Err(refuse(aws, cx, 400, &aws.instance.settings.outstanding_error, json!({ "Message": why })));
    }
    let nothing = way == Way::Delete && !aws.instance.assignments.contains(&assignment);
    if nothing && aws.instance.settings.missing == Missing::Refused {
        return Err(missing(aws, cx, "AccountAssignment", ""));
    }
    let fails = aws.instance.next_fails.take().or_else(|| nothing.then(|| "Received a 404 status error: there is no such assignment.".to_owned()));
    let id = aws.instance.id();
    let created = cx.now().as_millis() / 1000;
    let job = Job { id: id.clone(), way, status: "IN_PROGRESS", reason: None, fails, assignment, created, looks: 0 };
    aws.instance.jobs.insert(id.clone(), job);
    match aws.instance.settings.job_ms {
        Some(0) => aws.finish(&id, cx),
        Some(_) if nothing => aws.finish(&id, cx),
        Some(ms) => cx.later(Duration::from_millis(ms), "finish_job", json!({ "job": id })),
        None => {}
    }
    shown(aws, cx, way, &id)
}

fn shown(aws: &AwsFake, cx: &FakeContext, way: Way, id: &str) -> Reply {
    let Some(job) = aws.instance.jobs.get(id).filter(|job| job.way == way) else { return Err(missing(aws, cx, "Request", id)) };
    let AwsAssignment { account, permission_set, principal_type, principal } = &job.assignment;
    let mut status = json!({
        "Status": job.status, "RequestId": job.id, "TargetId": account, "TargetType": "AWS_ACCOUNT", "PermissionSetArn": permission_set,
        "PrincipalType": principal_type, "PrincipalId": principal, "CreatedDate": job.created,
    });
    if let (Some(reason), Value::Object(fields)) = (&job.reason, &mut status) {
        fields.insert("FailureReason".to_owned(), reason.as_str().into());
    }
    Ok(json!({ if way == Way::Create { "AccountAssignmentCreationStatus" } else { "AccountAssignmentDeletionStatus" }: status }))
}

pub(super) fn create_assignment(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let assignment = wanted(aws, cx, body)?;
    let known = match assignment.principal_type.as_str() {
        "USER" => aws.instance.users.contains_key(&assignment.principal),
        _ => aws.instance.groups.contains_key(&assignment.principal),
    };
    if !known {
        return Err(missing(aws, cx, "Principal", &assignment.principal));
    }
    begin(aws, cx, Way::Create, assignment)
}

pub(super) fn delete_assignment(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    let assignment = wanted(aws, cx, body)?;
    begin(aws, cx, Way::Delete, assignment)
}

fn look(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext, way: Way, name: &str) -> Reply {
    let id = text(aws, cx, body, name, id)?;
    let done = match (aws.instance.settings.job_looks, aws.instance.jobs.get_mut(&id)) {
        (Some(looks), Some(job)) => {
            job.looks += 1;
            job.looks > looks
        }
        _ => false,
    };
    if done {
        aws.finish(&id, cx);
    }
    shown(aws, cx, way, &id)
}

pub(super) fn describe_creation(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    look(aws, body, cx, Way::Create, "AccountAssignmentCreationRequestId")
}

pub(super) fn describe_deletion(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    look(aws, body, cx, Way::Delete, "AccountAssignmentDeletionRequestId")
}

fn list_jobs(aws: &AwsFake, body: &Value, cx: &FakeContext, way: Way, field: &str) -> Reply {
    let status = body.pointer("/Filter/Status").and_then(Value::as_str);
    if status.is_some_and(|status| !matches!(status, "IN_PROGRESS" | "SUCCEEDED" | "FAILED")) {
        return Err(invalid(aws, cx, "Value at 'filter.status' failed to satisfy constraint"));
    }
    let jobs = aws.instance.jobs.values().filter(|job| job.way == way && status.is_none_or(|status| job.status == status));
    let metadata = jobs.map(|job| (job.id.clone(), json!({ "Status": job.status, "RequestId": job.id, "CreatedDate": job.created })));
    page(aws, cx, body, field, metadata.collect())
}

pub(super) fn list_creations(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    list_jobs(aws, body, cx, Way::Create, "AccountAssignmentsCreationStatus")
}

pub(super) fn list_deletions(aws: &mut AwsFake, body: &Value, cx: &mut FakeContext) -> Reply {
    list_jobs(aws, body, cx, Way::Delete, "AccountAssignmentsDeletionStatus")
}
