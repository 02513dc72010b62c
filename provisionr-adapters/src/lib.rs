//! The adapters of provisionr under one roof: one feature per system type, none by default, `full` for all of them.
//!
//! | feature | module | system |
//! |---|---|---|
//! | `github` | [`github`] | GitHub: membership of an organization, its teams, its repositories |
//! | `gitlab` | [`gitlab`] | GitLab, self-managed or gitlab.com: accounts, groups, projects |
//! | `okta` | [`okta`] | Okta: accounts, groups, apps |
//! | `slack` | [`slack`] | Slack: accounts, channels, user groups, workspace roles |
//!
//! With the feature `systems` the module [`systems`] makes adapters from a file that says which systems a host has.
//!
//! [`http`] is the kit they are built on, for adapters of your own.

#[cfg(feature = "github")]
pub use provisionr_github as github;
#[cfg(feature = "gitlab")]
pub use provisionr_gitlab as gitlab;
pub use provisionr_http as http;
#[cfg(feature = "okta")]
pub use provisionr_okta as okta;

#[cfg(feature = "slack")]
pub use provisionr_slack as slack;

#[cfg(feature = "systems")]
pub mod systems;
