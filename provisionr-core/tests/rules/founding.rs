//! The founding examples load unchanged.

use std::path::{Path, PathBuf};

use provisionr_core::{DesiredAccess, Rules, Subject, desired};

use crate::systems::checked;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn shown(access: &DesiredAccess) -> String {
    let lines = access.systems().flat_map(|(system, access)| {
        assert!(access.contradictions.is_empty());
        access.entitlements.iter().map(move |entitlement| {
            let reasons: Vec<_> = entitlement.reasons.iter().map(ToString::to_string).collect();
            format!("{system}: {} <- {}", entitlement.wanted, reasons.join("; "))
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn sales_engineer() -> Subject {
    Subject::new("7").with("department", "Engineering").with("seniority", "Senior").with("job_title", "Sales Engineer")
}

#[test]
fn both_files_give_what_they_say() {
    let rules = checked(&Rules::load_dir(fixtures()).unwrap()).unwrap();
    insta::assert_snapshot!(shown(&desired(&rules, &sales_engineer())), @r#"
    aws-sso: assign_permission_set EngineeringSeniorReadOnly account=production <- Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    gitlab: add_to_group customer-solutions as reporter <- Sales Engineer Access (job_title = "Sales Engineer")
    gitlab: add_to_group engineering as developer <- Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    google: add_to_group engineering@company.com <- Sales Engineer Access (job_title = "Sales Engineer"); Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    google: add_to_group sales@company.com <- Sales Engineer Access (job_title = "Sales Engineer")
    google: add_to_group senior-engineers@company.com <- Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    jira: add_to_project_role SALES as Reporter <- Sales Engineer Access (job_title = "Sales Engineer")
    okta: add_to_group engineering-senior <- Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    okta: add_to_group engineering-team <- Sales Engineer Access (job_title = "Sales Engineer"); Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    okta: add_to_group sales-team <- Sales Engineer Access (job_title = "Sales Engineer")
    salesforce: assign_profile Sales Engineer <- Sales Engineer Access (job_title = "Sales Engineer")
    slack: invite_to_channel #engineering-general <- Sales Engineer Access (job_title = "Sales Engineer"); Senior Engineer Access (department = "Engineering" and seniority = "Senior")
    slack: invite_to_channel #sales-team <- Sales Engineer Access (job_title = "Sales Engineer")
    "#);
    assert!(desired(&rules, &Subject::new("8").with("department", "Engineering")).is_empty(), "all conditions of one trigger must hold");
}

#[test]
fn the_revision_of_the_founding_files_is_held() {
    let rules = Rules::load_dir(fixtures()).unwrap();
    insta::assert_snapshot!(rules.revision(), @r#"a72cb371d60662e18b80c99eb3c195035bdce87a9a53a288b19e5b325f00e6e9"#);
}

#[test]
fn the_originals_load_too() {
    let Some(stories) = std::env::var_os("PROVISIONR_STORIES_DIR") else { return };
    let originals = Rules::load_dir(Path::new(&stories)).unwrap();
    assert_eq!(originals.revision(), Rules::load_dir(fixtures()).unwrap().revision());
    checked(&originals).unwrap();
}
