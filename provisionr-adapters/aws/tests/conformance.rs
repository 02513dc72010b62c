//! The contract, case by case, against the fake of AWS IAM Identity Center.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_aws::{AccessKeys, IdentityCenterConfig};
use provisionr_sdk::{
    Account, AccountId, AccountState, Adapter, Cursor, Entitlement, Grant, GrantState, Kind, KindName, Owner, Secret, Source, TargetId, Wait, WaitReason,
};
use provisionr_testkit::aws::{AwsFake, AwsUser};
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

const KEY: &str = "fake-aws-session-key";
const PRODUCTION: &str = "111111111111";
const TOKEN: &str = "fake-aws-session-token";

struct Instance(FakeSystem<AwsFake>);

impl Instance {
    fn new() -> Self {
        let keys = json!({ "keys": [{ "id": "ASIAFAKEAWSSESSION01", "secret": KEY, "token": TOKEN }] });
        Self(AwsFake::new().with_account("production", "111111111111").seeded(&keys).start())
    }

    fn act(&self, act: &str, args: Value) -> bool {
        self.0.act(Act::new(act, args)).is_ok()
    }
}

/// As the profile attributes name it.
fn account(user: &AwsUser, managed: &Owner) -> Account {
    let state = if user.enabled { AccountState::Active } else { AccountState::Suspended };
    let shown = [
        ("userName", Some(user.text("UserName"))),
        ("email", user.at("/Emails/0/Value")),
        ("givenName", user.at("/Name/GivenName")),
        ("familyName", user.at("/Name/FamilyName")),
        ("displayName", Some(user.text("DisplayName"))),
        ("title", Some(user.text("Title"))),
        ("userType", Some(user.text("UserType"))),
        ("phoneNumber", user.at("/PhoneNumbers/0/Value")),
        ("nickName", Some(user.text("NickName"))),
        ("preferredLanguage", Some(user.text("PreferredLanguage"))),
        ("locale", Some(user.text("Locale"))),
        ("timezone", Some(user.text("Timezone"))),
        ("profileUrl", Some(user.text("ProfileUrl"))),
    ];
    let mut account = Account::new(user.id.as_str(), state).with_login(user.text("UserName"));
    account.email = user.at("/Emails/0/Value").map(str::to_owned);
    account.managed_by = (!user.external_ids.is_empty()).then(|| managed.clone());
    account.profile = shown.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.filter(|text| !text.is_empty())?.into()))).collect();
    account
}

#[async_trait]
impl Harness for Instance {
    fn adapter(&self) -> Box<dyn Adapter> {
        let keys = AccessKeys::new("ASIAFAKEAWSSESSION01", Secret::new(KEY)).session(Secret::new(TOKEN));
        let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE);
        let config = config.access_keys(keys).account("production", "111111111111").scim("Acme Directory");
        Box::new(config.connect("aws", &self.0.transport()).unwrap())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let disabled = match state {
            AccountState::Active => false,
            AccountState::Suspended => true,
            _ => return None,
        };
        if self.0.user_id(&person.email).is_some() {
            return None;
        }
        let user = json!({
            "user_name": person.login, "email": person.email, "given_name": person.first_name, "family_name": person.last_name, "disabled": disabled,
        });
        self.0.seed(&json!({ "users": [user] })).unwrap();
        self.0.user_id(&person.email).map(AccountId::from)
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        let groups = *kind == "add_to_group";
        let id = || if groups { self.0.group_id(name) } else { self.0.permission_set_arn(name) };
        if id().is_some() {
            return None;
        }
        self.0.seed(&json!({ if groups { "groups" } else { "permission_sets" }: [{ "name": name }] })).unwrap();
        id().map(TargetId::from)
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let (user, target) = (grant.account.as_str(), grant.entitlement.target.as_str());
        if grant.state != GrantState::Held {
            return false;
        }
        match (grant.entitlement.kind.as_str(), &grant.source) {
            ("add_to_group", Source::Direct) => self.act("join_group", json!({ "user": user, "group": target })),
            ("assign_permission_set", Source::Direct) => self.act("assign", json!({ "account": "production", "permission_set": target, "user": user })),
            ("assign_permission_set", Source::Inherited(from)) => {
                self.0.seed(&json!({ "groups": [{ "name": from, "members": [user] }] })).unwrap();
                self.act("assign", json!({ "account": "production", "permission_set": target, "group": from }))
            }
            _ => false,
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        self.0.with(|aws| aws.users().map(|user| account(user, &Owner::new("Acme Directory"))).collect())
    }

