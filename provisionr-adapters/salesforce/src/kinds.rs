//! What a user can hold, and where Salesforce keeps it: in a field of the user, or in a row of its own.

use provisionr_sdk::{AdapterError, Date, Entitlement, Grant, KindName, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::soql::Soql;
use crate::wire::{Row, User, end_of};

/// The profile of a user, of which there is always one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignProfile {
    /// The profile: its name in policies, its id everywhere else.
    pub target: String,
}

/// A permission set assigned to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignPermissionSet {
    /// The permission set: its label or API name in policies, its id everywhere else.
    pub target: String,
    /// The last day of the assignment, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// A permission set group assigned to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignPermissionSetGroup {
    /// The group: its label or API name in policies, its id everywhere else.
    pub target: String,
    /// The last day of the assignment, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
}

/// Direct membership in a public group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToPublicGroup {
    /// The group: its label or API name in policies, its id everywhere else.
    pub target: String,
}

/// The place of a user in the role hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignRole {
    /// The role: its label or API name in policies, its id everywhere else.
    pub target: String,
}

/// One kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Profile,
    Role,
    Set,
    SetGroup,
    Group,
}

/// A row that gives something: its object, and its fields for whom and what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) object: &'static str,
    pub(crate) holder: &'static str,
    pub(crate) target: &'static str,
}

#[derive(Deserialize)]
struct Term {
    #[serde(default)]
    until: Option<Date>,
}

