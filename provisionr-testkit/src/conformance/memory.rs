//! The harness of the memory adapter: truth and troubles without a wire.

use std::sync::Arc;

use async_trait::async_trait;
use provisionr_sdk::{
    Access, Account, AccountId, AccountState, Adapter, AdapterError, Cursor, ErrorKind, Grant, GrantState, KindName, LaneId, Owner, Source, SystemName, Target,
    TargetId, Wait,
};

use super::harness::{Harness, Person, Sent};
use super::trouble::Trouble;
use crate::memory_adapter::{MemoryAdapter, MemoryFault, World};

/// A [`Harness`] over a [`MemoryAdapter`]: for testing the suite, and whatever is wrapped around an adapter.
#[derive(Clone)]
pub struct MemoryHarness {
    adapter: MemoryAdapter,
    wrap: Wrap,
    secrets: Vec<String>,
}

type Wrap = Arc<dyn Fn(MemoryAdapter) -> Box<dyn Adapter> + Send + Sync>;

impl std::fmt::Debug for MemoryHarness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryHarness").field("adapter", &self.adapter).finish_non_exhaustive()
    }
}

impl MemoryHarness {
    /// Over a new memory adapter.
    pub fn new(system: impl Into<SystemName>) -> Self {
        Self::over(MemoryAdapter::new(system))
    }

    /// Over this one.
    pub fn over(adapter: MemoryAdapter) -> Self {
        Self { adapter, wrap: Arc::new(|adapter| Box::new(adapter)), secrets: Vec::new() }
    }

    /// Tries what `wrap` makes of the memory adapter in its place.
    #[must_use]
    pub fn wrapped(mut self, wrap: impl Fn(MemoryAdapter) -> Box<dyn Adapter> + Send + Sync + 'static) -> Self {
        self.wrap = Arc::new(wrap);
        self
    }

    /// A secret that the wrapper was handed.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// The truth beneath.
    pub fn world(&self) -> &World {
        self.adapter.world()
    }

    fn lane(&self, access: Access) -> LaneId {
        self.adapter.lane(access).unwrap_or_else(|| "none".into())
    }

    /// Lets a read or a write fail with an error that has no effect.
    fn fail(&self, access: Access, error: impl Fn() -> AdapterError + Send + Sync + 'static) {
        match access {
            Access::Read => self.world().fail_reads(1, error),
            Access::Write => self.world().fault(MemoryFault::refuse(error)),
        }
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    fn adapter(&self) -> Box<dyn Adapter> {
        (self.wrap)(self.adapter.clone())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let known = [AccountState::Staged, AccountState::Invited, AccountState::Active, AccountState::Suspended, AccountState::Deactivated];
        if !known.contains(&state) {
            return None;
        }
        let mut account = Account::new(format!("account-of-{}", person.number), state).with_login(&person.login).with_email(&person.email);
        // A second account shares the address, never the login.
        if self.world().account(&account.id).is_some() {
            account.id = format!("second-account-of-{}", person.number).into();
            account.login = Some(format!("second-{}", person.login));
        }
        for name in ["email", "first_name", "last_name"] {
            account.profile.extend(person.attribute(name).map(|value| (name.to_owned(), value)));
        }
        let id = account.id.clone();
        self.world().seed_account(account);
        Some(id)
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        let number = self.world().targets(kind).len();
        let target = Target::new(format!("t-{number}"), name);
        let id = target.id.clone();
        self.world().seed_target(kind.clone(), target);
        Some(id)
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let possible = matches!(grant.source, Source::Direct | Source::Inherited(_));
        if possible {
            self.world().seed_grant(grant.clone());
        }
        possible && (grant.state == GrantState::Held || grant.source == Source::Direct)
    }

    async fn accounts(&self) -> Vec<Account> {
        self.world().accounts()
    }

    async fn grants(&self, account: &AccountId) -> Vec<Grant> {
        self.world().grants_of(account)
    }

    fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }

    fn mails(&self) -> Option<usize> {
        Some(self.world().mails())
    }

    fn requests(&self) -> Option<Vec<Sent>> {
        Some(self.world().calls().iter().map(|call| Sent::new(call.access, call.method)).collect())
    }

    async fn trouble(&self, trouble: Trouble) -> bool {
        match trouble {
            Trouble::LoseAnswer => self.world().fault(MemoryFault::lose_answer()),
            Trouble::AnswerTooLate => self.world().fault(MemoryFault::lose_answer()),
            Trouble::LoseRequest(Access::Write) => self.world().fault(MemoryFault::lose_request()),
            Trouble::LoseRequest(access) => self.fail(access, || AdapterError::unavailable("the connection was cut")),
            Trouble::Unreachable(access) => self.fail(access, || AdapterError::unavailable("no connection could be made")),
            Trouble::Refuse => self.fail(Access::Write, || AdapterError::refused("a rule forbids it")),
            Trouble::Throttle(access, pause) => {
                let lane = self.lane(access);
                self.fail(access, move || AdapterError::rate_limited(lane.clone(), Some(pause)));
            }
            Trouble::Unauthenticated(access) => self.fail(access, || AdapterError::unauthenticated("the credential is not accepted")),
            Trouble::Forbidden(access) => self.fail(access, || AdapterError::permission_denied("the credential may not do this")),
            Trouble::ServerError(Access::Write) => self.fail(Access::Write, || AdapterError::unavailable("down").effect_unknown()),
            Trouble::ServerError(access) => self.fail(access, || AdapterError::unavailable("down")),
            Trouble::FailPage(number) => self.world().fail_read_after(number.saturating_sub(1), || AdapterError::unavailable("down")),
            Trouble::TruncatePage => self.fail(Access::Read, || AdapterError::new(ErrorKind::Protocol, provisionr_sdk::RetryHint::Backoff, "a page was cut")),
            Trouble::Html(_) | Trouble::GatewayNotFound(..) | Trouble::UnknownFields => return false,
        }
        true
    }

    async fn finish(&self, _account: &AccountId, _wait: &Wait) -> bool {
        self.world().finish_waits();
        true
    }

    async fn log_in(&self, account: &AccountId) -> bool {
        self.world().log_in(account.clone());
        true
    }

    async fn sessions(&self, account: &AccountId) -> usize {
        usize::from(self.world().has_session(account))
    }

    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        self.world().hide_target(kind.clone(), target.clone());
        true
    }

    async fn own_target(&self, kind: &KindName, target: &TargetId, owner: &Owner) -> bool {
        self.world().own_target(kind.clone(), target.clone(), owner.clone());
        true
    }

    async fn own_account(&self, account: &AccountId, owner: &Owner) -> bool {
        let Some(mut account) = self.world().account(account) else { return false };
        account.managed_by = Some(owner.clone());
        self.world().seed_account(account);
        true
    }

    async fn blind_searches(&self) -> bool {
        self.world().blind_searches();
        true
    }

    async fn age_cursor(&self, cursor: Option<Cursor>) -> Option<Cursor> {
        self.world().age_cursors();
        cursor
    }
}
