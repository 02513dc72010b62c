//! The fake is asked and answers as the vendor describes: every operation of the description is called, and each error code is of the
//! vendor's list.

use std::collections::BTreeSet;
use std::path::PathBuf;

use provisionr_testkit::SalesforceFake;
use provisionr_testkit::description::{Description, FOLDER};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

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

/// Calls an operation of the description; a body that is a text is a form.
async fn call(client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
    let (method, pattern) = operation.split_once(' ').unwrap();
    let params = [("version", "v62.0")].iter().chain(params);
    let path = params.fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    match &body {
        Some(Value::String(form)) => client.send_raw("none", method, &path, form.clone().into(), "application/x-www-form-urlencoded").await,
        _ => client.send_as(SalesforceFake::TOKEN, method, &format!("{path}{query}"), body).await,
    }
}

const QUERY: &str = "GET /services/data/{version}/query";
const CREATE: &str = "POST /services/data/{version}/sobjects/{sobject}";
const RECORD: &str = "/services/data/{version}/sobjects/{sobject}/{id}";
const COLLECTIONS: &str = "/services/data/{version}/composite/sobjects";

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let (Some(description), Some(folder)) = (Description::of("salesforce"), std::env::var_os(FOLDER)) else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let org = SalesforceFake::new().with_user("a@x.com").with_user("b@x.com").with_permission_set("CPQ").with_permission_set_group("Sales").with_group("Team");
    let (fake, client) = start(org.with_role("EMEA").seeded(&json!({ "permission_set_licenses": [{ "name": "CRM", "total": 1 }] })));
    let id = |object: &str, name: &str| fake.id(object, name).unwrap();
    fake.record_exchanges();
    let (user, set, group) = (id("User", "a@x.com"), id("PermissionSet", "CPQ"), id("Group", "Team"));

    let token = "POST /services/oauth2/token";
    let form = format!("grant_type=client_credentials&client_id={}&client_secret={}", SalesforceFake::CONSUMER_KEY, SalesforceFake::SECRET);
    for form in [
        form.as_str(),
        "grant_type=client_credentials&client_id=x",
        "grant_type=password",
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x",
    ] {
        call(&client, token, &[], "", Some(form.into())).await;
    }
    call(&client, "GET /services/data", &[], "", None).await;
    call(&client, "GET /services/data/{version}/limits", &[], "", None).await;

    let page = call(&client, QUERY, &[], "?q=SELECT Id FROM PermissionSet ORDER BY Name", None).await;
    let locator = page.body["nextRecordsUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    call(&client, "GET /services/data/{version}/query/{locator}", &[("locator", &locator)], "", None).await;
    call(&client, "GET /services/data/{version}/query/{locator}", &[("locator", "01gx-1")], "", None).await;
    for wrong in ["SELECT", "SELECT Shoe FROM User", "SELECT Id FROM Account", "SELECT Id FROM User WHERE Id = 'x'"] {
        assert_eq!(call(&client, QUERY, &[], &format!("?q={wrong}"), None).await.status, 400);
    }

    let row = |set: &str| json!({ "AssigneeId": user, "PermissionSetId": set });
    let assignment = &[("sobject", "PermissionSetAssignment")];
    let made = call(&client, CREATE, assignment, "", Some(row(&set))).await.id();
    for wrong in [row(&set), row("0PSDn0000099999AAA"), json!({ "AssigneeId": user }), json!({ "Shoe": 1 })] {
        assert_eq!(call(&client, CREATE, assignment, "", Some(wrong)).await.status, 400);
    }
    let member = call(&client, CREATE, &[("sobject", "GroupMember")], "", Some(json!({ "GroupId": group, "UserOrGroupId": user }))).await.id();
    call(&client, CREATE, &[("sobject", "User")], "", Some(json!({ "Username": "a@x.com" }))).await;
    call(&client, "GET /services/data/{version}/sobjects/{sobject}/describe", &[("sobject", "User")], "", None).await;

    let record = |method: &str| format!("{method} {RECORD}");
    let here = &[("sobject", "PermissionSetAssignment"), ("id", made.as_str())];
    call(&client, &record("GET"), &[("sobject", "User"), ("id", &user)], "?fields=Username,Email", None).await;
    call(&client, &record("GET"), &[("sobject", "User"), ("id", "nobody")], "", None).await;
    call(&client, &record("PATCH"), here, "", Some(json!({ "ExpirationDate": "2031-02-01T00:00:00Z" }))).await;
    call(&client, &record("PATCH"), here, "", Some(json!({ "AssigneeId": user }))).await;
    call(&client, &record("PATCH"), &[("sobject", "User"), ("id", &id("User", SalesforceFake::ADMIN))], "", Some(json!({ "IsActive": false }))).await;
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
        let listed = call(&client, QUERY, &[], &format!("?q=SELECT {} FROM {object}", fields.join(",")), None).await;
        assert!(!listed.body["records"].as_array().unwrap().is_empty(), "{object}");
    }
    call(&client, &record("DELETE"), here, "", None).await;
    call(&client, &record("DELETE"), here, "", None).await;
    call(&client, &record("DELETE"), &[("sobject", "User"), ("id", &user)], "", None).await;

    let typed = |kind: &str, mut record: Value| {
        record["attributes"] = json!({ "type": kind });
        record
    };
    let collection = |records: Vec<Value>| Some(json!({ "allOrNone": false, "records": records }));
    let assignments = vec![typed("PermissionSetAssignment", row(&set)), typed("PermissionSetAssignment", row(&set))];
    let results = call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(assignments)).await.body;
    assert_eq!((&results[0]["success"], &results[1]["errors"][0]["statusCode"]), (&json!(true), &json!("DUPLICATE_VALUE")));
    let mixed = vec![typed("PermissionSetAssignment", row(&set)), typed("GroupMember", json!({ "GroupId": group, "UserOrGroupId": user }))];
    let refused = call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(mixed)).await.body;
    assert_eq!(refused[1]["errors"][0]["statusCode"], "MIXED_DML_OPERATION");
    call(&client, &format!("POST {COLLECTIONS}"), &[], "", collection(vec![])).await;
    call(&client, &format!("PATCH {COLLECTIONS}"), &[], "", collection(vec![typed("User", json!({ "id": user, "Title": "SE" }))])).await;
    let ids = format!("?ids={},0PaDn0000099999AAA&allOrNone=false", results[0]["id"].as_str().unwrap());
    call(&client, &format!("DELETE {COLLECTIONS}"), &[], &ids, None).await;
    call(&client, &format!("DELETE {COLLECTIONS}"), &[], &format!("?ids={member}"), None).await;
    let part = |soql: &str| json!({ "method": "GET", "url": format!("/services/data/v62.0/query?q={}", soql.replace(' ', "+")), "referenceId": "one" });
    let parts = json!({ "compositeRequest": [part("SELECT Id FROM User"), part("SELECT Shoe FROM User")] });
    let told = call(&client, "POST /services/data/{version}/composite", &[], "", Some(parts)).await.body;
    assert_eq!((&told["compositeResponse"][0]["httpStatusCode"], &told["compositeResponse"][1]["httpStatusCode"]), (&json!(200), &json!(400)));

    let exchanges = fake.exchanges();
    let mut held = description.hold(&exchanges);
    // Writes go to the route of their object, and none of these objects has an external id.
    held.left.retain(|operation| operation.contains("{sobject}"));
    let upsert = "PATCH /services/data/{version}/sobjects/{sobject}/{extField}/{extId}";
    assert_eq!(held.left, [upsert, &record("PATCH"), CREATE].map(str::to_owned).into());
    // What is refused need not be as described; the refusal has to.
    let (refused, taken): (Vec<_>, Vec<_>) =
        exchanges.iter().cloned().partition(|exchange| exchange.answer.as_ref().is_some_and(|answer| answer.status == 400));
    assert_eq!(description.hold(&taken).violations, [].into());
    let refused = description.hold(&refused).violations;
    assert!(refused.len() > 10 && refused.iter().all(|violation| violation.what.starts_with("request: body: ")), "{refused:?}");
    assert_eq!(description.unmet(), [""; 0]);

    let list = std::fs::read_to_string(PathBuf::from(folder).join("salesforce/status-codes.json")).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let listed: BTreeSet<String> = serde_json::from_value(list["statusCodes"].clone()).unwrap();
    let mut seen = BTreeSet::new();
    exchanges.iter().filter_map(|exchange| exchange.answer.as_ref()).for_each(|answer| codes(&answer.to_json(), &mut seen));
    assert!(seen.len() >= 14, "{seen:?}");
    // The list is that of the SOAP API: it lacks what only REST answers, and what only a transaction of several objects meets.
    assert_eq!(seen.difference(&listed).collect::<Vec<_>>(), ["MIXED_DML_OPERATION", "NOT_FOUND"]);
}
