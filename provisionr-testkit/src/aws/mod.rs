//! AWS IAM Identity Center: an instance with its identity store, permission sets and assignments.
//!
//! Written after the descriptions of `identitystore` (2020-06-15) and `sso-admin` (2020-07-20) and
//! <https://docs.aws.amazon.com/singlesignon/latest/APIReference>. Where they do not say for certain, [`AwsSettings`] has a
//! default and says so.

mod answer;
mod auth;
mod seed;
mod sso;
mod state;
mod store;
mod truth;

use std::time::Duration;

use provisionr_sdk::Access;
use serde_json::{Value, json};

use answer::{Reply, invalid, missing, refuse, request_id, whole};
pub use state::{AwsAccount, AwsAssignment, AwsExternalId, AwsGroup, AwsPermissionSet, AwsSettings, AwsUser, KeyService, LetterCase, Missing};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::system::FakeSystem;

/// A fake of one instance of IAM Identity Center. Both services answer at any host; the operation is in `X-Amz-Target`, and the
/// region is [`AwsFake::REGION`]. Requests must be signed with a key it knows: [`AwsFake::ACCESS_KEY_ID`] and
/// [`AwsFake::SECRET_ACCESS_KEY`], or one of the seed's.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 2, "job_ms": 2000, "job_looks": null, "outstanding": 10, "missing": "fails", "inherited_rows": true },
///   "users": [{ "user_name": "sarah@company.com", "email": "sarah@company.com", "given_name": "Sarah", "family_name": "Smith",
///               "disabled": false, "external_ids": [{ "issuer": "https://idp.example", "id": "00u1" }] }],
///   "groups": [{ "name": "engineering", "members": ["sarah@company.com"], "external_ids": [] }],
///   "accounts": [{ "name": "production", "id": "111111111111" }],
///   "permission_sets": [{ "name": "ReadOnly" }],
///   "assignments": [{ "account": "production", "permission_set": "ReadOnly", "user": "sarah@company.com" }],
///   "keys": [{ "id": "ASIA…", "secret": "…", "token": "…" }],
///   "limits": [{ "units": 20, "per_ms": 1000 }]
/// }
/// ```
///
/// Acts: `join_group {user, group}`, `leave_group {user, group}`, `assign {account, permission_set, user | group}`,
/// `unassign {account, permission_set, user | group}`, `disable_user {user}`, `enable_user {user}`, `delete_user {user}`,
/// `delete_group {group}`, `provision_user {login, issuer, external_id, email?, first_name?, last_name?}` (over SCIM:
/// made, or taken over, and enabled), `deprovision_user {login}` (it is disabled), `provision_group {group, issuer, external_id}`, `suspend_account {account}`,
/// `fail_next_job {reason}`, `finish_job {job}`, `finish_jobs`, `forget_jobs`, `deny {action}`, `refuse_key {code}`; the last two take
/// a `key` too.
///
/// Events: `user.created`, `user.updated`, `user.deleted`, `group.member_added`, `group.member_removed`, `assignment.created`,
/// `assignment.deleted`, `job.failed`.
#[derive(Clone, Debug)]
pub struct AwsFake {
    instance: state::Instance,
    limits: Limits,
}

impl Default for AwsFake {
    fn default() -> Self {
        Self::new()
    }
}

impl AwsFake {
    /// The home region of the instance.
    pub const REGION: &'static str = "eu-west-1";
    /// The instance.
    pub const INSTANCE: &'static str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
    pub(crate) const INSTANCE_ID: &'static str = "ssoins-1234567890abcdef";
    /// Its identity store.
    pub const IDENTITY_STORE: &'static str = "d-1234567890";
    /// The id of an access key that may do everything.
    pub const ACCESS_KEY_ID: &'static str = "AKIAFAKEAWSACCESSKEY";
    /// The key itself.
    pub const SECRET_ACCESS_KEY: &'static str = "fake-aws-secret-access-key";

    /// An instance without users, permission sets and AWS accounts.
    pub fn new() -> Self {
        let aws = Self { instance: state::Instance::default(), limits: Limits::none() };
        aws.seeded(&json!({ "keys": [{ "id": Self::ACCESS_KEY_ID, "secret": Self::SECRET_ACCESS_KEY }] }))
    }

    /// Adds a seed in its JSON form.
    ///
    /// # Panics
    /// When it is not of that form: an error of the test.
    #[must_use]
    #[track_caller]
    pub fn seeded(self, seed: &Value) -> Self {
        fake::seeded(self, seed)
    }

