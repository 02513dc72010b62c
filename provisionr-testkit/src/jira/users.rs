//! Users: found, created, removed.

use serde_json::{Value, json};

use super::JiraFake;
use super::answer::{self, Cut, array, error, known_parameters, no_user};
use super::auth::{PERMISSIONS, Permission};
use super::state::{AccountType, JiraUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

const PRODUCTS: [&str; 4] = ["jira-core", "jira-servicedesk", "jira-product-discovery", "jira-software"];

/// The user of `accountId` that is on the site, or still shown.
pub(super) fn shown(jira: &JiraFake, call: &Call<'_>) -> Result<JiraUser, FakeResponse> {
    let id = call.request.query("accountId").unwrap_or_default();
    jira.site.users.get(&id).filter(|user| user.on_site || jira.site.settings.removed_users_show).cloned().ok_or_else(no_user)
}

pub(super) fn myself(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["expand"])?;
    let me = jira.site.users.get(&jira.caller(cx)).ok_or_else(no_user)?;
    Ok(FakeResponse::json(200, &answer::user_expanded(jira, me, &call.request.query("expand").unwrap_or_default(), cx)))
}

pub(super) fn my_permissions(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["permissions"])?;
    let asked = call.request.query("permissions").unwrap_or_default();
    if asked.is_empty() {
        return Err(error(400, "The permissions query parameter is required"));
    }
    let mut told = serde_json::Map::new();
    for key in asked.split(',') {
        let known = PERMISSIONS.into_iter().find(|permission| json!(permission) == key);
        let Some(permission) = known else { return Err(error(400, &format!("Unrecognized permission: {key}"))) };
        let kind = if permission == Permission::AdministerProjects { "PROJECT" } else { "GLOBAL" };
        let may = jira.may(permission, cx);
        told.insert(key.to_owned(), json!({ "id": "0", "key": key, "name": key, "type": kind, "description": key, "havePermission": may }));
    }
    Ok(FakeResponse::json(200, &json!({ "permissions": told })))
}

pub(super) fn application_roles(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    jira.demand(Permission::Administer, cx)?;
    Ok(FakeResponse::json(200, &jira.site.products.iter().map(|product| answer::product(jira, product, cx)).collect()))
}

pub(super) fn get(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["accountId", "expand"])?;
    jira.demand(Permission::UserPicker, cx)?;
    let user = shown(jira, call)?;
    Ok(FakeResponse::json(200, &answer::user_expanded(jira, &user, &call.request.query("expand").unwrap_or_default(), cx)))
}

/// Active users whose name or address begins so. Without permission: none, and no word.
pub(super) fn search(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["query", "startAt", "maxResults"])?;
    let query = call.request.query("query").unwrap_or_default().to_lowercase();
    if query.is_empty() {
        return Err(error(400, "Either query, accountId or property has to be given"));
    }
    let fits = |user: &&JiraUser| {
        let email = user.email.as_ref().filter(|_| user.email_visible || jira.site.settings.hidden_emails_searched);
        let words = user.display_name.split_whitespace().chain([user.display_name.as_str()]).chain(email.map(String::as_str));
        user.active && user.on_site && words.into_iter().any(|word| word.to_lowercase().starts_with(&query))
    };
    let may = jira.may(Permission::UserPicker, cx);
    let found = jira.site.users.values().filter(fits).filter(|_| may).take(1000).map(|user| answer::user(user, cx));
    array(call.request, &Cut { default: 50, most: 1000 }, jira.site.settings.page_size, found)
}

pub(super) fn list(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["startAt", "maxResults"])?;
    jira.demand(Permission::UserPicker, cx)?;
    let shown = jira.site.users.values().filter(|user| user.on_site || jira.site.settings.removed_users_show).map(|user| answer::user(user, cx));
    array(call.request, &Cut { default: 50, most: 1000 }, jira.site.settings.page_size, shown)
}

pub(super) fn groups(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["accountId"])?;
    jira.demand(Permission::UserPicker, cx)?;
    let user = shown(jira, call)?;
    Ok(FakeResponse::json(200, &jira.site.groups_of(&user.account_id).map(|group| answer::group_name(group, cx)).collect()))
}

pub(super) fn create(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    jira.demand(Permission::Administer, cx)?;
    let body: Value = call.request.json().map_err(|_| error(400, "There was an error parsing JSON"))?;
    let Some(email) = body.get("emailAddress").and_then(Value::as_str).filter(|email| email.contains('@')) else {
        return Err(error(400, "You must specify a valid email address"));
    };
    let Some(products) = body.get("products").and_then(Value::as_array) else { return Err(error(400, "products is required")) };
    let products: Vec<&str> = products.iter().filter_map(Value::as_str).collect();
    if products.iter().any(|product| !PRODUCTS.contains(product)) {
        return Err(error(400, "An invalid product was given"));
    }
    let same = |user: &&JiraUser| user.account_type == AccountType::Atlassian && user.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email));
    let known = jira.site.users.values().find(same).cloned();
    if let Some(user) = known.as_ref().filter(|user| user.on_site) {
        if products.is_empty() || jira.site.products_of(&user.account_id).next().is_some() {
            return Ok(FakeResponse::json(201, &answer::user_expanded(jira, user, "", cx)));
        }
        return Err(error(400, "The user exists and has no access to Jira"));
    }
    if known.is_some() && jira.site.settings.known_accounts_refused {
        return Err(error(400, "The user exists and has no access to Jira"));
    }
    let given: Vec<_> = jira.site.products.iter().filter(|product| products.contains(&product.key.as_str())).cloned().collect();
    if given.iter().any(|product| product.seats.is_some_and(|seats| jira.site.taken(product) >= seats)) {
        return Err(error(400, "The number of licensed users is exceeded"));
    }
    let user = match known {
        Some(user) => JiraUser { on_site: true, active: true, ..user },
        None => {
            let account_id = format!("5b10ac8d82e05b22{:08x}", jira.site.count());
            let (display_name, email_visible) = (email.split('@').next().unwrap_or(email).to_owned(), jira.site.settings.new_emails_visible);
            let email = Some(email.to_owned());
            JiraUser {
                account_id,
                account_type: AccountType::Atlassian,
                display_name,
                email,
                email_visible,
                active: true,
                on_site: true,
                invited: true,
                org_admin: false,
            }
        }
    };
    let data = json!({ "user": user.account_id, "email": user.email });
    cx.emit("user.created", data.clone());
    cx.emit("user.mail", data);
    jira.site.users.insert(user.account_id.clone(), user.clone());
    for group in given.iter().filter_map(|product| product.groups.first()) {
        jira.site.join(group, &user.account_id, cx);
    }
    Ok(FakeResponse::json(201, &answer::user_expanded(jira, &user, "", cx)))
}

/// Takes a user off the site. The Atlassian account stays.
pub(super) fn remove(jira: &mut JiraFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["accountId"])?;
    jira.demand_site_admin(cx)?;
    let id = call.request.query("accountId").unwrap_or_default();
    if !jira.site.users.get(&id).is_some_and(|user| user.on_site) {
        return Err(no_user());
    }
    if id == jira.caller(cx) {
        return Err(error(400, "You cannot remove yourself"));
    }
    jira.site.take_off(&id, cx);
    Ok(FakeResponse::empty(204))
}
