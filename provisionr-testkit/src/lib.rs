//! What tests of adapters, and of hosts, are made of: an adapter in memory whose every effect is counted.

mod memory_adapter;

pub use memory_adapter::{JoinGroup, JoinProject, MemoryAdapter, MemoryCall, MemoryEffect, MemoryFault, World};
