//! The identity of rules: a hash of what they mean.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::policy::Policy;
use super::topology::{AccountOrigin, Topology};
use crate::digest::Digest;

/// The hash of what rules mean; policies come sorted by name.
pub(crate) fn revision(policies: &[Policy], topology: &Topology) -> Digest {
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
        let keys: Vec<_> = system.keys.iter().map(|mapping| [&mapping.key, &mapping.attribute]).collect();
        let accounts = system.accounts.map(AccountOrigin::as_str);
        parts.push(json!(["system", name, accounts, system.after, keys, Vec::from_iter(&system.profile)]).to_string());
    }
    Digest::of(parts.iter().map(String::as_bytes))
}
