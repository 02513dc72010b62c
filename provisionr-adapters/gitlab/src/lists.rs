//! Lists, page by page.

use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{Account, AccountState, AdapterError, CallContext, Cursor, Grant, ListScope, Owner, Page, PageRequest, Result, Scope, Sweep, Target};

use crate::adapter::Gitlab;
use crate::config::Flavour;
use crate::members::grant;
use crate::places::{Place, Sort};
use crate::wire::{Member, Source, User};

/// `Link` leads on, by page or by keyset as the endpoint has it. <https://docs.gitlab.com/api/rest/#pagination>
pub(crate) fn paging() -> Paging {
    Paging::link().sized("per_page", 100)
}

/// Behind the top-level group itself, where the list of what is below it begins.
const BELOW: &str = "below";

/// Where the open invitations to a place begin, behind its members.
const INVITED: &str = "invited:";

impl Gitlab {
    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        // Beyond 50,000 users GitLab pages by keyset alone.
        let request = self.client.get(path!["users"]).query("pagination", "keyset").query("order_by", "id").query("sort", "asc");
        let Page { items, next, completeness } = request.page::<User>(cx, page, &paging()).await?;
        let items = items.iter().map(|user| user.account(&self.attributes)).collect::<Result<_>>()?;
        Ok(Page { items, next, completeness })
    }

    /// All groups or projects that are ours; of a group, what is below it.
    pub(crate) fn targets_request(&self, sort: Sort) -> RequestBuilder<'_> {
        let request = match (&self.flavour, sort) {
            (Flavour::Admin { .. }, Sort::Group) => self.client.get(path!["groups"]).query("all_available", "true"),
            (Flavour::Admin { .. }, Sort::Project) => self.client.get(path!["projects"]).query("simple", "true"),
            (Flavour::Group { path, .. }, Sort::Group) => self.client.get(path!["groups", path, "descendant_groups"]).query("all_available", "true"),
            (Flavour::Group { path, .. }, Sort::Project) => {
                let request = self.client.get(path!["groups", path, "projects"]).query("simple", "true");
                request.query("include_subgroups", "true").query("with_shared", "false")
            }
        };
        request.query("order_by", "id").query("sort", "asc")
    }

    async fn list_places(&self, cx: &CallContext, sort: Sort, page: &PageRequest) -> Result<Page<Target>> {
        let mut page = page.clone();
        match (&self.flavour, sort, page.cursor.as_ref().map(Cursor::as_str)) {
            (Flavour::Group { path, .. }, Sort::Group, None) => {
                let top = self.place_at(cx, sort, path).await?.ok_or_else(|| AdapterError::target_not_found("the group is not there, or not to be seen"))?;
                return Ok(Page::new(vec![top.target()], Some(BELOW.into())));
            }
            (_, _, Some(BELOW)) => page.cursor = None,
            _ => {}
        }
        let sources = self.targets_request(sort).page::<Source>(cx, &page, &paging()).await?;
        Ok(sources.map(|source| Place::new(sort, source).target()))
    }

    pub(crate) async fn targets(&self, cx: &CallContext, kind: &str, page: &PageRequest) -> Result<Page<Target>> {
        self.list_places(cx, Sort::of(kind)?, page).await
    }

    /// The direct rows of one place, and after them the open invitations.
    async fn rows(&self, cx: &CallContext, sort: Sort, id: &str, owner: Option<Owner>, page: &PageRequest) -> Result<Page<Grant>> {
        let place = Place { sort, id: id.to_owned(), full_path: String::new(), above: Vec::new(), shared: Vec::new(), owner };
        let at = page.cursor.as_ref().map(Cursor::as_str);
        if let Some(at) = at.and_then(|at| at.strip_prefix(INVITED)).filter(|_| self.invites()) {
            let page = PageRequest { cursor: (!at.is_empty()).then(|| at.into()), size: page.size };
            let mut open = self.open_invitations(cx, &place, &page).await?;
            open.next = open.next.map(|next| format!("{INVITED}{next}").into());
            return Ok(open);
        }
        let members = self.client.get(place.path().segment("members")).page::<Member>(cx, page, &paging()).await?;
        let mut rows = members.map(|member| grant(&place, &member));
        if rows.next.is_none() && self.invites() {
            rows.next = Some(INVITED.into());
        }
        Ok(rows)
    }

    pub(crate) async fn grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let sort = Sort::of(scope.kind().as_str())?;
        match scope {
            ListScope::Account(kind, account) => {
                let account = Account::new(account.clone(), AccountState::Active);
                let seen = self.look(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?;
                let complete = seen.coverage.covers_kind(kind);
                let page = Page::last(seen.grants);
                Ok(if complete {
                    page
                } else {
                    page.incomplete("GitLab lists the memberships of members only who count for billing, and not where a person is invited")
                })
            }
            ListScope::Target(_, target) => match self.place(cx, sort, target).await? {
                Some(place) => self.rows(cx, sort, &place.id, place.owner, page).await,
                None => Err(AdapterError::target_not_found("the group or project is not there, or not to be seen")),
            },
            ListScope::Kind(_) => self.all_grants(cx, sort, page).await,
            other => Err(AdapterError::unsupported(other)),
        }
    }

    async fn all_grants(&self, cx: &CallContext, sort: Sort, page: &PageRequest) -> Result<Page<Grant>> {
        let mut sweep = Sweep::<(String, Option<Owner>)>::read(page)?;
        if let Some(targets) = sweep.targets() {
            let places = self.list_places(cx, sort, &targets).await?;
            sweep.add(places.map(|target| (target.id.as_str().to_owned(), target.owner)));
        }
        let Some((id, owner)) = sweep.target().cloned() else { return Ok(sweep.page(Vec::new())) };
        let rows = self.rows(cx, sort, &id, owner, &sweep.within(page.size)).await?;
        Ok(sweep.go_on(rows))
    }
}
