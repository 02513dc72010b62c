//! AWS accounts: what people call them, in the settings and in the organization, and the 12 digits they are known by.

use provisionr_sdk::{Bound, CallContext, Entitlement, Result, RetryHint, did_you_mean};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::adapter::IdentityCenter;
use crate::assignments::ASSIGN_PERMISSION_SET;
use crate::client::look_organization;

/// An AWS account, as the organization has it. Names need not be unique there.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    id: String,
    #[serde(default)]
    name: String,
}

/// What the organization calls its AWS accounts.
enum Organization {
    /// It is not to be asked.
    Unasked,
    Has(Vec<Named>),
    /// It does not say, and will not; why.
    Silent(String),
}

impl IdentityCenter {
    /// The 12 digits in the place of what people call AWS accounts. The organization is asked only for what the settings do not name.
    pub(crate) async fn bind_accounts(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        let mut organization = None;
        let mut bound = Vec::with_capacity(entitlements.len());
        for entitlement in entitlements {
            let account = entitlement.params.get("account").and_then(Value::as_str).filter(|_| entitlement.kind == *ASSIGN_PERMISSION_SET);
            let Some(account) = account else {
                bound.push(Bound::One(entitlement.clone()));
                continue;
            };
            let id = match self.facts.account_id(account) {
                Some(id) => Ok(id.to_owned()),
                None => {
                    let asked = match organization.take() {
                        Some(asked) => asked,
                        None => self.organization(cx).await?,
                    };
                    let id = self.named(account, &asked);
                    organization = Some(asked);
                    id
                }
            };
            bound.push(id.map_or_else(Bound::None, |id| Bound::One(entitlement.clone().with_param("account", id))));
        }
        Ok(bound)
    }

    async fn organization(&self, cx: &CallContext) -> Result<Organization> {
        if !self.facts.organization_names {
            return Ok(Organization::Unasked);
        }
        match self.client.all(cx, look_organization("ListAccounts"), "Accounts", &json!({})).await {
            Ok(accounts) => Ok(Organization::Has(accounts)),
            Err(error) if error.hint() == RetryHint::Never => Ok(Organization::Silent(error.to_string())),
            Err(error) => Err(error),
        }
    }

    fn named(&self, account: &str, organization: &Organization) -> Result<String, String> {
        let (known, place): (&[Named], _) = match organization {
            Organization::Unasked => (&[], "in the settings of this system"),
            Organization::Has(known) => (known, "in the settings of this system or in the organization"),
            Organization::Silent(why) => {
                return Err(format!("no AWS account is called `{account}` in the settings of this system, and the organization does not tell: {why}"));
            }
        };
        let same: Vec<&Named> = known.iter().filter(|known| known.name == account).collect();
        match same.as_slice() {
            [one] => Ok(one.id.clone()),
            [] => {
                let names = self.facts.account_names().chain(known.iter().map(|known| known.name.as_str()));
                let help = did_you_mean(account, names).unwrap_or_else(|| "none has a name".to_owned());
                Err(format!("no AWS account is called `{account}` {place}; {help}"))
            }
            several => {
                let ids: Vec<&str> = several.iter().map(|known| known.id.as_str()).collect();
                Err(format!("{} AWS accounts of the organization are called `{account}`: {}", ids.len(), ids.join(", ")))
            }
        }
    }
}
