//! What a write does, and what forbids it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::answer::Problem;
use super::schema::{Deleted, Object, is_id};
use super::state::{Org, Record, text, time};
use crate::fake::FakeContext;

const REQUIRED: [&str; 9] = ["Username", "LastName", "Email", "Alias", "ProfileId", "TimeZoneSidKey", "LocaleSidKey", "EmailEncodingKey", "LanguageLocaleKey"];

pub(super) fn object(name: &str) -> Result<&'static Object, Problem> {
    Object::named(name).ok_or_else(|| Problem::new("NOT_FOUND", "The requested resource does not exist"))
}

/// Refuses fields that are not there or not to be written.
fn writable(object: &Object, fields: &Record, may: &[&str]) -> Result<(), Problem> {
    for name in fields.keys().filter(|name| *name != "attributes") {
        if object.field(name).is_none() {
            return Err(Problem::new("INVALID_FIELD", format!("No such column '{name}' on sobject of type {}", object.name)));
        }
        if !may.contains(&name.as_str()) {
            let why = format!(
                "Unable to create/update fields: {name}. Please check the security settings of this field and verify that it is read/write for your profile or permission set."
            );
            return Err(Problem::new("INVALID_FIELD_FOR_INSERT_UPDATE", why).on([name]));
        }
    }
    Ok(())
}

fn dangling(field: &str, id: &str) -> Problem {
    let (code, why) = if is_id(id) {
        ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id".to_owned())
    } else {
        ("MALFORMED_ID", format!("{field}: id value of incorrect type: {id}"))
    };
    Problem::new(code, why).on([field])
}