    /// Adds an enabled user with this address as user name.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, email: &str) -> Self {
        self.seeded(&json!({ "users": [{ "user_name": email }] }))
    }

    /// Adds a group with these members.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, name: &str, members: &[&str]) -> Self {
        self.seeded(&json!({ "groups": [{ "name": name, "members": members }] }))
    }

    /// Adds an AWS account.
    #[must_use]
    #[track_caller]
    pub fn with_account(self, name: &str, id: &str) -> Self {
        self.seeded(&json!({ "accounts": [{ "name": name, "id": id }] }))
    }

    /// Adds a permission set.
    #[must_use]
    #[track_caller]
    pub fn with_permission_set(self, name: &str) -> Self {
        self.seeded(&json!({ "permission_sets": [{ "name": name }] }))
    }

    /// Sets what is not the same for each instance.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut AwsSettings)) -> Self {
        set(&mut self.instance.settings);
        self
    }

    /// Adds a rate limit; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// The operations it plays, by target: `AWSIdentityStore.CreateUser`.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        OPERATIONS.iter().map(|operation| operation.target)
    }

    /// Puts it behind a transport.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    fn join(&mut self, group: &str, user: &str, cx: &mut FakeContext) {
        let id = self.instance.id();
        if let Some(known) = self.instance.groups.get_mut(group)
            && !known.members.contains_key(user)
        {
            known.members.insert(user.to_owned(), id);
            cx.emit("group.member_added", json!({ "group": group, "user": user }));
        }
    }

    fn leave(&mut self, group: &str, user: &str, cx: &mut FakeContext) {
        if self.instance.groups.get_mut(group).is_some_and(|known| known.members.remove(user).is_some()) {
            cx.emit("group.member_removed", json!({ "group": group, "user": user }));
        }
    }

    /// Memberships go with a user; assignments stay behind, to an id that is nobody's.
    fn remove_user(&mut self, id: &str, cx: &mut FakeContext) {
        if self.instance.users.remove(id).is_some() {
            self.instance.groups.values_mut().for_each(|group| drop(group.members.remove(id)));
            cx.emit("user.deleted", json!({ "user": id }));
        }
    }

    fn grant(&mut self, assignment: AwsAssignment, cx: &mut FakeContext) {
        if let Some(set) = self.instance.sets.get_mut(&assignment.permission_set) {
            set.provisioned.insert(assignment.account.clone());
        }
        let told = json!(assignment);
        if self.instance.assignments.insert(assignment) {
            cx.emit("assignment.created", told);
        }
    }

    fn take(&mut self, assignment: &AwsAssignment, cx: &mut FakeContext) {
        if self.instance.assignments.remove(assignment) {
            cx.emit("assignment.deleted", json!(assignment));
        }
    }

    /// Ends a job that is under way; nothing for any other.
    fn finish(&mut self, id: &str, cx: &mut FakeContext) {
        let Some(job) = self.instance.jobs.get_mut(id).filter(|job| job.status == "IN_PROGRESS") else { return };
        if let Some(reason) = job.fails.take() {
            job.status = "FAILED";
            job.reason = Some(reason);
            cx.emit("job.failed", json!({ "job": id }));
            return;
        }
        job.status = "SUCCEEDED";
        let (way, assignment) = (job.way, job.assignment.clone());
        match way {
            state::Way::Create => self.grant(assignment, cx),
            state::Way::Delete => self.take(&assignment, cx),
        }
    }
}

type Handler = fn(&mut AwsFake, &Value, &mut FakeContext) -> Reply;

/// One operation: its target, the members its request may have beside instance or store, and who answers.
struct Operation {
    target: &'static str,
    members: &'static [&'static str],
    access: Access,
    handler: Handler,
}

