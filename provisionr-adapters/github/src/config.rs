//! What the host says about its organization, and what follows from it: client, lanes, descriptor.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use provisionr_http::scim::Scim;
use provisionr_http::{Auth, CredentialProvider, HttpClient, Routes, Signer, Transport};
use provisionr_sdk::AccountState::{Active, Deleted, Suspended};
use provisionr_sdk::{
    Ability, AccountFacts, AdapterError, Attribute, ChangeFacts, Descriptor, Kind, Lane, Level, Result, Search, Secret, Suspension, SystemName, Transition,
};

use crate::adapter::Github;
use crate::credential::Installation;
use crate::enterprise::{self, Enterprise};
use crate::errors::{self, API, CONTENT, GRAPHQL, IDENTITIES, PROVISION, REMOVAL, SCIM};
use crate::orgs::{ADD_TO_ORG, OrgMembership};
use crate::repositories::{GRANT_REPOSITORY, RepositoryAccess};
use crate::teams::{ADD_TO_TEAM, TeamMembership};

#[derive(Clone)]
enum Entry {
    Token(Arc<dyn CredentialProvider>),
    App { app: String, installation: u64, signer: Arc<dyn Signer> },
}

/// One organization of GitHub, and how it is entered. `Debug` shows no credential.
///
/// ```
/// use provisionr_github::GithubConfig;
/// use provisionr_http::MemoryTransport;
/// use provisionr_sdk::{Ability, Adapter, Secret};
///
/// # let http = MemoryTransport::new(|_| http::Response::default());
/// let github = GithubConfig::organization("company").token(Secret::new("ghp_1")).connect("github", &http)?;
/// assert!(github.descriptor().has(&Ability::Manage("add_to_team".into())));
/// assert!(!github.descriptor().has(&Ability::CreateAccount));
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Clone)]
pub struct GithubConfig {
    url: String,
    organization: String,
    entry: Option<Entry>,
    synced_teams: bool,
    enterprise: Option<(String, Arc<dyn CredentialProvider>)>,
}

impl GithubConfig {
    /// The organization of this login, on github.com.
    pub fn organization(login: impl Into<String>) -> Self {
        Self { url: "https://api.github.com".to_owned(), organization: login.into(), entry: None, synced_teams: false, enterprise: None }
    }

    /// Sets where the API is: enterprises with data residency have one of their own.
    #[must_use]
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Enters with a token of an owner that this provider hands out.
    #[must_use]
    pub fn credentials(mut self, provider: impl CredentialProvider) -> Self {
        self.entry = Some(Entry::Token(Arc::new(provider)));
        self
    }

    /// Enters with this token.
    #[must_use]
    pub fn token(self, token: Secret) -> Self {
        self.credentials(token)
    }

    /// Enters as an app, by its client id (or app id), its installation in the organization, and its private key.
    #[must_use]
    pub fn app(mut self, app: impl Into<String>, installation: u64, signer: impl Signer) -> Self {
        self.entry = Some(Entry::App { app: app.into(), installation, signer: Arc::new(signer) });
        self
    }

    /// Teams may be linked to groups of an identity provider (Enterprise Cloud): each look at a team asks for them, which is one call
    /// more. Without it that a team is linked shows when a change of it is refused.
    #[must_use]
    pub fn synced_teams(mut self) -> Self {
        self.synced_teams = true;
        self
    }

    /// The organization is one of an enterprise with managed users: the enterprise of this slug provisions, suspends and deletes them over
    /// SCIM. The provider hands out a classic token of its setup user with the scopes `scim:enterprise` and `read:enterprise`.
    #[must_use]
    pub fn enterprise_managed(mut self, slug: impl Into<String>, setup_user: impl CredentialProvider) -> Self {
        self.enterprise = Some((slug.into(), Arc::new(setup_user)));
        self
    }

