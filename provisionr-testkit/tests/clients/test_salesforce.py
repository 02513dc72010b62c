"""simple-salesforce."""

import unittest

import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.format import format_soql

from fakes import FakeTest

PEOPLE = [f"p{number:03}@company.com" for number in range(450)]
CONSUMER = {"consumer_key": "3MVG9fakeconsumerkey", "consumer_secret": "8A2Ffakeconsumersecret"}


class ToTheFake(HTTPAdapter):
    """The client knows no address but https://; requests' own place to send them elsewhere is an adapter of the session."""

    def __init__(self, url):
        super().__init__()
        self._url = url

    def send(self, request, **arguments):
        request.url = self._url + request.path_url
        return super().send(request, **arguments)


class SalesforceTest(FakeTest):
    system = "salesforce"
    seed = {
        "settings": {"page_size": 200},
        "users": [{"username": name, "profile": "Standard User"} for name in PEOPLE],
        "permission_sets": [{"label": "CPQ User", "name": "CPQ_User"}],
        "groups": [{"name": "Sales Team", "type": "Regular"}],
        "profiles": [{"name": "Sales Engineer"}],
    }

    def setUp(self):
        super().setUp()
        self.session = requests.Session()
        self.session.mount("https://", ToTheFake(self.url))
        self.addCleanup(self.session.close)
        self.salesforce = self.client(session_id=self.credentials["token"], instance="company.my.salesforce.com")

    def client(self, **credentials):
        return Salesforce(**credentials, session=self.session)

    def error(self, kind, code, call, *arguments, **named):
        with self.assertRaises(kind) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.content[0]["errorCode"], code)
        return caught.exception

    def records(self, soql, *values):
        return self.salesforce.query(format_soql(soql, *values))["records"]

    def id_of(self, kind, field, name):
        return self.records(f"SELECT Id FROM {kind} WHERE {field} = {{}}", name)[0]["Id"]

    def test_a_session_is_needed(self):
        stranger = self.client(session_id="another", instance="company.my.salesforce.com")
        self.error(SalesforceExpiredSession, "INVALID_SESSION_ID", stranger.query, "SELECT Id FROM User")
        self.assertEqual(self.salesforce.limits()["DailyApiRequests"]["Max"], 100000)
        self.assertIn("IsActive", [field["name"] for field in self.salesforce.User.describe()["fields"]])

    def test_an_app_signs_for_its_session(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        app = self.client(username="admin@example.com", consumer_key=CONSUMER["consumer_key"], privatekey=pem)
        self.assertEqual(app.query("SELECT Id FROM User")["totalSize"], len(PEOPLE) + 1)
        with self.assertRaises(SalesforceAuthenticationFailed) as caught:
            self.client(username=PEOPLE[0], consumer_key=CONSUMER["consumer_key"], privatekey=pem)
        self.assertEqual(caught.exception.code, "invalid_grant")

    def test_a_session_that_ended_is_renewed(self):
        app = self.client(domain="company.my", **CONSUMER)
        app.query("SELECT Id FROM User")
        self.act("expire_sessions")
        app.query("SELECT Id FROM User")
        self.assertEqual(self.statuses("POST", "/services/oauth2/token"), [200, 200])

    def test_lists_have_pages(self):
        first = self.salesforce.query("SELECT Username FROM User ORDER BY Username")
        self.assertEqual((first["totalSize"], len(first["records"]), first["done"]), (len(PEOPLE) + 1, 200, False))
        names = [user["Username"] for user in self.salesforce.query_all_iter("SELECT Username FROM User ORDER BY Username")]
        self.assertEqual(names, ["admin@example.com", *PEOPLE])

    def test_a_person_comes_changes_and_goes(self):
        wanted = {
            "Username": "sarah@company.com",
            "LastName": "Chen",
            "Email": "sarah@company.com",
            "Alias": "schen",
            "ProfileId": self.id_of("Profile", "Name", "Standard User"),
            "TimeZoneSidKey": "Europe/Berlin",
            "LocaleSidKey": "de_DE",
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "de",
        }
        users = self.salesforce.User
        user = users.create(wanted)["id"]
        self.error(SalesforceMalformedRequest, "DUPLICATE_USERNAME", users.create, wanted)
        profile = self.id_of("Profile", "Name", "Sales Engineer")
        for _ in range(2):
            self.assertEqual(users.update(user, {"ProfileId": profile, "Title": "Engineer"}), 204)
        found = self.records("SELECT Id, ProfileId, Title FROM User WHERE Username = {}", "sarah@company.com")[0]
        self.assertEqual((found["Id"], found["ProfileId"], found["Title"]), (user, profile, "Engineer"))
        self.assertEqual(self.salesforce.UserLogin.update(self.id_of("UserLogin", "UserId", user), {"IsFrozen": True}), 204)
        for _ in range(2):
            users.update(user, {"IsActive": False})
        self.assertFalse(users.get(user)["IsActive"])
        self.assertEqual(len(self.events("user.deactivated")), 1)
        self.error(SalesforceResourceNotFound, "NOT_FOUND", users.get, "005000000000ZZZAAA")

    def test_a_permission_set_is_assigned_and_taken(self):
        rows = self.salesforce.PermissionSetAssignment
        wanted = {"AssigneeId": self.id_of("User", "Username", PEOPLE[0]), "PermissionSetId": self.id_of("PermissionSet", "Name", "CPQ_User")}
        row = rows.create(wanted)["id"]
        again = self.error(SalesforceMalformedRequest, "DUPLICATE_VALUE", rows.create, wanted)
        self.assertIn("Duplicate PermissionSetAssignment", again.content[0]["message"])
        self.assertEqual(rows.delete(row), 204)
        self.error(SalesforceResourceNotFound, "ENTITY_IS_DELETED", rows.delete, row)

    def test_a_group_is_joined_and_left(self):
        rows = self.salesforce.GroupMember
        wanted = {"GroupId": self.id_of("Group", "Name", "Sales Team"), "UserOrGroupId": self.id_of("User", "Username", PEOPLE[0])}
        row = rows.create(wanted)["id"]
        self.assertEqual(rows.create(wanted)["id"], row)
        self.assertEqual(rows.delete(row), 204)
        self.assertEqual(self.records("SELECT Id FROM GroupMember WHERE GroupId = {}", wanted["GroupId"]), [])

    def test_several_changes_in_one_call(self):
        group = self.id_of("Group", "Name", "Sales Team")
        users = [user["Id"] for user in self.records("SELECT Id FROM User LIMIT 3")]
        members = [{"attributes": {"type": "GroupMember"}, "GroupId": group, "UserOrGroupId": user} for user in users]
        results = self.salesforce.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": members})
        self.assertEqual([result["success"] for result in results], [True, True, True])

    def test_a_limit_is_told(self):
        # The client retries nothing but an ended session.
        self.throttle("GET", "/services/data/v59.0/query/")
        self.error(SalesforceRefusedRequest, "REQUEST_LIMIT_EXCEEDED", self.salesforce.query, "SELECT Id FROM User")
        self.salesforce.query("SELECT Id FROM User")
        self.assertEqual(self.salesforce.api_usage["api-usage"].total, 100000)


if __name__ == "__main__":
    unittest.main()
