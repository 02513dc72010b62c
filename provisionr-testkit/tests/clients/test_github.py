"""PyGithub."""

import unittest

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from github import (
    Auth,
    BadCredentialsException,
    Github,
    GithubException,
    GithubIntegration,
    RateLimitExceededException,
    UnknownObjectException,
)

from fakes import FakeTest

PEOPLE = [f"p{number:02}" for number in range(40)]


class GitHub(FakeTest):
    system = "github"
    seed = {
        "settings": {"page_size": 100, "seats": len(PEOPLE) + 3},
        "users": [{"login": name} for name in [*PEOPLE, "new", "guest"]],
        "members": [{"user": name} for name in PEOPLE],
        "repositories": [{"name": "api"}],
        "teams": [{"name": "Platform", "members": {}, "repositories": {"api": "write"}}],
        "tokens": [{"token": "ghp_reader", "owner": "octo-owner", "scopes": ["read:org"]}],
    }

    def setUp(self):
        super().setUp()
        self.github = self.client(Auth.Token(self.credentials["token"]))
        self.org = self.github.get_organization(self.settings["organization"])

    def client(self, auth, **other):
        # No pause between requests: that is for github.com. The wait after a limit stays as it is.
        client = Github(auth=auth, base_url=self.url, seconds_between_requests=None, seconds_between_writes=None, **other)
        self.addCleanup(client.close)
        return client

    def error(self, status, kind, call, *arguments, **named):
        with self.assertRaises(kind) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status, status)
        return caught.exception

    def test_a_token_is_checked(self):
        self.assertEqual(self.github.get_user().login, "octo-owner")
        self.assertEqual(self.github.oauth_scopes, ["admin:org", "repo"])
        self.error(401, BadCredentialsException, self.client(Auth.Token("ghp_another")).get_user, "p00")
        reader = self.client(Auth.Token("ghp_reader")).get_organization("company")
        self.error(403, GithubException, reader.invite_user, user=self.github.get_user("new"))

    def test_an_app_signs_for_its_token(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        app = GithubIntegration(auth=Auth.AppAuth("Iv1.fake0app", pem), base_url=self.url)
        self.addCleanup(app.close)
        github = self.client(Auth.Token(app.get_access_token(4242).token))
        self.assertEqual(github.get_organization("company").login, "company")

    def test_lists_have_pages(self):
        members = self.org.get_members()
        self.assertEqual(members.totalCount, len(PEOPLE) + 1)
        self.assertLessEqual(set(PEOPLE), {member.login for member in members})
        self.assertEqual([member.login for member in self.org.get_members(role="admin")], ["octo-owner"])
        self.error(404, UnknownObjectException, self.github.get_user, "nobody")

    def test_a_person_is_invited_joins_and_is_removed(self):
        new = self.github.get_user("new")
        self.org.add_to_members(new)
        self.assertEqual([one.login for one in self.org.invitations()], ["new"])
        self.org.add_to_members(new)
        self.assertEqual(len(self.events("invitation.sent")), 1)
        self.assertEqual(new.get_organization_membership(self.org).state, "pending")
        self.act("accept_invitation", user="new")
        self.assertEqual(new.get_organization_membership(self.org).state, "active")
        self.assertTrue(self.org.has_in_members(new))
        self.org.add_to_members(new, role="admin")
        self.assertEqual(new.get_organization_membership(self.org).role, "admin")
        self.org.remove_from_membership(new)
        self.error(404, UnknownObjectException, self.org.remove_from_membership, new)
        self.assertFalse(self.org.has_in_members(new))

    def test_an_invitation_is_withdrawn(self):
        self.org.invite_user(user=self.github.get_user("new"))
        invitation = self.org.invitations()[0]
        self.assertEqual((invitation.login, invitation.role), ("new", "direct_member"))
        self.assertTrue(self.org.cancel_invitation(invitation))
        self.assertFalse(self.org.cancel_invitation(invitation))
        self.assertEqual(self.org.invitations().totalCount, 0)
        member = self.github.get_user("p00")
        self.error(422, GithubException, self.org.invite_user, user=member)

    def test_a_team_is_joined_and_left(self):
        team, user = self.org.get_team_by_slug("platform"), self.github.get_user("p00")
        for _ in range(2):
            team.add_membership(user, role="maintainer")
        membership = team.get_team_membership(user)
        self.assertEqual((membership.state, membership.role), ("active", "maintainer"))
        self.assertEqual([member.login for member in team.get_members()], ["p00"])
        self.assertEqual(len(self.events("team.joined")), 1)
        team.remove_membership(user)
        self.error(404, UnknownObjectException, team.get_team_membership, user)

    def test_a_repository_is_shared(self):
        repo = self.github.get_repo("company/api")
        self.assertIsNone(repo.add_to_collaborators("p00", permission="push"))
        self.assertTrue(repo.has_in_collaborators("p00"))
        self.assertEqual(repo.get_collaborator_permission("p00"), "write")
        invitation = repo.add_to_collaborators("guest", permission="pull")
        self.assertEqual(invitation.invitee.login, "guest")
        self.assertEqual([one.invitee.login for one in repo.get_pending_invitations()], ["guest"])
        repo.remove_invitation(invitation.id)
        self.assertIn("p00", [one.login for one in repo.get_collaborators(affiliation="direct")])
        for _ in range(2):
            repo.remove_from_collaborators("p00")
        self.assertFalse(repo.has_in_collaborators("p00"))

    def test_a_limit_is_waited_for(self):
        self.assertEqual(self.github.get_rate_limit().resources.core.limit, 5000)
        self.throttle("GET", "/users/p00")
        self.assertEqual(self.github.get_user("p00").login, "p00")
        self.assertEqual(self.statuses("GET", "/users/p00"), [403, 200])
        self.throttle("GET", "/users/p00")
        self.error(403, RateLimitExceededException, self.client(Auth.Token(self.credentials["token"]), retry=None).get_user, "p00")


if __name__ == "__main__":
    unittest.main()
