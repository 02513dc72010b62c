//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, AdapterError, Bound, CallContext, Change, Check, Coverage, Descriptor, Entitlement, ErrorKind,
    Found, Grant, KindName, ListScope, Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName, probe_by_looking,
};
use serde_json::{Value, json};

use crate::assignments::ASSIGN_PERMISSION_SET;
use crate::client::{Client, Operation, look, look_sso};
use crate::config::Facts;
use crate::errors::is_missing;
use crate::groups::ADD_TO_GROUP;
use crate::jobs::Way;

/// One instance of IAM Identity Center. Made by [`IdentityCenterConfig::connect`](crate::IdentityCenterConfig::connect).
pub struct IdentityCenter {
    pub(crate) client: Client,
    pub(crate) descriptor: Descriptor,
    pub(crate) facts: Facts,
}

impl fmt::Debug for IdentityCenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCenter").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

/// Nobody's id: to ask for what nobody has, and learn whether asking is allowed.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

impl IdentityCenter {
    pub(crate) async fn look(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?.account(&self.facts)?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        for kind in [ADD_TO_GROUP, ASSIGN_PERMISSION_SET] {
            if !scope.wants_kind(kind) {
                continue;
            }
            let targets = scope.targets(kind);
            let wanted = |target: &str| targets.as_ref().is_none_or(|targets| targets.iter().any(|known| *known == *target));
            grants.extend(match kind {
                ADD_TO_GROUP => self.memberships(cx, user.id.as_str(), wanted).await?,
                _ => self.assignments(cx, user.id.as_str(), self.one_account(scope).as_deref()).await?,
            });
            // Both lists are whole, and hide nothing from who may read them.
            coverage = match &targets {
                None => coverage.kind(kind),
                Some(targets) => targets.iter().fold(coverage, |coverage, target| coverage.target(kind, target.clone())),
            };
        }
        grants.retain(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(user, grants, coverage))
    }

    /// The AWS account a look is about, where it is about one: AWS leaves out all others then.
    fn one_account(&self, scope: &Scope) -> Option<String> {
        let Scope::Only(wanted) = scope else { return None };
        let mut accounts = wanted.iter().filter(|wanted| wanted.kind == *ASSIGN_PERMISSION_SET).map(|wanted| wanted.params.get("account"));
        let first = accounts.next()??.as_str()?;
        if accounts.all(|other| other.and_then(Value::as_str) == Some(first)) { self.facts.account_id(first).map(str::to_owned) } else { None }
    }

