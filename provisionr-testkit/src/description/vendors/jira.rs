//! Jira Cloud's REST API.

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::openapi(folder.read("jira/jira-cloud-v3.openapi3.json")).refused_with("/components/schemas/ErrorCollection")
}
