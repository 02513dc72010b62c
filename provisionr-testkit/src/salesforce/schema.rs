//! Which objects and fields there are, as far as this fake plays them.

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: &'static str,
    /// With what its ids begin.
    pub(super) prefix: &'static str,
    pub(super) fields: &'static [&'static str],
    /// What a record may be created with; none where no call creates it.
    pub(super) created_with: Option<&'static [&'static str]>,
    pub(super) updated: &'static [&'static str],
    pub(super) deleted: Deleted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deleted {
    ByCall,
    Never,
}

const USER: &[&str] = &[
    "Username",
    "Email",
    "FirstName",
    "LastName",
    "Alias",
    "ProfileId",
    "UserRoleId",
    "IsActive",
    "TimeZoneSidKey",
    "LocaleSidKey",
    "EmailEncodingKey",
    "LanguageLocaleKey",
    "FederationIdentifier",
    "EmployeeNumber",
    "CompanyName",
    "Division",
    "Department",
    "Phone",
    "MobilePhone",
    "City",
    "Country",
    "Title",
    "Region__c",
];

const fn read_only(name: &'static str, prefix: &'static str, fields: &'static [&'static str]) -> Object {
    Object { name, prefix, fields, created_with: None, updated: &[], deleted: Deleted::Never }
}

pub(super) static OBJECTS: [Object; 14] = [
    Object { name: "User", prefix: "005", fields: &["UserType"], created_with: Some(USER), updated: USER, deleted: Deleted::Never },
    Object {
        name: "UserLogin",
        prefix: "0Yw",
        fields: &["UserId", "IsFrozen", "IsPasswordLocked"],
        created_with: None,
        updated: &["IsFrozen", "IsPasswordLocked"],
        deleted: Deleted::Never,
    },
    Object { name: "AuthSession", prefix: "0Ak", fields: &["UsersId", "SessionType"], created_with: None, updated: &[], deleted: Deleted::ByCall },
    read_only("Profile", "00e", &["Name", "UserLicenseId", "UserType"]),
    read_only("UserRole", "00E", &["Name", "DeveloperName", "PortalType"]),
    read_only("UserLicense", "100", &["Name", "MasterLabel", "TotalLicenses", "UsedLicenses", "Status"]),
    read_only("PermissionSet", "0PS", &["Name", "Label", "LicenseId", "ProfileId", "IsOwnedByProfile", "Type"]),
    Object {
        name: "PermissionSetAssignment",
        prefix: "0Pa",
        fields: &["IsActive"],
        created_with: Some(&["AssigneeId", "PermissionSetId", "PermissionSetGroupId", "ExpirationDate"]),
        updated: &["ExpirationDate"],
        deleted: Deleted::ByCall,
    },
    read_only("PermissionSetGroup", "0PG", &["DeveloperName", "MasterLabel", "Status"]),
    read_only("PermissionSetLicense", "0PL", &["DeveloperName", "MasterLabel", "TotalLicenses", "UsedLicenses", "Status"]),
    read_only("PermissionSetLicenseAssign", "2LA", &["AssigneeId", "PermissionSetLicenseId"]),
    read_only("UserPermissionAccess", "0UP", &["PermissionsManageUsers", "PermissionsAssignPermissionSets", "PermissionsViewSetup"]),
    read_only("Group", "00G", &["Name", "DeveloperName", "Type"]),
    Object { name: "GroupMember", prefix: "011", fields: &[], created_with: Some(&["GroupId", "UserOrGroupId"]), updated: &[], deleted: Deleted::ByCall },
];

impl Object {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        OBJECTS.iter().find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// A field by its name, whatever the case.
    pub(super) fn field(&self, name: &str) -> Option<&'static str> {
        let all = ["Id"].iter().chain(self.fields).chain(self.created_with.unwrap_or_default());
        all.copied().find(|field| field.eq_ignore_ascii_case(name))
    }

    /// All its fields.
    pub(super) fn all_fields(&self) -> impl Iterator<Item = &'static str> {
        ["Id"].into_iter().chain(self.fields.iter().copied()).chain(self.created_with.unwrap_or_default().iter().copied())
    }
}

/// The form of an id: 15 letters and digits, or 18 with the letters that tell their case.
pub(super) fn is_id(text: &str) -> bool {
    matches!(text.len(), 15 | 18) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The id of 18: for each five characters one that says which of them are capitals.
/// <https://help.salesforce.com/s/articleView?id=000385585&type=1>
pub(super) fn long_id(short: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
    let checks = short.as_bytes().chunks(5).map(|chunk| {
        let bits = chunk.iter().enumerate().filter(|(_, byte)| byte.is_ascii_uppercase()).fold(0usize, |bits, (at, _)| bits | (1 << at));
        char::from(LETTERS.get(bits).copied().unwrap_or(b'A'))
    });
    let checks: String = checks.collect();
    format!("{short}{checks}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_letters_tell_the_case() {
        assert_eq!(long_id("001A0000006Vm9r"), "001A0000006Vm9rIAC");
        assert_eq!(long_id("005000000000001"), "005000000000001AAA");
    }
}
