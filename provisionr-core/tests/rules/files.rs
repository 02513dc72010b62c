//! Rules from folders and files.

use std::fs;

use provisionr_core::rules::Policy;
use provisionr_core::{DiagnosticCode, Rules};

fn policy(name: &str) -> String {
    format!("policy:\n  name: {name}\n  triggers: everyone\n  provisions: [{{ system: okta, action: add_to_group, target: all }}]\n")
}

fn names(rules: &Rules) -> Vec<&str> {
    rules.policies().map(Policy::name).collect()
}

#[test]
fn a_folder_is_read_with_its_sub_folders_and_without_hidden_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (path, text) in [
        ("b.yaml", policy("B")),
        ("a.yml", policy("A")),
        ("team/deep/c.YAML", policy("C")),
        (".hidden.yaml", policy("H")),
        (".git/d.yaml", policy("D")),
        ("notes.md", "not: [yaml".to_owned()),
        ("empty.yaml", String::new()),
        ("comments.yaml", "# nothing yet\n---\n---\n# still nothing\n".to_owned()),
    ] {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert_eq!(names(&Rules::load_dir(root).unwrap()), ["A", "B", "C"]);
    assert_eq!(names(&Rules::load_files([root.join(".hidden.yaml")]).unwrap()), ["H"]);
}

#[test]
fn a_folder_without_rules_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("README.md"), "").unwrap();
    let error = Rules::load_dir(folder.path()).unwrap_err();
    assert_eq!(error.diagnostics()[0].code(), DiagnosticCode::NoRules);
    insta::assert_snapshot!(error.to_string().replace(&folder.path().display().to_string(), "access"), @r#"
    error[no-rules]: there is no rules file in `access`
    --> access
     = help: rules files end in `.yaml` or `.yml`; names that begin with a dot are left out

    the rules have a problem
    "#);
}

#[test]
fn one_broken_file_does_not_hide_the_problems_of_others() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "policy: [\n").unwrap();
    fs::write(folder.path().join("b.yaml"), "polices: []\n").unwrap();
    fs::write(folder.path().join("c.yaml"), b"policy:\n  name: \xff\n").unwrap();
    fs::write(folder.path().join("d.yaml"), policy("D")).unwrap();
    let error = Rules::load_dir(folder.path()).unwrap_err();
    insta::assert_snapshot!(error.to_string().replace(&folder.path().display().to_string(), "access"), @r#"
    error[not-yaml]: this cannot be read as YAML: unclosed bracket '['
     --> access/a.yaml:1:9
      |
    1 | policy: [
      |         ^

    error[unknown-key]: a rules document has no key `polices`
     --> access/b.yaml:1:1
      |
    1 | polices: []
      | ^^^^^^^
      |
      = help: did you mean `policies`?

    error[unreadable]: cannot read `access/c.yaml`: line 2 is not UTF-8
    --> access/c.yaml

    the rules have 3 problems
    "#);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for missing in [Rules::load_dir(folder.path().join("nowhere")), Rules::load_files([folder.path().join("nowhere")])] {
        let error = missing.unwrap_err();
        assert_eq!(error.diagnostics()[0].code(), DiagnosticCode::Unreadable);
        assert_eq!(error.diagnostics()[0].line(), None);
        assert!(error.to_string().contains("nowhere"));
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_circles_are_seen() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("..data")).unwrap();
    fs::write(root.join("..data/a.yaml"), policy("A")).unwrap();
    symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
    assert_eq!(names(&Rules::load_dir(root).unwrap()), ["A"]);

    symlink(root, root.join("again")).unwrap();
    let error = Rules::load_dir(root).unwrap_err();
    assert_eq!(error.diagnostics().len(), 1);
    assert!(error.to_string().contains("leads back"), "{error}");
}

#[test]
fn two_policies_of_one_name_are_both_pointed_at() {
    let error = Rules::parse_all([("one.yaml", policy("A").as_str()), ("two.yaml", policy("A").as_str())]).unwrap_err();
    assert_eq!(error.diagnostics()[0].related(), Some(("one.yaml", 2, 9)));
    insta::assert_snapshot!(error, @r#"
    error[duplicate-name]: there are two policies named `A`
     --> two.yaml:2:9
      |
    2 |   name: A
      |         ^
      |
     ::: one.yaml:2:9
      |
    2 |   name: A
      |         - first here

    the rules have a problem
    "#);
}

#[test]
fn of_two_files_the_one_named_first_is_the_first() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["c.yaml", "a.yaml", "b/x.yaml"] {
        fs::create_dir_all(folder.path().join("b")).unwrap();
        fs::write(folder.path().join(name), policy("A")).unwrap();
    }
    let error = Rules::load_dir(folder.path()).unwrap_err();
    assert_eq!(error.diagnostics().len(), 2);
    assert!(error.diagnostics().iter().all(|problem| problem.related().unwrap().0.ends_with("a.yaml")), "{error}");
}

#[test]
fn many_policies_load() {
    let mut text = String::from("policies:\n");
    for number in 0..32_000 {
        text.push_str(&format!(
            "  - name: \"Policy {number}\"\n    triggers: [{{ cost_center: {number} }}]\n    provisions: [{{ system: okta, action: add_to_group, target: \"g{number}\" }}]\n"
        ));
    }
    assert_eq!(Rules::parse("many.yaml", &text).unwrap().policies().len(), 32_000);
}

#[test]
fn one_anchor_may_serve_many_policies() {
    let mut text = String::from("policies:\n  - { name: P, triggers: everyone, provisions: &all [{ system: okta, action: add_to_group, target: x }] }\n");
    for number in 0..2_000 {
        text.push_str(&format!("  - {{ name: P{number}, triggers: [{{ team: {number} }}], provisions: *all }}\n"));
    }
    assert_eq!(Rules::parse("many.yaml", &text).unwrap().policies().len(), 2_001);
}

#[test]
fn files_made_to_exhaust_memory_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 9].join(", ")));
    }
    let flat = format!("a: &a [{}]\nb:\n{}", ["x"; 1_000].join(", "), "  - *a\n".repeat(600));
    for text in [bomb, flat, "[".repeat(200_000), "a: ".repeat(100) + "1", "- ".repeat(5_000)] {
        let error = Rules::parse("bomb.yaml", &text).unwrap_err();
        assert_eq!(error.diagnostics()[0].code(), DiagnosticCode::NotYaml, "{error}");
        assert!(error.to_string().len() < 10_000);
    }
}