impl Org {
    /// The id of 18 that a field refers to.
    fn reference(&self, object: &str, record: &Record, field: &str) -> Result<Option<String>, Problem> {
        match record.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(id) => {
                let id = id.as_str().unwrap_or_default();
                self.get(object, id).map(|(id, _)| Some(id.to_owned())).ok_or_else(|| dangling(field, id))
            }
        }
    }

    pub(super) fn create(&mut self, object: &'static Object, mut fields: Record, cx: &mut FakeContext) -> Result<String, Problem> {
        let Some(may) = object.created_with else {
            return Err(Problem::new("INVALID_TYPE_FOR_OPERATION", format!("entity type {} does not support create", object.name)));
        };
        writable(object, &fields, may)?;
        fields.remove("attributes");
        match object.name {
            "User" => self.create_user(object, fields, cx),
            "PermissionSetAssignment" => self.assign(object, fields, cx),
            _ => self.add_member(object, &fields, cx),
        }
    }

    fn create_user(&mut self, object: &'static Object, mut fields: Record, cx: &mut FakeContext) -> Result<String, Problem> {
        let missing: Vec<&str> = REQUIRED.into_iter().filter(|name| text(&fields, name).is_empty()).collect();
        if !missing.is_empty() {
            return Err(Problem::new("REQUIRED_FIELD_MISSING", format!("Required fields are missing: [{}]", missing.join(", "))).on(missing));
        }
        self.check_user(None, &mut fields)?;
        fields.entry("IsActive").or_insert_with(|| true.into());
        fields.insert("UserType".to_owned(), "Standard".into());
        self.check_seat(&fields)?;
        let told = json!({ "username": text(&fields, "Username"), "email": text(&fields, "Email") });
        let id = self.insert(object, fields);
        if let Some(login) = Object::named("UserLogin") {
            let record = [("UserId", json!(id)), ("IsFrozen", false.into()), ("IsPasswordLocked", false.into())];
            self.insert(login, record.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        }
        self.mirror_profile(&id);
        let mut event = told;
        if let Some(fields) = event.as_object_mut() {
            fields.insert("user".to_owned(), id.clone().into());
        }
        cx.emit("user.created", event);
        Ok(id)
    }

    /// What has to be true of a user's fields, new or changed.
    fn check_user(&self, user: Option<&str>, fields: &mut Record) -> Result<(), Problem> {
        for name in REQUIRED {
            if fields.get(name).is_some_and(|value| value.as_str().is_none_or(str::is_empty)) {
                return Err(Problem::new("REQUIRED_FIELD_MISSING", format!("Required fields are missing: [{name}]")).on([name]));
            }
        }
        for name in ["Username", "Email"] {
            let value = text(fields, name);
            if !value.is_empty() && !value.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.') && !value.contains(' ')) {
                return Err(Problem::new("INVALID_EMAIL_ADDRESS", format!("{name}: invalid email address: {value}")).on([name]));
            }
        }
        if text(fields, "Alias").chars().count() > 8 {
            return Err(Problem::new("STRING_TOO_LONG", "Alias: data value too large: (max length=8)").on(["Alias"]));
        }
        let others = || self.all("User").filter(|(id, _)| Some(*id) != user);
        let name = text(fields, "Username").to_lowercase();
        if !name.is_empty() && (self.taken.contains(&name) || others().any(|(_, other)| text(other, "Username").eq_ignore_ascii_case(&name))) {
            let why = "Duplicate Username.<br>The username already exists in this or another Salesforce organization. Usernames must be unique across all Salesforce organizations.";
            return Err(Problem::new("DUPLICATE_USERNAME", why).on(["Username"]));
        }
        let federation = text(fields, "FederationIdentifier");
        if !federation.is_empty() && others().any(|(_, other)| text(other, "FederationIdentifier") == federation) {
            return Err(Problem::new("DUPLICATE_VALUE", "duplicate value found: FederationIdentifier").on(["FederationIdentifier"]));
        }
        for (field, object) in [("ProfileId", "Profile"), ("UserRoleId", "UserRole")] {
            if let Some(id) = self.reference(object, fields, field)? {
                fields.insert(field.to_owned(), id.into());
            }
        }
        Ok(())
    }

    /// A seat for a user with these fields, if they are to be active.
    fn check_seat(&self, user: &Record) -> Result<(), Problem> {
        let license = self.license_of(text(user, "ProfileId"));
        let Some((_, record)) = self.get("UserLicense", &license) else { return Ok(()) };
        let total = record.get("TotalLicenses").and_then(Value::as_u64).unwrap_or(0);
        if user.get("IsActive") == Some(&Value::Bool(true)) && self.seats_taken(&license) as u64 >= total {
            return Err(Problem::new("LICENSE_LIMIT_EXCEEDED", format!("License Limit Exceeded - {}", text(record, "Name"))));
        }
        Ok(())
    }

    /// The permission set that is the inside of a profile is assigned along with it.
    fn mirror_profile(&mut self, user: &str) {
        let profile = self.get("User", user).map(|(_, user)| text(user, "ProfileId").to_owned()).unwrap_or_default();
        let set = self.all("PermissionSet").find(|(_, set)| text(set, "ProfileId") == profile && !profile.is_empty()).map(|(id, _)| id.to_owned());
        let mirrors: BTreeSet<String> = self.all("PermissionSet").filter(|(_, set)| !text(set, "ProfileId").is_empty()).map(|(id, _)| id.to_owned()).collect();
        if let Some(rows) = self.tables.get_mut("PermissionSetAssignment") {
            rows.retain(|_, row| text(row, "AssigneeId") != user || !mirrors.contains(text(row, "PermissionSetId")));
        }
        if let (Some(set), Some(object)) = (set, Object::named("PermissionSetAssignment")) {
            self.insert(
                object,
                [("AssigneeId", user), ("PermissionSetId", set.as_str())].map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect(),
            );
        }
    }

    fn assign(&mut self, object: &'static Object, mut fields: Record, cx: &mut FakeContext) -> Result<String, Problem> {
        let missing = |what: &str| Problem::new("REQUIRED_FIELD_MISSING", format!("Required fields are missing: [{what}]")).on([what]);
        let user = self.reference("User", &fields, "AssigneeId")?.ok_or_else(|| missing("AssigneeId"))?;
        let group = self.reference("PermissionSetGroup", &fields, "PermissionSetGroupId")?;
        let set = match (self.reference("PermissionSet", &fields, "PermissionSetId")?, &group) {
            (Some(_), Some(_)) => return Err(Problem::new("FIELD_INTEGRITY_EXCEPTION", "Specify either a permission set or a permission set group.")),
            (Some(set), None) => set,
            // A group is assigned through the permission set that holds what it adds up to.
            (None, Some(group)) => self.aggregate(group).ok_or_else(|| missing("PermissionSetId"))?,
            (None, None) => return Err(missing("PermissionSetId")),
        };
        if self.all("PermissionSetAssignment").any(|(_, row)| text(row, "AssigneeId") == user && text(row, "PermissionSetId") == set) {
            let what = match &group {
                Some(group) => format!("Permission Set Group: {group}"),
                None => format!("Permission Set: {set}"),
            };
            return Err(Problem::new("DUPLICATE_VALUE", format!("Duplicate PermissionSetAssignment. Assignee: {user}; {what}")));
        }
        self.check_license(&user, &set)?;
        fields.extend([("AssigneeId".to_owned(), user.clone().into()), ("PermissionSetId".to_owned(), set.into())]);
        if let Some(group) = group {
            fields.insert("PermissionSetGroupId".to_owned(), group.into());
        }
        let target =
            if fields.contains_key("PermissionSetGroupId") { text(&fields, "PermissionSetGroupId") } else { text(&fields, "PermissionSetId") }.to_owned();
        let id = self.insert(object, fields);
        cx.emit("assignment.created", json!({ "user": user, "target": target, "row": id }));
        Ok(id)
    }

    pub(super) fn aggregate(&self, group: &str) -> Option<String> {
        let name = self.get("PermissionSetGroup", group).map(|(_, group)| text(group, "DeveloperName").to_owned())?;
        self.all("PermissionSet").find(|(_, set)| text(set, "Type") == "Group" && text(set, "Name") == name).map(|(id, _)| id.to_owned())
    }

    /// A set may want a licence: the one of the user, or one of the second pool, which it takes.
    fn check_license(&mut self, user: &str, set: &str) -> Result<(), Problem> {
        let license = self.get("PermissionSet", set).map(|(_, set)| text(set, "LicenseId").to_owned()).unwrap_or_default();
        let profile = self.get("User", user).map(|(_, user)| text(user, "ProfileId").to_owned()).unwrap_or_default();
        if self.get("UserLicense", &license).is_some() && self.license_of(&profile) != license {
            let label = self.get("PermissionSet", set).map(|(_, set)| text(set, "Label").to_owned()).unwrap_or_default();
            return Err(Problem::new("FIELD_INTEGRITY_EXCEPTION", format!("The user license doesn't allow the permission: {label}")).on(["PermissionSetId"]));
        }
        let Some((license, record)) = self.get("PermissionSetLicense", &license) else { return Ok(()) };
        let (license, total) = (license.to_owned(), record.get("TotalLicenses").and_then(Value::as_u64).unwrap_or(0));
        if self.all("PermissionSetLicenseAssign").any(|(_, row)| text(row, "AssigneeId") == user && text(row, "PermissionSetLicenseId") == license) {
            return Ok(());
        }
        if self.seats_taken(&license) as u64 >= total {
            return Err(Problem::new("INSUFFICIENT_ACCESS_OR_READONLY", "No more available licenses"));
        }
        if let Some(object) = Object::named("PermissionSetLicenseAssign") {
            let record = [("AssigneeId", user), ("PermissionSetLicenseId", license.as_str())];
            self.insert(object, record.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect());
        }
        Ok(())
    }

    fn add_member(&mut self, object: &'static Object, fields: &Record, cx: &mut FakeContext) -> Result<String, Problem> {
        let group = self.reference("Group", fields, "GroupId")?.ok_or_else(|| dangling("GroupId", ""))?;
        let member = text(fields, "UserOrGroupId");
        let member =
            self.get("User", member).or_else(|| self.get("Group", member)).map(|(id, _)| id.to_owned()).ok_or_else(|| dangling("UserOrGroupId", member))?;
        // A membership that is there is answered as if it had been made.
        if let Some((id, _)) = self.all("GroupMember").find(|(_, row)| text(row, "GroupId") == group && text(row, "UserOrGroupId") == member) {
            return Ok(id.to_owned());
        }
        let record = [("GroupId", group.as_str()), ("UserOrGroupId", member.as_str())];
        let id = self.insert(object, record.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect());
        cx.emit("member.added", json!({ "user": member, "group": group, "row": id }));
        Ok(id)
    }

    fn gone(&self, id: &str) -> Problem {
        if is_id(id) { Problem::new(&self.settings.gone, "entity is deleted") } else { super::answer::not_found() }
    }

    pub(super) fn update(&mut self, object: &'static Object, id: &str, mut fields: Record, cx: &mut FakeContext) -> Result<(), Problem> {
        let frozen = object.name == "PermissionSetAssignment" && !self.settings.expiration_updates;
        writable(object, &fields, if frozen { &[] } else { object.updated })?;
        fields.remove("attributes");
        let Some((id, before)) = self.get(object.name, id).map(|(id, record)| (id.to_owned(), record.clone())) else { return Err(self.gone(id)) };
        match object.name {
            "User" => return self.update_user(&id, &before, fields, cx),
            "UserLogin" => {
                if fields.get("IsPasswordLocked") == Some(&Value::Bool(true)) {
                    return Err(Problem::new("FIELD_INTEGRITY_EXCEPTION", "a password can be unlocked, not locked").on(["IsPasswordLocked"]));
                }
                if let Some(frozen) = fields.get("IsFrozen").filter(|frozen| before.get("IsFrozen") != Some(frozen)) {
                    let kind = if *frozen == Value::Bool(true) { "user.frozen" } else { "user.unfrozen" };
                    cx.emit(kind, json!({ "user": text(&before, "UserId") }));
                }
            }
            _ => {
                let day = fields.get("ExpirationDate").and_then(Value::as_str);
                if day.is_some_and(|day| time(day).is_none()) {
                    return Err(Problem::new("INVALID_FIELD", "ExpirationDate is no dateTime").on(["ExpirationDate"]));
                }
                cx.emit("assignment.updated", json!({ "user": text(&before, "AssigneeId"), "row": id }));
            }
        }
        if let Some(record) = self.get_mut(object.name, &id) {
            record.extend(fields);
        }
        Ok(())
    }

    fn update_user(&mut self, id: &str, before: &Record, mut fields: Record, cx: &mut FakeContext) -> Result<(), Problem> {
        self.check_user(Some(id), &mut fields)?;
        fields.retain(|name, value| before.get(name).unwrap_or(&Value::Null) != value);
        if fields.is_empty() {
            return Ok(());
        }
        let mut after = before.clone();
        after.extend(fields.clone());
        let active = |user: &Record| user.get("IsActive") == Some(&Value::Bool(true));
        let is_admin = |user: &Record| {
            active(user) && self.get("Profile", text(user, "ProfileId")).is_some_and(|(_, profile)| text(profile, "Name") == "System Administrator")
        };
        if is_admin(before) && !is_admin(&after) && self.all("User").filter(|(_, user)| is_admin(user)).count() == 1 {
            return Err(Problem::new("CANNOT_DISABLE_LAST_ADMIN", "The last active administrator cannot be deactivated or moved to another profile."));
        }
        if active(&after) && (!active(before) || self.license_of(text(before, "ProfileId")) != self.license_of(text(&after, "ProfileId"))) {
            self.check_seat(&after)?;
        }
        let told = |kind: &str| (kind.to_owned(), json!({ "user": id, "username": text(&after, "Username"), "email": text(&after, "Email") }));
        let mut events = Vec::new();
        match (active(before), active(&after)) {
            (true, false) => events.push(told("user.deactivated")),
            (false, true) => events.push(told("user.activated")),
            _ => events.push(told("user.updated")),
        }
        if fields.contains_key("Username") || fields.contains_key("Email") {
            events.push(told("user.mail"));
        }
        if self.settings.email_confirmation
            && let Some(Value::String(address)) = fields.remove("Email")
        {
            self.unconfirmed.insert(id.to_owned(), address);
        }
        if let Some(user) = self.get_mut("User", id) {
            user.extend(fields.clone());
        }
        if fields.contains_key("ProfileId") {
            self.mirror_profile(id);
        }
        for (kind, data) in events {
            cx.emit(kind, data);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, object: &'static Object, id: &str, cx: &mut FakeContext) -> Result<(), Problem> {
        if object.deleted == Deleted::Never {
            return Err(Problem::new("INVALID_TYPE_FOR_OPERATION", format!("entity type {} does not support delete", object.name)));
        }
        let Some(row) = self.remove(object.name, id) else { return Err(self.gone(id)) };
        match object.name {
            "AuthSession" => cx.emit("session.ended", json!({ "user": text(&row, "UsersId") })),
            "GroupMember" => cx.emit("member.removed", json!({ "user": text(&row, "UserOrGroupId"), "group": text(&row, "GroupId") })),
            _ => cx.emit("assignment.deleted", json!({ "user": text(&row, "AssigneeId"), "row": id })),
        }
        Ok(())
    }
}
