//! The order of operations: a graph, and the cycle in it if there is one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use super::model::{Operation, OperationId, Plan};
use crate::digest::Digest;
use crate::record::Rank;
use provisionr_sdk::SubjectId;

/// Operations that cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// Each waits for the next, and the last for the first.
    #[error("operations wait for each other in a circle: {}", circle(.0))]
    Cycle(Vec<OperationId>),
    /// Two operations have the same id.
    #[error("there are two operations `{0}`")]
    Twice(OperationId),
    /// An operation waits for one that is not in the plan.
    #[error("`{operation}` waits for `{missing}`, which is not in the plan")]
    Missing {
        /// Which operation.
        operation: OperationId,
        /// What it waits for.
        missing: OperationId,
    },
}

fn circle(operations: &[OperationId]) -> String {
    operations.iter().chain(operations.first()).map(OperationId::as_str).collect::<Vec<_>>().join(" -> ")
}

/// The graph of operations: an edge leads from what is done first to what waits for it.
pub(crate) fn graph(operations: &[Operation]) -> Result<DiGraph<usize, ()>, OrderError> {
    let mut graph = DiGraph::with_capacity(operations.len(), operations.len());
    let mut nodes = BTreeMap::new();
    for (index, operation) in operations.iter().enumerate() {
        if nodes.insert(&operation.id, graph.add_node(index)).is_some() {
            return Err(OrderError::Twice(operation.id.clone()));
        }
    }
    for operation in operations {
        for earlier in operation.before() {
            match (nodes.get(earlier), nodes.get(&operation.id)) {
                (Some(from), Some(to)) => graph.update_edge(*from, *to, ()),
                _ => return Err(OrderError::Missing { operation: operation.id.clone(), missing: earlier.clone() }),
            };
        }
    }
    Ok(graph)
}

impl Plan {
    /// A plan of these operations, put in order; nothing is known of accounts.
    ///
    /// # Errors
    /// When operations wait for each other in a circle, or for one that is not there.
    pub fn new(subject: SubjectId, version: u64, rank: Rank, rules: Digest, operations: Vec<Operation>) -> Result<Self, OrderError> {
        let operations = order(operations)?;
        Ok(Self {
            format: Self::format_of(&operations, &[]),
            subject,
            version,
            rank,
            rules,
            accounts: BTreeMap::new(),
            open_keys: Vec::new(),
            operations,
            blocked: Vec::new(),
            basis: None,
        })
    }
}

/// Puts each operation after those it waits for; among those that are free, by id.
fn order(operations: Vec<Operation>) -> Result<Vec<Operation>, OrderError> {
    let graph = graph(&operations)?;
    let mut waiting: Vec<usize> = graph.node_indices().map(|node| graph.neighbors_directed(node, petgraph::Direction::Incoming).count()).collect();
    let mut free: BinaryHeap<Reverse<(&OperationId, NodeIndex)>> = graph
        .node_indices()
        .filter(|node| waiting.get(node.index()) == Some(&0))
        .filter_map(|node| Some(Reverse((&operations.get(*graph.node_weight(node)?)?.id, node))))
        .collect();
    let mut order = Vec::with_capacity(operations.len());
    while let Some(Reverse((_, node))) = free.pop() {
        order.push(node.index());
        for edge in graph.edges(node) {
            let next = edge.target();
            if let (Some(count), Some(operation)) = (waiting.get_mut(next.index()), operations.get(next.index())) {
                *count -= 1;
                if *count == 0 {
                    free.push(Reverse((&operation.id, next)));
                }
            }
        }
    }
    drop(free);
    if order.len() < operations.len() {
        return Err(OrderError::Cycle(cycle(&graph, &operations)));
    }
    let mut slots: Vec<Option<Operation>> = operations.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| slots.get_mut(index).and_then(Option::take)).collect())
}

