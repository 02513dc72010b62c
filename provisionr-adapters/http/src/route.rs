//! Which lane a request counts on.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use http::Method;
use provisionr_sdk::LaneId;

/// A table from method and path to lane and cost. The most specific route wins; order decides nothing but a tie.
///
/// A pattern is a path below the base URL: `*` stands for one segment, a `**` at the end for the rest, which may be nothing.
/// A literal is more specific than `*`, `*` than `**`, segment by segment from the left; a named method than any.
///
/// ```
/// use http::Method;
/// use provisionr_http::Routes;
///
/// let routes = Routes::new()
///     .any("/api/v1/**", "management")
///     .on(Method::GET, "/api/v1/users/*", "users.read")
///     .on(Method::POST, "/api/v1/users", "users.create").costing(5);
/// # let _ = routes;
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes(Vec<Route>);

#[derive(Clone, Debug)]
struct Route {
    method: Option<Method>,
    pattern: Vec<Part>,
    lane: LaneId,
    cost: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    One,
    Rest,
}

/// What the table says of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    pub(crate) lane: LaneId,
    pub(crate) cost: u32,
}

impl Routes {
    /// An empty table: no request counts on a lane.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests of one method count on this lane.
    #[must_use]
    pub fn on(self, method: Method, pattern: &str, lane: impl Into<LaneId>) -> Self {
        self.push(Some(method), pattern, lane.into())
    }

    /// Requests of every method count on this lane.
    #[must_use]
    pub fn any(self, pattern: &str, lane: impl Into<LaneId>) -> Self {
        self.push(None, pattern, lane.into())
    }

    /// Requests of the route added last cost so many units; 1 unless set.
    #[must_use]
    pub fn costing(mut self, units: u32) -> Self {
        if let Some(route) = self.0.last_mut() {
            route.cost = units;
        }
        self
    }

    fn push(mut self, method: Option<Method>, text: &str, lane: LaneId) -> Self {
        let pattern = text
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| match part {
                "*" => Part::One,
                "**" => Part::Rest,
                literal => Part::Literal(literal.to_owned()),
            })
            .collect();
        self.0.push(Route { method, pattern, lane, cost: 1 });
        self
    }

    /// All lanes of the table, each once.
    pub(crate) fn lanes(&self) -> BTreeSet<&LaneId> {
        self.0.iter().map(|route| &route.lane).collect()
    }

    pub(crate) fn find(&self, method: &Method, segments: &[String]) -> Option<Routed> {
        let fits = |route: &&Route| route.method.as_ref().is_none_or(|wanted| wanted == method) && matches(&route.pattern, segments);
        // `max_by` keeps the last of equals; the first one declared should win a tie.
        let route = self.0.iter().rev().filter(fits).max_by(|a, b| specificity(a, b))?;
        Some(Routed { lane: route.lane.clone(), cost: route.cost })
    }
}

fn matches(pattern: &[Part], segments: &[String]) -> bool {
    match (pattern.split_first(), segments.split_first()) {
        (None, None) => true,
        (Some((Part::Rest, _)), _) => true,
        (Some((Part::One, pattern)), Some((_, segments))) => matches(pattern, segments),
        (Some((Part::Literal(literal), pattern)), Some((segment, segments))) => literal == segment && matches(pattern, segments),
        _ => false,
    }
}

fn specificity(a: &Route, b: &Route) -> Ordering {
    // A pattern that ends where the path does is more specific than one whose rest is nothing.
    const END: u8 = 1;
    let rank = |part: &Part| match part {
        Part::Literal(_) => 3,
        Part::One => 2,
        Part::Rest => 0,
    };
    let ranks = |route: &Route| route.pattern.iter().map(rank).chain([END]).collect::<Vec<u8>>();
    ranks(a).cmp(&ranks(b)).then(a.method.is_some().cmp(&b.method.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(routes: &Routes, method: &Method, path: &str) -> Option<String> {
        let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        routes.find(method, &segments).map(|routed| routed.lane.to_string())
    }

    #[test]
    fn the_most_specific_route_wins_in_whatever_order() {
        let table =
            [(None, "/api/**", "all"), (Some(Method::GET), "/api/users/*", "one"), (None, "/api/users/me", "me"), (Some(Method::GET), "/api/users", "list")];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let routes = order.iter().fold(Routes::new(), |routes, &at| {
                let (method, pattern, lane) = table[at].clone();
                routes.push(method, pattern, lane.into())
            });
            assert_eq!(lane(&routes, &Method::GET, "/api/users/7").as_deref(), Some("one"));
            assert_eq!(lane(&routes, &Method::POST, "/api/users/7").as_deref(), Some("all"));
            assert_eq!(lane(&routes, &Method::GET, "/api/users/me").as_deref(), Some("me"));
            assert_eq!(lane(&routes, &Method::GET, "/api/users").as_deref(), Some("list"));
            assert_eq!(lane(&routes, &Method::GET, "/api").as_deref(), Some("all"));
            assert_eq!(lane(&routes, &Method::GET, "/oauth2/token"), None);
        }
    }

    #[test]
    fn a_rest_of_nothing_is_less_specific_than_the_end() {
        let routes = Routes::new().any("/users/**", "one").any("/users", "all").on(Method::POST, "/users", "create");
        assert_eq!(lane(&routes, &Method::GET, "/users").as_deref(), Some("all"));
        assert_eq!(lane(&routes, &Method::POST, "/users").as_deref(), Some("create"));
        assert_eq!(lane(&routes, &Method::POST, "/users/7").as_deref(), Some("one"));
    }

    #[test]
    fn a_named_method_wins_over_any_and_costs_are_kept() {
        let routes = Routes::new().any("/users", "any").on(Method::POST, "/users", "create").costing(5);
        assert_eq!(lane(&routes, &Method::POST, "/users").as_deref(), Some("create"));
        assert_eq!(routes.find(&Method::POST, &["users".to_owned()]).unwrap().cost, 5);
        assert_eq!(routes.find(&Method::GET, &["users".to_owned()]).unwrap().cost, 1);
    }
}
