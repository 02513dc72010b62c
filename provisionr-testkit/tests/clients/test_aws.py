"""boto3, AWS's own SDK."""

import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from fakes import FakeTest

PEOPLE = [f"p{number:03}@company.com" for number in range(250)]
SARAH = {
    "UserName": "sarah@company.com",
    "DisplayName": "Sarah Chen",
    "Name": {"GivenName": "Sarah", "FamilyName": "Chen"},
    "Emails": [{"Value": "sarah@company.com", "Type": "work", "Primary": True}],
}


class Aws(FakeTest):
    system = "aws"
    seed = {
        "settings": {"job_ms": None, "job_looks": 1},
        "users": [{"user_name": name} for name in PEOPLE],
        "groups": [{"name": "engineering"}],
        "accounts": [{"name": "production", "id": "111111111111"}],
        "permission_sets": [{"name": "ReadOnly"}],
    }

    def setUp(self):
        super().setUp()
        self.store, self.sso = self.client("identitystore"), self.client("sso-admin")
        self.of_store = {"IdentityStoreId": self.settings["identity_store_id"]}
        self.of_instance = {"InstanceArn": self.settings["instance_arn"]}

    def client(self, service, **other):
        keys = {"aws_access_key_id": self.credentials["access_key_id"], "aws_secret_access_key": self.credentials["secret_access_key"]}
        config = Config(retries={"mode": "standard", "total_max_attempts": 2})
        return boto3.client(service, region_name=self.settings["region"], endpoint_url=self.url, config=config, **{**keys, **other})

    def error(self, code, call, **arguments):
        with self.assertRaises(ClientError) as caught:
            call(**arguments)
        self.assertEqual(caught.exception.response["Error"]["Code"], code)
        return caught.exception

    def user_id(self, name):
        by = {"UniqueAttribute": {"AttributePath": "userName", "AttributeValue": name}}
        return self.store.get_user_id(**self.of_store, AlternateIdentifier=by)["UserId"]

    def group_id(self, name):
        by = {"UniqueAttribute": {"AttributePath": "displayName", "AttributeValue": name}}
        return self.store.get_group_id(**self.of_store, AlternateIdentifier=by)["GroupId"]

    def test_the_instance_is_found(self):
        found = self.sso.list_instances()["Instances"]
        self.assertEqual([one["InstanceArn"] for one in found], [self.settings["instance_arn"]])
        self.assertEqual([one["IdentityStoreId"] for one in found], [self.settings["identity_store_id"]])
        self.assertEqual(self.sso.describe_instance(**self.of_instance)["Status"], "ACTIVE")

    def test_a_signature_is_checked(self):
        other = self.client("identitystore", aws_secret_access_key="another")
        self.error("InvalidSignatureException", other.list_users, **self.of_store)
        self.act("deny", action="identitystore:CreateUser")
        self.error("AccessDeniedException", self.store.create_user, **self.of_store, **SARAH)

    def test_lists_have_pages(self):
        pages = list(self.store.get_paginator("list_users").paginate(**self.of_store))
        self.assertEqual([len(page["Users"]) for page in pages], [100, 100, 50])
        self.assertEqual(sorted(user["UserName"] for page in pages for user in page["Users"]), PEOPLE)

    def test_a_person_comes_changes_and_goes(self):
        user = self.store.create_user(**self.of_store, **SARAH)["UserId"]
        again = self.error("ConflictException", self.store.create_user, **self.of_store, **SARAH)
        self.assertIsInstance(again, self.store.exceptions.ConflictException)
        self.assertEqual(again.response["Reason"], "UNIQUENESS_CONSTRAINT_VIOLATION")
        self.assertEqual(self.user_id("sarah@company.com"), user)

        title = [{"AttributePath": "title", "AttributeValue": "Engineer"}]
        for _ in range(2):
            self.store.update_user(**self.of_store, UserId=user, Operations=title)
        self.assertEqual(self.store.describe_user(**self.of_store, UserId=user)["Title"], "Engineer")
        self.assertEqual(len(self.events("user.updated")), 1)

        for _ in range(2):
            self.store.delete_user(**self.of_store, UserId=user)
        gone = self.error("ResourceNotFoundException", self.store.describe_user, **self.of_store, UserId=user)
        self.assertEqual((gone.response["ResourceType"], gone.response["ResourceId"]), ("USER", user))

    def test_a_group_is_joined_and_left(self):
        pair = {**self.of_store, "GroupId": self.group_id("engineering"), "MemberId": {"UserId": self.user_id(PEOPLE[0])}}
        membership = self.store.create_group_membership(**pair)["MembershipId"]
        self.error("ConflictException", self.store.create_group_membership, **pair)
        self.assertEqual(self.store.get_group_membership_id(**pair)["MembershipId"], membership)
        of_member = self.store.get_paginator("list_group_memberships_for_member").paginate(**self.of_store, MemberId=pair["MemberId"])
        self.assertEqual([row["GroupId"] for row in of_member.build_full_result()["GroupMemberships"]], [pair["GroupId"]])
        for _ in range(2):
            self.store.delete_group_membership(**self.of_store, MembershipId=membership)
        self.error("ResourceNotFoundException", self.store.get_group_membership_id, **pair)

    def test_a_permission_set_is_assigned_by_a_job(self):
        sets = self.sso.get_paginator("list_permission_sets").paginate(**self.of_instance).build_full_result()["PermissionSets"]
        self.assertEqual(self.sso.describe_permission_set(**self.of_instance, PermissionSetArn=sets[0])["PermissionSet"]["Name"], "ReadOnly")
        wanted = {
            **self.of_instance,
            "PermissionSetArn": sets[0],
            "TargetType": "AWS_ACCOUNT",
            "TargetId": "111111111111",
            "PrincipalType": "USER",
            "PrincipalId": self.user_id(PEOPLE[0]),
        }
        for _ in range(2):
            job = self.sso.create_account_assignment(**wanted)["AccountAssignmentCreationStatus"]
            self.assertEqual(job["Status"], "IN_PROGRESS")
            looked = []
            for _ in range(2):
                asked = {**self.of_instance, "AccountAssignmentCreationRequestId": job["RequestId"]}
                looked.append(self.sso.describe_account_assignment_creation_status(**asked)["AccountAssignmentCreationStatus"]["Status"])
            self.assertEqual(looked, ["IN_PROGRESS", "SUCCEEDED"])
        self.assertEqual(len(self.events("assignment.created")), 1)

        held = self.sso.get_paginator("list_account_assignments_for_principal")
        asked = {**self.of_instance, "PrincipalId": wanted["PrincipalId"], "PrincipalType": "USER"}
        self.assertEqual([row["AccountId"] for row in held.paginate(**asked).build_full_result()["AccountAssignments"]], ["111111111111"])

        ends = []
        for _ in range(2):
            job = self.sso.delete_account_assignment(**wanted)["AccountAssignmentDeletionStatus"]
            for _ in range(2):
                asked = {**self.of_instance, "AccountAssignmentDeletionRequestId": job["RequestId"]}
                last = self.sso.describe_account_assignment_deletion_status(**asked)["AccountAssignmentDeletionStatus"]["Status"]
            ends.append(last)
        self.assertEqual(ends, ["SUCCEEDED", "FAILED"])

    def test_a_limit_is_waited_for(self):
        self.throttle("POST", "/")
        answer = self.store.list_users(**self.of_store, MaxResults=1)
        self.assertEqual((len(answer["Users"]), answer["ResponseMetadata"]["RetryAttempts"]), (1, 1))
        self.throttle("POST", "/", times=2)
        self.error("ThrottlingException", self.store.list_users, **self.of_store)


if __name__ == "__main__":
    unittest.main()
