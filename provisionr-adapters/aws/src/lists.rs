//! Lists, page by page. Each page is one call; some have nothing on them and lead on.

use provisionr_sdk::{Account, AccountState, AdapterError, CallContext, Cursor, Grant, KindName, ListScope, Page, PageRequest, Result, Scope, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::adapter::{IdentityCenter, no_such_kind};
use crate::assignments::ASSIGN_PERMISSION_SET;
use crate::client::{look, look_sso};
use crate::errors::is_missing;
use crate::groups::ADD_TO_GROUP;
use crate::wire::{Group, Membership, Row, is_id, is_permission_set};

/// Where a list of grants stands: which targets are left, and of the first of them which AWS accounts and where in its rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Position {
    #[serde(default)]
    left: Vec<String>,
    /// Where the list of targets goes on.
    #[serde(default)]
    targets: Option<Cursor>,
    #[serde(default)]
    rows: Option<Cursor>,
    /// AWS accounts of the first target that are left; none before they were asked for.
    #[serde(default)]
    accounts: Option<Vec<String>>,
    #[serde(default)]
    more_accounts: Option<Cursor>,
}

impl Position {
    fn read(page: &PageRequest) -> Result<Option<Self>> {
        let read = |cursor: &Cursor| serde_json::from_str(cursor.as_str()).map_err(|_| AdapterError::stale_cursor("the cursor is none of this list"));
        page.cursor.as_ref().map(read).transpose()
    }

    fn page(self, grants: Vec<Grant>) -> Page<Grant> {
        let over = self.left.is_empty() && self.targets.is_none();
        let next = if over { None } else { serde_json::to_string(&self).ok().map(Cursor::from) };
        Page::new(grants, next)
    }

    fn next_target(&mut self) {
        if !self.left.is_empty() {
            self.left.remove(0);
        }
        (self.rows, self.accounts, self.more_accounts) = (None, None, None);
    }
}

fn rows_page(cursor: Option<&Cursor>, page: &PageRequest) -> PageRequest {
    PageRequest { cursor: cursor.cloned(), size: page.size }
}

impl IdentityCenter {
    pub(crate) async fn list_groups(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Group>> {
        self.client.page(cx, look("ListGroups"), "Groups", json!({}), page).await
    }

    pub(crate) async fn list_sets(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<String>> {
        self.client.page(cx, look_sso("ListPermissionSets"), "PermissionSets", json!({}), page).await
    }

    pub(crate) async fn targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        match kind.as_str() {
            ADD_TO_GROUP => Ok(self.list_groups(cx, page).await?.map(|group| self.target(&group))),
            ASSIGN_PERMISSION_SET => {
                let sets = self.list_sets(cx, page).await?;
                Ok(Page::new(self.permission_sets(cx, &sets.items).await?, sets.next))
            }
            _ => Err(no_such_kind(kind)),
        }
    }

    pub(crate) async fn grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let kind = scope.kind().as_str();
        if ![ADD_TO_GROUP, ASSIGN_PERMISSION_SET].contains(&kind) {
            return Err(no_such_kind(scope.kind()));
        }
        let at = Position::read(page)?;
        match scope {
            ListScope::Account(kind, account) => {
                let account = Account::new(account.clone(), AccountState::Active);
                Ok(Page::last(self.look(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?.grants))
            }
            ListScope::Target(_, target) => {
                let known = if kind == ADD_TO_GROUP { is_id(target.as_str()) } else { is_permission_set(target.as_str()) };
                if !known {
                    return Err(AdapterError::target_not_found("there is no such group or permission set"));
                }
                let at = at.unwrap_or_else(|| Position { left: vec![target.as_str().to_owned()], ..Position::default() });
                self.go_on(cx, kind, at, page).await
            }
            ListScope::Kind(_) => match at {
                Some(at) if !at.left.is_empty() => match self.go_on(cx, kind, at.clone(), page).await {
                    // It went after it was listed, and what was held of it too.
                    Err(error) if is_missing(&error) => {
                        let mut at = at;
                        at.next_target();
                        Ok(at.page(Vec::new()))
                    }
                    page => page,
                },
                at => {
                    let from = PageRequest { cursor: at.and_then(|at| at.targets), size: None };
                    let (left, next): (Vec<String>, _) = if kind == ADD_TO_GROUP {
                        let groups = self.list_groups(cx, &from).await?;
                        (groups.items.into_iter().map(|group| group.group_id).collect(), groups.next)
                    } else {
                        let sets = self.list_sets(cx, &from).await?;
                        (sets.items, sets.next)
                    };
                    Ok(Position { left, targets: next, ..Position::default() }.page(Vec::new()))
                }
            },
            other => Err(AdapterError::unsupported(other)),
        }
    }

    /// The next call for the first target that is left.
    async fn go_on(&self, cx: &CallContext, kind: &str, mut at: Position, page: &PageRequest) -> Result<Page<Grant>> {
        let Some(target) = at.left.first() else { return Ok(Page::last(Vec::new())) };
        let target = target.clone();
        if kind == ADD_TO_GROUP {
            return self.members(cx, &target, at, page).await;
        }
        let Some(accounts) = &mut at.accounts else {
            let from = rows_page(at.more_accounts.as_ref(), &PageRequest::first());
            let body = json!({ "PermissionSetArn": target });
            let accounts: Page<String> = self.client.page(cx, look_sso("ListAccountsForProvisionedPermissionSet"), "AccountIds", body, &from).await?;
            at.more_accounts = accounts.next;
            if accounts.items.is_empty() && at.more_accounts.is_none() {
                at.next_target();
            } else {
                at.accounts = Some(accounts.items);
            }
            return Ok(at.page(Vec::new()));
        };
        let (mut grants, mut to_groups) = (Vec::new(), false);
        if let Some(account) = accounts.first() {
            let body = json!({ "PermissionSetArn": target, "AccountId": account });
            let rows: Page<Row> =
                self.client.page(cx, look_sso("ListAccountAssignments"), "AccountAssignments", body, &rows_page(at.rows.as_ref(), page)).await?;
            // A group's row gives to whoever is in the group, and says nothing of them.
            to_groups = rows.items.iter().any(|row| row.principal_type != "USER");
            grants.extend(rows.items.iter().filter(|row| row.principal_type == "USER").map(|row| self.assigned(row, &row.principal_id)));
            at.rows = rows.next;
        }
        if at.rows.is_none() {
            if !accounts.is_empty() {
                accounts.remove(0);
            }
            if accounts.is_empty() {
                if at.more_accounts.is_some() {
                    at.accounts = None;
                } else {
                    at.next_target();
                }
            }
        }
        let page = at.page(grants);
        Ok(if to_groups { page.incomplete("what is assigned to groups shows with each person alone") } else { page })
    }

    async fn members(&self, cx: &CallContext, id: &str, mut at: Position, page: &PageRequest) -> Result<Page<Grant>> {
        let group = self.group(cx, id).await?.ok_or_else(|| AdapterError::target_not_found("the group is not in the identity store"))?;
        let body: Value = json!({ "GroupId": id });
        let rows: Page<Membership> = self.client.page(cx, look("ListGroupMemberships"), "GroupMemberships", body, &rows_page(at.rows.as_ref(), page)).await?;
        let grants = rows.items.iter().filter_map(|row| Some(self.membership(&group, row.member_id.user_id.as_deref()?))).collect();
        at.rows = rows.next;
        if at.rows.is_none() {
            at.next_target();
        }
        Ok(at.page(grants))
    }
}
