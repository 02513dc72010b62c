//! The fake answers as the vendor describes: every operation of the description is called, each answer held against its
//! schema, and each error code against the vendor's list. Both files are not part of this project; their place is told by
//! `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::SalesforceFake;
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

struct Description {
    document: Value,
    codes: BTreeSet<String>,
    called: BTreeSet<String>,
    seen: BTreeSet<String>,
}

/// All codes in a body, of whole answers and of records.
fn codes(body: &Value, into: &mut BTreeSet<String>) {
    match body {
        Value::Object(fields) => {
            let code = ["errorCode", "statusCode"].iter().find_map(|name| fields.get(*name)?.as_str());
            into.extend(code.map(str::to_owned));
            fields.values().for_each(|value| codes(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| codes(item, into)),
        _ => {}
    }
}

impl Description {
    fn load() -> Option<Self> {
        let place = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("salesforce");
        let read = |file: &str| serde_json::from_str::<Value>(&std::fs::read_to_string(place.join(file)).unwrap()).unwrap();
        let codes = read("status-codes.json")["statusCodes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        Some(Self { document: read("salesforce-core-rest.openapi3.json"), codes, called: BTreeSet::new(), seen: BTreeSet::new() })
    }

    /// Calls an operation and holds the answer against its schema.
    async fn call(&mut self, client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let params = [("version", "v62.0")].iter().chain(params);
        let path = params.fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let seen = match &body {
            Some(Value::String(form)) => client.send_raw("none", method, &path, form.clone().into(), "application/x-www-form-urlencoded").await,
            _ => client.send_as(SalesforceFake::TOKEN, method, &format!("{path}{query}"), body).await,
        };
        self.called.insert(operation.to_owned());
        codes(&seen.body, &mut self.seen);
        let answer = &self.document["paths"][pattern][method.to_lowercase()]["responses"][seen.status.to_string()];
        assert!(answer.is_object(), "{operation} answered {}, which is not described: {}", seen.status, seen.body);
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            // Records and their descriptions are described without a schema.
            assert!(seen.body.is_null() || seen.status == 200, "{operation} has no body: {}", seen.body);
            return seen;
        }
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{operation}: {errors:#?}\n{:#}", seen.body);
        seen
    }

    /// Holds every record of an object against the object's schema.
    fn holds(&self, object: &str, records: &Value) {
        let whole = json!({ "$ref": format!("#/components/schemas/{object}"), "components": self.document["components"] });
        let validator = jsonschema::validator_for(&whole).unwrap();
        let fields = self.document["components"]["schemas"][object]["properties"].as_object().unwrap();
        for record in records.as_array().unwrap() {
            // The description does not say which fields may be null; all but the id may.
            let mut record = record.clone();
            record.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            let errors: Vec<String> = validator.iter_errors(&record).map(|error| format!("{error} at {}", error.instance_path())).collect();
            let strange: Vec<_> = record.as_object().unwrap().keys().filter(|name| *name != "attributes" && !fields.contains_key(*name)).collect();
            assert!(errors.is_empty() && strange.is_empty(), "{object}: {errors:?} {strange:?} {record}");
        }
    }

    fn operations(&self) -> BTreeSet<String> {
        let methods = ["get", "post", "patch", "delete"];
        let paths = self.document["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, item)| methods.iter().filter(|method| item.get(method).is_some()).map(move |method| format!("{} {path}", method.to_uppercase())))
            .collect()
    }
}

const QUERY: &str = "GET /services/data/{version}/query";
const CREATE: &str = "POST /services/data/{version}/sobjects/{sobject}";
const RECORD: &str = "/services/data/{version}/sobjects/{sobject}/{id}";
const COLLECTIONS: &str = "/services/data/{version}/composite/sobjects";

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let org = SalesforceFake::new().with_user("a@x.com").with_user("b@x.com").with_permission_set("CPQ").with_permission_set_group("Sales").with_group("Team");
    let (fake, client) = start(org.with_role("EMEA").seeded(&json!({ "permission_set_licenses": [{ "name": "CRM", "total": 1 }] })));
    let id = |object: &str, name: &str| fake.id(object, name).unwrap();
    let (user, set, group) = (id("User", "a@x.com"), id("PermissionSet", "CPQ"), id("Group", "Team"));

    let token = "POST /services/oauth2/token";
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", SalesforceFake::CONSUMER_KEY, SalesforceFake::SECRET);
    for form in [
        form.as_str(),
        "grant_type=client_credentials&client_id=x",
        "grant_type=password",
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x",
    ] {
        api.call(&client, token, &[], "", Some(form.into())).await;
    }
    api.call(&client, "GET /services/data", &[], "", None).await;
    api.call(&client, "GET /services/data/{version}/limits", &[], "", None).await;

    let page = api.call(&client, QUERY, &[], "?q=SELECT Id FROM PermissionSet ORDER BY Name", None).await;
    let locator = page.body["nextRecordsUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    api.call(&client, "GET /services/data/{version}/query/{locator}", &[("locator", &locator)], "", None).await;
    api.call(&client, "GET /services/data/{version}/query/{locator}", &[("locator", "01gx-1")], "", None).await;
    for wrong in ["SELECT", "SELECT Shoe FROM User", "SELECT Id FROM Account", "SELECT Id FROM User WHERE Id = 'x'"] {
        assert_eq!(api.call(&client, QUERY, &[], &format!("?q={wrong}"), None).await.status, 400);
    }

    let row = |set: &str| json!({ "AssigneeId": user, "PermissionSetId": set });
    let assignment = &[("sobject", "PermissionSetAssignment")];
    let made = api.call(&client, CREATE, assignment, "", Some(row(&set))).await.id();
    for wrong in [row(&set), row("0PSDn0000099999AAA"), json!({ "AssigneeId": user }), json!({ "Shoe": 1 })] {
        assert_eq!(api.call(&client, CREATE, assignment, "", Some(wrong)).await.status, 400);
    }
    let member = api.call(&client, CREATE, &[("sobject", "GroupMember")], "", Some(json!({ "GroupId": group, "UserOrGroupId": user }))).await.id();
    api.call(&client, CREATE, &[("sobject", "User")], "", Some(json!({ "Username": "a@x.com" }))).await;
    api.call(&client, "GET /services/data/{version}/sobjects/{sobject}/describe", &[("sobject", "User")], "", None).await;

    let record = |method: &str| format!("{method} {RECORD}");
    let here = &[("sobject", "PermissionSetAssignment"), ("id", made.as_str())];
    api.call(&client, &record("GET"), &[("sobject", "User"), ("id", &user)], "?fields=Username,Email", None).await;
    api.call(&client, &record("GET"), &[("sobject", "User"), ("id", "nobody")], "", None).await;
    api.call(&client, &record("PATCH"), here, "", Some(json!({ "ExpirationDate": "2031-02-01T00:00:00Z" }))).await;
    api.call(&client, &record("PATCH"), here, "", Some(json!({ "AssigneeId": user }))).await;
    api.call(&client, &record("PATCH"), &[("sobject", "User"), ("id", &id("User", SalesforceFake::ADMIN))], "", Some(json!({ "IsActive": false }))).await;
    for object in [
        "User",
        "UserLogin",
        "Profile",
        "UserRole",
        "UserLicense",
        "PermissionSet",
        "PermissionSetAssignment",
        "PermissionSetGroup",
        "PermissionSetLicense",
        "Group",
        "GroupMember",
    ] {
        let shown = client.send("GET", &format!("/sobjects/{object}/describe"), None).await;
        let fields: Vec<_> =
            shown.body["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).filter(|name| !name.ends_with("__c")).collect();
        let listed = api.call(&client, QUERY, &[], &format!("?q=SELECT {} FROM {object}", fields.join(",")), None).await;
        assert!(!listed.body["records"].as_array().unwrap().is_empty(), "{object}");
        api.holds(object, &listed.body["records"]);
    }
    api.call(&client, &record("DELETE"), here, "", None).await;
    api.call(&client, &record("DELETE"), here, "", None).await;
    api.call(&client, &record("DELETE"), &[("sobject", "User"), ("id", &user)], "", None).await;

    let typed = |kind: &str, mut record: Value| {
        record["attributes"] = json!({ "type": kind });
        record
    };
    let collection = |records: Vec<Value>| Some(json!({ "allOrNone": false, "records": records }));
    let assignments = vec![typed("PermissionSetAssignment", row(&set)), typed("PermissionSetAssignment", row(&set))];
    let results = api.call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(assignments)).await.body;
    assert_eq!((&results[0]["success"], &results[1]["errors"][0]["statusCode"]), (&json!(true), &json!("DUPLICATE_VALUE")));
    let mixed = vec![typed("PermissionSetAssignment", row(&set)), typed("GroupMember", json!({ "GroupId": group, "UserOrGroupId": user }))];
    let refused = api.call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(mixed)).await.body;
    assert_eq!(refused[1]["errors"][0]["statusCode"], "MIXED_DML_OPERATION");
    api.call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(vec![])).await;
    api.call(&client, &format!("PATCH {COLLECTIONS}"), &[], "", collection(vec![typed("User", json!({ "id": user, "Title": "SE" }))])).await;
    let ids = format!("?ids={},0PaDn0000099999AAA&allOrNone=false", results[0]["id"].as_str().unwrap());
    api.call(&client, &format!("DELETE {COLLECTIONS}"), &[], &ids, None).await;
    api.call(&client, &format!("DELETE {COLLECTIONS}"), &[], &format!("?ids={member}"), None).await;
    let part = |soql: &str| json!({ "method": "GET", "url": format!("/services/data/v62.0/query?q={}", soql.replace(' ', "+")), "referenceId": "one" });
    let parts = json!({ "compositeRequest": [part("SELECT Id FROM User"), part("SELECT Shoe FROM User")] });
    let told = api.call(&client, "POST /services/data/{version}/composite", &[], "", Some(parts)).await.body;
    assert_eq!((&told["compositeResponse"][0]["httpStatusCode"], &told["compositeResponse"][1]["httpStatusCode"]), (&json!(200), &json!(400)));

    let upsert = "PATCH /services/data/{version}/sobjects/{sobject}/{extField}/{extId}".to_owned();
    assert_eq!(api.operations().difference(&api.called).collect::<Vec<_>>(), [&upsert], "none of these objects has an external id");
    assert!(api.seen.len() >= 14, "{:?}", api.seen);
    // The list is that of the SOAP API: it lacks what only REST answers, and what only a transaction of several objects meets.
    assert_eq!(api.seen.difference(&api.codes).collect::<Vec<_>>(), ["MIXED_DML_OPERATION", "NOT_FOUND"]);
}
