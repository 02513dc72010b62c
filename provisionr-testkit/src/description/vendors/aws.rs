//! AWS IAM Identity Center: people and groups in one service, what they may do in another.

use super::Folder;
use crate::description::Description;

pub(super) fn description(folder: &Folder) -> Description {
    Description::service_model(&folder.read("aws/identitystore-cut.json")).and(Description::service_model(&folder.read("aws/sso-admin-cut.json")))
}
