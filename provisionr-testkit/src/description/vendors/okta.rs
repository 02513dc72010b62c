//! Okta's management API.

use serde_json::json;

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::openapi(folder.read("okta/okta-management-cut.json"))
        .corrected(
            "/components/schemas/Application/properties/_embedded/properties/user",
            json!({ "$ref": "#/components/schemas/AppUser" }),
            "an app user is embedded, as the words beside it say; its fields are no objects",
        )
        .corrected(
            "/components/schemas/SamlApplicationSettings/allOf/1/properties/app",
            json!({ "type": "object" }),
            "the examples of the document have the settings of the app itself",
        )
        .corrected(
            "/components/schemas/AppUserUpdateRequest",
            json!({ "anyOf": [
                { "$ref": "#/components/schemas/AppUserCredentialsRequestPayload" },
                { "$ref": "#/components/schemas/AppUserProfileRequestPayload" },
            ] }),
            "neither of the two requires a field, so that everything is both",
        )
        .known("GET /api/v1/groups", "*'hasAdminPrivilege' was unexpected)", "it is misspelt in the document")
        .undescribed("POST /oauth2/v1/token", "the authorization server has a description of its own")
}
