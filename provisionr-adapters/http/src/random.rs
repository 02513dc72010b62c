//! Secrets nobody has chosen.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use provisionr_sdk::{AdapterError, Result, Secret};

/// A secret of 256 random bits, as 43 letters, digits, `-` and `_`: the password of an account nobody enters by a password,
/// where the vendor asks for one.
///
/// # Errors
/// `Unavailable` when the machine has no randomness.
pub fn random_secret() -> Result<Secret> {
    let mut bytes = [0_u8; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AdapterError::unavailable("the machine has no randomness to make a secret of"))?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_never_alike() {
        let secrets: std::collections::BTreeSet<String> = (0..64).map(|_| random_secret().unwrap().expose().to_owned()).collect();
        assert_eq!(secrets.len(), 64);
        assert!(secrets.iter().all(|secret| secret.len() == 43 && secret.is_ascii()));
    }
}
