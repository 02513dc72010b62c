//! GitHub's REST API.

use serde_json::json;

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::openapi(folder.read("github/github-org-access.openapi3.json"))
        .corrected("/components/schemas/validation-error/properties/status", json!({ "type": "string" }), "answers have it beside the rest, as other errors do")
        .refused_with("/components/schemas/basic-error")
        .and(Description::openapi(folder.read("github/github-enterprise-scim.openapi3.json")).refused_with("/components/schemas/scim-error"))
        .known("PATCH /scim/*", "request: body: /Operations/*/value: value is not of type \"string\"", "its own examples set a flag, and lists of members")
        .undescribed("GET /user/*", "the file is cut, and has no look-up of a person by id")
        .undescribed("GET /orgs/*/teams/*/team-sync/group-mappings", "the file is cut, and has no team synchronization")
        .undescribed("GET /orgs/*/teams/*/external-groups", "the file is cut, and has no external groups of teams")
        .undescribed("POST /graphql", "queries are described by a GraphQL schema")
}
