//! Plans: the same for the same inputs, in whatever order they come, and shown for people and programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use proptest::prelude::*;
use provisionr_core::*;
use support::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(future)
}

const LINES: [&str; 6] = [
    "{ system: wiki, action: join_group, target: sales }",
    "{ system: wiki, action: join_group, target: engineering }",
    "{ system: wiki, action: join_group, target: legal }",
    "{ system: forge, action: join_project, target: solutions, role: reader }",
    "{ system: forge, action: join_project, target: platform, role: writer }",
    "{ system: wiki, action: join_group, target: nowhere }",
];

/// Each line in a policy of its own, in this order, with the systems before or after them.
fn rules(order: &[usize], systems_first: bool) -> String {
    let systems = "systems:\n  wiki: { accounts: create }\n  forge: { after: [wiki], accounts: create }\n";
    let policies: String = order
        .iter()
        .map(|line| format!("  - name: \"P{line}\"\n    triggers: [{{ job_title: \"Sales Engineer\" }}]\n    provisions: [{}]\n", LINES[*line]))
        .collect();
    if systems_first { format!("{systems}policies:\n{policies}") } else { format!("policies:\n{policies}{systems}") }
}

fn planned(order: &[usize], systems_first: bool, wiki_first: bool) -> Vec<u8> {
    block_on(async {
        let company = Company::new();
        let rules = Rules::parse("rules.yaml", &rules(order, systems_first)).unwrap();
        let builder = Provisioner::builder(company.store.clone(), MemoryDirectory::default()).clock(TokioClock::starting_at(start())).rules(rules);
        let (wiki, forge) = (company.adapter("wiki", &company.wiki), company.adapter("forge", &company.forge));
        let builder = if wiki_first { builder.adapter(wiki).adapter(forge) } else { builder.adapter(forge).adapter(wiki) };
        builder.build().unwrap().plan(&sarah()).await.unwrap().to_bytes().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn the_same_inputs_in_any_order_give_the_same_plan_byte_for_byte(
        order in Just((0..LINES.len()).collect::<Vec<_>>()).prop_shuffle(),
        systems_first: bool,
        wiki_first: bool,
    ) {
        let wanted = planned(&[0, 1, 2, 3, 4, 5], true, true);
        prop_assert_eq!(planned(&order, systems_first, wiki_first), wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_circle_between_systems_is_named() {
    let company = Company::new();
    let rules = RULES.replace("wiki: { accounts: create }", "wiki: { accounts: create, after: [forge] }");
    let error = Rules::parse("rules.yaml", &rules)
        .map_err(|error| error.to_string())
        .and_then(|rules| {
            let wiki = company.adapter("wiki", &company.wiki);
            let forge = company.adapter("forge", &company.forge);
            rules.check([wiki.descriptor(), forge.descriptor()]).map_err(|error| error.to_string())
        })
        .unwrap_err();
    assert!(error.contains("forge") && error.contains("wiki"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_drawn() {
    let plan = Company::new().process().plan(&sarah()).await.unwrap();
    insta::assert_snapshot!(plan.to_dot(), @r###"
    digraph plan {
      rankdir=LR;
      node [shape=box, style=rounded];
      subgraph cluster_0 {
        label="forge";
        n1 [label="account sarah@company.com"];
        n2 [label="join_project solutions as reader"];
      }
      subgraph cluster_1 {
        label="wiki";
        n0 [label="account sarah@company.com"];
        n3 [label="join_group engineering"];
        n4 [label="join_group sales"];
      }
      n0 -> n1;
      n0 -> n3;
      n0 -> n4;
      n1 -> n2;
    }
    "###);
    insta::assert_snapshot!(plan.to_mermaid(), @r###"
    flowchart LR
      subgraph s0["forge"]
        n1["account sarah@company.com"]
        n2["join_project solutions as reader"]
      end
      subgraph s1["wiki"]
        n0["account sarah@company.com"]
        n3["join_group engineering"]
        n4["join_group sales"]
      end
      n0 --> n1
      n0 --> n3
      n0 --> n4
      n1 --> n2
    "###);
    let read: Plan = serde_json::from_str(&plan.to_json().unwrap()).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.digest().unwrap(), plan.digest().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_plan_from_elsewhere_is_checked_before_it_runs() {
    let access = Company::new().process();
    let plan = access.plan(&sarah()).await.unwrap();
    let refused = async |plan: Plan| access.submit(plan, &"evt_9".into(), Actor::person("p")).await.unwrap_err().to_string();
    let mut unordered = plan.clone();
    unordered.operations.reverse();
    assert!(!refused(unordered).await.is_empty());
    let mut incomplete = plan.clone();
    incomplete.operations.remove(0);
    assert!(refused(incomplete).await.contains("which is not in the plan"));
    let mut elsewhere = plan.clone();
    elsewhere.operations[0].system = "mainframe".into();
    assert!(refused(elsewhere).await.contains("no system `mainframe`"));
    let mut newer = plan;
    newer.format = Plan::FORMAT + 1;
    assert!(refused(newer).await.contains(&format!("format {}", Plan::FORMAT + 1)));
}
