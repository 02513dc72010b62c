//! Organizational units. Each user is in exactly one, named by its path.

use provisionr_http::path;
use provisionr_sdk::{Account, AdapterError, CallContext, Entitlement, Grant, KindName, Outcome, Receipt, Request, Resolved, Result, Target, TargetName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Google;
use crate::wire::{OrgUnits, User};

pub(crate) const MOVE_TO_ORG_UNIT: &str = "move_to_org_unit";

/// Where a user falls back to.
const ROOT: &str = "/";

/// Being in an organizational unit; the target is the unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveToOrgUnit {
    /// The path of the unit, `/corp/sales`; in policies the first slash may be left out.
    pub target: String,
}

pub(crate) fn placement(user: &User) -> Grant {
    Grant::direct(user.id.as_str(), Entitlement::new(MOVE_TO_ORG_UNIT, user.org_unit()))
}

impl Google {
    /// All units, the top one included; this list is not paged.
    pub(crate) async fn org_units(&self, cx: &CallContext) -> Result<Vec<String>> {
        let call = self.client.get(path!["admin", "directory", "v1", "customer", "my_customer", "orgunits"]).query("type", "allIncludingParent");
        let units: OrgUnits = call.send(cx).await?.json()?;
        let mut paths: Vec<String> = units.organization_units.into_iter().map(|unit| unit.org_unit_path).collect();
        // A customer without units of its own may be shown none at all.
        if !paths.iter().any(|path| path == ROOT) {
            paths.push(ROOT.to_owned());
        }
        Ok(paths)
    }

    pub(crate) async fn move_to(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let unit = wanted.to::<MoveToOrgUnit>()?.target;
        if !unit.starts_with('/') {
            return Err(AdapterError::target_not_found("the path of an organizational unit begins with a slash"));
        }
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        let before = placement(&user);
        let receipt = Receipt::new().before_grant(before.clone());
        if user.org_unit() == unit {
            return Ok(Outcome::Unchanged(receipt.with_grant(before)));
        }
        let after = self.put(cx, &user.id, &json!({ "orgUnitPath": unit })).await?;
        Ok(Outcome::Applied(receipt.with_grant(placement(&after))))
    }

    /// Nobody is in no unit: who leaves one falls back to the top.
    pub(crate) async fn fall_back(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        if unwanted.target != *user.org_unit() || user.org_unit() == ROOT {
            return Ok(Outcome::Unchanged(Receipt::new()));
        }
        let before = placement(&user);
        request.check_expected(Some(&before))?;
        let after = self.put(cx, &user.id, &json!({ "orgUnitPath": ROOT })).await?;
        Ok(Outcome::Applied(Receipt::new().before_grant(before).and_changed(format!("moved to {}", after.org_unit()))))
    }

    pub(crate) async fn resolve_units(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let paths = self.org_units(cx).await?;
        let target = |path: &String, name: &str| Target::new(path.as_str(), name);
        let with: Vec<Target> = paths.iter().map(|path| target(path, path)).collect();
        let without: Vec<Target> = paths.iter().map(|path| target(path, path.trim_start_matches('/'))).collect();
        let resolve = |name: &TargetName| Resolved::among(std::slice::from_ref(name), if name.as_str().starts_with('/') { &with } else { &without });
        Ok(names.iter().flat_map(resolve).collect())
    }

    pub(crate) async fn list_units(&self, cx: &CallContext) -> Result<Vec<Target>> {
        Ok(self.org_units(cx).await?.into_iter().map(|path| Target::new(path.as_str(), path.as_str())).collect())
    }
}

/// A kind this adapter does not have.
pub(crate) fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}
