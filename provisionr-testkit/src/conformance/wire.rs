//! What is exchanged in a case, held against the vendor's own description where there is one.

use super::harness::Harness;

/// Listens from when it is made.
pub(super) struct Wire {
    #[cfg(feature = "descriptions")]
    heard: Option<(crate::FakeSystem, &'static crate::description::Description)>,
}

#[cfg(feature = "descriptions")]
impl Wire {
    pub(super) fn tap(harness: &dyn Harness) -> Self {
        let heard = harness.description().and_then(|description| Some((harness.fake()?, description)));
        if let Some((fake, _)) = &heard {
            fake.record_exchanges();
        }
        Self { heard }
    }

    /// What was not as described, each once.
    pub(super) fn violations(&self) -> Vec<String> {
        let Some((fake, description)) = &self.heard else { return Vec::new() };
        description.hold(&fake.exchanges()).violations.iter().map(ToString::to_string).collect()
    }
}

#[cfg(not(feature = "descriptions"))]
impl Wire {
    pub(super) fn tap(_harness: &dyn Harness) -> Self {
        Self {}
    }

    pub(super) fn violations(&self) -> Vec<String> {
        Vec::new()
    }
}

/// In words, whether anything is held against a description.
#[cfg(feature = "descriptions")]
pub(super) fn coverage(harness: &dyn Harness) -> String {
    let Some(fake) = harness.fake() else { return "passed over: the system is no fake, and shows nothing of what is exchanged".to_owned() };
    let name = fake.system_type();
    match harness.description() {
        Some(description) => format!("what is exchanged with `{name}` is held against {} described operations", description.operations().count()),
        None if std::env::var_os(crate::description::FOLDER).is_none() => {
            format!("passed over: what is exchanged with `{name}` is held against nothing, for {} is not set", crate::description::FOLDER)
        }
        None => format!("passed over: what is exchanged with `{name}` is held against nothing, for there is no description of it"),
    }
}

#[cfg(not(feature = "descriptions"))]
pub(super) fn coverage(_harness: &dyn Harness) -> String {
    "passed over: what is exchanged is held against nothing, for the testkit was built without its feature `descriptions`".to_owned()
}
