"""atlassian-python-api, the client for Jira Cloud's version 3."""

import unittest

from atlassian.jira import JiraCloud
from requests import HTTPError

from fakes import FakeTest

PEOPLE = [f"p{number:02}@company.com" for number in range(25)]


class Jira(FakeTest):
    system = "jira"
    seed = {
        "settings": {"page_size": 1000},
        "groups": [{"name": "crew"}, {"name": "jira-software-users", "access": "user"}],
        "products": [{"key": "jira-software", "seats": 100, "groups": ["jira-software-users"]}],
        "users": [{"email": email, "name": email.split("@")[0]} for email in PEOPLE],
        "projects": [{"key": "ENG"}],
    }

    def setUp(self):
        super().setUp()
        self.site = self.url.split("/ex/jira/")[0]
        self.jira = self.client(self.site, username="admin@example.com", password="ATATT3-fake-api-token")

    def client(self, url, **credentials):
        client = JiraCloud(url, **credentials)
        self.addCleanup(client.session.close)
        return client

    def error(self, status, call, *arguments, **named):
        with self.assertRaises(HTTPError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.response.status_code, status)
        return caught.exception

    def group(self, name):
        return self.jira.bulk_get_groups(group_name=name)["values"][0]["groupId"]

    def user(self, email):
        return self.jira.find_users(query=email)[0]["accountId"]

    def test_a_token_is_checked(self):
        self.assertEqual(self.jira.get_current_user()["emailAddress"], "admin@example.com")
        self.error(401, self.client(self.site, username="admin@example.com", password="another").get_current_user)
        # The gateway takes a token with scopes, as a bearer.
        gateway = self.client(self.url, token=self.credentials["bearer"])
        self.assertEqual(gateway.get_current_user()["emailAddress"], "admin@example.com")
        told = self.client(self.site).get_server_info()
        self.assertEqual((told["deploymentType"], told["baseUrl"]), ("Cloud", self.site))

    def test_lists_have_pages(self):
        sizes, people = [], []
        while not sizes or sizes[-1]:
            page = self.jira.get_all_users(start_at=len(people), max_results=10)
            sizes.append(len(page))
            people += [user["displayName"] for user in page]
        self.assertEqual(sizes, [10, 10, 6, 0])
        self.assertEqual([project["key"] for project in self.jira.search_projects()["values"]], ["ENG"])
        self.assertEqual(self.jira.find_users(query="nobody@company.com"), [])

    def test_a_person_comes_and_goes(self):
        wanted = {"emailAddress": "sarah@company.com", "products": ["jira-software"]}
        user = self.jira.create_user(data=wanted)["accountId"]
        self.assertEqual(self.jira.create_user(data=wanted)["accountId"], user)
        self.assertEqual(len(self.events("user.mail")), 1)
        self.assertEqual([group["name"] for group in self.jira.get_user_groups(account_id=user)], ["jira-software-users"])
        self.jira.remove_user(account_id=user)
        self.error(404, self.jira.remove_user, account_id=user)
        self.error(404, self.jira.get_user, account_id="nobody")
        self.assertIn("email", str(self.error(400, self.jira.create_user, data={"products": []})))

    def test_a_group_is_joined_and_left(self):
        group, user = self.group("crew"), self.user(PEOPLE[0])
        joined = self.jira.add_user_to_group(group_id=group, data={"accountId": user})
        self.assertEqual(joined["name"], "crew")
        self.error(400, self.jira.add_user_to_group, group_id=group, data={"accountId": user})
        self.assertEqual([one["accountId"] for one in self.jira.get_users_from_group(group_id=group)["values"]], [user])
        self.jira.remove_user_from_group(group_id=group, account_id=user)
        self.assertEqual(self.jira.get_users_from_group(group_id=group)["values"], [])
        self.assertEqual((len(self.events("group.member_added")), len(self.events("group.member_removed"))), (1, 1))
        self.error(404, self.jira.add_user_to_group, group_id="nothing", data={"accountId": user})

    def test_a_role_in_a_project_is_given_and_taken(self):
        user = self.user(PEOPLE[0])
        role = self.jira.get_project_roles("ENG")["Developers"].rsplit("/", 1)[1]
        given = self.jira.add_actor_users("ENG", role, data={"user": [user]})
        self.assertEqual([actor["actorUser"]["accountId"] for actor in given["actors"]], [user])
        self.error(400, self.jira.add_actor_users, "ENG", role, data={"user": [user]})
        self.jira.delete_actor("ENG", role, user=user)
        self.assertEqual(self.jira.get_project_role("ENG", role)["actors"], [])
        self.error(404, self.jira.get_project_roles, "NONE")

    def test_a_limit_is_waited_for(self):
        self.throttle("GET", "/rest/api/3/myself")
        self.jira.get_current_user()
        self.assertEqual(self.statuses("GET", "/rest/api/3/myself"), [429, 200])
        self.throttle("GET", "/rest/api/3/myself", times=2)
        self.error(429, self.jira.get_current_user)


if __name__ == "__main__":
    unittest.main()
