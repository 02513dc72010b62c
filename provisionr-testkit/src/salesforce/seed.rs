//! How an org comes to be as a test wants it, and what people and other systems do in it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::SalesforceFake;
use super::answer::Problem;
use super::auth::{Client, PERMISSIONS, Session};
use super::schema::Object;
use super::state::{Record, SalesforceSettings, text};
use crate::fake::FakeContext;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<SalesforceSettings>,
    licenses: Vec<SeedSeats>,
    permission_set_licenses: Vec<SeedSeats>,
    profiles: Vec<SeedNamed>,
    roles: Vec<SeedNamed>,
    permission_sets: Vec<SeedNamed>,
    permission_set_groups: Vec<SeedNamed>,
    groups: Vec<SeedNamed>,
    users: Vec<SeedUser>,
    clients: Vec<SeedClient>,
    tokens: Vec<SeedToken>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedSeats {
    name: String,
    total: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedNamed {
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    license: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl SeedNamed {
    fn label(&self) -> String {
        self.label.clone().or_else(|| self.name.clone()).unwrap_or_default()
    }

    /// The name in the API: letters, digits and underscores.
    fn api_name(&self) -> String {
        let name = if self.label.is_some() { self.name.clone() } else { None };
        name.unwrap_or_else(|| self.label().chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' }).collect())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedUser {
    username: String,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    state: Option<UserState>,
    #[serde(default)]
    fields: Record,
    #[serde(default)]
    permission_sets: Vec<String>,
    #[serde(default)]
    permission_set_groups: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum UserState {
    Active,
    Frozen,
    Inactive,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedClient {
    consumer_key: String,
    #[serde(default)]
    secret: Option<String>,
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    username: String,
    #[serde(default)]
    permissions: Option<BTreeSet<String>>,
}

fn refused(Problem { code, message, .. }: Problem) -> ActError {
    ActError::new(format!("{code}: {message}"))
}

fn put(fake: &mut SalesforceFake, object: &str, fields: Value) -> String {
    match (Object::named(object), fields) {
        (Some(object), Value::Object(fields)) => fake.org.insert(object, fields),
        _ => String::new(),
    }
}

fn named(fake: &SalesforceFake, object: &str, key: &str) -> Result<String, ActError> {
    let found = if object == "User" { fake.org.user(key) } else { fake.org.named(object, key) };
    found.map(|(id, _)| id.to_owned()).ok_or_else(|| ActError::new(format!("no {object} is called `{key}`")))
}

/// Adds a seed to the org. Names refer to what is in the org or the same seed.
pub(super) fn seed(fake: &mut SalesforceFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        fake.org.settings = settings;
    }
    for license in seed.licenses {
        put(fake, "UserLicense", json!({ "Name": license.name, "MasterLabel": license.name, "TotalLicenses": license.total, "Status": "Active" }));
    }
    for license in seed.permission_set_licenses {
        put(
            fake,
            "PermissionSetLicense",
            json!({ "DeveloperName": license.name, "MasterLabel": license.name, "TotalLicenses": license.total, "Status": "Active" }),
        );
    }
    for profile in seed.profiles {
        let license = named(fake, "UserLicense", profile.license.as_deref().unwrap_or("Salesforce"))?;
        let id = put(fake, "Profile", json!({ "Name": profile.label(), "UserLicenseId": license, "UserType": "Standard" }));
        let inside = json!({ "Name": format!("X{id}"), "Label": format!("00ex{id}"), "ProfileId": id, "IsOwnedByProfile": true, "Type": "Profile" });
        put(fake, "PermissionSet", inside);
    }
    for role in seed.roles {
        put(fake, "UserRole", json!({ "Name": role.label(), "DeveloperName": role.api_name(), "PortalType": role.kind.as_deref().unwrap_or("None") }));
    }
    for set in seed.permission_sets {
        let license = match &set.license {
            Some(license) => Some(named(fake, "PermissionSetLicense", license).or_else(|_| named(fake, "UserLicense", license))?),
            None => None,
        };
        let fields =
            json!({ "Name": set.api_name(), "Label": set.label(), "LicenseId": license, "ProfileId": null, "IsOwnedByProfile": false, "Type": "Regular" });
        put(fake, "PermissionSet", fields);
    }
    for group in seed.permission_set_groups {
        // Of two groups with one label the API makes the second name unique.
        let mut name = group.api_name();
        while fake.org.all("PermissionSetGroup").any(|(_, known)| text(known, "DeveloperName") == name) {
            name.push('1');
        }
        put(fake, "PermissionSetGroup", json!({ "DeveloperName": name, "MasterLabel": group.label(), "Status": "Updated" }));
        put(fake, "PermissionSet", json!({ "Name": name, "Label": group.label(), "ProfileId": null, "IsOwnedByProfile": false, "Type": "Group" }));
    }
    for group in seed.groups {
        put(fake, "Group", json!({ "Name": group.label(), "DeveloperName": group.api_name(), "Type": group.kind.as_deref().unwrap_or("Regular") }));
    }
    for user in seed.users {
        add_user(fake, user, cx)?;
    }
    for client in seed.clients {
        fake.auth.clients.insert(client.consumer_key, Client { secret: client.secret, username: client.username });
    }
    for token in seed.tokens {
        let permissions = token.permissions.unwrap_or_else(|| PERMISSIONS.map(str::to_owned).into());
        fake.auth.sessions.insert(token.token, Session { username: token.username, permissions });
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn create(fake: &mut SalesforceFake, object: &str, fields: Value, cx: &mut FakeContext) -> Result<String, ActError> {
    match (Object::named(object), fields) {
        (Some(object), Value::Object(fields)) => fake.org.create(object, fields, cx).map_err(refused),
        _ => Err(ActError::new(format!("no object is called `{object}`"))),
    }
}

fn update(fake: &mut SalesforceFake, object: &str, id: &str, fields: Value, cx: &mut FakeContext) -> Result<(), ActError> {
    match (Object::named(object), fields) {
        (Some(object), Value::Object(fields)) => fake.org.update(object, id, fields, cx).map_err(refused),
        _ => Err(ActError::new("fields are an object")),
    }
}

fn add_user(fake: &mut SalesforceFake, seed: SeedUser, cx: &mut FakeContext) -> Result<String, ActError> {
    let name = seed.username.split('@').next().unwrap_or("").to_owned();
    let profile = named(fake, "Profile", seed.profile.as_deref().unwrap_or("Standard User"))?;
    let mut fields = json!({
        "Username": seed.username, "Email": seed.username, "LastName": "Seeded", "Alias": name.chars().take(8).collect::<String>(), "ProfileId": profile,
        "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US",
    });
    if let Some(fields) = fields.as_object_mut() {
        fields.extend(seed.fields);
        if let Some(role) = &seed.role {
            fields.insert("UserRoleId".to_owned(), named(fake, "UserRole", role)?.into());
        }
    }
    let user = create(fake, "User", fields, cx)?;
    set_state(fake, &user, seed.state.unwrap_or(UserState::Active), cx)?;
    for set in &seed.permission_sets {
        let set = named(fake, "PermissionSet", set)?;
        create(fake, "PermissionSetAssignment", json!({ "AssigneeId": user, "PermissionSetId": set }), cx)?;
    }
    for group in &seed.permission_set_groups {
        let group = named(fake, "PermissionSetGroup", group)?;
        create(fake, "PermissionSetAssignment", json!({ "AssigneeId": user, "PermissionSetGroupId": group }), cx)?;
    }
    for group in &seed.groups {
        let group = named(fake, "Group", group)?;
        create(fake, "GroupMember", json!({ "GroupId": group, "UserOrGroupId": user }), cx)?;
    }
    Ok(user)
}

fn set_state(fake: &mut SalesforceFake, user: &str, state: UserState, cx: &mut FakeContext) -> Result<(), ActError> {
    update(fake, "User", user, json!({ "IsActive": state != UserState::Inactive }), cx)?;
    let login = fake.org.login_of(user).map(|(id, _)| id.to_owned()).unwrap_or_default();
    match state {
        UserState::Inactive => Ok(()),
        state => update(fake, "UserLogin", &login, json!({ "IsFrozen": state == UserState::Frozen }), cx),
    }
}

/// Carries out an act.
pub(super) fn act(fake: &mut SalesforceFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let optional = |name: &str| act.args.get(name).and_then(Value::as_str);
    match act.act.as_str() {
        "provision_user" => {
            let login = act.text("login")?;
            if let Ok(user) = named(fake, "User", login) {
                set_state(fake, &user, UserState::Active, cx)?;
                return Ok(json!({ "user": user }));
            }
            let told = [("email", "Email"), ("first_name", "FirstName"), ("last_name", "LastName")];
            let mut fields: Record = told.into_iter().filter_map(|(name, field)| Some((field.to_owned(), optional(name)?.into()))).collect();
            fields.extend(act.args.get("fields").and_then(Value::as_object).cloned().unwrap_or_default());
            let user = json!({ "username": login, "profile": optional("profile"), "fields": fields });
            return Ok(json!({ "user": add_user(fake, SeedUser::deserialize(user)?, cx)? }));
        }
        "deprovision_user" => {
            let Ok(user) = named(fake, "User", act.text("login")?) else { return Ok(Value::Null) };
            set_state(fake, &user, UserState::Inactive, cx)?;
            return Ok(json!({ "user": user }));
        }
        "take_username" => {
            fake.org.taken.insert(act.text("username")?.to_lowercase());
            return Ok(Value::Null);
        }
        "set_seats" => {
            let name = act.text("license")?;
            let object = if fake.org.named("UserLicense", name).is_some() { "UserLicense" } else { "PermissionSetLicense" };
            let id = named(fake, object, name)?;
            let total = act.args.get("total").cloned().unwrap_or_default();
            if let Some(license) = fake.org.get_mut(object, &id) {
                license.insert("TotalLicenses".to_owned(), total);
            }
            return Ok(Value::Null);
        }
        "long_calls" => {
            fake.long_calls = act.args.get("running").and_then(Value::as_u64).and_then(|running| u32::try_from(running).ok()).unwrap_or(0);
            return Ok(Value::Null);
        }
        "expire_sessions" => {
            fake.auth.sessions.clear();
            return Ok(Value::Null);
        }
        "expire_cursors" => {
            fake.org.cursors.clear();
            return Ok(Value::Null);
        }
        _ => {}
    }
    let user = named(fake, "User", act.text("user")?)?;
    let target = |fake: &SalesforceFake| match (optional("permission_set"), optional("permission_set_group")) {
        (Some(set), None) => Ok(("PermissionSetId", named(fake, "PermissionSet", set)?)),
        (None, Some(group)) => Ok(("PermissionSetGroupId", named(fake, "PermissionSetGroup", group)?)),
        _ => Err(ActError::new("name a `permission_set` or a `permission_set_group`")),
    };
    match act.act.as_str() {
        "set_fields" => update(fake, "User", &user, act.args.get("fields").cloned().unwrap_or_default(), cx)?,
        "set_state" => set_state(fake, &user, UserState::deserialize(act.args.get("state").cloned().unwrap_or_default())?, cx)?,
        "set_profile" => {
            let profile = named(fake, "Profile", act.text("profile")?)?;
            update(fake, "User", &user, json!({ "ProfileId": profile }), cx)?;
        }
        "set_role" => {
            let role = optional("role").map(|role| named(fake, "UserRole", role)).transpose()?;
            update(fake, "User", &user, json!({ "UserRoleId": role }), cx)?;
        }
        "assign" => {
            let (field, id) = target(fake)?;
            let mut fields = json!({ "AssigneeId": user, (field): id });
            if let (Some(expires), Some(fields)) = (optional("expires"), fields.as_object_mut()) {
                fields.insert("ExpirationDate".to_owned(), expires.into());
            }
            create(fake, "PermissionSetAssignment", fields, cx)?;
        }
        "add_to_group" => {
            let group = named(fake, "Group", act.text("group")?)?;
            create(fake, "GroupMember", json!({ "GroupId": group, "UserOrGroupId": user }), cx)?;
        }
        "unassign" | "remove_from_group" => {
            let (object, holder, (field, id)) = match act.act.as_str() {
                "unassign" => ("PermissionSetAssignment", "AssigneeId", target(fake)?),
                _ => ("GroupMember", "UserOrGroupId", ("GroupId", named(fake, "Group", act.text("group")?)?)),
            };
            let row = fake.org.all(object).find(|(_, row)| text(row, holder) == user && text(row, field) == id).map(|(id, _)| id.to_owned());
            if let (Some(row), Some(object)) = (row, Object::named(object)) {
                fake.org.delete(object, &row, cx).map_err(refused)?;
            }
        }
        "confirm_email" => {
            let address = fake.org.unconfirmed.remove(&user).ok_or_else(|| ActError::new("no new address waits to be confirmed"))?;
            if let Some(user) = fake.org.get_mut("User", &user) {
                user.insert("Email".to_owned(), address.into());
            }
        }
        _ => return Err(act.unknown()),
    }
    Ok(json!({ "user": user }))
}