const fn read(target: &'static str, members: &'static [&'static str], handler: Handler) -> Operation {
    Operation { target, members, access: Access::Read, handler }
}

const fn write(target: &'static str, members: &'static [&'static str], handler: Handler) -> Operation {
    Operation { target, members, access: Access::Write, handler }
}

const PAGE: [&str; 2] = ["MaxResults", "NextToken"];

const LIST_INSTANCES: &str = "SWBExternalService.ListInstances";

const OPERATIONS: &[Operation] = {
    const ASSIGNMENT: &[&str] = &["TargetId", "TargetType", "PermissionSetArn", "PrincipalType", "PrincipalId"];
    const USER: &[&str] = &[
        "UserName",
        "Name",
        "DisplayName",
        "NickName",
        "ProfileUrl",
        "Emails",
        "PhoneNumbers",
        "UserType",
        "Title",
        "PreferredLanguage",
        "Locale",
        "Timezone",
    ];
    &[
        write("AWSIdentityStore.CreateUser", USER, store::create_user),
        read("AWSIdentityStore.DescribeUser", &["UserId"], store::describe_user),
        read("AWSIdentityStore.GetUserId", &["AlternateIdentifier"], store::get_user_id),
        read("AWSIdentityStore.ListUsers", &PAGE, store::list_users),
        write("AWSIdentityStore.UpdateUser", &["UserId", "Operations"], store::update_user),
        write("AWSIdentityStore.DeleteUser", &["UserId"], store::delete_user),
        read("AWSIdentityStore.DescribeGroup", &["GroupId"], store::describe_group),
        read("AWSIdentityStore.GetGroupId", &["AlternateIdentifier"], store::get_group_id),
        read("AWSIdentityStore.ListGroups", &PAGE, store::list_groups),
        write("AWSIdentityStore.CreateGroupMembership", &["GroupId", "MemberId"], store::create_membership),
        read("AWSIdentityStore.GetGroupMembershipId", &["GroupId", "MemberId"], store::get_membership_id),
        write("AWSIdentityStore.DeleteGroupMembership", &["MembershipId"], store::delete_membership),
        read("AWSIdentityStore.ListGroupMemberships", &["GroupId", "MaxResults", "NextToken"], store::list_memberships),
        read("AWSIdentityStore.ListGroupMembershipsForMember", &["MemberId", "MaxResults", "NextToken"], store::list_memberships_of),
        read("AWSOrganizationsV20161128.ListAccounts", &PAGE, sso::list_accounts),
        read(LIST_INSTANCES, &PAGE, sso::list_instances),
        read("SWBExternalService.DescribeInstance", &[], sso::describe_instance),
        read("SWBExternalService.ListPermissionSets", &PAGE, sso::list_sets),
        read("SWBExternalService.DescribePermissionSet", &["PermissionSetArn"], sso::describe_set),
        read("SWBExternalService.ListAccountsForProvisionedPermissionSet", &["PermissionSetArn", "MaxResults", "NextToken"], sso::accounts_of_set),
        read("SWBExternalService.ListAccountAssignments", &["AccountId", "PermissionSetArn", "MaxResults", "NextToken"], sso::list_assignments),
        read(
            "SWBExternalService.ListAccountAssignmentsForPrincipal",
            &["PrincipalId", "PrincipalType", "Filter", "MaxResults", "NextToken"],
            sso::list_of_principal,
        ),
        write("SWBExternalService.CreateAccountAssignment", ASSIGNMENT, sso::create_assignment),
        write("SWBExternalService.DeleteAccountAssignment", ASSIGNMENT, sso::delete_assignment),
        read("SWBExternalService.DescribeAccountAssignmentCreationStatus", &["AccountAssignmentCreationRequestId"], sso::describe_creation),
        read("SWBExternalService.DescribeAccountAssignmentDeletionStatus", &["AccountAssignmentDeletionRequestId"], sso::describe_deletion),
        read("SWBExternalService.ListAccountAssignmentCreationStatus", &["Filter", "MaxResults", "NextToken"], sso::list_creations),
        read("SWBExternalService.ListAccountAssignmentDeletionStatus", &["Filter", "MaxResults", "NextToken"], sso::list_deletions),
    ]
};

impl Operation {
    fn of(request: &FakeRequest) -> Option<&'static Self> {
        let target = request.header("x-amz-target")?;
        OPERATIONS.iter().find(|operation| operation.target == target)
    }

    fn in_store(&self) -> bool {
        self.target.starts_with("AWSIdentityStore.")
    }

    /// What it is about: the member that names it, and its name here. None where a caller asks which there are.
    fn scope(&self) -> Option<(&'static str, &'static str)> {
        match self.target {
            LIST_INSTANCES => None,
            _ if self.in_organization() => None,
            _ if self.in_store() => Some(("IdentityStoreId", AwsFake::IDENTITY_STORE)),
            _ => Some(("InstanceArn", AwsFake::INSTANCE)),
        }
    }

    fn in_organization(&self) -> bool {
        self.target.starts_with("AWSOrganizations")
    }

    /// As signatures name the service.
    fn service(&self) -> &'static str {
        match () {
            () if self.in_store() => "identitystore",
            () if self.in_organization() => "organizations",
            () => "sso",
        }
    }

    /// The organization's service is in one region.
    fn region(&self) -> &'static str {
        if self.in_organization() { "us-east-1" } else { AwsFake::REGION }
    }

    /// As policies name it.
    fn action(&self) -> String {
        format!("{}:{}", self.service(), self.target.split('.').nth(1).unwrap_or_default())
    }
}

