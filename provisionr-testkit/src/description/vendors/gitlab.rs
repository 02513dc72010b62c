//! GitLab's REST API, as its generator describes it: it gets the paths and parameters right, and much of the rest wrong.

use serde_json::{Map, Value, json};

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    let mut document = folder.read("gitlab/gitlab-cut.json");
    let schemas = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut);
    for (name, schema) in schemas.into_iter().flatten() {
        let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) else { continue };
        if name.contains("Entities") { loosen(fields) } else { date(fields) }
    }
    let mut description = Description::openapi(document);
    for (entity, field) in [
        ("API_Entities_UserPublic", "identities"),
        ("API_Entities_UserPublic", "scim_identities"),
        ("API_Entities_UserWithAdmin", "identities"),
        ("API_Entities_UserWithAdmin", "scim_identities"),
        ("API_Entities_Group", "ldap_group_links"),
        ("API_Entities_Group", "saml_group_links"),
        ("API_Entities_GroupDetail", "ldap_group_links"),
        ("API_Entities_GroupDetail", "saml_group_links"),
    ] {
        let one = match field {
            "identities" => "API_Entities_Identity",
            "scim_identities" => "API_Entities_ScimIdentity",
            "ldap_group_links" => "EE_API_Entities_LdapGroupLink",
            _ => "EE_API_Entities_SamlGroupLink",
        };
        let list = json!({ "type": "array", "items": reference(one) });
        description = description.corrected(&format!("/components/schemas/{entity}/properties/{field}"), list, "a list is described as one of its items");
    }
    let answer = |path: &str, status: u16| {
        let (method, path) = path.split_once(' ').unwrap_or_default();
        format!("/paths/{}/{}/responses/{status}/content/application~1json/schema", path.replace('/', "~1"), method.to_lowercase())
    };
    for (operation, one) in [
        ("GET /api/v4/users", "API_Entities_UserWithAdmin"),
        ("GET /api/v4/users/{user_id}/memberships", "API_Entities_Membership"),
        ("GET /api/v4/groups/{id}/provisioned_users", "API_Entities_UserPublic"),
    ] {
        description =
            description.corrected(&answer(operation, 200), json!({ "type": "array", "items": reference(one) }), "a list is described as one of its items");
    }
    for operation in ["GET /api/v4/users/{id}", "GET /api/v4/user"] {
        let shown = reference("API_Entities_UserWithAdmin");
        description = description.corrected(&answer(operation, 200), shown, "administrators see more of users, as the page of users shows");
    }
    for sort in ["groups", "projects"] {
        let status = json!({ "type": "object", "properties": { "status": { "type": "string" }, "message": { "type": "object" } } });
        let place = answer(&format!("POST /api/v4/{sort}/{{id}}/invitations"), 201);
        description = description.corrected(&place, status, "it answers with a status, as the page of invitations shows");
        let body = if sort == "groups" { "postApiV4GroupsIdInvitations" } else { "postApiV4ProjectsIdInvitations" };
        let place = format!("/components/schemas/{body}/properties/email");
        description = description.corrected(&place, json!({ "type": "string" }), "addresses are a text, separated by commas, as the page of invitations shows");
    }
    description
        .corrected("/components/schemas/API_Entities_GroupDetail/properties/shared_with_groups", json!({ "type": "array" }), "a list is described as a text")
        .known("*", "answer: 4* is not described", "the generator leaves refusals out")
        .known("*", "answer: 4*: no body is described", "the generator leaves refusals out")
        .known("POST /api/v4/users/{id}/*", "answer: 201: no body is described", "the page of moderation has a body, and the generator has none")
        .known("PUT /api/v4/groups/{id}/members/{user_id}/state", "answer: 200: no body is described", "the page of members has one, and the generator none")
        .known("DELETE /api/v4/users/{id}", "answer: 204 is not described", "the page of users says 204, and the generator 200")
        .known("GET /api/v4/groups/{id}/provisioned_users", "request: path parameter `id`: *", "groups are known by path as well, here as elsewhere")
        .known("GET /api/v4/users", "request: query parameter `pagination` is not described", "the page of pagination has it for users")
        .known("GET /api/v4/users", "request: query parameter `cursor` is not described", "the page of pagination has it for users")
        .undescribed("GET /api/v4/groups/*/pending_members", "the file is cut")
        .undescribed("GET /api/v4/groups/*/billable_members/*/memberships", "the file is cut")
        .undescribed("GET /api/v4/personal_access_tokens/self", "the file is cut")
        .undescribed("GET /api/v4/projects", "the file is cut")
}

fn reference(entity: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{entity}") })
}

/// The generator writes "string" where the code names no type, and never says what of an answer may be null.
fn loosen(fields: &mut Map<String, Value>) {
    for keywords in fields.values_mut().filter_map(Value::as_object_mut) {
        if keywords.get("type") == Some(&json!("string")) && !keywords.contains_key("format") {
            keywords.insert("type".to_owned(), json!(["string", "number", "boolean", "null"]));
        } else {
            keywords.insert("nullable".to_owned(), true.into());
        }
    }
}

/// It calls dates times.
fn date(fields: &mut Map<String, Value>) {
    if let Some(expires) = fields.get_mut("expires_at") {
        *expires = json!({ "type": "string", "format": "date", "nullable": true });
    }
}
