//! Lists and what is shown of a resource: RFC 7644, sections 3.4.2 and 3.9.

use serde_json::{Map, Value, json};

use super::attribute::{AttributePath, get, key};
use super::error::Refusal;
use super::filter::Filter;
use crate::message::{FakeRequest, FakeResponse};

/// How many resources a page has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Where the request does not say.
    pub(crate) default: usize,
    /// Whatever the request says.
    pub(crate) most: usize,
}

/// The page a request asks for, of the resources its filter lets through.
///
/// # Errors
/// `invalidFilter`, and `invalidValue` for indices that are no numbers.
pub(crate) fn list(
    request: &FakeRequest,
    cut: Cut,
    filter: Option<&Filter>,
    resources: impl IntoIterator<Item = Map<String, Value>>,
) -> Result<FakeResponse, Refusal> {
    let number = |name: &str| match request.query(name) {
        None => Ok(None),
        Some(text) => text.parse::<i64>().map(Some).map_err(|_| Refusal::invalid("invalidValue", format!("{name} is no number"))),
    };
    // Less than one counts as one, and a negative count as none.
    let start = number("startIndex")?.map_or(1, |start| usize::try_from(start).unwrap_or(0).max(1));
    let count = number("count")?.map_or(cut.default, |count| usize::try_from(count).unwrap_or(0)).min(cut.most);
    let fitting: Vec<Map<String, Value>> = resources.into_iter().filter(|resource| filter.is_none_or(|filter| filter.matches(resource))).collect();
    let total = fitting.len();
    let page: Vec<Value> = fitting.into_iter().skip(start - 1).take(count).map(|resource| projected(request, resource).into()).collect();
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total,
        "itemsPerPage": page.len(),
        "startIndex": start,
        "Resources": page,
    });
    Ok(FakeResponse::bytes(200, "application/scim+json", body.to_string()))
}

/// What the request's `attributes` and `excludedAttributes` leave of a resource. `id` and `schemas` are always shown.
pub(crate) fn projected(request: &FakeRequest, mut resource: Map<String, Value>) -> Map<String, Value> {
    let paths = |name: &str| -> Option<Vec<AttributePath>> {
        let text = request.query(name).filter(|text| !text.is_empty())?;
        Some(text.split(',').filter_map(|path| AttributePath::parse(path.trim())).collect())
    };
    if let Some(wanted) = paths("attributes") {
        let mut shown = Map::new();
        for name in ["schemas", "id"] {
            shown.extend(get(&resource, name).map(|value| (name.to_owned(), value.clone())));
        }
        for path in wanted {
            path.copy(&resource, &mut shown);
        }
        return shown;
    }
    for path in paths("excludedAttributes").into_iter().flatten() {
        if !path.name.as_deref().is_some_and(|name| ["id", "schemas"].contains(&key(&resource, name).as_str())) {
            path.take_away(&mut resource);
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn answer(query: &str) -> Value {
        let resource = |id: usize| {
            let Value::Object(fields) =
                json!({ "schemas": ["s"], "id": id.to_string(), "userName": format!("u{id}"), "name": { "givenName": "G", "familyName": "F" } })
            else {
                unreachable!()
            };
            fields
        };
        list(&FakeRequest::new(Method::GET, &format!("/Users?{query}")), Cut { default: 2, most: 3 }, None, (1..=5).map(resource)).unwrap().to_json()
    }

    #[test]
    fn pages_are_counted_from_one() {
        for (query, first, shown) in [
            ("", "1", 2),
            ("startIndex=0&count=9", "1", 3),
            ("startIndex=4&count=3", "4", 2),
            ("startIndex=-5", "1", 2),
            ("count=-1", "", 0),
            ("startIndex=9", "", 0),
        ] {
            let page = answer(query);
            let resources = page["Resources"].as_array().unwrap();
            assert_eq!((resources.first().map_or("", |user| user["id"].as_str().unwrap()), resources.len()), (first, shown), "{query}");
            assert_eq!((page["totalResults"].as_u64(), page["itemsPerPage"].as_u64()), (Some(5), Some(shown as u64)), "{query}");
        }
    }

    #[test]
    fn attributes_are_chosen_and_left_out() {
        assert_eq!(answer("count=1&attributes=name.familyName,ID")["Resources"][0], json!({ "schemas": ["s"], "id": "1", "name": { "familyName": "F" } }));
        assert_eq!(answer("count=1&excludedAttributes=name,id,username")["Resources"][0], json!({ "schemas": ["s"], "id": "1" }));
    }
}