    /// The adapter of this organization. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidConfig` when the address is none, the organization is not a login, or there is no credential.
    pub fn connect(self, system: impl Into<SystemName>, http: &(impl Transport + Clone)) -> Result<Github> {
        let organization = self.organization;
        let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !is_name(&organization) {
            return Err(AdapterError::invalid_config(format!("`{organization}` is not the login of an organization")));
        }
        let url = self.url.trim_end_matches('/');
        // `User-Agent` is required, and is the kit's. <https://docs.github.com/rest/about-the-rest-api/api-versions>
        let client_at = |url: &str| {
            let client = HttpClient::new(url, http)?.header("accept", "application/vnd.github+json").header("x-github-api-version", "2022-11-28");
            Ok::<_, AdapterError>(client.request_id_header("x-github-request-id").rates(errors::rates).classifier(errors::classify))
        };
        let client = client_at(url)?;
        let enterprise = match self.enterprise {
            None => None,
            Some((slug, _)) if !is_name(&slug) => return Err(AdapterError::invalid_config(format!("`{slug}` is not the slug of an enterprise"))),
            Some((slug, setup_user)) => {
                let service = client_at(&format!("{url}/scim/v2/enterprises/{slug}"))?.auth(Auth::bearer(setup_user.clone()));
                let service = service.routes(Routes::new().any("/**", SCIM).on(Method::POST, "/Users", PROVISION));
                let client = client.clone().auth(Auth::bearer(setup_user)).routes(Routes::new().any("/**", SCIM).on(Method::POST, "/graphql", IDENTITIES));
                Some(Enterprise { slug, client, scim: Scim::new(service, enterprise::SCIM) })
            }
        };
        let (auth, installation) = match self.entry {
            None => return Err(AdapterError::invalid_config("GitHub needs a credential: a token of an owner, or an app")),
            Some(Entry::Token(provider)) => (Auth::bearer(provider), None),
            Some(Entry::App { app, installation, signer }) => {
                let installation = Installation::new(client.clone(), app, installation, signer);
                (Auth::bearer(installation.clone()), Some(installation))
            }
        };
        let client = client.auth(auth).routes(routes());
        let descriptor = descriptor(system.into(), self.synced_teams);
        let descriptor = match &enterprise {
            Some(enterprise) => managing(descriptor, &enterprise.slug),
            None => descriptor,
        };
        Ok(Github { client, descriptor, organization, installation, synced_teams: self.synced_teams, enterprise })
    }
}

impl fmt::Debug for GithubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GithubConfig").field("url", &self.url).field("organization", &self.organization).finish_non_exhaustive()
    }
}

fn routes() -> Routes {
    let routes = Routes::new().any("/**", API).on(Method::POST, "/graphql", GRAPHQL);
    [(Method::PUT, CONTENT), (Method::PATCH, CONTENT), (Method::DELETE, REMOVAL)]
        .into_iter()
        .fold(routes, |routes, (method, lane)| routes.on(method.clone(), "/orgs/**", lane).on(method, "/repos/**", lane))
}

/// 900 points a minute over REST, a write 5 and a read 1; 2,000 over GraphQL; 80 requests that make content a minute, and 500 an hour; 100
/// requests at once. A lane begins with a whole window and goes on at its pace, so that in no minute there are more than 330 reads, 73
/// requests that make content, and 38 removals, which are 885 points; and in no hour more than 496 that make content. <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>
fn lanes() -> [Lane; 4] {
    let lane = |id, units, seconds| Lane::new(id).window(units, Duration::from_secs(seconds));
    [lane(API, 30, 6).concurrency(60), lane(CONTENT, 65, 543).concurrency(1), lane(REMOVAL, 8, 16).concurrency(1), lane(GRAPHQL, 150, 6).concurrency(30)]
}

const MEMBERS: &str = "organization permission Members (write), or the scope admin:org";
const ADMINISTRATION: &str = "repository permission Administration (write) and organization permission Members (read), or the scopes repo and admin:org";

