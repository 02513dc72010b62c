//! Systems that wait for each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use petgraph::algo::kosaraju_scc;
use petgraph::graphmap::DiGraphMap;

use super::diagnostic::{Diagnostic, DiagnosticCode, quoted};
use super::read::ReadSystem;
use super::source::{Located, Source};

/// Notes one circle of each knot of systems that wait for each other.
pub(crate) fn circles(sources: &[Arc<Source>], systems: &BTreeMap<Box<str>, ReadSystem>, problems: &mut Vec<Diagnostic>) {
    let waits = systems.iter().flat_map(|(name, system)| system.places.after.iter().map(move |after| (&**name, &*after.value)));
    let graph: DiGraphMap<&str, ()> = DiGraphMap::from_edges(waits);
    for knot in kosaraju_scc(&graph).into_iter().filter(|knot| knot.len() > 1) {
        let knot: BTreeSet<&str> = knot.into_iter().collect();
        let Some((circle, last)) = circle(systems, &knot) else { continue };
        let Some(source) = sources.get(last.place.source) else { continue };
        let message = format!("systems wait for each other: {}", circle.into_iter().map(quoted).collect::<Vec<_>>().join(" after "));
        problems.push(Diagnostic::at(DiagnosticCode::InvalidTopology, source, last.place.span, message));
    }
}

/// A walk inside the knot, from its first system until it comes back to itself, and the wait that closes it.
fn circle<'s>(systems: &'s BTreeMap<Box<str>, ReadSystem>, knot: &BTreeSet<&'s str>) -> Option<(Vec<&'s str>, &'s Located<Box<str>>)> {
    let mut path = vec![*knot.first()?];
    let mut steps = BTreeMap::new();
    loop {
        let here = *path.last()?;
        steps.insert(here, path.len() - 1);
        let next = systems.get(here)?.places.after.iter().filter(|after| knot.contains(&*after.value)).min_by_key(|after| &after.value)?;
        path.push(&next.value);
        if let Some(start) = steps.get(&*next.value) {
            return Some((path.split_off(*start), next));
        }
    }
}