impl Fake for AwsFake {
    fn system_type(&self) -> &'static str {
        "aws"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        Some(Operation::of(request).map_or(Access::Write, |operation| operation.access))
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        // What it does not play is told of in any case.
        let Some(operation) = Operation::of(request) else { return Ok(()) };
        cx.set_route(operation.target);
        if let Some(reading) = self.limits.count(request, cx.now())
            && reading.exceeded
        {
            return Err(self.throttle_response(request, reading.reset.since(cx.now()), cx));
        }
        auth::admit(self, request, operation, cx)
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let Some(operation) = Operation::of(request).filter(|_| request.method == http::Method::POST && request.path == "/" && request.query.is_empty()) else {
            return cx.unsupported(request, &format!("no operation {}", request.header("x-amz-target").unwrap_or("without a target")));
        };
        cx.set_route(operation.target);
        if request.header("content-type") != Some("application/x-amz-json-1.1") {
            return refuse(self, cx, 400, "SerializationException", json!({ "Message": "The content type is not application/x-amz-json-1.1." }));
        }
        let Ok(Value::Object(mut fields)) = request.json::<Value>() else {
            return refuse(self, cx, 400, "SerializationException", json!({ "Message": "The body is no JSON object." }));
        };
        if let Some((scope, ours)) = operation.scope() {
            match fields.remove(scope).as_ref().and_then(Value::as_str) {
                Some(given) if given == ours => {}
                Some(given) => return missing(self, cx, if operation.in_store() { "IDENTITY_STORE" } else { "Instance" }, given),
                None => return invalid(self, cx, &format!("Value null at '{scope}' failed to satisfy constraint: Member must not be null")),
            }
        }
        if let Some(strange) = fields.keys().find(|name| !operation.members.contains(&name.as_str())) {
            return cx.unsupported(request, &format!("{} with {strange}", operation.target));
        }
        if !operation.in_organization()
            && let Some(refusal) = answer::key_service(self, cx, operation.in_store())
        {
            return refusal;
        }
        match (operation.handler)(self, &Value::Object(fields), cx) {
            Ok(answer) => whole(200, &answer),
            Err(refusal) => refusal,
        }
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-amzn-requestid", request_id(cx));
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        let instance = &self.instance;
        json!({
            "users": instance.users, "groups": instance.groups, "permission_sets": instance.sets, "accounts": instance.accounts,
            "assignments": instance.assignments, "jobs": instance.jobs,
        })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    /// Status 400, as everything that is the caller's. Only the identity store says for how long.
    fn throttle_response(&self, request: &FakeRequest, pause: Duration, cx: &FakeContext) -> FakeResponse {
        let mut members = json!({ "Message": "Rate exceeded" });
        if Operation::of(request).is_none_or(Operation::in_store)
            && let Value::Object(fields) = &mut members
        {
            fields.insert("RetryAfterSeconds".to_owned(), (pause.as_secs() + u64::from(pause.subsec_nanos() > 0)).into());
        }
        refuse(self, cx, 400, "ThrottlingException", members)
    }

    fn error_response(&self, status: u16, cx: &FakeContext) -> FakeResponse {
        let (status, code) = match status {
            401 => (400, "UnrecognizedClientException"),
            403 => (400, "AccessDeniedException"),
            404 => (400, "ResourceNotFoundException"),
            409 => (400, "ConflictException"),
            429 => (400, "ThrottlingException"),
            400..=499 => (400, "ValidationException"),
            _ => (500, "InternalServerException"),
        };
        refuse(self, cx, status, code, json!({ "Message": "a fault of the test" }))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_who_asks_which_instances_there_are_names_none() {
        let ask = |operation: &str| {
            let mut request = FakeRequest::new(http::Method::POST, "/");
            for (name, value) in [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", operation)] {
                request.headers.insert(name, HeaderValue::from_str(value).unwrap());
            }
            request.body = "{}".into();
            let answer = AwsFake::new().handle(&request, &mut FakeContext::for_test());
            (answer.status, answer.to_json())
        };
        let (status, found) = ask(LIST_INSTANCES);
        assert_eq!((status, &found["Instances"][0]["InstanceArn"], &found["NextToken"]), (200, &json!(AwsFake::INSTANCE), &Value::Null));
        assert_eq!(ask("SWBExternalService.DescribeInstance").1["__type"], "ValidationException");
    }
}
