//! The registry of a system's kinds: reading policy lines, and describing them to people and editors.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::entitlement::{Entitlement, Target};
use crate::id::{KindName, RoleName, TargetName};
use crate::kind::{Kind, ParamType, Roles};
use crate::time::Date;

/// The kinds of one system type, by name.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Kinds(BTreeMap<KindName, Kind>);

/// An entitlement as a policy line wants it: the target by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wanted {
    /// Its kind.
    pub kind: KindName,
    /// What it is to, by name.
    pub target: TargetName,
    /// As what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// The kind's other parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
}

impl Wanted {
    /// The entitlement, once the target is resolved.
    pub fn bind(&self, target: &Target) -> Entitlement {
        Entitlement { kind: self.kind.clone(), target: target.id.clone(), role: self.role.clone(), params: self.params.clone() }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Target::new(self.target.as_str(), self.target.clone());
        fmt::Display::fmt(&self.bind(&named), f)
    }
}

/// What is wrong with a policy line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindProblem {
    /// The field it is about: `action`, `target`, `role` or a parameter.
    pub field: String,
    /// Whether it is about the field's name rather than its value.
    pub about_name: bool,
    /// What is wrong.
    pub message: String,
    /// What to do, if that can be said.
    pub help: Option<String>,
}

impl KindProblem {
    fn value(field: &str, message: String, help: Option<String>) -> Self {
        Self { field: field.to_owned(), about_name: false, message, help }
    }
}

/// The candidate that is most like `word`, if one is like it at all: for "did you mean".
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&folded, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= 0.5)
        // The first of equals wins, so that the answer does not hang on chance.
        .fold(None, |best: Option<(f64, &str)>, next| match best {
            Some(best) if best.0 >= next.0 => Some(best),
            _ => Some(next),
        })
        .map(|(_, candidate)| candidate)
}

/// "did you mean", or what there is to choose from; none when there is nothing.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    match suggestion(word, candidates.clone()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None => {
            let all: Vec<_> = candidates.into_iter().map(|candidate| format!("`{candidate}`")).collect();
            (!all.is_empty()).then(|| format!("known are {}", all.join(", ")))
        }
    }
}

impl Kinds {
    /// Collects kinds; of two with the same name the later one stays.
    pub fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        Self(kinds.into_iter().map(|kind| (kind.name.clone(), kind)).collect())
    }

    /// A kind by name.
    pub fn get(&self, name: &KindName) -> Option<&Kind> {
        self.0.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }

    /// Reads one policy line: its action, and its other fields (`target`, `role`, parameters).
    ///
    /// # Errors
    /// Everything that is wrong with the line, each with its field and what to do.
    pub fn parse(&self, action: &str, fields: &BTreeMap<String, Value>) -> Result<Wanted, Vec<KindProblem>> {
        let Some(kind) = self.0.get(action) else {
            let help = did_you_mean(action, self.0.keys().map(KindName::as_str));
            return Err(vec![KindProblem::value("action", format!("unknown action `{action}`"), help)]);
        };
        let mut problems = Vec::new();
        let target = match fields.get("target") {
            Some(Value::String(target)) if !target.trim().is_empty() => target.as_str(),
            Some(Value::Null) => {
                let help = "a text that begins with `#` must be quoted, or it is a comment".to_owned();
                problems.push(KindProblem::value("target", format!("the {} is empty", kind.target_noun), Some(help)));
                ""
            }
            Some(_) => {
                problems.push(KindProblem::value("target", format!("the {} must be a text that is not empty", kind.target_noun), None));
                ""
            }
            None => {
                let help = format!("add `target:` with the name of the {}", kind.target_noun);
                problems.push(KindProblem::value("action", format!("`{action}` needs a target"), Some(help)));
                ""
            }
        };
        let role = read_role(kind, fields.get("role"), &mut problems);
        let params = read_params(kind, fields, &mut problems);
        if problems.is_empty()
            && let Err(why) = kind.check(target, role.as_ref(), &params)
        {
            problems.push(KindProblem::value("action", format!("`{action}` cannot be read: {why}"), None));
        }
        if problems.is_empty() { Ok(Wanted { kind: kind.name.clone(), target: target.into(), role, params }) } else { Err(problems) }
    }

    /// The JSON Schema of a policy line of these kinds, without the `system` field: one variant per kind.
    pub fn json_schema(&self) -> Value {
        let variants: Vec<Value> = self.iter().map(kind_schema).collect();
        json!({ "oneOf": variants })
    }

    /// The kinds as a Markdown table, for an adapter's README.
    pub fn markdown(&self) -> String {
        let mut table = String::from("| action | target | roles | parameters | what it gives |\n|---|---|---|---|---|\n");
        for kind in self.iter() {
            let roles = match &kind.roles {
                Roles::None => "–".to_owned(),
                Roles::Open => "the tenant's own".to_owned(),
                Roles::Closed(roles) => roles
                    .iter()
                    .map(|role| role.level.map_or_else(|| format!("`{}`", role.name), |level| format!("`{}` ({level:?})", role.name)))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            let params: Vec<_> = kind.params.iter().map(|param| format!("`{}`{}", param.name, if param.required { "" } else { " (optional)" })).collect();
            let params = if params.is_empty() { "–".to_owned() } else { params.join(", ") };
            table.push_str(&format!("| `{}` | {} | {roles} | {params} | {} |\n", kind.name, kind.target_noun, kind.doc));
        }
        table
    }
}

