//! The `lifecycle:` mapping, what becomes of leavers, and durations.

use std::time::Duration;

use super::super::diagnostic::{DiagnosticCode, quoted};
use super::super::lifecycle::{Cut, LeaverRules, LifecycleRules, UNITS, in_words};
use super::super::scalar::Scalar;
use super::super::source::{Located, Span};
use super::super::tree::{Node, NodeValue};
use super::{Reader, SystemPlaces};

const LIFECYCLE_KEYS: [&str; 5] = ["first_day", "accounts_before", "access_before", "last_day", "grace"];
const LEAVER_KEYS: [&str; 3] = ["cut", "deactivate_after", "delete_after"];

/// Days that still are a duration and no slip of the finger.
const LONGEST: u64 = 36_500;

impl Reader<'_> {
    pub(super) fn lifecycle(&mut self, key: Span, node: &Node) {
        let Some(fields) = self.mapping(node, "`lifecycle`", Some(&LIFECYCLE_KEYS)) else { return };
        let mut rules = LifecycleRules::default();
        for (name, key, value) in &fields.0 {
            let (key, value, what) = (*key, *value, format!("`{name}`"));
            match *name {
                "first_day" => rules.first_day = self.text(key, value, &what).map_or_else(String::new, |text| text.value.to_owned()),
                "last_day" => rules.last_day = self.text(key, value, &what).map_or_else(String::new, |text| text.value.to_owned()),
                "accounts_before" => rules.accounts_before = self.duration(key, value, &what),
                "access_before" => rules.access_before = self.duration(key, value, &what),
                _ => rules.grace = self.duration(key, value, &what).unwrap_or_default(),
            }
        }
        if let (Some(accounts), Some(access)) = (rules.accounts_before, rules.access_before)
            && access > accounts
            && let Some((_, value)) = fields.get("access_before")
        {
            let message = "access would be granted before there is an account";
            let help = format!("accounts are made {} before the first day: grant access at most that early, or make accounts earlier", in_words(accounts));
            self.problem(DiagnosticCode::InvalidValue, value.span, message).help(help);
        }
        let sources = self.sources;
        match self.read.lifecycle.as_ref().map(|first| first.place) {
            None => self.read.lifecycle = Some(Located { value: rules, place: self.place(key) }),
            Some(first) => self.problem(DiagnosticCode::DuplicateName, key, "`lifecycle` is described twice").also(sources, first, "first here"),
        }
    }

    pub(super) fn leaver(&mut self, key: Span, node: &Node, places: &mut SystemPlaces) -> LeaverRules {
        let mut rules = LeaverRules::default();
        if matches!(node.value, NodeValue::Null) {
            self.nothing(key, node, "`leaver`");
            return rules;
        }
        let Some(fields) = self.mapping(node, "`leaver`", Some(&LEAVER_KEYS)) else { return rules };
        for (name, key, value) in &fields.0 {
            let (key, value, place) = (*key, *value, self.place(value.span));
            match *name {
                "cut" => {
                    rules.cut = self.word(key, value, "`cut`", &Cut::ALL).unwrap_or_default();
                    places.cut = Some(place);
                }
                "deactivate_after" => {
                    rules.deactivate_after = self.duration(key, value, "`deactivate_after`");
                    places.deactivate_after = Some(place);
                }
                _ => {
                    rules.delete_after = self.duration(key, value, "`delete_after`");
                    places.delete_after = Some(place);
                }
            }
        }
        let sources = self.sources;
        if let (Some(deactivate), Some(delete)) = (rules.deactivate_after, rules.delete_after)
            && delete < deactivate
            && let (Some(first), Some(second)) = (places.deactivate_after, places.delete_after)
        {
            let message = format!("accounts would be deleted after {} and deactivated only after {}", in_words(delete), in_words(deactivate));
            self.problem(DiagnosticCode::InvalidValue, second.span, message).also(sources, first, "deactivated here");
        }
        if let (Cut::Deactivate, Some(cut), Some(place)) = (rules.cut, places.cut, places.deactivate_after) {
            self.problem(DiagnosticCode::InvalidValue, place.span, "accounts are deactivated at once, and again later").also(sources, cut, "at once by this");
        }
        rules
    }

    /// A number and a unit, such as `30 days`.
    pub(super) fn duration(&mut self, key: Span, value: &Node, what: &str) -> Option<Duration> {
        let NodeValue::Scalar(Scalar::Text(text)) = &value.value else {
            match &value.value {
                NodeValue::Scalar(number @ Scalar::Number(_)) => {
                    let message = format!("{what} must be a duration, and this is a number");
                    self.problem(DiagnosticCode::WrongType, value.span, message).help(format!("say of what: `{number} days`, `{number} hours`"));
                }
                _ => self.wrong_type(key, value, what, "a duration such as `30 days`"),
            }
            return None;
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, rest) = text.split_at_checked(digits).unwrap_or_default();
        let unit = rest.trim_start();
        let named = |(name, _): &(&str, u64)| unit == *name || Some(unit) == name.strip_suffix('s');
        let seconds = UNITS.iter().find(|known| unit.len() < rest.len() && named(known)).map(|(_, seconds)| *seconds);
        let count = number.parse::<u64>();
        let (Some(seconds), false) = (seconds, number.is_empty()) else {
            let near = provisionr_sdk::suggestion(unit, UNITS.map(|(name, _)| name)).filter(|_| !number.is_empty());
            let help = match near {
                Some(unit) => format!("did you mean `{number} {unit}`?"),
                None => "a duration is a whole number of minutes, hours, days or weeks, such as `30 days`".to_owned(),
            };
            self.problem(DiagnosticCode::InvalidValue, value.pointer(), format!("{what} cannot be {}: that is no duration", quoted(text))).help(help);
            return None;
        };
        let total = count.ok().and_then(|count| count.checked_mul(seconds)).filter(|total| *total <= LONGEST * 86_400);
        if total.is_none() {
            self.problem(DiagnosticCode::InvalidValue, value.span, format!("{what} is longer than {LONGEST} days"));
        }
        total.map(Duration::from_secs)
    }
}
