//! Apps assigned to users.

use provisionr_http::{Paging, path};
use provisionr_sdk::{
    Account, AccountState, AdapterError, CallContext, Entitlement, ErrorKind, Grant, Outcome, Owner, Page, PageRequest, Receipt, Request, Resolution, Result,
    RetryHint, Source, Sweep, Target, TargetName,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Okta;
use crate::errors::ASSIGNED;
use crate::groups::{nearest, one_of};
use crate::wire::{App, AppUser};

pub(crate) const ASSIGN_APP: &str = "assign_app";

/// An app assigned to a person directly; the target is the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignApp {
    /// The app: its label in policies, its id everywhere else.
    pub target: String,
}

impl Okta {
    pub(crate) async fn app(&self, cx: &CallContext, id: &str) -> Result<Option<App>> {
        self.client.get(path!["api", "v1", "apps", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// One assignment. None also when the app is not to be seen.
    pub(crate) async fn assignment(&self, cx: &CallContext, app: &str, user: &str) -> Result<Option<Grant>> {
        let answer = self.client.get(path!["api", "v1", "apps", app, "users", user]).send_if_found(cx).await?;
        answer.map(|answer| Ok(assignment(app, &answer.json()?))).transpose()
    }

    /// All assignments of a user.
    pub(crate) async fn assignments(&self, cx: &CallContext, user: &str) -> Result<Vec<Grant>> {
        let request = self.client.get(path!["api", "v1", "apps"]).query("filter", format!("user.id eq \"{user}\"")).query("expand", format!("user/{user}"));
        let apps: Vec<App> = request.all(cx, &Paging::link().sized("limit", 200)).await?;
        apps.iter()
            .map(|app| match app.assigned() {
                Some(assigned) => Ok(assignment(&app.id, assigned)),
                None => Err(AdapterError::protocol("an app of the user comes without the assignment that was asked for")),
            })
            .collect()
    }

    pub(crate) async fn assign(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let app = wanted.to::<AssignApp>()?.target;
        let user = account.id.as_str();
        if let Some(grant) = self.assignment(cx, &app, user).await? {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        // Okta assigns apps to suspended people too, and the app may make an account for them.
        let state = self.user_or_gone(cx, user).await?.state()?;
        if state != AccountState::Active {
            return Err(AdapterError::conflict(format!("the account is {state}")).with_hint(RetryHint::Replan));
        }
        let body = json!({ "id": user, "scope": "USER" });
        match self.client.post(path!["api", "v1", "apps", app, "users"]).json(&body).send(cx).await {
            Ok(answer) => {
                let grant = assignment(&app, &answer.json::<AppUser>()?);
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            // Somebody was faster.
            Err(error) if error.code() == Some(ASSIGNED) => match self.assignment(cx, &app, user).await? {
                Some(grant) => Ok(Outcome::Unchanged(Receipt::new().with_grant(grant))),
                None => Err(error),
            },
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(match self.app(cx, &app).await? {
                None => AdapterError::target_not_found("the app is not there, or not to be seen"),
                Some(_) => AdapterError::account_not_found("the user is not there, or not to be seen"),
            }),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn unassign(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let app = unwanted.to::<AssignApp>()?.target;
        let user = account.id.as_str();
        let Some(grant) = self.assignment(cx, &app, user).await? else {
            return self.not_assigned(cx, &app, user).await;
        };
        if grant.source != Source::Direct {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).still(grant)));
        }
        request.check_expected(Some(&grant))?;
        let answer = match self.client.delete(path!["api", "v1", "apps", app, "users", user]).query("sendEmail", "false").send(cx).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => return self.not_assigned(cx, &app, user).await,
            Err(error) => return Err(error),
        };
        answer.empty()?;
        let receipt = Receipt::new().before_grant(grant).with_request_id(answer.request_id());
        // A group may give what was given directly too. The removal stands, whatever this look sees.
        Ok(Outcome::Applied(match self.assignment(cx, &app, user).await {
            Ok(Some(left)) => receipt.still(left),
            _ => receipt,
        }))
    }

    /// "Not assigned" counts only where app and user can be seen.
    async fn not_assigned(&self, cx: &CallContext, app: &str, user: &str) -> Result<Outcome> {
        if self.app(cx, app).await?.is_none() {
            return Err(AdapterError::not_found_unclear("the app is not assigned, and is not to be seen"));
        }
        self.user_or_gone(cx, user).await?;
        Ok(Outcome::Unchanged(Receipt::new().before_absent()))
    }

    pub(crate) async fn resolve_app(&self, cx: &CallContext, name: &TargetName) -> Result<Resolution> {
        let found = self.apps_named(cx, name.as_str()).await?;
        let same: Vec<Target> = found.iter().filter(|app| app.label == name.as_str()).map(App::target).collect();
        if !same.is_empty() {
            return Ok(one_of(same));
        }
        let mut near = found;
        if near.is_empty() {
            near = self.apps_named(cx, &name.as_str().chars().take(3).collect::<String>()).await?;
        }
        Ok(Resolution::None(nearest(name, near.into_iter().map(|app| app.label).collect())))
    }

    async fn apps_named(&self, cx: &CallContext, beginning: &str) -> Result<Vec<App>> {
        let apps: Vec<App> = self.client.get(path!["api", "v1", "apps"]).query("q", beginning).all(cx, &Paging::link().sized("limit", 200)).await?;
        Ok(apps.into_iter().filter(App::active).collect())
    }

    pub(crate) async fn list_apps(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<App>> {
        self.client.get(path!["api", "v1", "apps"]).page(cx, page, &Paging::link().sized("limit", 200)).await
    }

    pub(crate) async fn list_assignments(&self, cx: &CallContext, app: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let users = self.client.get(path!["api", "v1", "apps", app, "users"]).page::<AppUser>(cx, page, &Paging::link().sized("limit", 500)).await?;
        Ok(users.map(|user| assignment(app, &user)))
    }
}

impl Okta {
    /// One page of all assignments: those of one app.
    pub(crate) async fn list_all_assignments(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let mut sweep = Sweep::<String>::read(page)?;
        if let Some(targets) = sweep.targets() {
            sweep.add(self.list_apps(cx, &targets).await?.map(|app| app.id));
        }
        let Some(app) = sweep.target() else { return Ok(sweep.page(Vec::new())) };
        match self.list_assignments(cx, app, &sweep.within(page.size)).await {
            Ok(assigned) => Ok(sweep.go_on(assigned)),
            // It was listed a moment ago.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                Ok(sweep.go_on(Page::last(Vec::new()).incomplete("an app went while it was listed, or is not to be seen any more")))
            }
            Err(error) => Err(error),
        }
    }
}

fn assignment(app: &str, assigned: &AppUser) -> Grant {
    let source = match (assigned.by_group(), assigned.group()) {
        (false, _) => Source::Direct,
        (true, Some(group)) => Source::Inherited(group.into()),
        (true, None) => Source::Rule(Owner::new("a group the app is assigned to")),
    };
    Grant::direct(assigned.id.as_str(), Entitlement::new(ASSIGN_APP, app)).from_source(source)
}

/// Keeps a page to what can be assigned.
pub(crate) fn assignable(page: Page<App>) -> Page<Target> {
    Page { items: page.items.iter().filter(|app| app.active()).map(App::target).collect(), next: page.next, completeness: page.completeness }
}
