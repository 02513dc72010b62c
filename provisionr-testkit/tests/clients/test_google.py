"""google-api-python-client and google-auth, Google's own libraries for Python."""

import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.exceptions import RefreshError
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from fakes import FakeTest

PEOPLE = [f"p{number:02}@example.com" for number in range(25)]
SARAH = {"primaryEmail": "sarah@example.com", "name": {"givenName": "Sarah", "familyName": "Chen"}, "password": "correct horse"}


class Google(FakeTest):
    system = "google"
    seed = {
        "settings": {"page_size": 500},
        "org_units": ["/corp/sales"],
        "users": [{"email": email} for email in PEOPLE],
        "groups": [{"email": "sales@example.com", "name": "Sales", "members": []}],
        "tokens": [{"token": "reader", "admin": "admin@example.com", "scopes": ["admin.directory.user.readonly"]}],
    }

    def setUp(self):
        super().setUp()
        self.directory = self.client(Credentials(self.credentials["access_token"]))

    def client(self, credentials):
        # The discovery document comes with the package; of the API only the address differs.
        client = build("admin", "directory_v1", credentials=credentials, static_discovery=True, client_options={"api_endpoint": self.url})
        self.addCleanup(client.close)
        return client

    def error(self, status, reason, request):
        with self.assertRaises(HttpError) as caught:
            request.execute()
        self.assertEqual((caught.exception.status_code, caught.exception.error_details[0]["reason"]), (status, reason))
        return caught.exception

    def test_a_token_is_checked(self):
        self.error(403, "insufficientPermissions", self.client(Credentials("reader")).users().delete(userKey=PEOPLE[0]))
        # A token that is refused is renewed first, and there is nothing to renew this one by.
        with self.assertRaises(RefreshError):
            self.client(Credentials("another")).users().list(customer="my_customer").execute()

    def test_a_service_account_signs_for_its_token(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        info = {"client_email": "provisionr@fake-project.iam.gserviceaccount.com", "private_key": pem, "token_uri": self.url + "/token"}
        scopes = ["https://www.googleapis.com/auth/admin.directory.user"]
        account = service_account.Credentials.from_service_account_info(info, scopes=scopes, subject="admin@example.com")
        self.assertEqual(self.client(account).users().get(userKey=PEOPLE[0]).execute()["primaryEmail"], PEOPLE[0])
        with self.assertRaises(RefreshError) as caught:
            self.client(account.with_subject("nobody@example.com")).users().get(userKey=PEOPLE[0]).execute()
        self.assertIn("invalid_grant", str(caught.exception))

    def test_lists_have_pages(self):
        users, sizes, people = self.directory.users(), [], []
        request = users.list(customer="my_customer", maxResults=10)
        while request is not None:
            page = request.execute()
            sizes.append(len(page["users"]))
            people += [user["primaryEmail"] for user in page["users"]]
            request = users.list_next(request, page)
        self.assertEqual(sizes, [10, 10, 6])
        self.assertLessEqual(set(PEOPLE), set(people))
        self.assertEqual(self.directory.groups().list(customer="my_customer").execute()["groups"][0]["email"], "sales@example.com")

    def test_a_person_comes_changes_and_goes(self):
        users = self.directory.users()
        user = users.insert(body=SARAH).execute()["id"]
        self.error(409, "duplicate", users.insert(body=SARAH))
        for _ in range(2):
            users.update(userKey=user, body={"orgUnitPath": "/corp/sales"}).execute()
        self.assertEqual(users.get(userKey="sarah@example.com").execute()["orgUnitPath"], "/corp/sales")
        self.assertEqual(len(self.events("user.moved")), 1)
        for _ in range(2):
            self.assertTrue(users.update(userKey=user, body={"suspended": True}).execute()["suspended"])
        users.signOut(userKey=user).execute()
        users.update(userKey=user, body={"suspended": False}).execute()
        users.delete(userKey=user).execute()
        self.error(404, "notFound", users.get(userKey=user))
        users.undelete(userKey=user, body={"orgUnitPath": "/"}).execute()
        self.assertEqual(users.get(userKey=user).execute()["primaryEmail"], "sarah@example.com")

    def test_a_group_is_joined_and_left(self):
        members, group = self.directory.members(), "sales@example.com"
        wanted = {"email": PEOPLE[0], "role": "MEMBER"}
        members.insert(groupKey=group, body=wanted).execute()
        again = self.error(409, "duplicate", members.insert(groupKey=group, body={**wanted, "role": "MANAGER"}))
        self.assertIn("Member already exists", str(again))
        members.patch(groupKey=group, memberKey=PEOPLE[0], body={"role": "MANAGER"}).execute()
        self.assertEqual(members.get(groupKey=group, memberKey=PEOPLE[0]).execute()["role"], "MANAGER")
        self.assertTrue(members.hasMember(groupKey=group, memberKey=PEOPLE[0]).execute()["isMember"])
        self.assertEqual([member["email"] for member in members.list(groupKey=group).execute()["members"]], [PEOPLE[0]])
        self.assertEqual(self.directory.groups().list(userKey=PEOPLE[0]).execute()["groups"][0]["email"], group)
        members.delete(groupKey=group, memberKey=PEOPLE[0]).execute()
        self.error(404, "notFound", members.delete(groupKey=group, memberKey=PEOPLE[0]))

    def test_a_limit_is_waited_for(self):
        path = f"/admin/directory/v1/users/{PEOPLE[0]}"
        self.throttle("GET", path)
        self.assertEqual(self.directory.users().get(userKey=PEOPLE[0]).execute(num_retries=1)["primaryEmail"], PEOPLE[0])
        self.assertEqual(len(self.statuses("GET", path)), 2)
        self.throttle("GET", path)
        self.error(self.statuses("GET", path)[0], "userRateLimitExceeded", self.directory.users().get(userKey=PEOPLE[0]))


if __name__ == "__main__":
    unittest.main()
