"""slack_sdk, Slack's own SDK for Python."""

import unittest

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.scim import SCIMClient, User
from slack_sdk.scim.v1.user import UserEmail, UserName

from fakes import FakeTest

PEOPLE = [f"p{number}@company.com" for number in range(12)]
ADMIN_TOKEN = "xoxp-fake-slack-admin-token"
TEAM = "T0000000001"


class Slack(FakeTest):
    system = "slack"
    seed = {
        "settings": {"plan": "enterprise", "page_size": 200},
        "users": [{"email": email} for email in PEOPLE],
        "channels": [{"name": "sales"}, {"name": "secret", "private": True, "without_app": True}],
        "usergroups": [{"handle": "sales-team", "users": ["p0"]}],
        "tokens": [{"token": "xoxb-narrow", "user": "UBOT000001", "scopes": ["users:read"]}],
    }

    def setUp(self):
        super().setUp()
        self.slack = self.client(self.credentials["token"])
        self.admin = self.client(ADMIN_TOKEN)

    def client(self, token):
        return WebClient(token=token, base_url=self.url + "/", retry_handlers=[RateLimitErrorRetryHandler(max_retry_count=1)])

    def error(self, code, call, **arguments):
        with self.assertRaises(SlackApiError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["error"], code)
        return caught.exception.response

    def user(self, email):
        return self.slack.users_lookupByEmail(email=email)["user"]["id"]

    def channel(self, name):
        pages = self.slack.conversations_list(types="public_channel,private_channel", limit=1)
        return next(channel["id"] for page in pages for channel in page["channels"] if channel["name"] == name)

    def test_a_token_is_checked(self):
        me = self.slack.auth_test()
        self.assertEqual((me["user_id"], me["team_id"]), ("UBOT000001", TEAM))
        self.error("invalid_auth", self.client("xoxb-another").auth_test)
        self.error("not_allowed_token_type", self.slack.admin_users_session_reset, user_id=me["user_id"])
        self.assertEqual(self.error("missing_scope", self.client("xoxb-narrow").usergroups_list)["needed"], "usergroups:read")

    def test_lists_have_pages(self):
        pages = [page["members"] for page in self.slack.users_list(limit=5)]
        self.assertEqual([len(page) for page in pages], [5, 5, 4])
        self.assertLessEqual(set(PEOPLE), {user["profile"].get("email") for page in pages for user in page})
        self.error("users_not_found", self.slack.users_lookupByEmail, email="nobody@company.com")

    def test_a_channel_is_joined_and_left(self):
        channel, user = self.channel("sales"), self.user(PEOPLE[0])
        self.slack.conversations_invite(channel=channel, users=[user])
        again = self.error("already_in_channel", self.slack.conversations_invite, channel=channel, users=[user])
        self.assertEqual(again["errors"][0]["user"], user)
        self.assertIn(user, [member for page in self.slack.conversations_members(channel=channel, limit=1) for member in page["members"]])
        self.assertEqual([channel["name"] for channel in self.slack.users_conversations(user=user)["channels"]], ["sales"])
        self.slack.conversations_kick(channel=channel, user=user)
        self.error("not_in_channel", self.slack.conversations_kick, channel=channel, user=user)
        self.assertEqual((len(self.events("channel.member_joined")), len(self.events("channel.member_left"))), (1, 1))
        self.error("channel_not_found", self.slack.conversations_info, channel="C0NOTHING")

    def test_a_user_group_is_set_whole(self):
        group = self.slack.usergroups_list()["usergroups"][0]["id"]
        users = [self.user(email) for email in PEOPLE[:3]]
        for _ in range(2):
            self.slack.usergroups_users_update(usergroup=group, users=users)
        self.assertEqual(sorted(self.slack.usergroups_users_list(usergroup=group)["users"]), sorted(users))
        self.assertEqual(len(self.events("usergroup.updated")), 1)
        self.error("no_such_subteam", self.slack.usergroups_users_update, usergroup="S0NOTHING", users=users)
        self.slack.usergroups_disable(usergroup=group)
        self.assertEqual(self.slack.usergroups_list()["usergroups"], [])

    def test_an_organisation_invites_and_removes(self):
        channel = self.channel("sales")
        invitation = {"team_id": TEAM, "email": "new@company.com", "channel_ids": [channel], "real_name": "New Person"}
        self.admin.admin_users_invite(**invitation)
        self.error("already_in_team_invited_user", self.admin.admin_users_invite, **invitation)
        self.act("accept_invitation", user="new@company.com")
        user = self.user("new@company.com")
        self.admin.admin_users_setAdmin(team_id=TEAM, user_id=user)
        self.assertTrue(self.slack.users_info(user=user)["user"]["is_admin"])
        self.admin.admin_users_setRegular(team_id=TEAM, user_id=user)
        self.admin.admin_users_session_reset(user_id=user)
        self.admin.admin_users_remove(team_id=TEAM, user_id=user)
        self.assertTrue(self.slack.users_info(user=user)["user"]["deleted"])
        self.error("user_already_deleted", self.admin.admin_users_remove, team_id=TEAM, user_id=user)

    def test_scim_makes_and_deactivates(self):
        # The SDK's own default is SCIM 1, which the fake does not play; what is asked here is the same in 2, all but the schema.
        client = SCIMClient(token=ADMIN_TOKEN, base_url=self.url.removesuffix("/api") + "/scim/v2/")
        wanted = User(
            schemas=["urn:ietf:params:scim:schemas:core:2.0:User"],
            user_name="sarah",
            name=UserName(given_name="Sarah", family_name="Chen"),
            emails=[UserEmail(value="sarah@company.com", primary=True)],
        )
        made = client.create_user(wanted)
        self.assertEqual((made.status_code, made.user.active), (201, True))
        self.assertEqual(client.create_user(wanted).status_code, 409)
        found = client.search_users(count=5, start_index=1, filter='email eq "sarah@company.com"').users
        self.assertEqual([user.id for user in found], [made.user.id])
        for _ in range(2):
            self.assertIn(client.delete_user(made.user.id).status_code, (200, 204))
        self.assertFalse(client.read_user(made.user.id).user.active)
        self.assertEqual(client.read_user("U0NOTHING").status_code, 404)

    def test_a_limit_is_waited_for(self):
        self.throttle("*", "/api/auth.test")
        self.assertTrue(self.slack.auth_test()["ok"])
        self.assertEqual(self.statuses("POST", "/api/auth.test"), [429, 200])
        self.throttle("*", "/api/auth.test", times=2)
        self.assertEqual(self.error("ratelimited", self.slack.auth_test).headers["Retry-After"], "1")


if __name__ == "__main__":
    unittest.main()