impl What {
    pub(crate) const ALL: [Self; 5] = [Self::Profile, Self::Role, Self::Set, Self::SetGroup, Self::Group];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Profile => "assign_profile",
            Self::Role => "assign_role",
            Self::Set => "assign_permission_set",
            Self::SetGroup => "assign_permission_set_group",
            Self::Group => "add_to_public_group",
        }
    }

    pub(crate) fn of(kind: &KindName) -> Option<Self> {
        Self::ALL.into_iter().find(|what| *kind == *what.name())
    }

    /// The fields people know a target by: what they read on screen, and the name in the API.
    pub(crate) fn names(self) -> [&'static str; 2] {
        match self {
            Self::Profile => ["Name", "Name"],
            Self::Role | Self::Group => ["Name", "DeveloperName"],
            Self::Set => ["Label", "Name"],
            Self::SetGroup => ["MasterLabel", "DeveloperName"],
        }
    }

    pub(crate) fn targets(self) -> Soql {
        let mut fields = vec!["Id"];
        fields.extend(self.names());
        fields.dedup();
        match self {
            Self::Profile => Soql::select(&fields, "Profile"),
            // Every portal account brings three roles of its own, of one name each.
            Self::Role => Soql::select(&fields, "UserRole").is("PortalType", "None"),
            // The inside of a profile or of a permission set group is not to be assigned by itself.
            Self::Set => Soql::select(&fields, "PermissionSet").is_false("IsOwnedByProfile").is_not("Type", "Group"),
            Self::SetGroup => Soql::select(&fields, "PermissionSetGroup"),
            // Other types are queues, and what roles, territories and managers bring along.
            Self::Group => Soql::select(&fields, "Group").is("Type", "Regular"),
        }
    }

    /// The field of the user that holds it, where it is one.
    pub(crate) fn field(self) -> Option<&'static str> {
        match self {
            Self::Profile => Some("ProfileId"),
            Self::Role => Some("UserRoleId"),
            _ => None,
        }
    }

    pub(crate) fn table(self) -> Option<Table> {
        let assignment = |target| Table { object: "PermissionSetAssignment", holder: "AssigneeId", target };
        match self {
            Self::Profile | Self::Role => None,
            Self::Set => Some(assignment("PermissionSetId")),
            Self::SetGroup => Some(assignment("PermissionSetGroupId")),
            Self::Group => Some(Table { object: "GroupMember", holder: "UserOrGroupId", target: "GroupId" }),
        }
    }

    /// The rows of these users. All assignments of users are asked for alike: whether one is of a permission set group, and
    /// whether it mirrors a profile, each row tells.
    pub(crate) fn rows<'u>(self, users: impl IntoIterator<Item = &'u str>) -> Option<Soql> {
        Some(self.select()?.is_any(self.table()?.holder, users))
    }

    /// All rows of the kind.
    pub(crate) fn sweep(self) -> Option<Soql> {
        let rows = self.select()?;
        Some(match self {
            Self::Set => rows.is_null("PermissionSetGroupId").is_false("PermissionSet.IsOwnedByProfile"),
            Self::SetGroup => rows.is_there("PermissionSetGroupId"),
            _ => rows,
        })
    }

    fn select(self) -> Option<Soql> {
        Some(match self {
            Self::Profile | Self::Role => return None,
            Self::Set | Self::SetGroup => {
                let fields = ["Id", "AssigneeId", "PermissionSetId", "PermissionSetGroupId", "PermissionSet.IsOwnedByProfile", "ExpirationDate", "IsActive"];
                Soql::select(&fields, "PermissionSetAssignment")
            }
            Self::Group => Soql::select(&["Id", "UserOrGroupId", "GroupId"], "GroupMember").is("Group.Type", "Regular"),
        })
    }

    /// What a row gives, if it is a row of this kind.
    pub(crate) fn target(self, row: &Row) -> Option<&str> {
        match self {
            Self::Profile | Self::Role => None,
            Self::Set if row.set_group.is_some() || row.mirrors_a_profile() => None,
            Self::Set => row.set.as_deref(),
            Self::SetGroup => row.set_group.as_deref(),
            Self::Group => row.group.as_deref(),
        }
    }

    /// The grant that a row is. An assignment that has expired is none.
    pub(crate) fn grant(self, row: &Row) -> Option<Grant> {
        let target = self.target(row).filter(|_| row.is_active)?;
        let entitlement = Entitlement::new(self.name(), target);
        Some(Grant::direct(
            row.holder.as_str(),
            match row.until() {
                Some(day) => entitlement.with_param("until", day.to_string()),
                None => entitlement,
            },
        ))
    }

    /// The grants of this kind that a user has.
    pub(crate) fn grants(self, user: &User, rows: &[Row]) -> Vec<Grant> {
        match self.field() {
            Some(field) => user.text(field).map(|target| Grant::direct(user.id.as_str(), Entitlement::new(self.name(), target))).into_iter().collect(),
            None => rows.iter().filter_map(|row| self.grant(row)).collect(),
        }
    }

    /// The row of a target, whether it is in force or not.
    pub(crate) fn row_on<'r>(self, rows: &'r [Row], target: &str) -> Option<&'r Row> {
        rows.iter().find(|row| self.target(row).is_some_and(|held| same_id(held, target)))
    }

    /// The fields of a new row.
    pub(crate) fn record(self, user: &str, wanted: &Entitlement) -> Result<Value> {
        let Some(table) = self.table() else { return Err(AdapterError::unsupported(format_args!("rows of `{}`", self.name()))) };
        let mut record = json!({ (table.holder): user, (table.target): wanted.target });
        if let (Some(day), Some(fields)) = (until(wanted)?, record.as_object_mut()) {
            fields.insert("ExpirationDate".to_owned(), end_of(day).into());
        }
        Ok(record)
    }
}

/// The last day that is wanted.
pub(crate) fn until(wanted: &Entitlement) -> Result<Option<Date>> {
    Ok(wanted.to::<Term>()?.until)
}

/// Ids of 15 letters and digits are the first part of those of 18.
pub(crate) fn same_id(one: &str, other: &str) -> bool {
    one == other || matches!((one.get(..15), other.get(..15)), (Some(one), Some(other)) if one == other)
}

/// A kind this adapter does not have.
pub(crate) fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}