fn descriptor(system: SystemName, synced_teams: bool) -> Descriptor {
    let accounts = AccountFacts::new().found_by("login", Search::Exact).suspension(Suspension::RevokeAll).found_with(API, 1);
    let org = Kind::per_target::<OrgMembership>(ADD_TO_ORG)
        .doc("Invites a person into the organization")
        .target_noun("organization")
        .role("member", Level::Read)
        .role("admin", Level::Admin)
        .default_role("member")
        .cascade(ADD_TO_TEAM, "All teams are left with the organization")
        .cascade(GRANT_REPOSITORY, "All access to repositories goes with the membership, and private forks with it")
        .granting(ChangeFacts::set().mails().calls(API, 3).calls(CONTENT, 1))
        .revoking(ChangeFacts::set().irreversible().calls(API, 2).calls(REMOVAL, 1))
        .scope(MEMBERS);
    let more = u32::from(synced_teams);
    let team = Kind::per_target::<TeamMembership>(ADD_TO_TEAM)
        .doc("Makes a person a member of a team")
        .target_noun("team")
        .role("member", Level::Read)
        .role("maintainer", Level::Maintain)
        .default_role("member")
        .after(ADD_TO_ORG)
        // Who is not in the organization is invited into it.
        .granting(ChangeFacts::set().mails().calls(API, 1 + more).calls(GRAPHQL, 1).calls(CONTENT, 1))
        .revoking(ChangeFacts::set().calls(API, 1 + more).calls(GRAPHQL, 1).calls(REMOVAL, 1))
        .scope(MEMBERS);
    let repository = Kind::per_target::<RepositoryAccess>(GRANT_REPOSITORY)
        .doc("Gives a person access to a repository by itself; who is not in the organization is invited as an outside collaborator")
        .target_noun("repository")
        .role("read", Level::Read)
        .role("triage", Level::Triage)
        .role("write", Level::Write)
        .role("maintain", Level::Maintain)
        .role("admin", Level::Admin)
        // Before that a joiner would be invited to each repository as well, as an outside collaborator.
        .after(ADD_TO_ORG)
        .granting(ChangeFacts::set().mails().calls(API, 2).calls(GRAPHQL, 1).calls(CONTENT, 1))
        .revoking(ChangeFacts::set().irreversible().calls(API, 2).calls(GRAPHQL, 1).calls(REMOVAL, 1))
        .scope(ADMINISTRATION);
    let descriptor = Descriptor::new(system, "github").accounts(accounts).can(Ability::Withdraw);
    let descriptor = [org, team, repository].into_iter().fold(descriptor, |descriptor, kind| {
        let name = kind.name.clone();
        descriptor.kind(kind).can(Ability::ListTargets(name.clone())).can(Ability::ListGrants(name))
    });
    // There is one, and it has been named.
    let descriptor = descriptor.cannot(&Ability::ListTargets(ADD_TO_ORG.into()));
    lanes().into_iter().fold(descriptor, Descriptor::lane)
}

/// What is added where the enterprise manages the users.
fn managing(descriptor: Descriptor, enterprise: &str) -> Descriptor {
    let moved = || ChangeFacts::set().calls(API, 1).calls(IDENTITIES, 1).calls(SCIM, 3);
    let accounts = [("displayName", "display_name", true), ("givenName", "first_name", false), ("familyName", "last_name", false)]
        .into_iter()
        .map(|(name, from, required)| (Attribute::new(name).from(from), required))
        .fold(AccountFacts::new(), |facts, (attribute, required)| facts.attribute(if required { attribute.required() } else { attribute }))
        .attribute(Attribute::new("email").from("email").required().unique())
        .attribute(Attribute::new("externalId").unique())
        .found_by("user_name", Search::Exact)
        .found_by("external_id", Search::Exact)
        .found_by("email", Search::Exact)
        .found_with(API, 1)
        .found_with(IDENTITIES, 1)
        .found_with(SCIM, 1)
        // A look-up by each key, the last of them through all users, a hundred a call.
        .created(ChangeFacts::unique("user_name").calls(SCIM, 3).calls(PROVISION, 1).calls(IDENTITIES, 1))
        .updated(moved())
        .moved(moved())
        .suspended_by(Suspended)
        .transition(
            Transition::new([Active, Suspended], Deleted)
                .destroys("the user's own repositories, tokens and keys, and the link with the identity provider")
                .frees("the user name")
                .irreversible(),
        );
    // Organizations of one enterprise are provisioned through one service.
    let shared = |lane: Lane| {
        let pool = format!("github-{enterprise}.{}", lane.id);
        lane.pool(pool)
    };
    // Of 900 points a minute a write takes 5, as for all REST; a thousand users an hour.
    // <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/understanding-iam-for-enterprises/troubleshooting-identity-and-access-management-for-your-enterprise>
    let lanes = [
        Lane::per_minute(SCIM, 180).concurrency(10),
        Lane::new(PROVISION).window(1000, Duration::from_secs(3600)).concurrency(1),
        Lane::per_minute(IDENTITIES, 2000).concurrency(10),
    ];
    lanes.into_iter().map(shared).fold(descriptor.accounts(accounts).can(Ability::ListAccounts), Descriptor::lane)
}
