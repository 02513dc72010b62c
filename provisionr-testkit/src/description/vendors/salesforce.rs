//! Salesforce's core REST API.

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::openapi(folder.read("salesforce/salesforce-core-rest.openapi3.json"))
}
