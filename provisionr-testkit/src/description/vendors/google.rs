//! The Directory API of Google Workspace.

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::discovery(&folder.read("google/admin.directory_v1-cut.json"))
        .undescribed("POST /token", "tokens are from another API, which has no discovery document")
}
