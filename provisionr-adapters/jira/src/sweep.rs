//! All grants of a kind, target by target: a page of members, or all roles of a project at once.

use provisionr_http::path;
use provisionr_sdk::{AdapterError, CallContext, Cursor, ErrorKind, Grant, KindName, Page, PageRequest, Result, Sweep, TargetId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::adapter::Jira;
use crate::groups::ADD_TO_GROUP;
use crate::roles::NOT_ALL;

/// Where in the list of targets, and how many it had. Places in it are counted: one that goes shifts those after it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Place {
    start_at: u64,
    total: Option<u64>,
}

/// A page of targets, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    max_results: u64,
    #[serde(default)]
    is_last: Option<bool>,
    #[serde(default)]
    total: Option<u64>,
    values: Vec<Value>,
}

const SHIFTED: &str = "the list has changed while it was read: one may have been passed over";

impl Jira {
    pub(crate) async fn sweep(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Grant>> {
        let mut sweep = Sweep::<TargetId>::read(page)?;
        if let Some(targets) = sweep.targets() {
            let targets = self.targets_from(cx, kind, &targets).await?;
            sweep.add(targets);
        }
        let Some(target) = sweep.target() else { return Ok(sweep.page(Vec::new())) };
        let grants = match *kind == *ADD_TO_GROUP {
            true => match self.list_members(cx, target.as_str(), &sweep.within(page.size)).await {
                // It went after it was listed, and what was held of it too.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Page::last(Vec::new()),
                members => members?,
            },
            false => match self.grants_in(cx, target.as_str()).await {
                Ok(Some(grants)) => Page::last(grants),
                Ok(None) => Page::last(Vec::new()).incomplete("the roles of a project are not to be seen"),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                    Page::last(Vec::new()).incomplete("a project, or a role or group of it, went while it was read")
                }
                Err(error) => return Err(error),
            },
        };
        Ok(sweep.go_on(grants))
    }

    async fn targets_from(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<TargetId>> {
        let place: Place = page.cursor.as_ref().map_or(Ok(Place::default()), |cursor| {
            serde_json::from_str(cursor.as_str()).map_err(|_| AdapterError::stale_cursor("the cursor is none of this list"))
        })?;
        let groups = *kind == *ADD_TO_GROUP;
        let (path, id, size) =
            if groups { (path!["rest", "api", "3", "group", "bulk"], "groupId", 50) } else { (path!["rest", "api", "3", "project", "search"], "id", 100) };
        let answer = match self.client.get(path).query("startAt", place.start_at).query("maxResults", size).send(cx).await {
            // That there are no projects is answered 404.
            Err(error) if !groups && place.start_at == 0 && matches!(error.kind(), ErrorKind::NotFound(_)) => {
                return self.seen(cx, groups, Page::last(Vec::new())).await;
            }
            answer => answer?,
        };
        let found: Targets = answer.json()?;
        let ids: Option<Vec<TargetId>> = found.values.iter().map(|value| Some(value.get(id)?.as_str()?.into())).collect();
        let ids = ids.ok_or_else(|| answer.unreadable("an item of the list has no id"))?;
        let end = place.start_at + found.max_results;
        let over = found.is_last.or_else(|| Some(end >= found.total?)).unwrap_or(ids.is_empty());
        if !over && found.max_results == 0 {
            return Err(answer.unreadable("the next page is the page itself"));
        }
        let shifted = place.total.is_some() && place.total != found.total;
        let next = Place { start_at: end, total: found.total };
        let next = if over { None } else { serde_json::to_string(&next).ok().map(Cursor::from) };
        let page = Page::new(ids, next);
        let page = if shifted { page.incomplete(SHIFTED) } else { page };
        if place.start_at == 0 { self.seen(cx, groups, page).await } else { Ok(page) }
    }

    /// Only an administrator of Jira sees all projects.
    async fn seen<T: Send>(&self, cx: &CallContext, groups: bool, page: Page<T>) -> Result<Page<T>> {
        Ok(if groups || self.sees_all_projects(cx).await? { page } else { page.incomplete(NOT_ALL) })
    }
}
