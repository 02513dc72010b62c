//! Sessions: <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_objects_authsession.htm>
//!
//! Who deletes the record of one ends it, and the access token that goes with it.

use provisionr_http::path;
use provisionr_sdk::{Account, CallContext, Outcome, Receipt, Result};
use serde_json::Value;

use crate::adapter::Salesforce;
use crate::batch::MOST_RECORDS;
use crate::errors::{may_be_gone, of_part, still_there};
use crate::soql::Soql;
use crate::wire::Saved;

fn open(user: &str) -> Soql {
    Soql::select(&["Id"], "AuthSession").is("UsersId", user)
}

fn ids(records: &[Value]) -> Vec<&str> {
    records.iter().filter_map(|record| record.get("Id")?.as_str()).collect()
}

impl Salesforce {
    pub(crate) async fn end_sessions(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let person = self.person_or_gone(cx, account.id.as_str(), &[], Some(open(account.id.as_str()))).await?;
        let sessions = ids(&person.more);
        if sessions.is_empty() {
            return Ok(Outcome::Unchanged(Receipt::new()));
        }
        let mut unsure = Vec::new();
        for some in sessions.chunks(MOST_RECORDS) {
            let call = self.client.delete(path!["composite", "sobjects"]).query("ids", some.join(",")).query("allOrNone", "false");
            let answer = call.send(cx).await?;
            let saved: Vec<Saved> = answer.json()?;
            if saved.len() != some.len() {
                return Err(answer.unreadable("the answer has not as many results as the call has records"));
            }
            for (id, saved) in some.iter().zip(saved).filter(|(_, saved)| !saved.success) {
                let error = of_part(&saved.errors);
                if !may_be_gone(&error) {
                    // Others have ended.
                    return Err(error.effect_unknown());
                }
                unsure.push((*id, error));
            }
        }
        if !unsure.is_empty() {
            let left: Vec<Value> = self.all(cx, &open(account.id.as_str())).await?;
            let left = ids(&left);
            if let Some((_, error)) = unsure.iter().find(|(id, _)| left.contains(id)) {
                return Err(still_there(error).effect_unknown());
            }
        }
        Ok(Outcome::Applied(Receipt::new()))
    }

    /// Whether a user has none.
    pub(crate) async fn has_no_session(&self, cx: &CallContext, account: &Account) -> Result<bool> {
        Ok(self.person_or_gone(cx, account.id.as_str(), &[], Some(open(account.id.as_str()))).await?.more.is_empty())
    }
}
