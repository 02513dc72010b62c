//! The identity of rules: a hash of what they mean.

use std::collections::BTreeMap;

use provisionr_sdk::SystemName;
use serde_json::{Value, json};

use super::lifecycle::{LeaverRules, LifecycleRules, in_words};
use super::policy::Policy;
use super::topology::{AccountOrigin, KeySource, Ownership, ProfileMapping, SystemTopology, Topology};
use crate::digest::Digest;

/// The hash of what rules mean; policies come sorted by name.
pub(crate) fn revision(policies: &[Policy], topology: &Topology, lifecycle: &LifecycleRules) -> Digest {
    let mut parts = vec!["provisionr rules 1".to_owned()];
    for policy in policies {
        parts.push(json!(["policy", policy.name()]).to_string());
        parts.extend(policy.triggers().map(|trigger| json!(["trigger", trigger]).to_string()));
        let mut provisions: Vec<String> = policy
            .provisions()
            .map(|provision| {
                // Pairs, not an object: the order of an object's fields hangs on a feature of serde_json.
                let fields: BTreeMap<&str, Value> = provision.fields.iter().map(|(name, field)| (&**name, field.value.value.to_json())).collect();
                json!(["provision", provision.system(), provision.action(), Vec::from_iter(fields)]).to_string()
            })
            .collect();
        provisions.sort_unstable();
        parts.append(&mut provisions);
    }
    for (name, system) in &topology.systems {
        let keys: Vec<_> = system.keys.iter().map(|mapping| key(&mapping.key, &mapping.source)).collect();
        let profile: Vec<_> = system.profile.iter().map(|(name, mapping)| attribute(name, mapping)).collect();
        let accounts = system.accounts.map(AccountOrigin::as_str);
        parts.push(json!(["system", name, accounts, system.after, keys, profile]).to_string());
        parts.extend(more(name, system));
    }
    if *lifecycle != LifecycleRules::default() {
        let LifecycleRules { first_day, accounts_before, access_before, last_day, grace } = lifecycle;
        let (accounts_before, access_before) = (accounts_before.map(in_words), access_before.map(in_words));
        parts.push(json!(["lifecycle", first_day, accounts_before, access_before, last_day, in_words(*grace)]).to_string());
    }
    Digest::of(parts.iter().map(String::as_bytes))
}

fn key(name: &str, source: &KeySource) -> Value {
    match source {
        KeySource::Subject(attribute) => json!([name, attribute]),
        KeySource::Account { system, field } => json!([name, system, field]),
    }
}

fn attribute(name: &str, mapping: &ProfileMapping) -> Value {
    match (&mapping.from, mapping.own) {
        (Some(from), Ownership::Always) => json!([name, from]),
        (from, own) => json!([name, from, own]),
    }
}

/// What a system says beyond where its accounts come from; none when it says nothing, so that rules without it keep
/// their revision.
fn more(name: &SystemName, system: &SystemTopology) -> Option<String> {
    let plain = SystemTopology {
        accounts: system.accounts,
        after: system.after.clone(),
        keys: system.keys.clone(),
        profile: system.profile.clone(),
        ..SystemTopology::default()
    };
    if *system == plain {
        return None;
    }
    let federation = system.federation.as_ref().map(|federation| json!([federation.by, federation.action, Vec::from_iter(&federation.fields)]));
    let LeaverRules { cut, deactivate_after, delete_after } = system.leaver;
    let leaver = json!([cut, deactivate_after.map(in_words), delete_after.map(in_words)]);
    let lasting = json!([system.on_leave, leaver, system.grace.map(in_words), system.cannot]);
    Some(json!(["more", name, federation, system.logins, system.access, lasting]).to_string())
}
