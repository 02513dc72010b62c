//! The part of the GraphQL API that reads teams and collaborators in bulk: <https://docs.github.com/graphql>.
//!
//! A query is read as far as it needs to be: one operation, arguments, fragments in place. A field nobody described fails loudly.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::GithubFake;
use super::answer::message;
use super::state::{GithubUser, Giver, Org, node};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

#[derive(Debug)]
struct Field {
    /// A type condition, where it is a fragment.
    on: bool,
    name: String,
    alias: String,
    args: BTreeMap<String, Value>,
    fields: Vec<Field>,
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    variables: &'a Value,
}

fn tokens(query: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in query.chars() {
        if c.is_alphanumeric() || matches!(c, '_' | '$') {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() && c != ',' {
            tokens.push(c.to_string());
        }
    }
    tokens
}

impl Parser<'_> {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    fn takes(&mut self, token: &str) -> bool {
        let there = self.peek() == token;
        self.at += usize::from(there);
        there
    }

    fn value(&mut self) -> Option<Value> {
        let token = self.next();
        Some(match token.strip_prefix('$') {
            Some(variable) => self.variables.get(variable).cloned().unwrap_or_default(),
            None => token.parse::<u64>().map_or_else(|_| token.clone().into(), Value::from),
        })
    }

    fn args(&mut self) -> Option<BTreeMap<String, Value>> {
        let mut args = BTreeMap::new();
        if self.takes("(") {
            while !self.takes(")") {
                let name = self.next();
                if !self.takes(":") {
                    return None;
                }
                args.insert(name, self.value()?);
            }
        }
        Some(args)
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let mut fields = Vec::new();
        if !self.takes("{") {
            return Some(fields);
        }
        while !self.takes("}") {
            let first = self.next();
            let field = match first.as_str() {
                "" => return None,
                "." => {
                    let fragment = self.takes(".") && self.takes(".") && self.takes("on");
                    let name = self.next();
                    Field { on: fragment, alias: name.clone(), name, args: BTreeMap::new(), fields: self.fields()? }
                }
                _ => {
                    let name = if self.takes(":") { self.next() } else { first.clone() };
                    Field { on: false, alias: first, name, args: self.args()?, fields: self.fields()? }
                }
            };
            fields.push(field);
        }
        Some(fields)
    }
}

/// What a field is of.
#[derive(Clone, Debug)]
enum Thing {
    Query,
    Org,
    Team(u64),
    Repository(u64),
    User(u64),
    TeamEdge(u64, u64),
    CollaboratorEdge(u64, u64),
    Source(u64, String, Giver),
    Invitation(u64),
    Enterprise,
    OwnerInfo,
    /// The identity provider of the enterprise.
    Provider,
    Identity(u64),
    ScimIdentity(u64),
    PageInfo(Option<usize>),
    /// What is on a page, and where the next begins.
    Connection(Vec<Thing>, Option<usize>),
}

enum Found {
    Scalar(Value),
    One(Option<Thing>),
    Many(Vec<Option<Thing>>),
}

fn connection(all: Vec<Thing>, args: &BTreeMap<String, Value>, size: usize) -> Found {
    let first = args.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok()).unwrap_or(100).min(size);
    let after: usize = args.get("after").and_then(Value::as_str).and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
    let more = (after + first < all.len()).then_some(after + first);
    Found::One(Some(Thing::Connection(all.into_iter().skip(after).take(first).collect(), more)))
}

