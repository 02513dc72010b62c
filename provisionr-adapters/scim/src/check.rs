//! What the service turns out to be able to do, and what the settings have to say of it.

use provisionr_sdk::{Ability, AdapterError, CallContext, Check, ErrorKind, PageRequest, Result};

use crate::adapter::ScimService;
use crate::config::Part;
use crate::groups::ADD_TO_GROUP;

/// A refusal tells something of rights, or of what there is; any other failure tells nothing.
fn told<T>(result: Result<T>) -> Result<Result<T, AdapterError>> {
    match result {
        Err(error) => match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::InvalidRequest | ErrorKind::NotFound(_) | ErrorKind::Unsupported => Ok(Err(error)),
            _ => Err(error),
        },
        Ok(answer) => Ok(Ok(answer)),
    }
}

impl ScimService {
    pub(crate) async fn check_service(&self, cx: &CallContext) -> Result<Check> {
        let about = |ability: fn(provisionr_sdk::KindName) -> Ability| ability(ADD_TO_GROUP.into());
        let changing = [Ability::UpdateAccount, Ability::SetState, about(Ability::Manage)];
        let finding = [Ability::CreateAccount, about(Ability::Manage)];
        let users = [Ability::ListAccounts, Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState];
        let groups = [about(Ability::Manage), about(Ability::Observe), about(Ability::ListTargets), about(Ability::ListGrants)];
        let mut lacking: Vec<(&[Ability], String)> = Vec::new();

        // A service that does not describe itself, or is not asked about it, lacks nothing as far as anybody says.
        match self.scim.service(cx).await {
            Ok(service) => {
                if !service.has_patch() && !self.quirks.lacks(Part::Patch) {
                    lacking.push((&changing, "the service says that it has no PATCH: the settings have to say so too (`without: [patch]`)".to_owned()));
                }
                if !service.has_filter() && !self.quirks.lacks(Part::Filter) {
                    lacking.push((&finding, "the service says that it has no filters: the settings have to say so too (`without: [filter]`)".to_owned()));
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::NotFound(_) | ErrorKind::Unsupported | ErrorKind::Protocol => {}
                _ => return Err(error),
            },
        }
        let one = PageRequest::first().sized(1);
        match told(self.scim.users(cx, &one).await)? {
            Err(error) => lacking.push((&users, format!("users cannot be looked at: {error}"))),
            Ok(_) if self.quirks.lacks(Part::Filter) => {}
            Ok(_) => {
                for key in self.quirks.found_by.iter().copied() {
                    if let Err(error) = told(self.scim.try_filter(cx, key).await)? {
                        let name = key.name();
                        let why = format!("the service does not filter by `{name}` ({error}): take it out of `found_by`, or write `without: [filter]`");
                        lacking.push((&finding, why));
                    }
                }
            }
        }
        if !self.quirks.lacks(Part::Groups) {
            match told(self.scim.group_names(cx, &one).await)? {
                Err(error) if *error.kind() == ErrorKind::PermissionDenied => lacking.push((&groups, format!("groups cannot be looked at: {error}"))),
                Err(error) => lacking.push((&groups, format!("the service has no groups ({error}): the settings have to say so (`without: [groups]`)"))),
                Ok(_) => {}
            }
        }
        Ok(lacking.into_iter().fold(Check::new(), |check, (abilities, why)| {
            let new = abilities.iter().filter(|ability| self.descriptor.has(ability) && !check.lacking.contains_key(ability)).cloned().collect::<Vec<_>>();
            check.lacks_all(new, why)
        }))
    }
}
