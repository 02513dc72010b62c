//! What differs from service to service.

use serde::Deserialize;

/// How users are switched off: `inactive` or `delete` in a systems file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SwitchOff {
    /// By `active: false`; the user stays, and `DELETE` is for good.
    #[default]
    Inactive,
    /// By `DELETE`, after which the user is there, switched off.
    Delete,
}

/// How `PATCH` takes somebody out of a group: `path` or `value` in a systems file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum MemberRemoval {
    /// By a path with a filter, `members[value eq "…"]`, as RFC 7644 has it.
    #[default]
    #[serde(rename = "path")]
    ByPath,
    /// By the path `members` and the member as value, for services that take no filters in paths. By the RFC the value of a
    /// removal means nothing: a service that goes by it takes everybody out.
    #[serde(rename = "value")]
    ByValue,
}

/// What differs from service to service: data of an adapter, or of a systems file.
#[derive(Clone, Copy, Debug)]
pub struct Quirks {
    pub(super) page: u32,
    pub(super) switch_off: SwitchOff,
    pub(super) removal: MemberRemoval,
    /// None where no filter knows the address.
    pub(super) email: Option<&'static str>,
    pub(super) filter: bool,
    pub(super) patch: bool,
    pub(super) content_type: &'static str,
}

impl Default for Quirks {
    fn default() -> Self {
        Self::new()
    }
}

impl Quirks {
    /// As the RFC has it, in pages of a hundred.
    pub const fn new() -> Self {
        Self {
            page: 100,
            switch_off: SwitchOff::Inactive,
            removal: MemberRemoval::ByPath,
            email: Some("emails.value"),
            filter: true,
            patch: true,
            content_type: "application/scim+json",
        }
    }

    /// Sets how many resources are asked for at once.
    #[must_use]
    pub const fn page(mut self, resources: u32) -> Self {
        self.page = resources;
        self
    }

    /// Sets how users are switched off.
    #[must_use]
    pub const fn switch_off(mut self, by: SwitchOff) -> Self {
        self.switch_off = by;
        self
    }

    /// Sets how somebody is taken out of a group.
    #[must_use]
    pub const fn member_removal(mut self, by: MemberRemoval) -> Self {
        self.removal = by;
        self
    }

    /// Sets what filters call the address of a user; `emails.value` unless set.
    #[must_use]
    pub const fn email_filter(mut self, attribute: &'static str) -> Self {
        self.email = Some(attribute);
        self
    }

    /// The service has filters, and none by address: whose address it is is looked for in the list of all, page by page.
    #[must_use]
    pub const fn without_email_filter(mut self) -> Self {
        self.email = None;
        self
    }

    /// The service has no filters: whom it should find is looked for in the list of all, page by page.
    #[must_use]
    pub const fn without_filter(mut self) -> Self {
        self.filter = false;
        self
    }

    /// The service has no `PATCH`: a whole resource is read, changed and put back, under the version it had where it has one.
    #[must_use]
    pub const fn without_patch(mut self) -> Self {
        self.patch = false;
        self
    }

    /// What is sent is called plain JSON, for services that describe nothing else; `application/scim+json` unless set.
    #[must_use]
    pub const fn plain_json(mut self) -> Self {
        self.content_type = "application/json";
        self
    }
}