/// Checks a plan that comes from outside: each operation stands after those it waits for.
pub(crate) fn check_order(operations: &[Operation]) -> Result<(), OrderError> {
    let graph = graph(operations)?;
    if graph.edge_references().all(|edge| edge.source() < edge.target()) { Ok(()) } else { Err(OrderError::Cycle(cycle(&graph, operations))) }
}

/// One circle, beginning with the operation of the smallest id in it.
fn cycle(graph: &DiGraph<usize, ()>, operations: &[Operation]) -> Vec<OperationId> {
    let id = |node: NodeIndex| operations.get(node.index()).map(|operation| &operation.id);
    let circles = tarjan_scc(graph).into_iter().filter(|nodes| nodes.len() > 1 || nodes.first().is_some_and(|node| graph.contains_edge(*node, *node)));
    let Some(members) = circles.min_by_key(|nodes| nodes.iter().filter_map(|node| id(*node)).min()) else {
        return Vec::new();
    };
    let Some(start) = members.iter().copied().min_by_key(|node| id(*node)) else {
        return Vec::new();
    };
    // Inside a strongly connected component every walk that stays in it comes back to the start.
    let mut path = vec![start];
    let mut seen = BTreeMap::from([(start, 0)]);
    let mut at = start;
    while let Some(next) = graph.neighbors(at).filter(|next| members.contains(next)).min_by_key(|node| id(*node)) {
        if let Some(first) = seen.get(&next) {
            path.drain(..first);
            break;
        }
        seen.insert(next, path.len());
        path.push(next);
        at = next;
    }
    path.into_iter().filter_map(|node| id(node).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::model::Action;
    use provisionr_sdk::{Change, WaitReason};

    fn operation(id: &str, after: &[&str]) -> Operation {
        let mut operation = Operation::new(&"p".into(), "s", id, Action::Change(Change::EndSessions));
        operation.after = after.iter().map(|id| OperationId::new(format!("s:{id}"))).collect();
        operation
    }

    fn ids(operations: &[Operation]) -> Vec<&str> {
        operations.iter().map(|operation| operation.id.as_str()).collect()
    }

    #[test]
    fn what_is_waited_for_comes_first_and_the_rest_by_id() {
        let ordered = order(vec![operation("c", &["z"]), operation("z", &[]), operation("b", &[]), operation("a", &["c"])]).unwrap();
        assert_eq!(ids(&ordered), ["s:b", "s:z", "s:c", "s:a"]);
    }

    #[test]
    fn a_circle_is_named() {
        let error = order(vec![operation("a", &["c"]), operation("b", &["a"]), operation("c", &["b"]), operation("d", &["a"])]).unwrap_err();
        assert_eq!(error.to_string(), "operations wait for each other in a circle: s:a -> s:b -> s:c -> s:a");
        let error = order(vec![operation("a", &["a"])]).unwrap_err();
        assert_eq!(error.to_string(), "operations wait for each other in a circle: s:a -> s:a");
    }

    #[test]
    fn what_is_missing_or_there_twice_is_named() {
        let missing = order(vec![operation("a", &["x"])]).unwrap_err();
        assert_eq!(missing.to_string(), "`s:a` waits for `s:x`, which is not in the plan");
        let twice = order(vec![operation("a", &[]), operation("a", &[])]).unwrap_err();
        assert_eq!(twice.to_string(), "there are two operations `s:a`");
    }

    #[test]
    fn a_long_chain_is_ordered() {
        let chain = (0..20_000).rev().map(|n| {
            operation(&format!("{n:05}"), &if n == 0 { vec![] } else { vec![format!("{:05}", n - 1)] }.iter().map(String::as_str).collect::<Vec<_>>())
        });
        let ordered = order(chain.collect()).unwrap();
        assert_eq!(ordered.first().unwrap().id.as_str(), "s:00000");
        assert_eq!(ordered.last().unwrap().id.as_str(), "s:19999");
        assert!(matches!(ordered[0].action, Action::Change(_) | Action::AwaitAccount(WaitReason::FirstLogin)));
    }
}
