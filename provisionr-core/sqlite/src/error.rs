//! What an error of SQLite means to the one who asked.

use provisionr_core::store::StoreError;
use rusqlite::{Error, ErrorCode};

/// An error of which it is known that nothing took effect.
pub(crate) fn failed(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Corrupt("the file is not an SQLite database; check the path, or restore a back-up".to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt(format!("{error}; restore a back-up")),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unavailable(format!("another process keeps writing: {error}")),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            StoreError::Unavailable(format!("the file and its directory must be readable and writable: {error}"))
        }
        Some(ErrorCode::DiskFull) => StoreError::Unavailable(format!("no room is left on the disk: {error}")),
        Some(_) => StoreError::Unavailable(error.to_string()),
        None => match error {
            Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) | Error::InvalidColumnType(..) | Error::Utf8Error(..) => {
                StoreError::Corrupt(error.to_string())
            }
            other => StoreError::Unavailable(other.to_string()),
        },
    }
}

/// The same, with the file it is about in front.
pub(crate) fn of_file(error: StoreError, path: &std::path::Path) -> StoreError {
    let path = path.display();
    match error {
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{path}: {why}")),
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{path}: {why}")),
        other => other,
    }
}

/// What every call gets once the threads are gone.
pub(crate) fn gone() -> StoreError {
    StoreError::Unavailable("its thread has ended".to_owned())
}
