//! What the host says about its instance, and what follows from it: clients, lanes, descriptor.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use provisionr_http::{HttpClient, Transport};
use provisionr_sdk::{
    Ability, AccountFacts, AccountNeed, AccountState, AdapterError, Attribute, ChangeFacts, Descriptor, Kind, Lane, Owner, Param, Result, Search, Suspension,
    SystemName, Transition,
};
use serde::Deserialize;

use crate::adapter::IdentityCenter;
use crate::assignments::{ASSIGN_PERMISSION_SET, AssignPermissionSet};
use crate::client::{ASSIGN, Client, LANES, ORGANIZATIONS, READ, REQUESTS, STORE};
use crate::credentials::{AccessKeysProvider, Kept};
use crate::errors;
use crate::groups::{ADD_TO_GROUP, AddToGroup};
use crate::sign::Signature;
use crate::wire::{ExternalId, TEXTS, is_aws_account};

/// One instance of IAM Identity Center, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_aws::{AccessKeys, IdentityCenterConfig};
/// use provisionr_http::MemoryTransport;
/// use provisionr_sdk::{Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let aws = IdentityCenterConfig::new("eu-west-1", "arn:aws:sso:::instance/ssoins-1234567890abcdef", "d-1234567890")
///     .access_keys(AccessKeys::new("AKIAEXAMPLE", Secret::new("key")))
///     .account("production", "111111111111")
///     .connect("aws", &http)?;
/// assert!(aws.descriptor().kinds.get(&"assign_permission_set".into()).is_some());
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct IdentityCenterConfig {
    region: String,
    instance: String,
    identity_store: String,
    url: Option<String>,
    keys: Option<Arc<dyn AccessKeysProvider>>,
    accounts: BTreeMap<String, String>,
    organization_names: bool,
    source: IdentitySource,
    scim: Option<String>,
    issuer: Option<String>,
}

impl IdentityCenterConfig {
    /// The instance with this ARN and identity store, in its home region. The console shows all three under *Settings*.
    pub fn new(region: impl Into<String>, instance_arn: impl Into<String>, identity_store_id: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            instance: instance_arn.into(),
            identity_store: identity_store_id.into(),
            url: None,
            keys: None,
            accounts: BTreeMap::new(),
            organization_names: false,
            source: IdentitySource::default(),
            scim: None,
            issuer: None,
        }
    }

    /// Enters with the keys this provider hands out.
    #[must_use]
    pub fn access_keys(mut self, provider: impl AccessKeysProvider) -> Self {
        self.keys = Some(Arc::new(provider));
        self
    }

    /// Sends everything to this address, a proxy or a fake; the region's own two addresses unless set.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Names an AWS account, by its 12 digits. Policies may then call it so; grants and lists have the digits, so that a name may change.
    #[must_use]
    pub fn account(mut self, name: impl Into<String>, id: impl Into<String>) -> Self {
        self.accounts.insert(name.into(), id.into());
        self
    }

    /// Policies may also call AWS accounts by the names the organization has for them. Names of [`account`](Self::account) come first.
    /// The keys need `organizations:ListAccounts`.
    #[must_use]
    pub fn organization_names(mut self) -> Self {
        self.organization_names = true;
        self
    }

    /// Says where users and groups come from: the identity store itself unless set. Nobody is made, changed or deleted here whom another
    /// party would change back or make again; assignments of permission sets are ours all the same.
    #[must_use]
    pub fn identity_source(mut self, source: IdentitySource) -> Self {
        self.source = source;
        self
    }

    /// Names the identity provider or directory that users and groups come from, for people who read that something is its.
    #[must_use]
    pub fn scim(mut self, owner: impl Into<String>) -> Self {
        self.scim = Some(owner.into());
        self
    }

    /// People are also found by what this issuer calls them: the key `external_id`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The adapter of this instance. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when there are no keys, or an id is none.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<IdentityCenter> {
        let wrong = |why: String| Err(AdapterError::invalid_config(why));
        let Some(provider) = self.keys else { return wrong("AWS needs access keys, or a provider of them".to_owned()) };
        if self.region.is_empty() || !self.region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            return wrong("the region is the home region of the instance, such as `eu-west-1`".to_owned());
        }
        if !self.instance.starts_with("arn:aws") || !self.instance.contains(":sso:::instance/") {
            return wrong("the instance is an ARN such as `arn:aws:sso:::instance/ssoins-1234567890abcdef`".to_owned());
        }
        for (name, id) in &self.accounts {
            if !is_aws_account(id) {
                return wrong(format!("the AWS account `{name}` needs an id of 12 digits"));
            }
            if is_aws_account(name) {
                return wrong(format!("`{name}` is an id, and no name of an AWS account"));
            }
        }
        let keys = Arc::new(Kept::new(provider));
        let suffix = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let client = |service: &'static str, region: &str| {
            let url = self.url.clone().unwrap_or_else(|| format!("https://{service}.{region}.{suffix}"));
            let signature = Signature { keys: keys.clone(), region: region.to_owned(), service };
            Ok::<_, AdapterError>(HttpClient::new(url, http)?.auth(signature).classifier(errors::classify).request_id_header("x-amzn-requestid"))
        };
        let client = Client {
            sso: client("sso", &self.region)?,
            store: client("identitystore", &self.region)?,
            organizations: client("organizations", region_of_organizations(&self.region))?,
            instance: self.instance,
            identity_store: self.identity_store,
        };
        let attributes = attributes();
        let facts = Facts {
            source: self.source,
            owner: Owner::new(self.scim.unwrap_or_else(|| self.source.name().to_owned())),
            attributes: attributes.iter().map(|attribute| attribute.name).collect(),
            accounts: self.accounts,
            organization_names: self.organization_names,
            issuer: self.issuer,
        };
        let descriptor = descriptor(system.into(), attributes, &facts, &client.instance);
        Ok(IdentityCenter { client, descriptor, facts })
    }
}

