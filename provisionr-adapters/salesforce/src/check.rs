//! What the credential may do, whose it is, and how many seats there are.

use provisionr_http::path;
use provisionr_sdk::{Ability, AdapterError, CallContext, Check, ErrorKind, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::adapter::Salesforce;
use crate::api::read;
use crate::kinds::{KINDS, SET, SET_GROUP, What};
use crate::soql::Soql;
use crate::wire::{User, UserLogin};

const MANAGE_USERS: &str = "PermissionsManageUsers";
const ASSIGN: &str = "PermissionsAssignPermissionSets";

/// What the user may do of whom the credential speaks, as Salesforce adds it up over profile and permission sets.
/// <https://developer.salesforce.com/docs/atlas.en-us.sfFieldRef.meta/sfFieldRef/salesforce_field_reference_UserPermissionAccess.htm>
fn rights() -> Soql {
    Soql::select(&[MANAGE_USERS, ASSIGN], "UserPermissionAccess").one_row()
}

#[derive(Deserialize)]
struct UserInfo {
    user_id: String,
}

impl Salesforce {
    pub(crate) async fn check_all(&self, cx: &CallContext) -> Result<Check> {
        let licences = |name, object| Soql::select(&[name, "TotalLicenses", "UsedLicenses"], object);
        let queries = [
            licences("Name", "UserLicense"),
            licences("MasterLabel", "PermissionSetLicense"),
            rights(),
            Soql::select(&["Id"], "PermissionSetAssignment").one_row(),
            // What is asked of every user: a custom field that is not there shows here.
            match &self.facts.username {
                Some(name) => self.users().is("Username", name),
                None => self.users().one_row(),
            },
        ];
        let mut told = self.each(cx, &queries).await?.into_iter();
        let mut check = Check::new();
        for label in ["Name", "MasterLabel"] {
            for licence in seen(told.next())?.unwrap_or_default() {
                let count = |field| licence.get(field).and_then(Value::as_i64).and_then(|count| u32::try_from(count).ok());
                let pool = licence.get(label).and_then(Value::as_str).unwrap_or_default();
                check = check.seats(pool, count("TotalLicenses"), count("UsedLicenses").unwrap_or(0));
            }
        }
        let rights = match told.next() {
            Some(Err(error)) if !matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidRequest) => return Err(error),
            Some(Ok(records)) => records.into_iter().next(),
            _ => None,
        };
        let lacks = |right: &str| rights.as_ref().is_some_and(|rights| rights.get(right).and_then(Value::as_bool) == Some(false));
        let mut without_users = lacks(MANAGE_USERS).then(|| "the user lacks it".to_owned());
        if rights.is_none() {
            // Where that is not told, what may be read tells a part of it.
            let logins = self.each(cx, &[UserLogin::query().one_row()]).await?.into_iter().next();
            without_users = seen(logins)?.err();
        }
        if let Some(why) = without_users {
            check = check.lacks_all(of_users(), format!("the credential has not the permission \"Manage Users\": {why}"));
        }
        let assignments = [&SET, &SET_GROUP];
        if lacks(ASSIGN) {
            let managing = assignments.into_iter().map(|what| Ability::Manage(what.name.into()));
            check = check.lacks_all(managing, "the credential has not the permission \"Assign Permission Sets\"".to_owned());
        }
        if let Err(why) = seen(told.next())? {
            let why = format!("the credential has not the permissions \"Assign Permission Sets\" and \"View Setup and Configuration\": {why}");
            check = check.lacks_all(assignments.into_iter().flat_map(all_of), why);
        }
        match (seen(told.next())?, &self.facts.username) {
            (Err(why), _) => Ok(check.lacks_all(of_users(), why)),
            (Ok(records), Some(_)) => Ok(read::<User>(Some(records))?.into_iter().fold(check, |check, user| check.own(user.id))),
            (Ok(_), None) => Ok(check.own(self.me(cx).await?)),
        }
    }

    /// Whom an access token speaks for: somebody who must never be changed.
    /// <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_using_userinfo_endpoint.htm&type=5>
    async fn me(&self, cx: &CallContext) -> Result<String> {
        match self.site.get(path!["services", "oauth2", "userinfo"]).send(cx).await {
            Ok(answer) => Ok(answer.json::<UserInfo>()?.user_id),
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound(_)) => {
                let why = format!("whom the access token speaks for is not told, and they are never to be changed: name them (`username`); {error}");
                Err(AdapterError::invalid_config(why))
            }
            Err(error) => Err(error),
        }
    }
}

/// The abilities that rest on managing users: every look at one reads whether they are frozen, which takes it too.
fn of_users() -> impl Iterator<Item = Ability> {
    let accounts = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::EndSessions, Ability::ListAccounts];
    accounts.into_iter().chain(KINDS.into_iter().flat_map(|what| [Ability::Manage(what.name.into()), Ability::Observe(what.name.into())]))
}

fn all_of(what: &What) -> [Ability; 4] {
    [Ability::Manage, Ability::Observe, Ability::ListTargets, Ability::ListGrants].map(|ability| ability(what.name.into()))
}

/// What a query showed, or why it may not be asked. Any other failure says nothing of rights.
fn seen(told: Option<Result<Vec<Value>>>) -> Result<Result<Vec<Value>, String>> {
    match told.unwrap_or_else(|| Ok(Vec::new())) {
        Ok(records) => Ok(Ok(records)),
        Err(error) if *error.kind() == ErrorKind::PermissionDenied => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