    /// Why something may not be read; only a refusal says so. That nobody is found is an answer like any other.
    async fn denied(&self, cx: &CallContext, operation: Operation, body: Value) -> Result<Option<String>> {
        match self.client.call(cx, operation, body).await {
            Ok(_) => Ok(None),
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => Ok(Some(error.to_string())),
            // Whether one may ask comes before what is asked for.
            Err(error) if is_missing(&error) || *error.kind() == ErrorKind::InvalidRequest => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The instance's own word on which store is its.
    async fn check_store(&self, cx: &CallContext) -> Result<()> {
        let instance: Value = match self.client.call(cx, look_sso("DescribeInstance"), json!({})).await {
            Ok(answer) => answer.json()?,
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => return Ok(()),
            Err(error) => return Err(error),
        };
        let store = instance.get("IdentityStoreId").and_then(Value::as_str);
        let ours = self.client.identity_store.rsplit('/').next();
        if store.is_some() && store != ours {
            return Err(AdapterError::invalid_config(format!("the identity store of the instance is `{}`", store.unwrap_or_default())));
        }
        Ok(())
    }
}

/// What can be asked without writing and without knowing anybody, and what cannot be done where it is refused.
fn questions(instance: &str) -> Vec<(Operation, Value, Vec<Ability>)> {
    use Ability::{CreateAccount, ListAccounts, ListGrants, ListTargets, Manage, Observe, SetState, UpdateAccount};
    let (groups, sets) = (|| KindName::from(ADD_TO_GROUP), || KindName::from(ASSIGN_PERMISSION_SET));
    let one = || json!({ "MaxResults": 1 });
    let (user, group) = (|| json!({ "MemberId": { "UserId": NOBODY } }), || json!({ "GroupId": NOBODY }));
    let nothing = format!("{}/ps-0000000000000000", instance.replacen(":instance/", ":permissionSet/", 1));
    let set = || json!({ "PermissionSetArn": nothing });
    let in_account = json!({ "PermissionSetArn": nothing, "AccountId": "000000000000" });
    let named = json!({ "AlternateIdentifier": { "UniqueAttribute": { "AttributePath": "userName", "AttributeValue": NOBODY } } });
    let whole = vec![Manage(groups()), Observe(groups()), ListTargets(groups()), ListGrants(groups())];
    vec![
        // That nobody has a name or address only the list of all users tells.
        (look("ListUsers"), one(), vec![ListAccounts, CreateAccount]),
        // Nobody is made, changed or deleted unseen, and nobody's grants are looked at.
        (look("DescribeUser"), json!({ "UserId": NOBODY }), vec![CreateAccount, UpdateAccount, SetState, Observe(groups()), Observe(sets())]),
        (look("GetUserId"), named, vec![CreateAccount]),
        (look("DescribeGroup"), group(), whole),
        (look("ListGroups"), one(), vec![ListTargets(groups()), ListGrants(groups())]),
        (look("GetGroupMembershipId"), json!({ "GroupId": NOBODY, "MemberId": { "UserId": NOBODY } }), vec![Manage(groups())]),
        (look("ListGroupMembershipsForMember"), user(), vec![Observe(groups())]),
        (look("ListGroupMemberships"), group(), vec![ListGrants(groups())]),
        (look_sso("ListPermissionSets"), one(), vec![ListTargets(sets()), ListGrants(sets())]),
        (look_sso("DescribePermissionSet"), set(), vec![ListTargets(sets()), Manage(sets())]),
        (look_sso("ListAccountsForProvisionedPermissionSet"), set(), vec![ListGrants(sets())]),
        (look_sso("ListAccountAssignments"), in_account, vec![ListGrants(sets())]),
        // Only the management account may ask what a person has.
        (look_sso("ListAccountAssignmentsForPrincipal"), json!({ "PrincipalId": NOBODY, "PrincipalType": "USER" }), vec![Manage(sets()), Observe(sets())]),
        (look_sso("ListAccountAssignmentCreationStatus"), one(), vec![Manage(sets())]),
        (look_sso("ListAccountAssignmentDeletionStatus"), one(), vec![Manage(sets())]),
    ]
}

/// A kind this adapter does not have.
pub(crate) fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}

#[async_trait]
impl Adapter for IdentityCenter {
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
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(AccountState::Deleted) => self.delete(cx, request.account()?).await,
            Change::Grant(wanted) if wanted.kind == *ADD_TO_GROUP => self.join(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_GROUP => self.leave(cx, request, request.account()?, unwanted).await,
            Change::Grant(wanted) if wanted.kind == *ASSIGN_PERMISSION_SET => self.assign(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ASSIGN_PERMISSION_SET => self.unassign(cx, request, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        self.check_store(cx).await?;
        let mut check = Check::new();
        for (operation, body, needed_for) in questions(&self.client.instance) {
            if let Some(why) = self.denied(cx, operation, body).await? {
                check = check.lacks_all(needed_for, why);
            }
        }
        Ok(check)
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        match kind.as_str() {
            ADD_TO_GROUP => self.resolve_groups(cx, names).await,
            ASSIGN_PERMISSION_SET => self.resolve_permission_sets(cx, names).await,
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn bind(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        self.bind_accounts(cx, entitlements).await
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        let (way, wanted) = match &request.change {
            Change::Grant(wanted) => (Way::Create, wanted),
            Change::Revoke(unwanted) => (Way::Delete, unwanted),
            _ => return probe_by_looking(self, cx, request).await,
        };
        if wanted.kind != *ASSIGN_PERMISSION_SET {
            return probe_by_looking(self, cx, request).await;
        }
        self.probe_assignment(cx, request, way, request.account()?, wanted).await
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.list_users(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.targets(cx, kind, page).await
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.grants(cx, scope, page).await
    }
}
