//! What the credential turns out to be able to do: scopes of the token, permissions of its owner.

use std::collections::BTreeMap;

use provisionr_http::path;
use provisionr_sdk::{Ability, AdapterError, CallContext, Check, ErrorKind, KindName, Result};
use serde::Deserialize;

use crate::adapter::Jira;
use crate::errors::SCOPE;
use crate::groups::ADD_TO_GROUP;
use crate::roles::ADD_TO_PROJECT_ROLE;
use crate::wire::{ApplicationRole, User};

const ADMINISTER: &str = "ADMINISTER";
/// "Browse users and groups".
const USER_PICKER: &str = "USER_PICKER";
const ADMINISTER_PROJECTS: &str = "ADMINISTER_PROJECTS";

#[derive(Deserialize)]
struct Permissions {
    permissions: BTreeMap<String, Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permission {
    #[serde(default)]
    have_permission: bool,
}

/// A refusal tells something of rights; any other failure tells nothing.
fn allowed<T>(result: Result<T>) -> Result<Result<T, AdapterError>> {
    match result {
        Err(error) if *error.kind() != ErrorKind::PermissionDenied => Err(error),
        known => Ok(known),
    }
}

impl Jira {
    async fn permissions(&self, cx: &CallContext, keys: &[&str]) -> Result<Permissions> {
        self.client.get(path!["rest", "api", "3", "mypermissions"]).query("permissions", keys.join(",")).send(cx).await?.json()
    }

    pub(crate) async fn sees_all_projects(&self, cx: &CallContext) -> Result<bool> {
        Ok(self.permissions(cx, &[ADMINISTER]).await?.permissions.get(ADMINISTER).is_some_and(|permission| permission.have_permission))
    }

    pub(crate) async fn check_rights(&self, cx: &CallContext) -> Result<Check> {
        let about = |ability: fn(KindName) -> Ability, kind: &str| ability(kind.into());
        let configuring = [
            Ability::CreateAccount,
            Ability::SetState,
            about(Ability::Manage, ADD_TO_GROUP),
            about(Ability::ListGrants, ADD_TO_GROUP),
            about(Ability::Manage, ADD_TO_PROJECT_ROLE),
            about(Ability::ListGrants, ADD_TO_PROJECT_ROLE),
        ];
        let roles = [Ability::Manage, Ability::Observe, Ability::ListGrants].map(|ability| ability(ADD_TO_PROJECT_ROLE.into()));
        let seeing: Vec<Ability> = [Ability::ListAccounts, Ability::SetState, about(Ability::Observe, ADD_TO_GROUP), about(Ability::ListTargets, ADD_TO_GROUP)]
            .into_iter()
            .chain([about(Ability::Manage, ADD_TO_GROUP), about(Ability::ListGrants, ADD_TO_GROUP)])
            .chain(roles.clone())
            .collect();
        let mut check = Check::new();
        let mut lacks = |abilities: &[Ability], why: &str| {
            for ability in abilities {
                check.lacking.entry(ability.clone()).or_insert_with(|| why.to_owned());
            }
        };

        let me = self.client.get(path!["rest", "api", "3", "myself"]).query("expand", "groups").send(cx).await;
        let me: Result<User, AdapterError> = allowed(me.and_then(|answer| answer.json()))?;
        if let Err(error) = &me {
            lacks(&seeing, &format!("the scope `read:jira-user` is missing: {error}"));
        }
        match allowed(self.permissions(cx, &[ADMINISTER, USER_PICKER, ADMINISTER_PROJECTS]).await)? {
            Err(error) => {
                lacks(&roles, &format!("the scope `read:jira-work` is missing: {error}"));
                lacks(&[about(Ability::ListTargets, ADD_TO_PROJECT_ROLE)], &format!("the scope `read:jira-work` is missing: {error}"));
            }
            Ok(told) => {
                let has = |key: &str| told.permissions.get(key).is_some_and(|permission| permission.have_permission);
                if !has(USER_PICKER) {
                    lacks(&seeing, "the global permission `Browse users and groups` is missing");
                }
                if !has(ADMINISTER) {
                    let why = "the global permission `Administer Jira` is missing";
                    lacks(&[Ability::CreateAccount, Ability::SetState, about(Ability::Manage, ADD_TO_GROUP)], why);
                }
                if !has(ADMINISTER) && !has(ADMINISTER_PROJECTS) {
                    lacks(&roles, "neither `Administer Jira` nor `Administer projects` is held");
                }
            }
        }
        let licences = self.application_roles().send(cx).await;
        let licences: Result<Vec<ApplicationRole>, AdapterError> = allowed(licences.and_then(|answer| answer.json()))?;
        if let Err(error) = &licences
            && error.code() == Some(SCOPE)
        {
            lacks(&configuring, &format!("the scope `manage:jira-configuration` is missing: {error}"));
        }
        // By the vendor's description that is who is in such a group; where none is told, nothing follows.
        if let (Ok(me), Ok(admins)) = (&me, self.admin_groups(cx).await)
            && let Some(mine) = me.groups()
            && !admins.is_empty()
            && !admins.iter().any(|group| mine.iter().any(|own| own.group_id == group.group_id))
        {
            let names: Vec<&str> = admins.iter().map(|group| group.name.as_str()).collect();
            let why = format!("only site administrators may; the credential's account is in none of their groups ({})", names.join(", "));
            lacks(&[Ability::SetState, about(Ability::Manage, ADD_TO_GROUP)], &why);
        }
        if let Ok(me) = me {
            check = check.own(me.account_id);
        }
        Ok(licences.into_iter().flatten().fold(check, |check, role| check.seats(role.key.clone(), role.seats(), role.user_count)))
    }
}
