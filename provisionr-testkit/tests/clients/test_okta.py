"""okta, Okta's own SDK for Python."""

import os
import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from okta.client import Client
from okta.models import AppUserAssignRequest, CreateUserRequest, UpdateUserRequest
from okta.pagination import PaginationHelper

from fakes import FakeTest

PEOPLE = [f"p{number:02}@company.com" for number in range(12)]
SARAH = {"login": "sarah@company.com", "email": "sarah@company.com", "firstName": "Sarah", "lastName": "Chen"}

# The SDK's own switch for an org behind plain HTTP.
os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"


class Okta(FakeTest, unittest.IsolatedAsyncioTestCase):
    system = "okta"
    seed = {
        "settings": {"page_size": 200},
        "groups": [{"name": "crew"}],
        "apps": [{"name": "google", "label": "Google Workspace"}],
        "users": [{"login": login} for login in PEOPLE],
    }

    async def asyncSetUp(self):
        self.okta = await self.client(token=self.credentials["token"])

    async def client(self, **config):
        return await self.enterAsyncContext(Client({"orgUrl": self.url, "rateLimit": {"maxRetries": 1}, **config}))

    async def ok(self, call):
        *answer, error = await call
        self.assertIsNone(error)
        return answer[0]

    async def error(self, status, code, call):
        *_, error = await call
        self.assertEqual((error.status, error.error_code), (status, code))
        return error

    async def crew(self):
        return (await self.ok(self.okta.list_groups(search='profile.name eq "crew"')))[0].id

    async def test_a_token_is_checked(self):
        self.assertEqual((await self.ok(self.okta.get_user("me"))).profile.login, "admin@example.com")
        await self.error(401, "E0000011", (await self.client(token="another")).list_users())

    async def test_a_service_app_signs_for_its_token(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        config = {"authorizationMode": "PrivateKey", "clientId": "0oaserviceapp0000001", "privateKey": pem.decode()}
        app = await self.client(**config, scopes=["okta.groups.read"])
        self.assertIn("crew", [group.profile.actual_instance.name for group in await self.ok(app.list_groups())])
        await self.error(403, "E0000006", app.list_users())

    async def test_lists_have_pages(self):
        sizes, people, after = [], [], None
        while True:
            users, answer, error = await self.okta.list_users(limit=5, after=after)
            self.assertIsNone(error)
            sizes.append(len(users))
            people += [user.profile.login for user in users]
            after = PaginationHelper.extract_next_cursor(answer.headers)
            if after is None:
                break
        self.assertEqual(sizes, [5, 5, 3])
        self.assertLessEqual(set(PEOPLE), set(people))

    async def test_a_person_comes_changes_and_goes(self):
        wanted = CreateUserRequest.from_dict({"profile": SARAH})
        user = await self.ok(self.okta.create_user(wanted, activate=False))
        self.assertEqual(user.status, "STAGED")
        again = await self.error(400, "E0000001", self.okta.create_user(wanted))
        self.assertIn("login: An object with this field already exists", again.error_causes[0]["errorSummary"])
        self.assertEqual([one.id for one in await self.ok(self.okta.list_users(filter='profile.email eq "sarah@company.com"'))], [user.id])

        change = UpdateUserRequest.from_dict({"profile": {"department": "Sales"}})
        for _ in range(2):
            changed = await self.ok(self.okta.update_user(user.id, change))
        self.assertEqual((changed.profile.department, changed.profile.first_name), ("Sales", "Sarah"))
        await self.ok(self.okta.activate_user(user.id, send_email=False))
        self.act("set_status", user=user.id, status="ACTIVE")
        await self.error(403, "E0000016", self.okta.activate_user(user.id, send_email=False))
        await self.ok(self.okta.suspend_user(user.id))
        await self.error(400, "E0000001", self.okta.suspend_user(user.id))
        await self.ok(self.okta.unsuspend_user(user.id))
        await self.ok(self.okta.revoke_user_sessions(user.id, oauth_tokens=True))
        await self.ok(self.okta.deactivate_user(user.id))
        self.assertEqual((await self.ok(self.okta.get_user(user.id))).status, "DEPROVISIONED")
        await self.ok(self.okta.delete_user(user.id))
        await self.error(404, "E0000007", self.okta.get_user(user.id))

    async def test_a_group_is_joined_and_left(self):
        group, user = await self.crew(), (await self.ok(self.okta.get_user(PEOPLE[0]))).id
        for _ in range(2):
            await self.ok(self.okta.assign_user_to_group(group, user))
        self.assertEqual([member.id for member in await self.ok(self.okta.list_group_users(group))], [user])
        self.assertIn(group, [held.id for held in await self.ok(self.okta.list_user_groups(user))])
        for _ in range(2):
            await self.ok(self.okta.unassign_user_from_group(group, user))
        self.assertEqual((len(self.events("group.member_added")), len(self.events("group.member_removed"))), (1, 1))
        await self.error(404, "E0000007", self.okta.assign_user_to_group("00gnothing", user))

    async def test_an_app_is_assigned_and_taken(self):
        app, user = (await self.ok(self.okta.list_applications()))[0], (await self.ok(self.okta.get_user(PEOPLE[0]))).id
        self.assertEqual(app.label, "Google Workspace")
        wanted = AppUserAssignRequest(id=user, scope="USER")
        self.assertEqual((await self.ok(self.okta.assign_user_to_application(app.id, wanted))).scope, "USER")
        await self.error(409, "E0000062", self.okta.assign_user_to_application(app.id, wanted))
        self.assertEqual([one.id for one in await self.ok(self.okta.list_application_users(app.id))], [user])
        await self.ok(self.okta.unassign_user_from_application(app.id, user))
        await self.error(404, "E0000007", self.okta.get_application_user(app.id, user))

    async def test_a_limit_is_waited_for(self):
        self.throttle("GET", "/api/v1/users/me", seconds=0)
        await self.ok(self.okta.get_user("me"))
        self.assertEqual(self.statuses("GET", "/api/v1/users/me"), [429, 200])
        self.throttle("GET", "/api/v1/users/me", seconds=0, times=2)
        await self.error(429, "E0000047", self.okta.get_user("me"))


if __name__ == "__main__":
    unittest.main()