impl fmt::Debug for IdentityCenterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityCenterConfig").field("region", &self.region).field("instance", &self.instance).finish_non_exhaustive()
    }
}

/// Where the users and groups of an instance come from.
/// <https://docs.aws.amazon.com/singlesignon/latest/userguide/manage-your-identity-source.html>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdentitySource {
    /// The identity store itself. Those that have an external id all the same came over SCIM.
    #[default]
    Store,
    /// An identity provider, over SCIM. It need not give external ids, and all users and groups are its.
    Scim,
    /// Active Directory. All users and groups are its.
    ActiveDirectory,
}

/// What of the configuration is needed at work.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    source: IdentitySource,
    owner: Owner,
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) issuer: Option<String>,
    accounts: BTreeMap<String, String>,
    pub(crate) organization_names: bool,
}

/// The service is in one region of each partition.
/// <https://docs.aws.amazon.com/general/latest/gr/ao.html>
fn region_of_organizations(home: &str) -> &'static str {
    match home {
        home if home.starts_with("cn-") => "cn-northwest-1",
        home if home.starts_with("us-gov-") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

impl IdentitySource {
    fn name(self) -> &'static str {
        match self {
            Self::Store | Self::Scim => "the identity provider behind SCIM",
            Self::ActiveDirectory => "Active Directory",
        }
    }
}

impl Facts {
    /// Who else decides about a user or group with these external ids.
    pub(crate) fn owner(&self, external_ids: &[ExternalId]) -> Option<Owner> {
        (self.source != IdentitySource::Store || !external_ids.is_empty()).then(|| self.owner.clone())
    }

    /// The 12 digits an AWS account is known by, whatever it is called here today; none when the settings have no such name.
    pub(crate) fn account_id<'a>(&'a self, account: &'a str) -> Option<&'a str> {
        self.accounts.get(account).map(String::as_str).or_else(|| Some(account).filter(|account| is_aws_account(account)))
    }

    /// The names the settings have.
    pub(crate) fn account_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.accounts.keys().map(String::as_str)
    }
}

fn attributes() -> Vec<Attribute> {
    let filled = [
        Attribute::new("userName").from("email").required().unique(),
        Attribute::new("email").from("email").required().unique(),
        Attribute::new("givenName").from("first_name").required(),
        Attribute::new("familyName").from("last_name").required(),
        Attribute::new("displayName").from("display_name").required(),
        Attribute::new("title").from("job_title"),
        Attribute::new("userType").from("employment_type"),
    ];
    let more = ["phoneNumber"].into_iter().chain(TEXTS);
    let more: Vec<_> = more.filter(|name| !filled.iter().any(|attribute| attribute.name == *name)).map(Attribute::new).collect();
    filled.into_iter().chain(more).collect()
}

/// What finding people takes, and what changing them takes where they are ours.
const FINDING: [&str; 3] = ["identitystore:DescribeUser", "identitystore:GetUserId", "identitystore:ListUsers"];
const CHANGING: [&str; 3] = ["identitystore:CreateUser", "identitystore:UpdateUser", "identitystore:DeleteUser"];

