//! Secondary limits: points and content. <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>

use std::collections::VecDeque;
use std::time::Duration;

use http::Method;
use provisionr_sdk::Timestamp;

use crate::message::FakeRequest;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// Points in a minute, over REST and over GraphQL.
const POINTS: [usize; 2] = [900, 2000];
/// What makes content, in a minute and in an hour.
const CONTENT: [(usize, Duration); 2] = [(80, MINUTE), (500, HOUR)];

/// When what came of late.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    points: [VecDeque<(Timestamp, usize)>; 2],
    content: VecDeque<Timestamp>,
}

impl Pace {
    /// Counts a request. False when it is one too many; it does not count then.
    pub(super) fn count(&mut self, request: &FakeRequest, now: Timestamp) -> bool {
        let graphql = request.path == "/graphql";
        let cost = if graphql || request.is_read() { 1 } else { 5 };
        let makes_content = !graphql && !request.is_read() && request.method != Method::DELETE;
        let [rest, queries] = &mut self.points;
        let (points, most) = if graphql { (queries, POINTS[1]) } else { (rest, POINTS[0]) };
        while points.front().is_some_and(|(at, _)| now.since(*at) >= MINUTE) {
            points.pop_front();
        }
        while self.content.front().is_some_and(|at| now.since(*at) >= HOUR) {
            self.content.pop_front();
        }
        let full = |(most, within): (usize, Duration)| self.content.iter().filter(|at| now.since(**at) < within).count() >= most;
        if points.iter().map(|(_, cost)| cost).sum::<usize>() + cost > most || (makes_content && CONTENT.into_iter().any(full)) {
            return false;
        }
        points.push_back((now, cost));
        if makes_content {
            self.content.push_back(now);
        }
        true
    }
}
