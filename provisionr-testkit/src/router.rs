//! Method and path pattern to handler.

use http::Method;
use serde_json::{Value, json};

use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

/// What a handler answers: either arm is sent; `Err` is for leaving early with `?`.
pub type Reply<T = FakeResponse> = Result<T, FakeResponse>;

/// A handler of one route.
pub type Handler<F> = fn(&mut F, &Call<'_>, &mut FakeContext) -> Reply;

/// A request and what its path says.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request.
    pub request: &'a FakeRequest,
    params: Vec<(&'static str, String)>,
}

impl Call<'_> {
    /// The body read as JSON.
    ///
    /// # Errors
    /// With an answer of status 400 when it is none.
    pub fn json(&self) -> Result<Value, FakeResponse> {
        self.request.json().map_err(|_| FakeResponse::json(400, &json!({ "message": "the body is no JSON" })))
    }

    /// A parameter of the pattern, decoded; empty when the pattern has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }
}

struct Route<F> {
    method: Method,
    pattern: &'static str,
    handler: Handler<F>,
}

/// The routes of a fake. A pattern's segments are literal or `{name}`; where several match, the more literal wins.
///
/// A parameter never matches an empty segment, `.` or `..`: a client that builds such a path has an error.
pub struct Router<F> {
    routes: Vec<Route<F>>,
}

impl<F> std::fmt::Debug for Router<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.routes.iter().map(|route| format!("{} {}", route.method, route.pattern))).finish()
    }
}

impl<F> Default for Router<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> Router<F> {
    /// No routes.
    pub fn new() -> Self {
        Self { routes: Vec::new() }
    }

    /// Adds a route.
    #[must_use]
    pub fn route(mut self, method: Method, pattern: &'static str, handler: Handler<F>) -> Self {
        self.routes.push(Route { method, pattern, handler });
        self
    }

    /// Adds a route for GET.
    #[must_use]
    pub fn get(self, pattern: &'static str, handler: Handler<F>) -> Self {
        self.route(Method::GET, pattern, handler)
    }

    /// Adds a route for POST.
    #[must_use]
    pub fn post(self, pattern: &'static str, handler: Handler<F>) -> Self {
        self.route(Method::POST, pattern, handler)
    }

    /// Adds a route for PUT.
    #[must_use]
    pub fn put(self, pattern: &'static str, handler: Handler<F>) -> Self {
        self.route(Method::PUT, pattern, handler)
    }

    /// Adds a route for PATCH.
    #[must_use]
    pub fn patch(self, pattern: &'static str, handler: Handler<F>) -> Self {
        self.route(Method::PATCH, pattern, handler)
    }

    /// Adds a route for DELETE.
    #[must_use]
    pub fn delete(self, pattern: &'static str, handler: Handler<F>) -> Self {
        self.route(Method::DELETE, pattern, handler)
    }

    /// Answers a request. One that no route matches is reported by [`FakeContext::unknown_route`], which fails the test.
    pub fn dispatch(&self, fake: &mut F, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let segments = request.segments();
        let best = self
            .routes
            .iter()
            .filter(|route| route.method == request.method)
            .filter_map(|route| Some((route, matches(route.pattern, &segments)?)))
            .min_by_key(|(_, params)| params.len());
        let Some((route, params)) = best else { return cx.unknown_route(request) };
        cx.set_route(route.pattern);
        match (route.handler)(fake, &Call { request, params }, cx) {
            Ok(response) | Err(response) => response,
        }
    }
}

/// The parameters of a path that fits a pattern.
pub(crate) fn matches<'p>(pattern: &'p str, segments: &[String]) -> Option<Vec<(&'p str, String)>> {
    let mut params = Vec::new();
    let mut wanted = pattern.trim_start_matches('/').split('/');
    for segment in segments {
        let want = wanted.next()?;
        match want.strip_prefix('{').and_then(|want| want.strip_suffix('}')) {
            Some(_) if matches!(segment.as_str(), "" | "." | "..") => return None,
            Some(name) => params.push((name, segment.clone())),
            None if want == segment => {}
            None => return None,
        }
    }
    wanted.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(router: &Router<()>, method: Method, path: &str) -> (u16, FakeContext) {
        let mut cx = FakeContext::for_test();
        let status = router.dispatch(&mut (), &FakeRequest::new(method, path), &mut cx).status;
        (status, cx)
    }

    #[test]
    fn the_more_literal_pattern_wins() {
        let router: Router<()> = Router::new()
            .get("/groups/{id}", |(), call, _| Ok(FakeResponse::empty(if call.param("id") == "a b" { 200 } else { 500 })))
            .get("/groups/rules", |(), _, _| Ok(FakeResponse::empty(201)));
        assert_eq!(ask(&router, Method::GET, "/groups/rules").0, 201);
        assert_eq!(ask(&router, Method::GET, "/groups/a%20b").0, 200);
    }

    #[test]
    fn an_unknown_route_is_loud() {
        let router: Router<()> = Router::new().get("/groups/{id}", |(), _, _| Ok(FakeResponse::empty(200)));
        for (method, path) in [(Method::POST, "/groups/a"), (Method::GET, "/groups"), (Method::GET, "/groups/"), (Method::GET, "/groups/%2e%2e")] {
            let (status, cx) = ask(&router, method, path);
            assert_eq!(status, 501, "{path}");
            assert!(cx.is_unknown_route(), "{path}");
        }
    }
}