impl Thing {
    fn type_name(&self) -> &'static str {
        match self {
            Self::Org => "Organization",
            Self::Team(_) => "Team",
            Self::Repository(_) => "Repository",
            Self::User(_) => "User",
            _ => "Query",
        }
    }

    fn by_id(org: &Org, id: &Value) -> Option<Self> {
        let id = id.as_str()?;
        let team = org.teams.values().find(|team| node("T", team.id) == id && !team.hidden).map(|team| Self::Team(team.id));
        team.or_else(|| org.repositories.values().find(|one| node("R", one.id) == id && !one.hidden).map(|one| Self::Repository(one.id)))
    }

    fn get(&self, org: &Org, caller: Option<u64>, name: &str, args: &BTreeMap<String, Value>) -> Option<Found> {
        let size = org.settings.page_size;
        let text = |name: &str| args.get(name).and_then(Value::as_str);
        // Names are searched, logins compared.
        let asked = |login: &str| {
            text("query").is_none_or(|query| login.to_lowercase().contains(&query.to_lowercase()))
                && text("login").is_none_or(|wanted| login.eq_ignore_ascii_case(wanted))
        };
        Some(match (self, name) {
            (thing, "__typename") => Found::Scalar(thing.type_name().into()),
            (Self::Query, "nodes") => Found::Many(args.get("ids")?.as_array()?.iter().map(|id| Self::by_id(org, id)).collect()),
            (Self::Query, "node") => Found::One(Self::by_id(org, args.get("id")?)),
            (Self::Query, "organization") => Found::One(text("login")?.eq_ignore_ascii_case(&org.login).then_some(Self::Org)),
            (Self::Query, "enterprise") => {
                Found::One(org.enterprise.as_ref().filter(|enterprise| text("slug") == Some(enterprise.slug.as_str())).map(|_| Self::Enterprise))
            }
            (Self::Enterprise, "ownerInfo") => {
                let owner = org.enterprise.as_ref().is_some_and(|enterprise| caller.is_some_and(|caller| enterprise.owners.contains(&caller)));
                Found::One(owner.then_some(Self::OwnerInfo))
            }
            (Self::OwnerInfo, "samlIdentityProvider") => Found::One(org.enterprise.as_ref().filter(|enterprise| !enterprise.oidc).map(|_| Self::Provider)),
            (Self::OwnerInfo, "oidcProvider") => Found::One(org.enterprise.as_ref().filter(|enterprise| enterprise.oidc).map(|_| Self::Provider)),
            // "The output will include suspended users (identified with their obfuscated account name)":
            // <https://github.com/github/platform-samples/blob/master/graphql/queries/emu-list-scim-accounts.graphql>
            (Self::Provider, "externalIdentities") => {
                let fits = |user: &&GithubUser| {
                    let Some(scim) = &user.scim else { return false };
                    text("userName").is_none_or(|name| scim.user_name().eq_ignore_ascii_case(name))
                        && text("login").is_none_or(|login| scim.linked && user.login.eq_ignore_ascii_case(login))
                };
                connection(org.users.values().filter(fits).map(|user| Self::Identity(user.id)).collect(), args, size)
            }
            (Self::Identity(id), "scimIdentity") => Found::One(Some(Self::ScimIdentity(*id))),
            (Self::Identity(id), "user") => Found::One(org.users.get(id)?.scim.as_ref()?.linked.then_some(Self::User(*id))),
            (Self::ScimIdentity(id), "username") => Found::Scalar(org.users.get(id)?.scim.as_ref()?.user_name().into()),
            // Owners see secret teams: who does not see one is none.
            (Self::Org, "viewerCanAdminister") => {
                Found::Scalar((caller.is_some_and(|id| org.is_admin(id)) && !org.teams.values().any(|team| team.hidden)).into())
            }
            (Self::Org, "login") => Found::Scalar(org.login.as_str().into()),
            (Self::Org, "teams") => connection(org.teams.values().filter(|team| !team.hidden).map(|team| Self::Team(team.id)).collect(), args, size),
            (Self::Org, "repositories") => {
                connection(org.repositories.values().filter(|one| !one.hidden).map(|one| Self::Repository(one.id)).collect(), args, size)
            }
            (Self::Team(_) | Self::Repository(_), "organization" | "owner") => Found::One(Some(Self::Org)),
            (Self::Team(id), "id") => Found::Scalar(node("T", *id).into()),
            (Self::Team(id), "slug") => Found::Scalar(org.teams.get(id)?.slug.as_str().into()),
            (Self::Team(id), "members") => {
                let team = org.teams.get(id)?;
                let fits = |user: u64| match text("membership") {
                    Some("IMMEDIATE") => team.members.contains_key(&user),
                    Some("CHILD_TEAM") => org.through_child(*id, user),
                    _ => org.team_role(team, user).is_some(),
                };
                let all = org.users.values().filter(|user| fits(user.id) && asked(&user.login)).map(|user| Self::TeamEdge(*id, user.id));
                connection(all.collect(), args, size)
            }
            (Self::Team(id), "invitations") => {
                let open = org.invitations.values().filter(|one| one.failed.is_none() && one.teams.contains_key(id));
                connection(open.map(|one| Self::Invitation(one.id)).collect(), args, size)
            }
            (Self::Repository(id), "id") => Found::Scalar(node("R", *id).into()),
            (Self::Repository(id), "name") => Found::Scalar(org.repositories.get(id)?.name.as_str().into()),
            (Self::Repository(id), "collaborators") => {
                let one = org.repositories.get(id)?;
                let direct = text("affiliation") == Some("DIRECT");
                let fits = |user: u64| if direct { one.direct.contains_key(&user) } else { !org.sources(one, user).is_empty() };
                let all = org.users.values().filter(|user| fits(user.id) && asked(&user.login)).map(|user| Self::CollaboratorEdge(*id, user.id));
                connection(all.collect(), args, size)
            }
            (Self::User(id), "databaseId") => Found::Scalar((*id).into()),
            (Self::User(id), "login") => Found::Scalar(org.users.get(id)?.login.as_str().into()),
            (Self::TeamEdge(_, user) | Self::CollaboratorEdge(_, user), "node") => Found::One(Some(Self::User(*user))),
            (Self::TeamEdge(team, user), "role") => Found::Scalar(org.team_role(org.teams.get(team)?, *user)?.to_uppercase().into()),
            (Self::CollaboratorEdge(repository, user), "permissionSources") => {
                let sources = org.sources(org.repositories.get(repository)?, *user);
                Found::Many(sources.into_iter().map(|(role, giver)| Some(Self::Source(*repository, role, giver))).collect())
            }
            (Self::Source(_, role, _), "roleName") => Found::Scalar(role.as_str().into()),
            // Coarser than roles. <https://docs.github.com/graphql/reference/enums#defaultrepositorypermissionfield>
            (Self::Source(_, role, _), "permission") => Found::Scalar(
                match role.as_str() {
                    "admin" => "ADMIN",
                    "write" | "maintain" => "WRITE",
                    _ => "READ",
                }
                .into(),
            ),
            (Self::Source(repository, _, giver), "source") => Found::One(Some(match giver {
                Giver::Repository => Self::Repository(*repository),
                Giver::Team(team) => Self::Team(*team),
                Giver::Organization => Self::Org,
            })),
            (Self::Invitation(id), "invitee") => Found::One(org.invitations.get(id)?.user.map(Self::User)),
            (Self::Connection(all, _), "nodes" | "edges") => Found::Many(all.iter().cloned().map(Some).collect()),
            (Self::Connection(_, more), "pageInfo") => Found::One(Some(Self::PageInfo(*more))),
            (Self::PageInfo(more), "hasNextPage") => Found::Scalar(more.is_some().into()),
            (Self::PageInfo(more), "endCursor") => Found::Scalar(more.map(|at| at.to_string()).into()),
            _ => return None,
        })
    }

    /// What is asked for of this; the name of a field that is not there.
    fn select(&self, org: &Org, caller: Option<u64>, fields: &[Field]) -> Result<Value, String> {
        let mut shown = Map::new();
        for field in fields {
            if field.on {
                if field.name == self.type_name() {
                    shown.extend(self.select(org, caller, &field.fields)?.as_object().cloned().unwrap_or_default());
                }
                continue;
            }
            let found = self.get(org, caller, &field.name, &field.args).ok_or_else(|| format!("{} of {}", field.name, self.type_name()))?;
            let one = |thing: Option<Self>| thing.map_or(Ok(Value::Null), |thing| thing.select(org, caller, &field.fields));
            let value = match found {
                Found::Scalar(value) => value,
                Found::One(thing) => one(thing)?,
                Found::Many(things) => things.into_iter().map(one).collect::<Result<Vec<_>, _>>()?.into(),
            };
            shown.insert(field.alias.clone(), value);
        }
        Ok(shown.into())
    }
}

