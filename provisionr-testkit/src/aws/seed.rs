//! How an instance comes to be as a test wants it, and what people do in it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AwsFake;
use super::state::{AwsAccount, AwsAssignment, AwsExternalId, AwsGroup, AwsPermissionSet, AwsSettings, AwsUser, Key};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<AwsSettings>,
    users: Vec<SeedUser>,
    groups: Vec<SeedGroup>,
    accounts: Vec<SeedAccount>,
    permission_sets: Vec<SeedSet>,
    assignments: Vec<SeedAssignment>,
    keys: Vec<SeedKey>,
    limits: Vec<Limit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedUser {
    user_name: String,
    email: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    disabled: bool,
    external_ids: Vec<AwsExternalId>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedGroup {
    name: String,
    members: Vec<String>,
    external_ids: Vec<AwsExternalId>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedAccount {
    name: String,
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedSet {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedAssignment {
    account: String,
    permission_set: String,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    group: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedKey {
    id: String,
    secret: String,
    #[serde(default)]
    token: Option<String>,
}

/// Adds a seed. Names refer to what is there or in the same seed.
pub(super) fn seed(aws: &mut AwsFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        aws.instance.settings = settings;
    }
    seed.limits.into_iter().for_each(|limit| aws.limits.add(limit));
    for user in seed.users {
        add_user(aws, user);
    }
    for group in seed.groups {
        let id = aws.instance.id();
        aws.instance.groups.insert(id.clone(), AwsGroup { id: id.clone(), name: group.name, external_ids: group.external_ids, ..AwsGroup::default() });
        for member in group.members {
            let user = user_id(aws, &member)?;
            aws.join(&id, &user, cx);
        }
    }
    for SeedAccount { name, id } in seed.accounts {
        if !super::answer::digits(&id) {
            return Err(ActError::new(format!("the account `{name}` needs an id of 12 digits")));
        }
        aws.instance.accounts.insert(id.clone(), AwsAccount { id, name, suspended: false });
    }
    for SeedSet { name } in seed.permission_sets {
        let arn = aws.instance.set_arn();
        aws.instance.sets.insert(arn.clone(), AwsPermissionSet { arn, name, provisioned: Default::default() });
    }
    for one in seed.assignments {
        let assignment = assignment(aws, &one.account, &one.permission_set, one.user.as_deref(), one.group.as_deref())?;
        aws.grant(assignment, cx);
    }
    for SeedKey { id, secret, token } in seed.keys {
        aws.instance.keys.insert(id, Key { secret, token, denied: Default::default(), refused: None });
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn add_user(aws: &mut AwsFake, user: SeedUser) -> String {
    let id = aws.instance.id();
    let email = user.email.unwrap_or_else(|| user.user_name.clone());
    let first = user.given_name.unwrap_or_else(|| user.user_name.split('@').next().unwrap_or_default().to_owned());
    let last = user.family_name.unwrap_or_else(|| "Example".to_owned());
    let fields = Map::from_iter([
        ("UserName".to_owned(), user.user_name.into()),
        ("DisplayName".to_owned(), format!("{first} {last}").into()),
        ("Name".to_owned(), json!({ "GivenName": first, "FamilyName": last })),
        ("Emails".to_owned(), json!([{ "Value": email, "Type": "work", "Primary": true }])),
    ]);
    let made = AwsUser { id: id.clone(), enabled: !user.disabled, external_ids: user.external_ids, revision: 1, fields };
    aws.instance.users.insert(id.clone(), made);
    id
}

fn user_id(aws: &AwsFake, key: &str) -> Result<String, ActError> {
    aws.instance.user(key).map(|user| user.id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

fn group_id(aws: &AwsFake, key: &str) -> Result<String, ActError> {
    aws.instance.group(key).map(|group| group.id.clone()).ok_or_else(|| ActError::new(format!("no group is called `{key}`")))
}

fn assignment(aws: &AwsFake, account: &str, set: &str, user: Option<&str>, group: Option<&str>) -> Result<AwsAssignment, ActError> {
    let account = aws.instance.account(account).ok_or_else(|| ActError::new(format!("no AWS account is called `{account}`")))?;
    let set = aws.instance.set(set).ok_or_else(|| ActError::new(format!("no permission set is called `{set}`")))?;
    let (kind, principal) = match (user, group) {
        (Some(user), None) => ("USER", user_id(aws, user)?),
        (None, Some(group)) => ("GROUP", group_id(aws, group)?),
        _ => return Err(ActError::new("an assignment is to a user or to a group")),
    };
    Ok(AwsAssignment { account: account.id.clone(), permission_set: set.arn.clone(), principal_type: kind.to_owned(), principal })
}

/// Who owns a user or a group that came over SCIM.
fn owner(act: &Act) -> Result<AwsExternalId, ActError> {
    Ok(AwsExternalId { issuer: act.text("issuer")?.to_owned(), id: act.text("external_id")?.to_owned() })
}

/// The identity provider makes a user, or takes one over who is there, and enables it.
fn provision(aws: &mut AwsFake, act: &Act, cx: &mut FakeContext) -> Result<(), ActError> {
    let (login, owner) = (act.text("login")?, owner(act)?);
    let id = if let Ok(id) = user_id(aws, login) {
        id
    } else {
        let text = |name: &str| act.args.get(name).and_then(Value::as_str).map(str::to_owned);
        let (email, given_name, family_name) = (text("email"), text("first_name"), text("last_name"));
        let id = add_user(aws, SeedUser { user_name: login.to_owned(), email, given_name, family_name, ..SeedUser::default() });
        cx.emit("user.created", json!({ "user": id }));
        id
    };
    if let Some(user) = aws.instance.users.get_mut(&id) {
        if !std::mem::replace(&mut user.enabled, true) {
            cx.emit("user.updated", json!({ "user": user.id }));
        }
        if !user.external_ids.contains(&owner) {
            user.external_ids.push(owner);
        }
    }
    Ok(())
}

/// Carries out an act. Users, groups, permission sets and AWS accounts are named by id or name.
pub(super) fn act(aws: &mut AwsFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let optional = |name: &str| act.args.get(name).and_then(Value::as_str);
    match act.act.as_str() {
        "join_group" | "leave_group" => {
            let (user, group) = (user_id(aws, act.text("user")?)?, group_id(aws, act.text("group")?)?);
            if act.act == "join_group" { aws.join(&group, &user, cx) } else { aws.leave(&group, &user, cx) }
        }
        "assign" | "unassign" => {
            let assignment = assignment(aws, act.text("account")?, act.text("permission_set")?, optional("user"), optional("group"))?;
            if act.act == "assign" { aws.grant(assignment, cx) } else { aws.take(&assignment, cx) }
        }
        "disable_user" | "enable_user" => {
            let id = user_id(aws, act.text("user")?)?;
            if let Some(user) = aws.instance.users.get_mut(&id) {
                user.enabled = act.act == "enable_user";
            }
        }
        "provision_user" => provision(aws, act, cx)?,
        "deprovision_user" => {
            let Ok(id) = user_id(aws, act.text("login")?) else { return Ok(Value::Null) };
            if let Some(user) = aws.instance.users.get_mut(&id).filter(|user| user.enabled) {
                user.enabled = false;
                cx.emit("user.updated", json!({ "user": user.id }));
            }
        }
        "provision_group" => {
            let (id, owner) = (group_id(aws, act.text("group")?)?, owner(act)?);
            aws.instance.groups.get_mut(&id).into_iter().for_each(|group| group.external_ids.push(owner.clone()));
        }
        "delete_user" => {
            let id = user_id(aws, act.text("user")?)?;
            aws.remove_user(&id, cx);
        }
        "delete_group" => {
            let id = group_id(aws, act.text("group")?)?;
            aws.instance.groups.remove(&id);
        }
        "suspend_account" => {
            let key = act.text("account")?;
            let id = aws.instance.account(key).map(|account| account.id.clone()).unwrap_or_default();
            aws.instance.accounts.get_mut(&id).ok_or_else(|| ActError::new(format!("no AWS account is called `{key}`")))?.suspended = true;
        }
        "fail_next_job" => aws.instance.next_fails = Some(act.text("reason")?.to_owned()),
        "finish_job" => aws.finish(act.text("job")?, cx),
        "finish_jobs" => {
            let jobs: Vec<String> = aws.instance.jobs.keys().cloned().collect();
            jobs.iter().for_each(|job| aws.finish(job, cx));
        }
        "forget_jobs" => aws.instance.jobs.retain(|_, job| job.status == "IN_PROGRESS"),
        "deny" | "refuse_key" => {
            let key = optional("key").unwrap_or(AwsFake::ACCESS_KEY_ID);
            let known = aws.instance.keys.get_mut(key).ok_or_else(|| ActError::new("no such access key"))?;
            if act.act == "deny" {
                known.denied.insert(act.text("action")?.to_owned());
            } else {
                known.refused = Some(act.text("code")?.to_owned());
            }
        }
        _ => return Err(act.unknown()),
    }
    Ok(Value::Null)
}