fn accounts(attributes: Vec<Attribute>, from: &Facts) -> AccountFacts {
    use AccountState::{Active, Deleted, Suspended};
    let changing = CHANGING.into_iter().filter(|_| from.source == IdentitySource::Store);
    let facts = FINDING.into_iter().chain(changing).fold(AccountFacts::new(), AccountFacts::scope);
    let facts = attributes.into_iter().fold(facts, AccountFacts::attribute);
    let facts = facts.found_by("user_name", Search::Exact).found_by("email", Search::Exact);
    let facts = if from.issuer.is_some() { facts.found_by("external_id", Search::Exact) } else { facts };
    facts
        .suspension(Suspension::RevokeAll)
        .created(ChangeFacts::unique("user_name").calls(STORE, 4))
        .updated(ChangeFacts::set().calls(STORE, 2))
        .moved(ChangeFacts::set().irreversible().calls(STORE, 2))
        .found_with(STORE, 1)
        .transition(
            Transition::new([Active, Suspended], Deleted)
                .destroys("the account with its id, which assignments and applications go by")
                .destroys("memberships in groups")
                .frees("the user name")
                .irreversible(),
        )
}

/// After a write AWS may be asked where it is not known yet; it says so itself of its conflicts, and nowhere how long that
/// takes. A minute is twice what callers are known to wait before they look again.
const LAG: Duration = Duration::from_secs(60);

fn descriptor(system: SystemName, attributes: Vec<Attribute>, facts: &Facts, instance: &str) -> Descriptor {
    let membership = ChangeFacts::set().lag(LAG, 2).calls(STORE, 3);
    let groups = Kind::per_target::<AddToGroup>(ADD_TO_GROUP)
        .doc("Puts a person into a group of the identity store")
        .target_noun("group")
        .needs(AccountNeed::Known)
        .cascade(ASSIGN_PERMISSION_SET, "Permission sets that are assigned to the group go with the membership")
        .granting(membership.clone())
        .revoking(membership)
        .scope("identitystore:DescribeUser")
        .scope("identitystore:DescribeGroup")
        .scope("identitystore:GetGroupId")
        .scope("identitystore:ListGroups")
        .scope("identitystore:GetGroupMembershipId")
        .scope("identitystore:ListGroupMemberships")
        .scope("identitystore:ListGroupMembershipsForMember")
        .scope("identitystore:CreateGroupMembership")
        .scope("identitystore:DeleteGroupMembership");
    let assignment = ChangeFacts::set().lag(LAG, 2).calls(READ, 2).calls(ASSIGN, 1);
    let sets = Kind::per_target::<AssignPermissionSet>(ASSIGN_PERMISSION_SET)
        .doc("Assigns a permission set to a person in one AWS account")
        .target_noun("permission set")
        .key(Param::text("account").doc("the AWS account: its name, or its 12 digits"))
        .needs(AccountNeed::Known)
        .granting(assignment.clone())
        .revoking(assignment)
        .scope("identitystore:DescribeUser")
        .scope("sso:ListPermissionSets")
        .scope("sso:DescribePermissionSet")
        .scope("sso:ListAccountAssignmentsForPrincipal")
        .scope("sso:ListAccountAssignments")
        .scope("sso:ListAccountsForProvisionedPermissionSet")
        .scope("sso:CreateAccountAssignment")
        .scope("sso:DeleteAccountAssignment")
        .scope("sso:DescribeAccountAssignmentCreationStatus")
        .scope("sso:DescribeAccountAssignmentDeletionStatus")
        .scope("sso:ListAccountAssignmentCreationStatus")
        .scope("sso:ListAccountAssignmentDeletionStatus");
    let mut descriptor = Descriptor::new(system, "aws").accounts(accounts(attributes, facts)).kind(groups).kind(sets).can(Ability::ListAccounts);
    if facts.source != IdentitySource::Store {
        descriptor = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState].iter().fold(descriptor, Descriptor::cannot);
    }
    for kind in [ADD_TO_GROUP, ASSIGN_PERMISSION_SET] {
        descriptor = descriptor.can(Ability::ListTargets(kind.into())).can(Ability::ListGrants(kind.into()));
    }
    if facts.organization_names {
        descriptor = descriptor.lane(Lane::new(ORGANIZATIONS));
    }
    let pool = format!("aws {instance}");
    LANES.iter().fold(descriptor, |descriptor, name| descriptor.lane(Lane::new(*name).window(REQUESTS, Duration::from_secs(1)).pool(pool.as_str())))
}