    async fn grants(&self, user: &AccountId) -> Vec<Grant> {
        let id = user.as_str();
        self.0.with(|aws| {
            let member = |group: &str| aws.group(group).is_some_and(|group| group.members.contains_key(id));
            let owner = |scim: bool| if scim { Source::Owned(Owner::new("Acme Directory")) } else { Source::Direct };
            let groups = aws
                .groups()
                .filter(|group| group.members.contains_key(id))
                .map(|group| Grant::direct(id, Entitlement::new("add_to_group", group.id.as_str())).from_source(owner(!group.external_ids.is_empty())));
            let assigned = aws.assignments().filter(|one| one.principal == id || (one.principal_type == "GROUP" && member(&one.principal))).map(|one| {
                let entitlement = Entitlement::new("assign_permission_set", one.permission_set.as_str()).with_param("account", PRODUCTION);
                let source = if one.principal == id { Source::Direct } else { Source::Inherited(one.principal.as_str().into()) };
                Grant::direct(id, entitlement).from_source(source)
            });
            groups.chain(assigned).collect()
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![KEY.to_owned(), TOKEN.to_owned(), "ASIAFAKEAWSSESSION01".to_owned()]
    }

    fn complete(&self, kind: &Kind, entitlement: Entitlement) -> Entitlement {
        if kind.name == *"assign_permission_set" { entitlement.with_param("account", PRODUCTION) } else { entitlement }
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn settle(&self) {
        assert!(self.act("finish_jobs", Value::Null));
    }

    async fn finish(&self, _account: &AccountId, wait: &Wait) -> bool {
        wait.reason == WaitReason::VendorJob && self.act("finish_jobs", Value::Null)
    }

    async fn own_target(&self, kind: &KindName, target: &TargetId, owner: &Owner) -> bool {
        assert_eq!(owner.as_str(), "Acme Directory");
        *kind == "add_to_group" && self.act("provision_group", json!({ "group": target.as_str(), "issuer": "https://idp.example", "external_id": "g1" }))
    }

    async fn own_account(&self, account: &AccountId, owner: &Owner) -> bool {
        assert_eq!(owner.as_str(), "Acme Directory");
        self.act("provision_user", json!({ "login": account.as_str(), "issuer": "https://idp.example", "external_id": "u1" }))
    }

    async fn age_cursor(&self, _cursor: Option<Cursor>) -> Option<Cursor> {
        Some("gone".into())
    }
}

provisionr_testkit::conformance_tests! {
    Instance::new(),
    skips = [
        ("find_sees_deactivated_accounts find_sees_invited_accounts", "a user is enabled, disabled or gone"),
        ("find_tells_several_apart_from_one", "user names and addresses are unique"),
        ("find_that_cannot_see_everything_cannot_tell", "AWS looks a user up by an attribute, and hides none"),
        ("suspension_keeps_what_is_held", "no call disables a user; revoking everything stands in for it"),
        ("end_sessions_ends_all_and_can_be_repeated", "no call ends the sessions of a user"),
        ("grant_of_another_role_changes_the_role revoke_of_another_role_than_expected_is_a_conflict", "kinds have no roles"),
        ("grant_of_another_value_changes_the_value", "the AWS account is part of the key, and there is no value"),
        ("grant_above_what_is_inherited_is_made", "kinds have no roles"),
        ("grant_of_the_one_allowed_replaces_the_other", "a person holds any number"),
        ("revoke_on_a_hidden_target_is_unclear observe_never_takes_unseen_for_absent resolve_never_takes_hidden_for_found", "AWS hides no group and no permission set from who may list them"),
        ("withdraw_takes_back_an_invitation_and_nothing_else observe_shows_open_invitations_as_such", "nobody is invited"),
        ("resolve_tells_several_apart_from_one", "names of groups and permission sets are unique"),
        ("a_batch_answers_each_of_its_requests", "AWS takes one change at a time"),
    ]
}
