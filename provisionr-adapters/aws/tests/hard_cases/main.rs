//! What AWS does that no contract foresees: jobs, lost and failed, conflicts of several sorts, errors by type.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod permissions;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use provisionr_aws::{AccessKeys, AccessKeysProvider, IdentityCenter, IdentityCenterConfig, IdentitySource};
use provisionr_http::{MemoryTransport, Transport};
use provisionr_sdk::{
    Ability, Access, Account, AccountQuery, AccountSpec, AccountState, Adapter, AdapterError, Bound, CallContext, Change, Effect, Entitlement, ErrorKind,
    Found, Grant, ListScope, Outcome, PageRequest, Probe, ProfileDelta, Request, Result, RetryHint, Scope, Secret, Source, TargetName, Ticket, WaitReason,
};
use provisionr_testkit::aws::{AwsFake, KeyService, LetterCase, Missing};
use provisionr_testkit::{Act, FakeSystem, Fault};
use serde_json::{Value, json};

const PRODUCTION: &str = "111111111111";

fn fake() -> AwsFake {
    let aws = AwsFake::new().with_account("production", PRODUCTION).with_account("sandbox", "222222222222");
    aws.with_permission_set("ReadOnly").with_user("sarah@company.com").with_group("engineering", &[])
}

fn keys() -> AccessKeys {
    AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY))
}

fn config() -> IdentityCenterConfig {
    IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).account("production", PRODUCTION).scim("Okta")
}

fn connect(aws: &FakeSystem<AwsFake>) -> IdentityCenter {
    config().access_keys(keys()).connect("aws", &aws.transport()).unwrap()
}

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn act(aws: &FakeSystem<AwsFake>, act: &str, args: Value) {
    aws.act(Act::new(act, args)).unwrap();
}

fn sarah(aws: &FakeSystem<AwsFake>) -> Account {
    Account::new(aws.user_id("sarah@company.com").unwrap(), AccountState::Active)
}

fn request(account: &Account, change: Change) -> Request {
    Request::new("sarah", AccountQuery::known(account.id.clone()), change, "k-1").with_account(account.clone())
}

fn read_only(aws: &FakeSystem<AwsFake>, account: &str) -> Entitlement {
    Entitlement::new("assign_permission_set", aws.permission_set_arn("ReadOnly").unwrap()).with_param("account", account)
}

/// An operation to grant, or revoke, `ReadOnly` in production.
fn grant(aws: &FakeSystem<AwsFake>) -> Request {
    request(&sarah(aws), Change::Grant(read_only(aws, PRODUCTION)))
}

fn revoke(aws: &FakeSystem<AwsFake>) -> Request {
    request(&sarah(aws), Change::Revoke(read_only(aws, PRODUCTION)))
}

fn ticket(outcome: &Outcome) -> Ticket {
    match outcome {
        Outcome::Waiting(wait, _) if wait.reason == WaitReason::VendorJob => wait.ticket.clone().unwrap(),
        other => panic!("a job should be under way: {other:?}"),
    }
}

fn pending(probe: &Probe) -> Option<Ticket> {
    match probe {
        Probe::Pending(wait) => wait.ticket.clone(),
        other => panic!("a job should be under way: {other:?}"),
    }
}

/// The operations called since, without their service.
fn called(aws: &FakeSystem<AwsFake>) -> Vec<String> {
    let targets = aws.log().into_iter().map(|entry| entry.header("x-amz-target").unwrap().split('.').nth(1).unwrap().to_owned()).collect();
    aws.clear_log();
    targets
}

