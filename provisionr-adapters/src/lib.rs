//! The adapters of provisionr under one roof: one feature per system type, none by default, `full` for all of them.
//!
//! | feature | module | system |
//! |---|---|---|
//! | `aws` | [`aws`] | AWS IAM Identity Center: users, groups, permission sets in AWS accounts |
//! | `github` | [`github`] | GitHub: membership of an organization, its teams, its repositories |
//! | `gitlab` | [`gitlab`] | GitLab, self-managed or gitlab.com: accounts, groups, projects |
//! | `google` | [`google`] | Google Workspace: accounts, groups, organizational units |
//! | `jira` | [`jira`] | Jira Cloud: accounts, groups, project roles |
//! | `okta` | [`okta`] | Okta: accounts, groups, apps |
//! | `salesforce` | [`salesforce`] | Salesforce: accounts, profiles, permission sets and their groups, public groups, roles |
//! | `scim` | [`scim`] | whatever speaks SCIM 2.0: accounts, groups |
//! | `slack` | [`slack`] | Slack: accounts, channels, user groups, workspace roles |
//!
//! With the feature `systems` the module [`systems`] makes adapters from a file that says which systems a host has.
//!
//! [`http`] is the kit they are built on, for adapters of your own.

#[cfg(feature = "aws")]
pub use provisionr_aws as aws;
#[cfg(feature = "github")]
pub use provisionr_github as github;
#[cfg(feature = "gitlab")]
pub use provisionr_gitlab as gitlab;
#[cfg(feature = "google")]
pub use provisionr_google as google;
pub use provisionr_http as http;
#[cfg(feature = "jira")]
pub use provisionr_jira as jira;
#[cfg(feature = "okta")]
pub use provisionr_okta as okta;
#[cfg(feature = "salesforce")]
pub use provisionr_salesforce as salesforce;
#[cfg(feature = "scim")]
pub use provisionr_scim as scim;
#[cfg(feature = "slack")]
pub use provisionr_slack as slack;

#[cfg(feature = "systems")]
pub mod systems;
