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
#[derive(Debug)]
pub(crate) struct What {
    pub(crate) name: &'static str,
    /// The object of its targets, and which of them can be held.
    targets: (&'static str, fn(Soql) -> Soql),
    /// The fields people know a target by: what they read on screen, and the name in the API.
    pub(crate) names: [&'static str; 2],
    pub(crate) held: Held,
}

/// Where a kind is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// In this field of the user.
    Field(&'static str),
    /// In a row: its object, and its fields for whom and for what.
    Row { object: &'static str, holder: &'static str, target: &'static str },
}

const fn assignment(target: &'static str) -> Held {
    Held::Row { object: "PermissionSetAssignment", holder: "AssigneeId", target }
}

pub(crate) static PROFILE: What = What { name: "assign_profile", targets: ("Profile", |all| all), names: ["Name", "Name"], held: Held::Field("ProfileId") };

/// Every portal account brings three roles of its own, of one name each; they are left out.
pub(crate) static ROLE: What =
    What { name: "assign_role", targets: ("UserRole", |all| all.is("PortalType", "None")), names: ["Name", "DeveloperName"], held: Held::Field("UserRoleId") };

/// The inside of a profile or of a permission set group is a set too, and not to be assigned by itself.
pub(crate) static SET: What = What {
    name: "assign_permission_set",
    targets: ("PermissionSet", |all| all.no("IsOwnedByProfile").differs("Type", "Group")),
    names: ["Label", "Name"],
    held: assignment("PermissionSetId"),
};

pub(crate) static SET_GROUP: What = What {
    name: "assign_permission_set_group",
    targets: ("PermissionSetGroup", |all| all),
    names: ["MasterLabel", "DeveloperName"],
    held: assignment("PermissionSetGroupId"),
};

/// Groups of other types are queues, and what roles, territories and managers bring along.
pub(crate) static GROUP: What = What {
    name: "add_to_public_group",
    targets: ("Group", |all| all.is("Type", "Regular")),
    names: ["Name", "DeveloperName"],
    held: Held::Row { object: "GroupMember", holder: "UserOrGroupId", target: "GroupId" },
};

pub(crate) static KINDS: [&What; 5] = [&PROFILE, &ROLE, &SET, &SET_GROUP, &GROUP];

#[derive(Deserialize)]
struct Term {
    #[serde(default)]
    until: Option<Date>,
}

impl PartialEq for What {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl What {
    pub(crate) fn of(kind: &KindName) -> Result<&'static Self> {
        KINDS.into_iter().find(|what| *kind == *what.name).ok_or_else(|| AdapterError::unsupported(format_args!("the kind `{kind}`")))
    }

    pub(crate) fn targets(&self) -> Soql {
        let mut fields = vec!["Id"];
        fields.extend(self.names);
        fields.dedup();
        let (object, fitting) = self.targets;
        fitting(Soql::select(&fields, object))
    }

    /// Rows of this kind and, as all assignments are asked for alike, of the other: each row tells which it is.
    fn select(&self) -> Option<Soql> {
        let Held::Row { object, holder, target } = self.held else { return None };
        Some(match object {
            "GroupMember" => Soql::select(&["Id", holder, target], object).is("Group.Type", "Regular"),
            _ => {
                let fields = ["Id", holder, "PermissionSetId", "PermissionSetGroupId", "PermissionSet.IsOwnedByProfile", "ExpirationDate", "IsActive"];
                Soql::select(&fields, object)
            }
        })
    }

    /// The rows of these users, where the kind has rows.
    pub(crate) fn rows<'u>(&self, users: impl IntoIterator<Item = &'u str>) -> Option<Soql> {
        let Held::Row { holder, .. } = self.held else { return None };
        Some(self.select()?.among(holder, users))
    }

    /// Those on these targets; as ever, each row tells which kind it is of.
    pub(crate) fn rows_on<'u>(&self, users: impl IntoIterator<Item = &'u str>, targets: impl IntoIterator<Item = &'u str>) -> Option<Soql> {
        let Held::Row { target, .. } = self.held else { return None };
        Some(self.rows(users)?.among(target, targets))
    }

    /// What shows all grants of the kind, with its fields for whom and for what.
    pub(crate) fn sweep(&self) -> (Soql, &'static str, &'static str) {
        match self.held {
            Held::Field(field) => (Soql::select(&["Id", field], "User").some(field), "Id", field),
            Held::Row { object, holder, target } => {
                let rows = self.select().unwrap_or_else(|| Soql::select(&["Id"], object));
                let rows = match target {
                    "PermissionSetId" => rows.none("PermissionSetGroupId").no("PermissionSet.IsOwnedByProfile"),
                    _ => rows.some(target),
                };
                (rows, holder, target)
            }
        }
    }

    /// What a row gives, if it is a row of this kind.
    pub(crate) fn target<'r>(&self, row: &'r Row) -> Option<&'r str> {
        let Held::Row { target, .. } = self.held else { return None };
        match target {
            "PermissionSetId" if row.set_group.is_some() || row.mirrors_a_profile() => None,
            "PermissionSetId" => row.set.as_deref(),
            "PermissionSetGroupId" => row.set_group.as_deref(),
            _ => row.group.as_deref(),
        }
    }

    /// The grant that a row is. An assignment that has expired is none.
    pub(crate) fn grant(&self, row: &Row) -> Option<Grant> {
        let entitlement = Entitlement::new(self.name, self.target(row).filter(|_| row.is_active)?);
        Some(Grant::direct(
            row.holder.as_str(),
            match row.until() {
                Some(day) => entitlement.with_param("until", day.to_string()),
                None => entitlement,
            },
        ))
    }

    /// The grants of this kind that a user has.
    pub(crate) fn grants(&self, user: &User, rows: &[Row]) -> Vec<Grant> {
        match self.held {
            Held::Field(field) => user.text(field).map(|target| Grant::direct(user.id.as_str(), Entitlement::new(self.name, target))).into_iter().collect(),
            Held::Row { .. } => rows.iter().filter_map(|row| self.grant(row)).collect(),
        }
    }

    /// The row of a target, whether it is in force or not.
    pub(crate) fn row_on<'r>(&self, rows: &'r [Row], target: &str) -> Option<&'r Row> {
        rows.iter().find(|row| self.target(row).is_some_and(|held| same_id(held, target)))
    }
}

/// The fields of a new row.
pub(crate) fn record(holder: &str, user: &str, target: &str, wanted: &Entitlement) -> Result<Value> {
    let mut record = json!({ (holder): user, (target): wanted.target });
    if let (Some(day), Some(fields)) = (until(wanted)?, record.as_object_mut()) {
        fields.insert("ExpirationDate".to_owned(), end_of(day).into());
    }
    Ok(record)
}

/// The last day that is wanted.
pub(crate) fn until(wanted: &Entitlement) -> Result<Option<Date>> {
    Ok(wanted.to::<Term>()?.until)
}

/// Ids of 15 letters and digits are the first part of those of 18.
pub(crate) fn same_id(one: &str, other: &str) -> bool {
    one == other || matches!((one.get(..15), other.get(..15)), (Some(one), Some(other)) if one == other)
}
