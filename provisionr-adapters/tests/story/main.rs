//! People's lives with a company that has all systems: the real adapters over the fakes' state models, in virtual time.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod company;
mod everywhere;
mod first_day;
mod life;
mod many;
mod senior;
