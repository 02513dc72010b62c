//! What people call grants that provisionr gave: as the plans had it that gave them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::diff::Title;
use crate::plan::{OperationId, Plan};
use crate::store::{LedgerRow, RunId, Store, StoreError};
use provisionr_sdk::SystemName;

#[derive(Debug, Default)]
pub(super) struct Titles {
    plans: HashMap<RunId, Option<Arc<Plan>>>,
    names: BTreeMap<SystemName, BTreeMap<String, Title>>,
}

impl Titles {
    /// Looks up what a grant is called. A plan that is gone or cannot be read tells none.
    pub(super) async fn learn(&mut self, store: &dyn Store, row: &LedgerRow) -> Result<(), StoreError> {
        if !self.plans.contains_key(&row.run) {
            let stored = match store.run(&row.run).await? {
                Some(run) => store.plan(&run.plan).await?,
                None => None,
            };
            let plan = stored.and_then(|stored| serde_json::from_slice(&stored.bytes).ok()).map(Arc::new);
            self.plans.insert(row.run.clone(), plan);
        }
        let plan = self.plans.get(&row.run).cloned().flatten();
        let Some(plan) = plan else { return Ok(()) };
        let Some(operation) = plan.operation(&OperationId::new(row.operation.as_str())) else { return Ok(()) };
        let carried = operation.carries.iter().find(|carried| carried.key.as_str() == row.key).map(|carried| carried.target.clone());
        if let Some(target) = carried.or_else(|| operation.target.clone()) {
            let title = Title { target, written: operation.written.clone() };
            self.names.entry(row.system.clone()).or_default().insert(row.key.clone(), title);
        }
        Ok(())
    }

    /// What is known in a system, by the keys of grants.
    pub(super) fn of(&self, system: &SystemName) -> BTreeMap<String, Title> {
        self.names.get(system).cloned().unwrap_or_default()
    }
}
