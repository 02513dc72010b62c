"""python-gitlab."""

import unittest

import gitlab
from gitlab.const import AccessLevel

from fakes import FakeTest

PEOPLE = [f"p{number:02}" for number in range(45)]


class GitLab(FakeTest):
    system = "gitlab"
    seed = {
        "settings": {"page_size": 100},
        "groups": [{"path": "company"}, {"path": "company/eng"}],
        "projects": [{"path": "company/eng/api"}],
        "users": [{"username": name, "email": f"{name}@company.com"} for name in PEOPLE],
        "tokens": [{"token": "glpat-reader", "owner": "p00", "scopes": ["read_api"]}],
    }

    def setUp(self):
        super().setUp()
        self.gitlab = self.client(self.credentials["token"])

    def client(self, token):
        client = gitlab.Gitlab(self.url, private_token=token)
        self.addCleanup(client.session.close)
        return client

    def error(self, status, kind, call, *arguments, **named):
        with self.assertRaises(kind) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.response_code, status)
        return caught.exception

    def user(self, name):
        return self.gitlab.users.list(username=name, get_all=False)[0]

    def test_a_token_is_checked(self):
        self.gitlab.auth()
        self.assertEqual(self.gitlab.user.username, "root")
        self.error(401, gitlab.GitlabAuthenticationError, self.client("another").auth)
        wanted = {"username": "x", "email": "x@company.com", "name": "X", "reset_password": True}
        self.error(403, gitlab.GitlabCreateError, self.client("glpat-reader").users.create, wanted)

    def test_lists_have_pages(self):
        self.assertLessEqual(set(PEOPLE), {user.username for user in self.gitlab.users.list(iterator=True)})
        first = self.gitlab.users.list(iterator=True, per_page=40)
        self.assertEqual((first.per_page, first.current_page, first.total), (40, 1, len(PEOPLE) + 1))
        self.assertEqual([group.full_path for group in self.gitlab.groups.list(get_all=True, per_page=1)], ["company", "company/eng"])

    def test_a_person_comes_changes_and_goes(self):
        wanted = {"username": "sarah", "email": "sarah@company.com", "name": "Sarah Chen", "force_random_password": True, "skip_confirmation": True}
        user = self.gitlab.users.create(wanted)
        again = self.error(409, gitlab.GitlabCreateError, self.gitlab.users.create, wanted)
        self.assertIn("has already been taken", again.error_message)
        user.name = "Sarah Smith"
        user.save()
        self.assertEqual(self.gitlab.users.get(user.id).name, "Sarah Smith")
        user.block()
        self.assertEqual(self.user("sarah").state, "blocked")
        user.unblock()
        user.deactivate()
        self.assertEqual(self.gitlab.users.get(user.id).state, "deactivated")
        self.gitlab.users.delete(user.id)
        self.error(404, gitlab.GitlabGetError, self.gitlab.users.get, user.id)

    def test_a_group_is_joined_and_left(self):
        group, user = self.gitlab.groups.get("company/eng"), self.user("p00")
        wanted = {"user_id": user.id, "access_level": AccessLevel.DEVELOPER, "expires_at": "2031-01-31"}
        member = group.members.create(wanted)
        self.error(409, gitlab.GitlabCreateError, group.members.create, wanted)
        member.access_level = AccessLevel.MAINTAINER
        member.save()
        held = group.members.get(user.id)
        self.assertEqual((held.access_level, held.expires_at), (AccessLevel.MAINTAINER, "2031-01-31"))
        project = self.gitlab.projects.get("company/eng/api")
        self.assertEqual(project.members_all.get(user.id).access_level, AccessLevel.MAINTAINER)
        self.error(404, gitlab.GitlabGetError, project.members.get, user.id)
        group.members.delete(user.id)
        self.error(404, gitlab.GitlabDeleteError, group.members.delete, user.id)

    def test_an_address_is_invited(self):
        group = self.gitlab.groups.get("company")
        wanted = {"email": "new@elsewhere.com", "access_level": AccessLevel.REPORTER}
        group.invitations.create(wanted)
        self.assertEqual([one.invite_email for one in group.invitations.list(get_all=True)], ["new@elsewhere.com"])
        again = self.error(None, gitlab.GitlabInvitationError, group.invitations.create, wanted)
        self.assertIn("new@elsewhere.com", again.error_message)
        group.invitations.delete("new@elsewhere.com")
        self.error(404, gitlab.GitlabDeleteError, group.invitations.delete, "new@elsewhere.com")

    def test_a_limit_is_waited_for(self):
        self.throttle("GET", "/api/v4/user")
        self.gitlab.auth()
        self.assertEqual(self.statuses("GET", "/api/v4/user"), [429, 200])
        self.throttle("GET", "/api/v4/user")
        self.error(429, gitlab.GitlabHttpError, self.gitlab.http_get, "/user", obey_rate_limit=False)


if __name__ == "__main__":
    unittest.main()