pub(super) fn query(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let body = call.json()?;
    let text = body.get("query").and_then(Value::as_str).unwrap_or_default();
    let variables = body.get("variables").cloned().unwrap_or_default();
    let ids = variables.get("ids").and_then(Value::as_array).map_or(0, Vec::len);
    let first = variables.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    // What takes longer than ten seconds is given up. <https://docs.github.com/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api#timeouts>
    if fake.org.settings.graphql_at_once.is_some_and(|most| ids.max(first) > most) {
        return Err(FakeResponse::bytes(502, "text/html", "<html><body>Unicorn!</body></html>"));
    }
    let mut parser = Parser { tokens: tokens(text), at: 0, variables: &variables };
    // The head names the operation and its variables.
    while !matches!(parser.peek(), "{" | "") {
        parser.next();
    }
    let Some(fields) = parser.fields().filter(|fields| !fields.is_empty()) else { return Err(message(400, "Problems parsing JSON")) };
    // <https://docs.github.com/graphql/reference/objects#enterpriseownerinfo>
    let scopes = super::auth::scopes(fake, call.request).unwrap_or_default();
    if fields.iter().any(|field| field.name == "enterprise") && !["read:enterprise", "admin:enterprise"].iter().any(|scope| scopes.contains(scope)) {
        let error = json!({ "type": "INSUFFICIENT_SCOPES", "message": "Your token has not been granted the required scopes to execute this query." });
        return Ok(FakeResponse::json(200, &json!({ "data": { "enterprise": null }, "errors": [error] })));
    }
    let caller = cx.caller().and_then(|key| fake.org.user(key)).map(|user| user.id);
    let data = match Thing::Query.select(&fake.org, caller, &fields) {
        Ok(data) => data,
        Err(field) => return Err(cx.unsupported(call.request, &format!("field {field}"))),
    };
    let missing = |path: String, what: &str| json!({ "type": "NOT_FOUND", "path": [path], "message": format!("Could not resolve to {what}") });
    let mut errors = Vec::new();
    for field in &fields {
        match data.get(&field.alias) {
            Some(Value::Null) => errors.push(missing(field.alias.clone(), "an Organization or node")),
            Some(Value::Array(nodes)) => errors.extend(nodes.iter().filter(|node| node.is_null()).map(|_| missing(field.alias.clone(), "a node"))),
            _ => {}
        }
    }
    let answer = if errors.is_empty() { json!({ "data": data }) } else { json!({ "data": data, "errors": errors }) };
    Ok(FakeResponse::json(200, &answer))
}
