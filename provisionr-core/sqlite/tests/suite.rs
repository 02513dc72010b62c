//! The promises of the store port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use provisionr_core::store::{Store, suite::Fixture};
use provisionr_sqlite::SqliteStore;
use tempfile::TempDir;

struct File(TempDir);

#[async_trait::async_trait]
impl Fixture for File {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(self.0.path().join("access.db")).await.unwrap())
    }
}

provisionr_core::store_suite!(File(tempfile::tempdir().unwrap()));
