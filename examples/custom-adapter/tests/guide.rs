//! The guide of the SDK is cut from this adapter, word for word.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

const GUIDE: &str = include_str!("../../../provisionr-core/sdk/docs/writing-an-adapter.md");
const SOURCES: [&str; 3] = [include_str!("../src/lib.rs"), include_str!("../src/fake.rs"), include_str!("../src/conformance.rs")];

/// The text without indentation and line ends that rustfmt decides about.
fn plain(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_code_of_the_guide_is_that_of_the_adapter() {
    let sources = SOURCES.map(plain);
    let blocks: Vec<_> = GUIDE.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 10, "the guide shows little code");
    for block in blocks {
        for piece in plain(block).split("// …\n").map(str::trim).filter(|piece| !piece.is_empty()) {
            assert!(sources.iter().any(|source| source.contains(piece)), "not in the adapter:\n{piece}");
        }
    }
}
