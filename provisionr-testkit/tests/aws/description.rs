//! The adapter asks and the fake answers as the vendor describes: each request and each answer between the two is held against the
//! service models. These are not part of this project; their place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use provisionr_adapters::aws::{AccessKeys, IdentityCenter, IdentityCenterConfig};
use provisionr_http::{MemoryTransport, Transport};
use provisionr_sdk::{
    Account, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Change, Entitlement, Found, ListScope, PageRequest, ProfileDelta, Request, Scope,
    Secret,
};
use provisionr_testkit::aws::{AwsFake, Missing};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Map, Value, json};

/// What every operation may be refused with.
const COMMON: [&str; 3] = ["UnrecognizedClientException", "InvalidSignatureException", "MissingAuthenticationTokenException"];

/// One service: its operations, and its shapes as JSON Schema.
struct Service {
    operations: Value,
    shapes: Value,
}

impl Service {
    fn load(name: &str) -> Option<Self> {
        let file = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("aws").join(name);
        let mut model: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let shapes = model["shapes"].as_object().unwrap().iter().map(|(name, shape)| (name.clone(), schema(shape))).collect::<Map<_, _>>();
        Some(Self { operations: model["operations"].take(), shapes: shapes.into() })
    }

    fn hold(&self, what: &str, shape: &str, value: &Value) {
        let whole = json!({ "$ref": format!("#/$defs/{shape}"), "$defs": self.shapes });
        let validator = jsonschema::options().build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{what} is no {shape}: {errors:#?}\n{value:#}");
    }
}

fn schema(shape: &Value) -> Value {
    let reference = |member: &Value| json!({ "$ref": format!("#/$defs/{}", member["shape"].as_str().unwrap()) });
    let mut schema = match shape["type"].as_str().unwrap() {
        "structure" if shape["document"] == true => json!({}),
        "structure" => {
            let members: Map<String, Value> = shape["members"].as_object().unwrap().iter().map(|(name, member)| (name.clone(), reference(member))).collect();
            let mut schema = json!({ "type": "object", "properties": members, "additionalProperties": false });
            if shape["required"].is_array() {
                schema["required"] = shape["required"].clone();
            }
            if shape["union"] == true {
                schema["minProperties"] = 1.into();
                schema["maxProperties"] = 1.into();
            }
            schema
        }
        "list" => json!({ "type": "array", "items": reference(&shape["member"]) }),
        "map" => json!({ "type": "object" }),
        "timestamp" => json!({ "type": "number" }),
        other => json!({ "type": other }),
    };
    let bounds = match shape["type"].as_str().unwrap() {
        "string" => ["minLength", "maxLength"],
        "list" => ["minItems", "maxItems"],
        _ => ["minimum", "maximum"],
    };
    for (from, to) in [("min", bounds[0]), ("max", bounds[1])] {
        if shape[from].is_u64() {
            schema[to] = shape[from].clone();
        }
    }
    if let Some(pattern) = shape["pattern"].as_str() {
        schema["pattern"] = format!("^(?:{pattern})$").into();
    }
    if shape["enum"].is_array() {
        schema["enum"] = shape["enum"].clone();
    }
    schema
}

/// What has passed between the two: targets, and errors by operation.
type Passed = Arc<Mutex<(BTreeSet<String>, BTreeSet<String>)>>;

fn watched(aws: &FakeSystem<AwsFake>, services: &Arc<[Service; 2]>) -> (MemoryTransport, Passed) {
    let (inner, services, passed) = (aws.transport(), services.clone(), Passed::default());
    let told = passed.clone();
    let transport = MemoryTransport::with(move |request: http::Request<Bytes>| {
        let (inner, services, told) = (inner.clone(), services.clone(), told.clone());
        async move {
            let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
            let (prefix, name) = target.split_once('.').unwrap();
            let service = &services[usize::from(prefix == "SWBExternalService")];
            let operation = &service.operations[name];
            service.hold(&format!("the request {name}"), operation["input"]["shape"].as_str().unwrap(), &serde_json::from_slice(request.body()).unwrap());
            let answer = inner.send(request).await?;
            let mut body: Value = serde_json::from_slice(answer.body()).unwrap();
            if answer.status().is_success() {
                service.hold(&format!("the answer of {name}"), operation["output"]["shape"].as_str().unwrap(), &body);
                told.lock().unwrap().0.insert(target.clone());
            } else {
                let code = body.as_object_mut().unwrap().remove("__type").unwrap().as_str().unwrap().to_owned();
                told.lock().unwrap().1.insert(format!("{name} {code}"));
                if COMMON.contains(&code.as_str()) {
                    return Ok(answer);
                }
                assert!(operation["errors"].as_array().unwrap().iter().any(|error| error["shape"] == *code), "{name} has no error {code}");
                service.hold(&format!("the error of {name}"), &code, &body);
            }
            Ok(answer)
        }
    });
    (transport, passed)
}

fn connect(transport: &MemoryTransport) -> IdentityCenter {
    let config = IdentityCenterConfig::new(AwsFake::REGION, AwsFake::INSTANCE, AwsFake::IDENTITY_STORE).account("production", "111111111111");
    let keys = AccessKeys::new(AwsFake::ACCESS_KEY_ID, Secret::new(AwsFake::SECRET_ACCESS_KEY));
    config.issuer("https://idp.example").access_keys(keys).connect("aws", transport).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_operation_is_asked_and_answered_as_described() {
    let (Some(store), Some(sso)) = (Service::load("identitystore-cut.json"), Service::load("sso-admin-cut.json")) else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's descriptions are");
        return;
    };
    let aws = AwsFake::new()
        .with_account("production", "111111111111")
        .with_permission_set("ReadOnly")
        .with_permission_set("Admin")
        .with_user("a@x.com")
        .with_group("crew", &["a@x.com"])
        .with_settings(|settings| settings.page_size = 1)
        .seeded(&json!({
            "users": [{ "user_name": "scim@x.com", "external_ids": [{ "issuer": "https://idp.example", "id": "00u1" }] }],
            "groups": [{ "name": "scim", "external_ids": [{ "issuer": "https://idp.example", "id": "00g1" }] }],
        }))
        .start();
    let (transport, passed) = watched(&aws, &Arc::new([store, sso]));
    let (adapter, cx) = (connect(&transport), CallContext::unlimited());
    let act = |act: &str, args: Value| aws.act(Act::new(act, args)).unwrap();
    adapter.check(&cx).await.unwrap();

    // People.
    let profile =
        json!({ "email": "b@x.com", "givenName": "B", "familyName": "C", "displayName": "B C", "title": "CTO", "phoneNumber": "+49 1", "locale": "de" });
    let mut spec = AccountSpec::new("b@x.com");
    spec.profile = serde_json::from_value(profile).unwrap();
    let request = |change: Change, account: Option<&Account>| {
        let request = Request::new("b", AccountQuery::by("user_name", "b@x.com"), change, "k");
        account.iter().fold(request, |request, account| request.with_account((*account).clone()))
    };
    adapter.apply(&cx, &request(Change::EnsureAccount(spec.clone()), None)).await.unwrap();
    spec.logins = vec!["a@x.com".to_owned()];
    let nobody = Request::new("n", AccountQuery::by("user_name", "n"), Change::EnsureAccount(spec), "k");
    assert!(adapter.apply(&cx, &nobody).await.is_err());
    let Found::One(account) = adapter.find_account(&cx, &AccountQuery::by("email", "b@x.com")).await.unwrap() else { panic!("nobody") };
    assert!(matches!(adapter.find_account(&cx, &AccountQuery::by("external_id", "00u1")).await.unwrap(), Found::One(_)));
    let delta = [("givenName", json!("D")), ("email", json!("d@x.com")), ("phoneNumber", Value::Null), ("locale", Value::Null)];
    let delta = delta.into_iter().map(|(name, value)| (name.to_owned(), Some(value).filter(|value| !value.is_null()))).collect();
    adapter.apply(&cx, &request(Change::UpdateAccount(ProfileDelta(delta)), Some(&account))).await.unwrap();

    // What they hold.
    let held = [
        Entitlement::new("add_to_group", aws.group_id("crew").unwrap()),
        Entitlement::new("assign_permission_set", aws.permission_set_arn("ReadOnly").unwrap()).with_param("account", "111111111111"),
    ];
    for _ in 0..2 {
        for held in &held {
            for change in [Change::Grant(held.clone()), Change::Revoke(held.clone())] {
                let request = request(change, Some(&account));
                adapter.apply(&cx, &request).await.unwrap();
                adapter.probe(&cx, &request).await.unwrap();
                let jobs = aws.state()["jobs"].as_object().unwrap().values().find(|job| job["status"] == "IN_PROGRESS").map(|job| job["id"].clone());
                if let Some(job) = jobs {
                    adapter.probe(&cx, &request.clone().with_ticket(job.as_str().unwrap().into())).await.unwrap();
                }
                act("finish_jobs", Value::Null);
                adapter.apply(&cx, &request).await.unwrap();
            }
        }
        aws.change(|aws, _| *aws = aws.clone().with_settings(|settings| (settings.job_ms, settings.missing) = (Some(0), Missing::Refused)));
    }
    act("fail_next_job", json!({ "reason": "no" }));
    assert!(adapter.apply(&cx, &request(Change::Grant(held[1].clone()), Some(&account))).await.is_err());
    adapter.apply(&cx, &request(Change::Grant(held[1].clone()), Some(&account))).await.unwrap();
    act("suspend_account", json!({ "account": "production" }));
    assert!(adapter.apply(&cx, &request(Change::Revoke(held[1].clone()), Some(&account))).await.is_err());
    act("assign", json!({ "account": "production", "permission_set": "Admin", "group": "crew" }));
    adapter.observe(&cx, &account, &Scope::All).await.unwrap();

    // Lists.
    let mut page = PageRequest::first();
    while let Some(next) = adapter.list_accounts(&cx, &page).await.unwrap().next {
        page.cursor = Some(next);
    }
    for (kind, name) in [("add_to_group", "crew"), ("assign_permission_set", "ReadOnly")] {
        adapter.resolve(&cx, &kind.into(), &[name.into(), "nothing".into()]).await.unwrap();
        adapter.list_targets(&cx, &kind.into(), &PageRequest::first()).await.unwrap();
        let mut page = PageRequest::first();
        while let Some(next) = adapter.list_grants(&cx, &ListScope::Kind(kind.into()), &page).await.unwrap().next {
            page.cursor = Some(next);
        }
    }

    // Refusals, and the end.
    let gone = Account::new("00000000-0000-0000-0000-000000000000", AccountState::Active);
    for held in &held {
        assert!(adapter.apply(&cx, &request(Change::Grant(held.clone()), Some(&gone))).await.is_err());
    }
    assert!(adapter.list_accounts(&cx, &PageRequest::first().after("nonsense".into())).await.is_err());
    adapter.apply(&cx, &request(Change::SetState(AccountState::Deleted), Some(&account))).await.unwrap();
    act("deny", json!({ "action": "sso:ListPermissionSets" }));
    adapter.check(&cx).await.unwrap();
    act("refuse_key", json!({ "code": "UnrecognizedClientException" }));
    assert!(adapter.check(&cx).await.is_err());

    let (answered, refused) = &*passed.lock().unwrap();
    assert_eq!(
        answered.iter().map(String::as_str).collect::<Vec<_>>(),
        AwsFake::operations().filter(|target| !target.starts_with("AWSOrganizations")).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    for error in
        ["CreateUser ConflictException", "DescribeUser ResourceNotFoundException", "ListUsers ValidationException", "ListPermissionSets AccessDeniedException"]
    {
        assert!(refused.contains(error), "{error} did not come: {refused:?}");
    }
}
