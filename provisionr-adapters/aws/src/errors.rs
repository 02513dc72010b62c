//! AWS's errors. The type in the body decides, never the status: too many requests at once are status 400.
//! Sources: <https://docs.aws.amazon.com/singlesignon/latest/APIReference/CommonErrors.html>,
//! <https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/CommonErrors.html>

use std::time::Duration;

use provisionr_http::{Answer, by_status_saying, plain};
use provisionr_sdk::{AdapterError, ErrorKind, Missing, RetryHint};
use serde_json::Value;

/// What is asked for is not there, or the key service that is needed to read it is not.
const MISSING: &str = "ResourceNotFoundException";
/// A change meets another one, or something that is there.
pub(crate) const CONFLICT: &str = "ConflictException";
/// Another user or group has what must be unique. A conflict that says so is final.
const UNIQUE: &str = "UNIQUENESS_CONSTRAINT_VIOLATION";

pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status().is_success() {
        return None;
    }
    let body = answer.value();
    let Some(name) = body.get("__type").and_then(Value::as_str).or_else(|| answer.header("x-amzn-errortype")) else { return by_status_saying(answer, None) };
    // It may carry a namespace before, and an address behind.
    let name = name.rsplit('#').next().unwrap_or(name).split(':').next().unwrap_or(name);
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let text = field("Message").or_else(|| field("message")).and_then(plain).unwrap_or_else(|| format!("AWS answers {name}"));
    let error = match name {
        // The words of these quote what was signed.
        "UnrecognizedClientException" | "InvalidSignatureException" | "SignatureDoesNotMatch" | "InvalidClientTokenId" => {
            AdapterError::unauthenticated("AWS does not accept the access keys or the signature")
        }
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => AdapterError::unauthenticated("the session has expired, or the clock is wrong"),
        "IncompleteSignature" | "IncompleteSignatureException" | "MissingAuthenticationTokenException" | "MissingAuthenticationToken" => {
            AdapterError::unauthenticated("AWS misses a part of the signature")
        }
        "AccessDeniedException" | "AccessDenied" | "NotAuthorized" | "OptInRequired" => AdapterError::permission_denied(text),
        // What the key service has to do with it tells nothing of whom or what was asked for. The error itself gives no reason otherwise:
        // <https://docs.aws.amazon.com/singlesignon/latest/IdentityStoreAPIReference/API_DescribeUser.html>
        MISSING if field("Reason").is_some() => AdapterError::unavailable(text),
        "ValidationException" if field("Reason").is_some_and(|reason| reason.starts_with("KMS")) => AdapterError::unavailable(text),
        MISSING => match field("ResourceType") {
            Some("USER") => AdapterError::account_not_found(text),
            Some("GROUP") => AdapterError::target_not_found(text),
            Some("IDENTITY_STORE") => AdapterError::invalid_config(text),
            _ => AdapterError::not_found_unclear(text),
        },
        CONFLICT if field("Reason") == Some(UNIQUE) => AdapterError::conflict(text).with_hint(RetryHint::Never),
        CONFLICT => AdapterError::conflict(text),
        // Quotas are raised, and what counts on them goes.
        "ServiceQuotaExceededException" => AdapterError::new(ErrorKind::Refused, RetryHint::Backoff, text),
        "ThrottlingException" | "Throttling" | "ThrottledException" | "TooManyRequestsException" | "RequestLimitExceeded" => {
            AdapterError::rate_limited(answer.lane().cloned().unwrap_or_else(|| "sso".into()), pause(answer, &body))
        }
        "ValidationException" | "ValidationError" | "SerializationException" => AdapterError::invalid_request(text),
        "InternalServerException" | "InternalFailure" | "ServiceUnavailable" | "ServiceUnavailableException" => {
            let error = answer.maybe_done(AdapterError::unavailable(text));
            pause(answer, &body).into_iter().fold(error, |error, pause| error.with_hint(RetryHint::After(pause)))
        }
        // Answered 404: nobody was asked, and nobody is missing.
        "UnknownOperationException" => AdapterError::protocol(text),
        _ => by_status_saying(answer, Some(text))?,
    };
    Some(error.with_code(name))
}

/// The identity store says it in the body; the other service does not say it.
fn pause(answer: &Answer, body: &Value) -> Option<Duration> {
    body.get("RetryAfterSeconds").and_then(Value::as_u64).map(Duration::from_secs).or(answer.reading().pause)
}

/// Whether an error may mean that somebody else has what must be unique, or that what is wanted is there.
pub(crate) fn is_conflict(error: &AdapterError) -> bool {
    error.code() == Some(CONFLICT)
}

/// Whether AWS itself says that something is not there. A bare status 404 is anybody's word.
pub(crate) fn is_missing(error: &AdapterError) -> bool {
    error.code() == Some(MISSING) && matches!(error.kind(), ErrorKind::NotFound(_))
}

/// Whether AWS says that it is this that is not there.
pub(crate) fn lacks(error: &AdapterError, what: Missing) -> bool {
    *error.kind() == ErrorKind::NotFound(what)
}
