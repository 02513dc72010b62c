//! A plan as text and as a picture.

use std::collections::BTreeMap;
use std::fmt;

use petgraph::visit::EdgeRef;

use super::model::{Operation, Plan};
use super::order::graph;

impl fmt::Display for Plan {
    /// One line an operation, in order, with what it waits for and why it is there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.operations.len();
        let noun = if count == 1 { "operation" } else { "operations" };
        writeln!(f, "plan for {} (version {}): {count} {noun}", self.subject, self.version)?;
        let numbers: BTreeMap<_, _> = self.operations.iter().zip(1_usize..).map(|(operation, number)| (&operation.id, number)).collect();
        let width = self.operations.iter().map(|operation| operation.system.as_str().chars().count()).max().unwrap_or(0);
        for (operation, number) in self.operations.iter().zip(1_usize..) {
            write!(f, "{number:>4}. {:width$}  {}", operation.system, operation.title())?;
            let after: Vec<_> = operation.before().filter_map(|id| numbers.get(id)).map(ToString::to_string).collect();
            if !after.is_empty() {
                write!(f, "  (after {})", after.join(", "))?;
            }
            if let Some(at) = operation.not_before {
                write!(f, "  (not before {at})")?;
            }
            writeln!(f)?;
            for reason in &operation.reasons {
                writeln!(f, "      {:width$}  because of {reason}", "")?;
            }
        }
        if !self.blocked.is_empty() {
            writeln!(f, "not planned:")?;
            for blocked in &self.blocked {
                writeln!(f, "      {:width$}  {}: {}", blocked.system, blocked.what, blocked.why)?;
            }
        }
        Ok(())
    }
}

impl Plan {
    /// The plan as indented JSON.
    ///
    /// # Errors
    /// Those of [`Plan::to_bytes`].
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// The plan as a graph for Graphviz: what is done first points to what waits for it, and each system is a box.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n");
        for (number, (system, operations)) in self.by_system().into_iter().enumerate() {
            dot.push_str(&format!("  subgraph cluster_{number} {{\n    label={};\n", quoted(system)));
            for (place, operation) in operations {
                dot.push_str(&format!("    n{place} [label={}];\n", quoted(&operation.title())));
            }
            dot.push_str("  }\n");
        }
        for (from, to) in self.edges() {
            dot.push_str(&format!("  n{from} -> n{to};\n"));
        }
        dot.push_str("}\n");
        dot
    }

    /// The plan as a flowchart for Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut chart = String::from("flowchart LR\n");
        for (number, (system, operations)) in self.by_system().into_iter().enumerate() {
            chart.push_str(&format!("  subgraph s{number}[\"{}\"]\n", entities(system)));
            for (place, operation) in operations {
                chart.push_str(&format!("    n{place}[\"{}\"]\n", entities(&operation.title())));
            }
            chart.push_str("  end\n");
        }
        for (from, to) in self.edges() {
            chart.push_str(&format!("  n{from} --> n{to}\n"));
        }
        chart
    }

    fn by_system(&self) -> BTreeMap<&str, Vec<(usize, &Operation)>> {
        let mut systems: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (place, operation) in self.operations.iter().enumerate() {
            systems.entry(operation.system.as_str()).or_default().push((place, operation));
        }
        systems
    }

    fn edges(&self) -> Vec<(usize, usize)> {
        let Ok(graph) = graph(&self.operations) else { return Vec::new() };
        let mut edges: Vec<_> = graph.edge_references().map(|edge| (edge.source().index(), edge.target().index())).collect();
        edges.sort_unstable();
        edges
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

/// Mermaid reads `#` and `"` in labels as its own: they are written as entities.
fn entities(text: &str) -> String {
    text.chars().fold(String::new(), |mut label, letter| {
        match letter {
            '#' => label.push_str("#35;"),
            '"' => label.push_str("#quot;"),
            '<' => label.push_str("#lt;"),
            '>' => label.push_str("#gt;"),
            '\n' | '\r' => label.push(' '),
            other => label.push(other),
        }
        label
    })
}
