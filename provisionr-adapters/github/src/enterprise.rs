//! The enterprise that manages users: its SCIM service, and who a provisioned user is on GitHub.
//!
//! SCIM names a user by an id of its own and by `userName`, and says nothing of the login GitHub made of it. The external identities of the
//! enterprise have both, suspended users included, whose login is a hash of what it was.
//! <https://docs.github.com/graphql/reference/objects#externalidentity>

use std::fmt::Write;

use provisionr_http::HttpClient;
use provisionr_http::scim::{Quirks, Scim};
use provisionr_sdk::{AdapterError, CallContext, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::look::graphql;
use crate::wire::{Connection, User};

/// Filters know `userName`, `externalId`, `id` and `displayName`.
/// <https://docs.github.com/enterprise-cloud@latest/rest/enterprise-admin/scim#list-scim-provisioned-identities-for-an-enterprise>
pub(crate) const SCIM: Quirks = Quirks::new().without_email_filter().plain_json();

/// The enterprise, entered as its setup user.
#[derive(Debug)]
pub(crate) struct Enterprise {
    pub(crate) slug: String,
    pub(crate) client: HttpClient,
    pub(crate) scim: Scim,
}

/// A provisioned user, and who it is on GitHub.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Identity {
    #[serde(default)]
    scim_identity: Option<ScimIdentity>,
    #[serde(default)]
    user: Option<Linked>,
}

#[derive(Clone, Debug, Deserialize)]
struct ScimIdentity {
    #[serde(default)]
    username: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Linked {
    #[serde(default)]
    database_id: Option<u64>,
    login: String,
}

impl Identity {
    pub(crate) fn user_name(&self) -> Option<&str> {
        self.scim_identity.as_ref()?.username.as_deref()
    }

    pub(crate) fn is_of(&self, id: u64) -> bool {
        self.user.as_ref().is_some_and(|linked| linked.database_id == Some(id))
    }

    pub(crate) fn user(&self) -> Option<User> {
        let linked = self.user.as_ref()?;
        Some(User { id: linked.database_id?, login: linked.login.clone(), kind: "User".to_owned() })
    }
}

#[derive(Deserialize)]
struct Answered {
    enterprise: Option<Owned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    owner_info: Option<Providers>,
}

/// An enterprise has one of the two.
#[derive(Deserialize)]
struct Providers {
    #[serde(default)]
    saml: Option<Map<String, Value>>,
    #[serde(default)]
    oidc: Option<Map<String, Value>>,
}

const FIELDS: &str = "{ pageInfo { hasNextPage endCursor } nodes { scimIdentity { username } user { databaseId login } } }";

impl Enterprise {
    /// Several selections of the identities in one call, in their order; each by the arguments it has.
    async fn identities(&self, cx: &CallContext, selections: &[String], given: Map<String, Value>) -> Result<Vec<Connection<Identity>>> {
        let (mut declared, mut chosen) = ("$slug: String!".to_owned(), String::new());
        for name in given.keys() {
            let _ = write!(declared, ", ${name}: String");
        }
        for (at, arguments) in selections.iter().enumerate() {
            let _ = write!(chosen, "i{at}: externalIdentities({arguments}) {FIELDS} ");
        }
        let query = format!(
            "query Identities({declared}) {{ enterprise(slug: $slug) {{ ownerInfo {{ saml: samlIdentityProvider {{ {chosen}}} oidc: oidcProvider {{ {chosen}}} }} }} }}"
        );
        let mut variables = given;
        variables.insert("slug".to_owned(), self.slug.as_str().into());
        let found: Answered = graphql(&self.client, cx, &query, variables.into()).await?;
        let enterprise = found.enterprise.ok_or_else(|| AdapterError::not_found_unclear(format!("the enterprise `{}` is not to be seen", self.slug)))?;
        let unseen = || AdapterError::permission_denied(format!("identities are shown to owners of `{}` alone, and the token's user is none", self.slug));
        let providers = enterprise.owner_info.ok_or_else(unseen)?;
        let none = || AdapterError::invalid_config(format!("`{}` has no identity provider, over SAML or OIDC", self.slug));
        let mut found = providers.saml.or(providers.oidc).ok_or_else(none)?;
        let chosen = (0..selections.len()).map(|at| serde_json::from_value(found.remove(&format!("i{at}")).unwrap_or_default()));
        let unreadable = |error| AdapterError::protocol("identities were asked for, and other things answered").with_source(error);
        chosen.collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Who has this login now.
    pub(crate) async fn by_login(&self, cx: &CallContext, login: &str) -> Result<Option<Identity>> {
        let given = Map::from_iter([("login".to_owned(), login.into())]);
        let found = self.identities(cx, &["first: 10, login: $login".to_owned()], given).await?;
        Ok(found.into_iter().flat_map(|page| page.edges).find(|identity| identity.user().is_some_and(|user| user.login.eq_ignore_ascii_case(login))))
    }

    /// Who these are on GitHub, one by one; a hundred a call. None whom GitHub has not made an account for, or not yet.
    pub(crate) async fn by_user_names(&self, cx: &CallContext, names: &[String]) -> Result<Vec<Option<User>>> {
        let mut users = Vec::new();
        for names in names.chunks(100) {
            let selections: Vec<_> = (0..names.len()).map(|at| format!("first: 10, userName: $n{at}")).collect();
            let given = names.iter().enumerate().map(|(at, name)| (format!("n{at}"), name.as_str().into())).collect();
            let found = self.identities(cx, &selections, given).await?;
            users.extend(
                names
                    .iter()
                    .zip(found)
                    .map(|(name, page)| page.edges.iter().find(|identity| identity.user_name().is_some_and(|known| known.eq_ignore_ascii_case(name)))?.user()),
            );
        }
        Ok(users)
    }

    /// Who has this id, looked for among all: what takes a call a hundred users.
    pub(crate) async fn by_id(&self, cx: &CallContext, id: u64) -> Result<Option<Identity>> {
        let mut cursor = None::<String>;
        loop {
            let given = Map::from_iter([("cursor".to_owned(), cursor.clone().into())]);
            let found = self.identities(cx, &["first: 100, after: $cursor".to_owned()], given).await?;
            let Some(page) = found.into_iter().next() else { return Ok(None) };
            if let Some(identity) = page.edges.iter().find(|identity| identity.is_of(id)) {
                return Ok(Some(identity.clone()));
            }
            match page.next().map(str::to_owned) {
                Some(next) if cursor.as_ref() == Some(&next) => return Err(AdapterError::protocol("the list goes in circles")),
                Some(next) => cursor = Some(next),
                None => return Ok(None),
            }
        }
    }
}