fn read_role(kind: &Kind, value: Option<&Value>, problems: &mut Vec<KindProblem>) -> Option<RoleName> {
    let given = match value {
        None => return kind.default_role.clone().or_else(|| missing_role(kind, problems)),
        Some(Value::String(role)) if !role.trim().is_empty() => role,
        Some(_) => {
            problems.push(KindProblem::value("role", "the role must be a text that is not empty".to_owned(), None));
            return None;
        }
    };
    match &kind.roles {
        Roles::None => {
            problems.push(KindProblem {
                field: "role".to_owned(),
                about_name: true,
                message: format!("`{}` has no roles", kind.name),
                help: Some("leave `role` out".to_owned()),
            });
            None
        }
        Roles::Closed(roles) if !roles.iter().any(|role| role.name == **given) => {
            let help = did_you_mean(given, roles.iter().map(|role| role.name.as_str()));
            problems.push(KindProblem::value("role", format!("`{}` has no role `{given}`", kind.name), help));
            None
        }
        Roles::Closed(_) | Roles::Open => Some(given.as_str().into()),
    }
}

fn missing_role(kind: &Kind, problems: &mut Vec<KindProblem>) -> Option<RoleName> {
    let help = match &kind.roles {
        Roles::None => return None,
        Roles::Open => "add `role:`".to_owned(),
        Roles::Closed(roles) => format!("add `role:` with one of {}", roles.iter().map(|role| format!("`{}`", role.name)).collect::<Vec<_>>().join(", ")),
    };
    problems.push(KindProblem::value("action", format!("`{}` needs a role", kind.name), Some(help)));
    None
}

fn read_params(kind: &Kind, fields: &BTreeMap<String, Value>, problems: &mut Vec<KindProblem>) -> BTreeMap<String, Value> {
    let mut params = BTreeMap::new();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "target" && *name != "role") {
        let Some(param) = kind.param(name) else {
            let known = kind.params.iter().map(|param| param.name).chain(["system", "action", "target", "role"]);
            let help = did_you_mean(name, known.collect::<Vec<_>>());
            problems.push(KindProblem { field: name.clone(), about_name: true, message: format!("`{}` has no parameter `{name}`", kind.name), help });
            continue;
        };
        let (fits, wanted) = match param.takes {
            ParamType::Text => (value.as_str().is_some_and(|text| !text.trim().is_empty()), "a text that is not empty"),
            ParamType::Date => (value.as_str().is_some_and(|text| text.parse::<Date>().is_ok()), "a day such as 2024-11-25"),
            ParamType::Integer => (value.is_i64() || value.is_u64(), "a whole number"),
            ParamType::Flag => (value.is_boolean(), "`true` or `false`"),
        };
        if fits {
            params.insert(name.clone(), value.clone());
        } else {
            problems.push(KindProblem::value(name, format!("`{name}` must be {wanted}"), None));
        }
    }
    for param in kind.params.iter().filter(|param| param.required && !fields.contains_key(param.name)) {
        let help = if param.doc.is_empty() { format!("add `{}:`", param.name) } else { format!("add `{}:`: {}", param.name, param.doc) };
        problems.push(KindProblem::value("action", format!("`{}` needs `{}`", kind.name, param.name), Some(help)));
    }
    params
}

fn kind_schema(kind: &Kind) -> Value {
    let mut properties = Map::new();
    let mut required = vec!["action", "target"];
    properties.insert("action".to_owned(), json!({ "const": kind.name, "description": kind.doc }));
    properties.insert("target".to_owned(), json!({ "type": "string", "minLength": 1, "description": format!("the {}", kind.target_noun) }));
    match &kind.roles {
        Roles::None => {}
        Roles::Open => {
            properties.insert("role".to_owned(), json!({ "type": "string", "minLength": 1 }));
        }
        Roles::Closed(roles) => {
            let names: Vec<_> = roles.iter().map(|role| &role.name).collect();
            properties.insert("role".to_owned(), json!({ "enum": names }));
        }
    }
    if !matches!(kind.roles, Roles::None) && kind.default_role.is_none() {
        required.push("role");
    }
    for param in &kind.params {
        let mut schema = match param.takes {
            ParamType::Text => json!({ "type": "string", "minLength": 1 }),
            ParamType::Date => json!({ "type": "string", "format": "date" }),
            ParamType::Integer => json!({ "type": "integer" }),
            ParamType::Flag => json!({ "type": "boolean" }),
        };
        if let Value::Object(fields) = &mut schema
            && !param.doc.is_empty()
        {
            fields.insert("description".to_owned(), param.doc.into());
        }
        properties.insert(param.name.to_owned(), schema);
        if param.required {
            required.push(param.name);
        }
    }
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
