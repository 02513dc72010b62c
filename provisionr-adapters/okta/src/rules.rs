//! Group rules: who is in a group because a rule put them there.

use std::collections::BTreeMap;
use std::time::Duration;

use provisionr_http::{HttpClient, Paging, path};
use provisionr_sdk::{CallContext, Owner, Result, Source, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::wire::User;

/// A rule that is switched on.
#[derive(Debug, Deserialize)]
struct Rule {
    name: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    conditions: Value,
    #[serde(default)]
    actions: Value,
    #[serde(default, rename = "lastUpdated")]
    last_updated: Option<String>,
}

/// Okta evaluates rules after a change of a profile, or of a rule, and says neither when nor that it is done.
const EVALUATION: Duration = Duration::from_secs(5 * 60);

/// All rules of the org that are switched on.
#[derive(Debug)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) async fn read(client: &HttpClient, cx: &CallContext) -> Result<Self> {
        let rules: Vec<Rule> = client.get(path!["api", "v1", "groups", "rules"]).all(cx, &Paging::link().sized("limit", 200)).await?;
        Ok(Self(rules.into_iter().filter(|rule| rule.status == "ACTIVE").collect()))
    }

    /// Where a membership comes from. Okta does not say which rule made it, and taking a member away whom a rule put there adds
    /// them to the rule's exceptions without a word
    /// (<https://support.okta.com/help/s/article/User-getting-added-in-group-exclusion-list>): a rule that may have made it counts.
    pub(crate) fn source(&self, group: &str, user: &User) -> Source {
        let made = self.0.iter().find(|rule| rule.feeds(group) && !rule.excepts(&user.id) && rule.fits(&user.profile) != Some(false));
        made.map_or(Source::Direct, |rule| Source::Rule(Owner::new(format!("group rule {}", rule.name))))
    }

    /// The rule that fits no more and may not have been evaluated since, and for how much longer: until then the membership may still be
    /// the rule's, and whoever takes it away excepts the person from the rule.
    pub(crate) fn unsettled(&self, group: &str, user: &User, now: Timestamp) -> Option<(&str, Duration)> {
        let fed = self.0.iter().filter(|rule| rule.feeds(group) && !rule.excepts(&user.id));
        let left = fed.filter_map(|rule| {
            let changed = rule.changed().max(user.changed())?;
            Some((rule.name.as_str(), EVALUATION.checked_sub(now.since(changed)).filter(|left| !left.is_zero())?))
        });
        left.max_by_key(|(_, left)| *left)
    }
}

impl Rule {
    fn changed(&self) -> Option<Timestamp> {
        self.last_updated.as_deref()?.parse().ok()
    }

    fn lists(list: Option<&Value>, id: &str) -> bool {
        list.and_then(Value::as_array).is_some_and(|ids| ids.iter().any(|known| known == id))
    }

    fn feeds(&self, group: &str) -> bool {
        Self::lists(self.actions.pointer("/assignUserToGroups/groupIds"), group)
    }

    fn excepts(&self, user: &str) -> bool {
        Self::lists(self.conditions.pointer("/people/users/exclude"), user)
    }

    fn fits(&self, profile: &BTreeMap<String, Value>) -> Option<bool> {
        holds(self.conditions.pointer("/expression/value")?.as_str()?, profile)
    }
}

/// Whether a condition holds; none for one that is more than comparisons of attributes with texts. Okta's expression language
/// (<https://developer.okta.com/docs/reference/okta-expression-language/>) has many functions; those are left to Okta.
fn holds(condition: &str, profile: &BTreeMap<String, Value>) -> Option<bool> {
    let either = split(condition, &["||", " or ", " OR "]);
    if either.len() > 1 {
        let parts: Vec<_> = either.iter().map(|part| holds(part, profile)).collect();
        return if parts.contains(&Some(true)) { Some(true) } else { parts.into_iter().collect::<Option<Vec<_>>>().map(|_| false) };
    }
    let both = split(condition, &["&&", " and ", " AND "]);
    if both.len() > 1 {
        let parts: Vec<_> = both.iter().map(|part| holds(part, profile)).collect();
        return if parts.contains(&Some(false)) { Some(false) } else { parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true) };
    }
    let (left, right, equal) = match (condition.split_once("=="), condition.split_once("!=")) {
        (Some((left, right)), None) => (left, right, true),
        (None, Some((left, right))) => (left, right, false),
        _ => return None,
    };
    let attribute = left.trim().strip_prefix("user.").filter(|name| name.chars().all(char::is_alphanumeric))?;
    let value = right.trim().strip_prefix('"')?.strip_suffix('"').filter(|value| !value.contains(['"', '\\']))?;
    let held = profile.get(attribute).and_then(Value::as_str);
    // Whether Okta compares case here it does not say.
    if held != Some(value) && held.is_some_and(|held| held.to_lowercase() == value.to_lowercase()) {
        return None;
    }
    Some((held == Some(value)) == equal)
}

/// Splits outside quotes; a text with parentheses stays whole, and is none of the comparisons then.
fn split<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut from, mut quoted, mut at) = (0, false, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let found = separators.iter().find(|separator| !quoted && rest.starts_with(**separator));
        if let Some(separator) = found {
            parts.extend(text.get(from..at));
            at += separator.len();
            from = at;
            continue;
        }
        let next = rest.chars().next();
        if !quoted && matches!(next, Some('(' | ')')) {
            return vec![text];
        }
        quoted ^= next == Some('"');
        at += next.map_or(1, char::len_utf8);
    }
    parts.extend(text.get(from..));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_comparisons_are_decided_and_everything_else_is_left_open() {
        let profile: BTreeMap<String, Value> = [("department".to_owned(), "R&D or not".into()), ("city".to_owned(), "Paris".into())].into();
        for (condition, expected) in [
            (r#"user.department=="R&D or not""#, Some(true)),
            (r#"user.department == "Sales""#, Some(false)),
            (r#"user.city!="Paris""#, Some(false)),
            (r#"user.title!="x""#, Some(true)),
            (r#"user.city=="PARIS""#, None),
            (r#"user.city!="paris""#, None),
            (r#"user.department=="R&D or not" && user.city=="Paris""#, Some(true)),
            (r#"user.department=="R&D or not" AND user.city=="Rome""#, Some(false)),
            (r#"user.department=="Sales" or user.city=="Paris""#, Some(true)),
            (r#"user.department=="Sales" || user.city=="Rome""#, Some(false)),
            (r#"user.department=="Sales" && isMemberOfGroupName"#, Some(false)),
            (r#"user.city=="Paris" && isMemberOfGroupName"#, None),
            (r#"user.city=="Paris" && isMemberOfGroup("x")"#, None),
            (r#"user.city=="Rome" or user.level > 3"#, None),
            (r#"user.city=="Paris" or user.level > 3"#, Some(true)),
            (r#"(user.city=="Paris") and user.title=="x""#, None),
            (r#"String.startsWith(user.city, "P")"#, None),
            (r#"user.city=="a" + "b""#, None),
            ("true", None),
        ] {
            assert_eq!(holds(condition, &profile), expected, "{condition}");
        }
    }
}
