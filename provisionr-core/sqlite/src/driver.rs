//! The lock of the one worker that leases runs: held by the system, so that it ends with the process, however that ends.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use provisionr_core::store::{StoreError, WorkerId};

/// An exclusive lock on `<database>.driver`.
#[derive(Debug)]
pub(crate) struct DriverLock(File);

impl DriverLock {
    pub(crate) fn of(database: &Path) -> PathBuf {
        let mut name = OsString::from(database);
        name.push(".driver");
        name.into()
    }

    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let file = File::options().create(true).write(true).truncate(false).open(path).map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy),
            Err(TryLockError::Error(error)) => Err(unavailable(error)),
        }
    }
}

impl Drop for DriverLock {
    fn drop(&mut self) {
        // Closing alone would not do where a child process has inherited the file.
        let _ = self.0.unlock();
    }
}

/// The worker that is enlisted here, if one is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Living(Arc<Mutex<Held>>);

type Held = Option<(WorkerId, Arc<DriverLock>)>;

impl Living {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, if this worker has it; while it is kept no other worker can come.
    pub(crate) fn lock_of(&self, worker: &WorkerId) -> Result<Arc<DriverLock>, StoreError> {
        match &*self.held() {
            Some((living, lock)) if living == worker => Ok(Arc::clone(lock)),
            _ => Err(StoreError::not_enlisted(worker)),
        }
    }

    pub(crate) fn begin(&self, worker: WorkerId, lock: DriverLock) -> LivingGuard {
        *self.held() = Some((worker, Arc::new(lock)));
        LivingGuard(self.clone())
    }
}

/// Ends the worker's time.
pub(crate) struct LivingGuard(Living);

impl Drop for LivingGuard {
    fn drop(&mut self) {
        *self.0.held() = None;
    }
}