#[tokio::test(start_paused = true)]
async fn an_assignment_is_a_job_that_is_waited_for() {
    let aws = fake().with_settings(|settings| (settings.job_ms, settings.job_looks) = (None, Some(1))).start();
    let adapter = connect(&aws);
    for (request, left) in [(grant(&aws), vec!["production/ReadOnly"]), (revoke(&aws), vec![])] {
        let ticket = ticket(&adapter.apply(&cx(), &request).await.unwrap());
        let request = request.with_ticket(ticket.clone());
        aws.clear_log();
        assert_eq!(pending(&adapter.probe(&cx(), &request).await.unwrap()), Some(ticket));
        assert_eq!(called(&aws).len(), 1, "a job under way is looked at with one call");
        assert!(matches!(adapter.probe(&cx(), &request).await.unwrap(), Probe::Holds(_)));
        assert_eq!(aws.assignments_of("sarah@company.com"), left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_within_a_success_is_an_error() {
    let aws = fake().with_settings(|settings| settings.job_ms = Some(0)).start();
    act(&aws, "fail_next_job", json!({ "reason": "The role is being\nchanged." }));
    let error = connect(&aws).apply(&cx(), &grant(&aws)).await.unwrap_err();
    assert_eq!((error.code(), error.effect(), error.hint()), (Some("FAILED"), Effect::Unknown, RetryHint::Backoff));
    assert_eq!(error.message(), "the job failed: The role is being changed.");
    assert!(matches!(connect(&aws).apply(&cx(), &grant(&aws)).await.unwrap(), Outcome::Applied(_)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_failed_meanwhile_leaves_nothing_and_is_begun_again() {
    let aws = fake().start();
    let adapter = connect(&aws);
    act(&aws, "fail_next_job", json!({ "reason": "no" }));
    let ticket = ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
    act(&aws, "finish_jobs", Value::Null);
    assert_eq!(adapter.probe(&cx(), &grant(&aws).with_ticket(ticket)).await.unwrap(), Probe::Failed("the job failed: no".to_owned()));
    adapter.apply(&cx(), &grant(&aws)).await.unwrap();
    act(&aws, "finish_jobs", Value::Null);
    assert_eq!(aws.assignments_of("sarah@company.com"), ["production/ReadOnly"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_may_not_be_looked_at_is_judged_by_what_is_there() {
    for (begun, denied) in
        [(grant as fn(&_) -> Request, "sso:DescribeAccountAssignmentCreationStatus"), (revoke, "sso:DescribeAccountAssignmentDeletionStatus")]
    {
        let aws = fake().with_user("other@company.com").with_settings(|settings| settings.job_ms = None).start();
        if matches!(begun(&aws).change, Change::Revoke(_)) {
            act(&aws, "assign", json!({ "account": "production", "permission_set": "ReadOnly", "user": "sarah@company.com" }));
        }
        act(&aws, "deny", json!({ "action": denied }));
        let adapter = connect(&aws);
        let request = begun(&aws);
        let id = ticket(&adapter.apply(&cx(), &request).await.unwrap());
        let looking = request.clone().with_ticket(id.clone());
        assert_eq!(pending(&adapter.probe(&cx(), &looking).await.unwrap()), Some(id), "{denied}");
        // Whose job it is that works nobody may ask: what is not there may be on its way.
        assert_eq!(pending(&adapter.probe(&cx(), &request).await.unwrap()), None, "{denied}");
        act(&aws, "finish_jobs", Value::Null);
        assert!(matches!(adapter.probe(&cx(), &looking).await.unwrap(), Probe::Holds(_)), "{denied}");
        let contrary = if matches!(request.change, Change::Grant(_)) { revoke(&aws) } else { grant(&aws) };
        ticket(&adapter.apply(&cx(), &contrary).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_id_was_lost_is_found_again() {
    let aws = fake().with_user("other@company.com").with_settings(|settings| settings.page_size = 1).start();
    let adapter = connect(&aws);
    let other = Account::new(aws.user_id("other@company.com").unwrap(), AccountState::Active);
    ticket(&adapter.apply(&cx(), &request(&other, Change::Grant(read_only(&aws, PRODUCTION)))).await.unwrap());
    aws.fault(Fault::reset_after().on_access(Access::Write));
    assert_eq!(adapter.apply(&cx(), &grant(&aws)).await.unwrap_err().effect(), Effect::Unknown);
    let found = pending(&adapter.probe(&cx(), &grant(&aws).unsettled()).await.unwrap()).unwrap();
    act(&aws, "finish_job", json!({ "job": found.as_str() }));
    assert_eq!(aws.assignments_of("sarah@company.com"), ["production/ReadOnly"], "the job that was found is not the one that was begun");
    act(&aws, "forget_jobs", Value::Null);
    assert!(
        matches!(adapter.probe(&cx(), &grant(&aws).with_ticket(found)).await.unwrap(), Probe::Holds(_)),
        "a forgotten job says nothing; what is there does"
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_change_of_one_assignment_waits_for_the_job_of_the_first() {
    let aws = fake().with_settings(|settings| settings.job_ms = None).start();
    let adapter = connect(&aws);
    let first = ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
    assert_eq!(ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap()), first, "the same change is the same job");
    // The contrary: nobody is told that it is gone while somebody is still giving it.
    let error = adapter.apply(&cx(), &revoke(&aws)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::NotReady, Effect::None));
    assert_eq!(pending(&adapter.probe(&cx(), &revoke(&aws)).await.unwrap()), None);
    act(&aws, "finish_jobs", Value::Null);
    ticket(&adapter.apply(&cx(), &revoke(&aws)).await.unwrap());
    let error = adapter.apply(&cx(), &grant(&aws)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::NotReady, Effect::None));
    assert_eq!(pending(&adapter.probe(&cx(), &grant(&aws)).await.unwrap()), None);
    act(&aws, "finish_jobs", Value::Null);
    assert!(matches!(adapter.probe(&cx(), &revoke(&aws)).await.unwrap(), Probe::Holds(_)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_between_two_looks_is_seen() {
    for (begun, then) in [(grant as fn(&_) -> _, revoke as fn(&_) -> _), (revoke, grant)] {
        let aws = fake().with_settings(|settings| settings.job_ms = None).start();
        let held = aws.permission_set_arn("ReadOnly").unwrap();
        if matches!(begun(&aws).change, Change::Revoke(_)) {
            act(&aws, "assign", json!({ "account": "production", "permission_set": held, "user": "sarah@company.com" }));
        }
        ticket(&connect(&aws).apply(&cx(), &begun(&aws)).await.unwrap());
        // All jobs end as soon as somebody has looked at what is there.
        let (inner, fake) = (aws.transport(), aws.clone());
        let transport = MemoryTransport::with(move |request: http::Request<Bytes>| {
            let (inner, fake) = (inner.clone(), fake.clone());
            async move {
                let looked = request.headers()["x-amz-target"] == "SWBExternalService.ListAccountAssignmentsForPrincipal";
                let answer = inner.send(request).await?;
                if looked {
                    act(&fake, "finish_jobs", Value::Null);
                }
                Ok(answer)
            }
        });
        let adapter = config().access_keys(keys()).connect("aws", &transport).unwrap();
        ticket(&adapter.apply(&cx(), &then(&aws)).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_aws_account_is_a_conflict() {
    let aws = fake().start();
    act(&aws, "suspend_account", json!({ "account": "production" }));
    let error = connect(&aws).apply(&cx(), &grant(&aws)).await.unwrap_err();
    assert_eq!((error.kind(), error.hint(), error.code()), (&ErrorKind::Conflict, RetryHint::Backoff, Some("ConflictException")));
}

#[tokio::test(start_paused = true)]
async fn one_job_too_many_is_a_limit_of_the_lane_in_either_form() {
    for code in ["ThrottlingException", "ConflictException"] {
        let aws = fake().with_settings(|settings| (settings.job_ms, settings.outstanding_error) = (None, code.to_owned()));
        let aws = (0..10).fold(aws, |aws, number| aws.with_permission_set(&format!("Set{number}"))).start();
        let adapter = connect(&aws);
        for number in 0..10 {
            let wanted = Entitlement::new("assign_permission_set", aws.permission_set_arn(&format!("Set{number}")).unwrap()).with_param("account", PRODUCTION);
            ticket(&adapter.apply(&cx(), &request(&sarah(&aws), Change::Grant(wanted))).await.unwrap());
        }
        let error = adapter.apply(&cx(), &grant(&aws)).await.unwrap_err();
        let wanted = (&ErrorKind::RateLimited("sso.assign".into()), RetryHint::After(std::time::Duration::from_secs(5)), Effect::None);
        assert_eq!((error.kind(), error.hint(), error.effect()), wanted, "{code}");
        act(&aws, "finish_jobs", Value::Null);
        ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
    }
    let aws = fake().start();
    let lanes = connect(&aws).descriptor().lanes.clone();
    let pools: std::collections::BTreeSet<_> = lanes.iter().map(|lane| lane.pool.clone().unwrap()).collect();
    assert!(pools.len() == 1 && lanes.iter().all(|lane| lane.window.unwrap().units < 20), "20 a second are for all together: {lanes:?}");
}

#[tokio::test(start_paused = true)]
async fn an_assignment_somebody_took_meanwhile_is_gone_by_either_answer() {
    let aws = fake().with_settings(|settings| settings.missing = Missing::Refused).start();
    let adapter = connect(&aws);
    for missing in [Missing::Refused, Missing::Fails] {
        aws.change(|aws, _| *aws = aws.clone().with_settings(|settings| settings.missing = missing));
        act(&aws, "assign", json!({ "account": "production", "permission_set": "ReadOnly", "user": "sarah@company.com" }));
        aws.fault(Fault::lag(std::time::Duration::from_secs(3)).on_access(Access::Read).times(1));
        // The look is answered from before.
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
        act(&aws, "unassign", json!({ "account": "production", "permission_set": "ReadOnly", "user": "sarah@company.com" }));
        match (missing, adapter.apply(&cx(), &revoke(&aws)).await) {
            (Missing::Fails, Ok(Outcome::Unchanged(_))) => {}
            (Missing::Refused, Err(error)) => assert!(matches!(error.kind(), ErrorKind::NotFound(_)) && error.effect() == Effect::None, "{error}"),
            (_, other) => panic!("{missing:?}: {other:?}"),
        }
        aws.clear_faults();
        assert!(matches!(adapter.apply(&cx(), &revoke(&aws)).await.unwrap(), Outcome::Unchanged(_)));
        assert!(matches!(adapter.probe(&cx(), &revoke(&aws)).await.unwrap(), Probe::Holds(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_through_a_group_is_told_apart_where_aws_shows_it() {
    for shown in [true, false] {
        let aws = fake().with_settings(|settings| settings.inherited_rows = shown).start();
        act(&aws, "join_group", json!({ "user": "sarah@company.com", "group": "engineering" }));
        act(&aws, "assign", json!({ "account": "production", "permission_set": "ReadOnly", "group": "engineering" }));
        let adapter = connect(&aws);
        let seen = adapter.observe(&cx(), &sarah(&aws), &Scope::Kinds(vec!["assign_permission_set".into()])).await.unwrap();
        let sources: Vec<_> = seen.grants.into_iter().map(|grant| grant.source).collect();
        let group = Source::Inherited(aws.group_id("engineering").unwrap().into());
        assert_eq!(sources, if shown { vec![group] } else { vec![] });
        let outcome = adapter.apply(&cx(), &grant(&aws)).await.unwrap();
        assert_eq!(matches!(outcome, Outcome::Unchanged(_)), shown);
    }
}

#[tokio::test(start_paused = true)]
async fn an_aws_account_is_known_by_its_digits_whatever_it_is_called() {
    let aws = fake().start();
    let adapter = config().account("prod", PRODUCTION).access_keys(keys()).connect("aws", &aws.transport()).unwrap();
    let named = |account: &str| read_only(&aws, account);
    let names = [named("production"), named("prod"), named(PRODUCTION), named("222222222222"), named("prodution"), named("11")];
    let bound = adapter.bind(&cx(), &names).await.unwrap();
    let by_digits = Bound::One(read_only(&aws, PRODUCTION));
    assert_eq!(bound[..4], [by_digits.clone(), by_digits.clone(), by_digits, Bound::One(read_only(&aws, "222222222222"))]);
    for (bound, said) in [(&bound[4], "did you mean `production`?"), (&bound[5], "no AWS account is called `11`")] {
        assert!(matches!(bound, Bound::None(why) if why.contains(said)), "{bound:?}");
    }
    let membership = Entitlement::new("add_to_group", aws.group_id("engineering").unwrap());
    assert_eq!(adapter.bind(&cx(), std::slice::from_ref(&membership)).await.unwrap(), [Bound::One(membership)]);
    assert!(called(&aws).is_empty());
    let error = adapter.apply(&cx(), &request(&sarah(&aws), Change::Grant(named("prodution")))).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidRequest && called(&aws).is_empty(), "what cannot be meant was sent");
    ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
    act(&aws, "finish_jobs", Value::Null);
    let seen = adapter.observe(&cx(), &sarah(&aws), &Scope::All).await.unwrap();
    assert_eq!(seen.grants, [Grant::direct(sarah(&aws).id, read_only(&aws, PRODUCTION))]);
    for (name, id) in [("short", "1"), ("333333333333", "333333333333")] {
        let error = config().access_keys(keys()).account(name, id).connect("aws", &aws.transport()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidConfig, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_organization_s_names_of_aws_accounts_come_after_those_of_the_settings() {
    let twins = fake().with_account("twin", "333333333333").with_account("twin", "444444444444");
    // The settings call another account by a name of the organization.
    let aws = twins.with_account("shared", "555555555555").with_settings(|settings| settings.page_size = 2).start();
    let adapter = config().account("shared", PRODUCTION).organization_names().access_keys(keys()).connect("aws", &aws.transport()).unwrap();
    let named = |account: &str| read_only(&aws, account);
    let bound = adapter.bind(&cx(), &[named("production"), named("shared"), named(PRODUCTION)]).await.unwrap();
    assert!(called(&aws).is_empty(), "the organization is asked for what the settings name");
    assert_eq!(bound, vec![Bound::One(read_only(&aws, PRODUCTION)); 3]);
    let bound = adapter.bind(&cx(), &[named("sandbox"), named("twin"), named("sandbux")]).await.unwrap();
    assert_eq!(called(&aws), ["ListAccounts"; 3], "five accounts, two on a page, once for all names");
    assert_eq!(bound[0], Bound::One(read_only(&aws, "222222222222")));
    assert!(matches!(&bound[1], Bound::None(why) if why.contains("2 AWS accounts") && why.contains("444444444444")), "{bound:?}");
    assert!(matches!(&bound[2], Bound::None(why) if why.contains("did you mean `sandbox`?")), "{bound:?}");
    act(&aws, "deny", json!({ "action": "organizations:ListAccounts" }));
    let bound = adapter.bind(&cx(), &[named("sandbox"), named("production")]).await.unwrap();
    assert!(matches!(&bound[0], Bound::None(why) if why.contains("organizations:ListAccounts")), "{bound:?}");
    assert_eq!(bound[1], Bound::One(read_only(&aws, PRODUCTION)), "without the right everything else goes on");
}

#[tokio::test(start_paused = true)]
async fn who_came_over_scim_is_changed_there() {
    let aws = fake().start();
    act(&aws, "provision_user", json!({ "login": "sarah@company.com", "issuer": "https://idp.example", "external_id": "00u1" }));
    let adapter = config().access_keys(keys()).issuer("https://idp.example").connect("aws", &aws.transport()).unwrap();
    let Found::One(found) = adapter.find_account(&cx(), &AccountQuery::by("external_id", "00u1")).await.unwrap() else { panic!("nobody") };
    assert_eq!((found.managed_by.as_ref().unwrap().as_str(), &found.id), ("Okta", &sarah(&aws).id));
    assert_eq!(adapter.find_account(&cx(), &AccountQuery::by("external_id", "00u2")).await.unwrap(), Found::None);
    let error = adapter.apply(&cx(), &request(&found, Change::SetState(AccountState::Deleted))).await.unwrap_err();
    assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.message().starts_with("Okta "), "{error}");
    // What they may do in AWS is ours all the same.
    ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_told_by_its_reason_and_by_what_is_there() {
    for reason in [None, Some("UNIQUENESS_CONSTRAINT_VIOLATION"), Some("CONCURRENT_MODIFICATION")] {
        let aws = fake().with_settings(|settings| settings.conflict_reason = reason.map(str::to_owned)).start();
        let adapter = connect(&aws);
        let profile = |spec: AccountSpec, email: &str| {
            let names = [("givenName", "S"), ("familyName", "T"), ("displayName", "S T"), ("email", email)];
            names.into_iter().fold(spec, |spec, (name, value)| spec.with(name, value))
        };
        // Another person has the user name: the next one is taken.
        let mut spec = profile(AccountSpec::new("sarah@company.com"), "s2@company.com");
        spec.logins.push("s2@company.com".to_owned());
        let ensure = |spec: AccountSpec| Request::new("s2", AccountQuery::by("email", "s2@company.com"), Change::EnsureAccount(spec), "k-2");
        let Outcome::Applied(receipt) = adapter.apply(&cx(), &ensure(spec)).await.unwrap() else { panic!("not made") };
        assert_eq!(receipt.account.unwrap().login.as_deref(), Some("s2@company.com"));
        // Another person has the address.
        let spec = profile(AccountSpec::new("s3"), "sarah@company.com");
        let request = Request::new("s3", AccountQuery::by("user_name", "s3"), Change::EnsureAccount(spec), "k-3");
        let error = adapter.apply(&cx(), &request).await.unwrap_err();
        let hint = if reason == Some("UNIQUENESS_CONSTRAINT_VIOLATION") { RetryHint::Never } else { RetryHint::Backoff };
        assert_eq!((error.kind(), error.hint(), error.effect()), (&ErrorKind::Conflict, hint, Effect::None), "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_sets_what_it_names_and_takes_away_what_is_cleared() {
    let aws = fake().start();
    let adapter = connect(&aws);
    let delta = |pairs: &[(&str, Option<&str>)]| {
        Change::UpdateAccount(ProfileDelta(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(Value::from))).collect()))
    };
    let changed = delta(&[("givenName", Some("Sally")), ("email", Some("sally@company.com")), ("title", Some("CTO")), ("phoneNumber", Some("+49 1"))]);
    let Outcome::Applied(receipt) = adapter.apply(&cx(), &request(&sarah(&aws), changed)).await.unwrap() else { panic!("not changed") };
    let told = receipt.account.unwrap();
    assert_eq!(Found::One(told.clone()), adapter.find_account(&cx(), &AccountQuery::by("email", "sally@company.com")).await.unwrap());
    assert_eq!((&told.profile["givenName"], &told.profile["familyName"]), (&json!("Sally"), &json!("Example")));
    let cleared = request(&told, delta(&[("title", None), ("phoneNumber", None)]));
    assert!(matches!(adapter.apply(&cx(), &cleared).await.unwrap(), Outcome::Applied(_)));
    assert_eq!(
        aws.with(|aws| (
            aws.user("sally@company.com").unwrap().text("Title").to_owned(),
            aws.user("sally@company.com").unwrap().fields.contains_key("PhoneNumbers")
        )),
        (String::new(), false)
    );
    assert!(matches!(adapter.apply(&cx(), &cleared).await.unwrap(), Outcome::Unchanged(_)));
}

#[tokio::test(start_paused = true)]
async fn errors_are_told_by_type_whatever_stands_before_it() {
    let aws = fake().with_settings(|settings| settings.namespace = "com.amazonaws.identitystore#".to_owned()).start();
    let adapter = connect(&aws);
    assert_eq!(adapter.find_account(&cx(), &AccountQuery::by("email", "nobody@company.com")).await.unwrap(), Found::None);
    act(&aws, "deny", json!({ "action": "identitystore:DescribeUser" }));
    let error = adapter.observe(&cx(), &sarah(&aws), &Scope::All).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::PermissionDenied, Some("AccessDeniedException")));
    act(&aws, "refuse_key", json!({ "code": "ExpiredTokenException" }));
    assert_eq!(*adapter.observe(&cx(), &sarah(&aws), &Scope::All).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
}

#[tokio::test(start_paused = true)]
async fn what_the_keys_may_not_do_is_found_without_writing() {
    let aws = fake().start();
    let adapter = connect(&aws);
    assert!(adapter.check(&cx()).await.unwrap().lacking.is_empty());
    assert!(aws.log().iter().all(|entry| entry.access == Some(Access::Read)));
    let (groups, sets) = ("add_to_group", "assign_permission_set");
    for (action, ability) in [
        ("identitystore:ListUsers", Ability::ListAccounts),
        ("identitystore:DescribeUser", Ability::CreateAccount),
        ("identitystore:DescribeGroup", Ability::Manage(groups.into())),
        ("identitystore:ListGroupMembershipsForMember", Ability::Observe(groups.into())),
        ("identitystore:ListGroupMemberships", Ability::ListGrants(groups.into())),
        ("identitystore:ListGroups", Ability::ListTargets(groups.into())),
        ("sso:ListPermissionSets", Ability::ListTargets(sets.into())),
        ("sso:DescribePermissionSet", Ability::ListTargets(sets.into())),
        ("sso:ListAccountsForProvisionedPermissionSet", Ability::ListGrants(sets.into())),
        ("sso:ListAccountAssignments", Ability::ListGrants(sets.into())),
        ("sso:ListAccountAssignmentsForPrincipal", Ability::Observe(sets.into())),
        ("sso:ListAccountAssignmentCreationStatus", Ability::Manage(sets.into())),
        ("sso:ListAccountAssignmentDeletionStatus", Ability::Manage(sets.into())),
    ] {
        let aws = fake().start();
        let adapter = connect(&aws);
        act(&aws, "deny", json!({ "action": action }));
        let lacking = adapter.check(&cx()).await.unwrap().lacking;
        assert!(lacking.get(&ability).is_some_and(|why| why.contains(action)), "{action}: {lacking:?}");
    }
    let wrong = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, "d-0000000000").access_keys(keys()).connect("aws", &aws.transport());
    assert_eq!(*wrong.unwrap().check(&cx()).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
}

/// Each time other keys; the first are none.
struct Rotated(AtomicUsize);

#[async_trait]
impl AccessKeysProvider for Rotated {
    async fn access_keys(&self, _cx: &CallContext) -> Result<AccessKeys, AdapterError> {
        Ok(match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => AccessKeys::new("AKIAOLD", Secret::new("old-secret-key")),
            _ => keys(),
        })
    }
}

#[tokio::test(start_paused = true)]
async fn refused_keys_are_asked_for_anew_once() {
    let aws = fake().start();
    let adapter = config().access_keys(Rotated(AtomicUsize::new(0))).connect("aws", &aws.transport()).unwrap();
    assert!(matches!(adapter.find_account(&cx(), &AccountQuery::by("email", "sarah@company.com")).await.unwrap(), Found::One(_)));
    assert_eq!(called(&aws), ["GetUserId", "GetUserId", "DescribeUser"]);
    let wrong = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new("not-the-secret-key"));
    let adapter = config().access_keys(wrong).connect("aws", &aws.transport()).unwrap();
    let error = adapter.find_account(&cx(), &AccountQuery::by("email", "sarah@company.com")).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (&ErrorKind::Unauthenticated, Some("InvalidSignatureException")));
    assert_eq!(called(&aws).len(), 1, "keys that are the same again are not tried again");
}

async fn listed(adapter: &IdentityCenter, kind: &str) -> Vec<Grant> {
    let (mut grants, mut page) = (Vec::new(), PageRequest::first());
    loop {
        let next = adapter.list_grants(&cx(), &ListScope::Kind(kind.into()), &page).await.unwrap();
        grants.extend(next.items);
        match next.next {
            Some(cursor) => page = PageRequest::first().after(cursor),
            None => return grants,
        }
    }
}

/// The numbers are those of the README.
#[tokio::test(start_paused = true)]
async fn a_sweep_takes_the_calls_the_readme_says() {
    let aws = fake().with_permission_set("Admin").with_permission_set("Unused").with_group("sales", &["sarah@company.com"]).start();
    for (account, set) in [("production", "ReadOnly"), ("sandbox", "ReadOnly"), ("production", "Admin")] {
        act(&aws, "assign", json!({ "account": account, "permission_set": set, "user": "sarah@company.com" }));
    }
    act(&aws, "assign", json!({ "account": "production", "permission_set": "Admin", "group": "sales" }));
    let adapter = connect(&aws);
    assert_eq!(listed(&adapter, "assign_permission_set").await.len(), 3);
    // One for the permission sets, one for the AWS accounts of each of three, one for each of three pairs.
    assert_eq!(called(&aws).len(), 1 + 3 + 3);
    assert_eq!(listed(&adapter, "add_to_group").await.len(), 1);
    // One for the groups, two for each of two.
    assert_eq!(called(&aws).len(), 1 + 2 * 2);
    let names: Vec<TargetName> = vec!["ReadOnly".into()];
    adapter.resolve(&cx(), &"assign_permission_set".into(), &names).await.unwrap();
    assert_eq!(called(&aws), ["ListPermissionSets", "DescribePermissionSet"], "nothing is read beyond the name that is looked for");
    adapter.resolve(&cx(), &"add_to_group".into(), &["sales".into()]).await.unwrap();
    assert_eq!(called(&aws), ["GetGroupId", "DescribeGroup"]);
    adapter.observe(&cx(), &sarah(&aws), &Scope::All).await.unwrap();
    assert_eq!(called(&aws), ["DescribeUser", "ListGroupMembershipsForMember", "DescribeGroup", "ListAccountAssignmentsForPrincipal"]);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_leaves_out_what_groups_give_says_so() {
    for to_group in [false, true] {
        let aws = fake().start();
        act(&aws, "assign", json!({ "account": "production", "permission_set": "ReadOnly", "user": "sarah@company.com" }));
        if to_group {
            act(&aws, "assign", json!({ "account": "production", "permission_set": "ReadOnly", "group": "engineering" }));
        }
        let (adapter, mut page, mut whole) = (connect(&aws), PageRequest::first(), true);
        loop {
            let next = adapter.list_grants(&cx(), &ListScope::Kind("assign_permission_set".into()), &page).await.unwrap();
            whole &= next.completeness == provisionr_sdk::Completeness::Complete;
            match next.next {
                Some(cursor) => page = PageRequest::first().after(cursor),
                None => break,
            }
        }
        assert_eq!(whole, !to_group);
    }
}

#[tokio::test(start_paused = true)]
async fn short_pages_are_not_the_end() {
    let aws = fake().with_permission_set("Admin").with_settings(|settings| settings.page_size = 1).start();
    for set in ["ReadOnly", "Admin"] {
        act(&aws, "assign", json!({ "account": "production", "permission_set": set, "user": "sarah@company.com" }));
    }
    act(&aws, "assign", json!({ "account": "sandbox", "permission_set": "Admin", "user": "sarah@company.com" }));
    let adapter = connect(&aws);
    assert_eq!(adapter.observe(&cx(), &sarah(&aws), &Scope::All).await.unwrap().grants.len(), 3);
    assert_eq!(listed(&adapter, "assign_permission_set").await.len(), 3);
    // AWS refuses a page of more than a hundred.
    assert_eq!(adapter.list_accounts(&cx(), &PageRequest::first().sized(1000)).await.unwrap().items.len(), 1);
}

/// Everything is said of a key service that fails, and nothing of whom or what is looked for.
#[tokio::test(start_paused = true)]
async fn a_key_service_that_is_down_makes_nobody_absent() {
    for (trouble, kind) in [
        (KeyService::NotFound, ErrorKind::Unavailable),
        (KeyService::Disabled, ErrorKind::Unavailable),
        (KeyService::Denied, ErrorKind::PermissionDenied),
        (KeyService::Throttled, ErrorKind::RateLimited("identitystore".into())),
    ] {
        let aws = fake().with_settings(|settings| settings.key_service = trouble).start();
        let adapter = connect(&aws);
        let sarah = sarah(&aws);
        for who in [AccountQuery::known(sarah.id.clone()), AccountQuery::by("email", "sarah@company.com"), AccountQuery::by("user_name", "sarah@company.com")] {
            let error = adapter.find_account(&cx(), &who).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (&kind, Effect::None), "{trouble:?} {who:?}");
        }
        let delete = request(&sarah, Change::SetState(AccountState::Deleted));
        assert_eq!(*adapter.apply(&cx(), &delete).await.unwrap_err().kind(), kind, "{trouble:?}");
        assert!(adapter.probe(&cx(), &delete).await.is_err());
        let membership = Entitlement::new("add_to_group", aws.group_id("engineering").unwrap());
        for change in [Change::Revoke(membership), Change::Revoke(read_only(&aws, PRODUCTION))] {
            assert!(adapter.apply(&cx(), &request(&sarah, change)).await.is_err(), "{trouble:?}");
        }
        let error = adapter.list_accounts(&cx(), &PageRequest::first().after("x".into())).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "a list is begun anew only when its cursor is at fault");
    }
}

/// Only AWS's own word says that somebody is not there: neither a proxy's page does, nor an error about anything else.
#[tokio::test(start_paused = true)]
async fn nobody_is_absent_by_a_word_that_is_not_aws_s_about_them() {
    let page = |body: &'static str, status: u16| {
        MemoryTransport::new(move |_| http::Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
    };
    let known = AccountQuery::known("f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
    for transport in [
        page("<html>nothing here</html>", 404),
        page(r#"{"__type":"ResourceNotFoundException","Message":"no","ResourceType":"RESOURCE_POLICY"}"#, 400),
        page(r#"{"__type":"ResourceNotFoundException","Message":"no"}"#, 400),
    ] {
        let adapter = config().access_keys(keys()).connect("aws", &transport).unwrap();
        for who in [known.clone(), AccountQuery::by("email", "sarah@company.com")] {
            let error = adapter.find_account(&cx(), &who).await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NotFound(provisionr_sdk::Missing::Unclear) | ErrorKind::Unavailable), "{who:?}: {error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_in_other_letters_is_found_whatever_aws_takes_for_the_same() {
    for case in [LetterCase::Same, LetterCase::Other] {
        let stored = json!({ "users": [{ "user_name": "Kim.Lee@Company.com", "email": "Kim.Lee@Mail.com" }, { "user_name": "jo@company.com" }] });
        let aws = fake().seeded(&stored).with_settings(|settings| settings.letter_case = case).start();
        let adapter = connect(&aws);
        for (key, value, is) in [
            ("user_name", "Kim.Lee@Company.com", "Kim.Lee@Company.com"),
            ("user_name", "kim.lee@company.com", "Kim.Lee@Company.com"),
            ("email", "KIM.LEE@MAIL.COM", "Kim.Lee@Company.com"),
            ("user_name", "JO@company.com", "jo@company.com"),
        ] {
            let Found::One(found) = adapter.find_account(&cx(), &AccountQuery::by(key, value)).await.unwrap() else { panic!("{case:?}: nobody by {value}") };
            assert_eq!(found.login.as_deref(), Some(is), "{case:?}");
        }
        assert_eq!(adapter.find_account(&cx(), &AccountQuery::by("email", "nobody@company.com")).await.unwrap(), Found::None);
        // Nobody is made a second time.
        let ensure = Change::EnsureAccount(AccountSpec::new("kim.lee@company.com"));
        let ensure = Request::new("kim", AccountQuery::by("user_name", "kim.lee@company.com"), ensure, "k-1");
        assert!(matches!(adapter.apply(&cx(), &ensure).await.unwrap(), Outcome::Unchanged(_)), "{case:?}");
        // Who may not list users does not know that there is nobody.
        act(&aws, "deny", json!({ "action": "identitystore:ListUsers" }));
        let found = adapter.find_account(&cx(), &AccountQuery::by("email", "nobody@company.com")).await.unwrap();
        assert!(matches!(&found, Found::CannotTell(why) if why.contains("ListUsers")), "{found:?}");
    }
    let twins = json!({ "users": [{ "user_name": "Kim" }, { "user_name": "KIM" }] });
    let aws = AwsFake::new().seeded(&twins).with_settings(|settings| settings.letter_case = LetterCase::Other).start();
    assert!(matches!(connect(&aws).find_account(&cx(), &AccountQuery::by("user_name", "kiM")).await.unwrap(), Found::Several(_)));
}

#[tokio::test(start_paused = true)]
async fn a_disabled_user_is_not_taken_for_an_account_that_is_ready() {
    let aws = fake().start();
    act(&aws, "disable_user", json!({ "user": "sarah@company.com" }));
    let ensure = |who: AccountQuery| Request::new("s", who, Change::EnsureAccount(AccountSpec::new("sarah@company.com")), "k-1");
    let error = connect(&aws).apply(&cx(), &ensure(AccountQuery::by("email", "sarah@company.com"))).await.unwrap_err();
    assert_eq!((error.kind(), error.hint(), error.effect()), (&ErrorKind::Conflict, RetryHint::Replan, Effect::None));
}

/// An identity provider need not give external ids, and a directory gives none.
#[tokio::test(start_paused = true)]
async fn what_another_source_decides_about_is_left_to_it_without_external_ids() {
    for (source, owner) in [(IdentitySource::Scim, "the identity provider behind SCIM"), (IdentitySource::ActiveDirectory, "Active Directory")] {
        let aws = fake().start();
        let ids = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE);
        let adapter = ids.identity_source(source).access_keys(keys()).connect("aws", &aws.transport()).unwrap();
        for ability in [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState] {
            assert!(!adapter.descriptor().has(&ability), "{ability}");
        }
        let Found::One(found) = adapter.find_account(&cx(), &AccountQuery::by("email", "sarah@company.com")).await.unwrap() else { panic!("nobody") };
        assert_eq!(found.managed_by.as_ref().unwrap().as_str(), owner);
        act(&aws, "join_group", json!({ "user": "sarah@company.com", "group": "engineering" }));
        let membership = Entitlement::new("add_to_group", aws.group_id("engineering").unwrap());
        let seen = adapter.observe(&cx(), &found, &Scope::All).await.unwrap();
        assert!(matches!(&seen.grants[0].source, Source::Owned(by) if by.as_str() == owner), "{seen:?}");
        for change in [Change::SetState(AccountState::Deleted), Change::Grant(membership.clone()), Change::Revoke(membership)] {
            let error = adapter.apply(&cx(), &request(&found, change)).await.unwrap_err();
            assert!(*error.kind() == ErrorKind::OwnedElsewhere && error.message().starts_with(owner), "{error}");
        }
        ticket(&adapter.apply(&cx(), &grant(&aws)).await.unwrap());
    }
}
