//! The systems of the tests: what the founding examples speak of, and a door.

use provisionr_core::{
    AccountFacts, AccountState, Attribute, Cardinality, ChangeFacts, CheckedRules, Date, Descriptor, Kind, Level, Param, Rules, RulesError, Search, Suspension,
    Transition,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct InGroup {
    target: String,
}

#[derive(Serialize, Deserialize)]
struct WithRole {
    target: String,
    role: String,
}

#[derive(Serialize, Deserialize)]
struct OnAccount {
    target: String,
    account: String,
}

#[derive(Serialize, Deserialize)]
struct OpenDoor {
    target: String,
    role: String,
    until: Option<Date>,
}

pub(crate) fn systems() -> Vec<Descriptor> {
    let accounts = AccountFacts::new()
        .found_by("login", Search::Exact)
        .found_by("email", Search::Indexed)
        .attribute(Attribute::new("firstName").required())
        .attribute(Attribute::new("lastName"))
        .attribute(Attribute::new("displayName").from("display_name"))
        .attribute(Attribute::new("department"))
        .attribute(Attribute::new("created").read_only())
        .suspended_by(AccountState::Suspended)
        .transition(Transition::new([AccountState::Active, AccountState::Suspended], AccountState::Deactivated))
        .transition(Transition::new([AccountState::Deactivated], AccountState::Deleted).irreversible())
        .created(ChangeFacts::unique("login"));
    let google = AccountFacts::new().found_by("email", Search::Exact).suspension(Suspension::RevokeAll);
    let gitlab = AccountFacts::new().found_by("extern_uid", Search::Exact).found_by("email", Search::Exact).attribute(Attribute::new("note"));
    vec![
        Descriptor::new("okta", "okta")
            .accounts(accounts)
            .kind(Kind::per_target::<InGroup>("add_to_group").target_noun("group"))
            .kind(Kind::per_target::<InGroup>("assign_app").target_noun("application")),
        Descriptor::new("google", "google").accounts(google).kind(Kind::per_target::<InGroup>("add_to_group").target_noun("group")),
        Descriptor::new("aws-sso", "aws")
            .kind(Kind::per_target::<OnAccount>("assign_permission_set").target_noun("permission set").key(Param::text("account").doc("the AWS account"))),
        Descriptor::new("gitlab", "gitlab").accounts(gitlab).kind(
            Kind::per_target::<WithRole>("add_to_group")
                .target_noun("group")
                .role_off_scale("minimal")
                .role("guest", Level::Browse)
                .role("reporter", Level::Read)
                .role("developer", Level::Write)
                .role("maintainer", Level::Maintain)
                .role("co-maintainer", Level::Maintain),
        ),
        Descriptor::new("slack", "slack").kind(Kind::per_target::<InGroup>("invite_to_channel").target_noun("channel")),
        Descriptor::new("jira", "jira").kind(Kind::per_role::<WithRole>("add_to_project_role").target_noun("project").open_roles()),
        Descriptor::new("salesforce", "salesforce")
            .kind(Kind::per_target::<InGroup>("assign_profile").target_noun("profile").cardinality(Cardinality::ExactlyOne { fallback: None })),
        Descriptor::new("doors", "doors").kind(
            Kind::per_target::<OpenDoor>("open_door")
                .target_noun("door")
                .role("visitor", Level::Read)
                .role("keyholder", Level::Admin)
                .default_role("visitor")
                .value(Param::date("until").ends()),
        ),
    ]
}

pub(crate) fn checked(rules: &Rules) -> Result<CheckedRules, RulesError> {
    rules.check(&systems())
}

pub(crate) fn rules(text: &str) -> CheckedRules {
    let rules = Rules::parse("rules.yaml", text).unwrap_or_else(|error| panic!("{error}"));
    checked(&rules).unwrap_or_else(|error| panic!("{error}"))
}

/// All problems of either stage, as they are shown.
pub(crate) fn problems(text: &str) -> String {
    match Rules::parse("rules.yaml", text).and_then(|rules| checked(&rules)) {
        Ok(_) => "no problem".to_owned(),
        Err(error) => error.to_string(),
    }
}
