"""What holds for every policy and size of template.yaml."""

import copy
import pathlib
import unittest

import cfnlint.decode

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATE = HERE.parent / "template.yaml"

# Statements that may speak of every resource, and why.
EVERYWHERE = {
    ("EncryptionKey", "AccountAdministersThroughIam"): "a key policy speaks of its own key; without this the key cannot be administered",
    ("EncryptionKey", "NodesUploadThroughS3"): "a key policy speaks of its own key; limited to calls through S3 of this account",
    ("AutomationRole", "HowCommandsAndNodesAre"): "EC2's and SSM's describing and listing actions know no resources",
    ("ToolsRole", "NodesAndAgents"): "EC2's and SSM's describing actions know no resources; limited to the allowed regions",
}
# Statements with a wildcard among their actions, and why.
ANY_ACTION = {
    ("EncryptionKey", "AccountAdministersThroughIam"): "the account administers its key through IAM",
}
# The sample's outputs, which other stacks and scripts may read.
OUTPUTS = [
    "GatewayId", "GatewayUrl", "CognitoUserPoolId", "CognitoClientId", "OAuthExchangeUrl", "OAuthScope", "LogsBucketName",
    "SSMAutomationRoleArn", "EncryptionKeyArn",
]


def load():
    template, problems = cfnlint.decode.decode(str(TEMPLATE))
    assert not problems, problems
    return template


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(template):
    """Every policy statement: logical id, statement."""

    def documents(value):
        if isinstance(value, dict):
            if "Statement" in value:
                yield value
            else:
                for inner in value.values():
                    yield from documents(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from documents(inner)

    for name, resource in template["Resources"].items():
        for document in documents(resource.get("Properties", {})):
            for statement in listed(document["Statement"]):
                if "Fn::If" in statement:
                    statement = statement["Fn::If"][1]
                yield name, statement


def too_wide(template):
    """What allows more than it has to."""
    found = []
    for name, statement in statements(template):
        if statement["Effect"] != "Allow":
            continue
        place = (name, statement.get("Sid", ""))
        if "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
            found.append((place, "allows by exclusion"))
        if any(resource == "*" for resource in listed(statement.get("Resource", []))) and place not in EVERYWHERE:
            found.append((place, "Resource: *"))
        if any("*" in action for action in listed(statement.get("Action", []))) and place not in ANY_ACTION:
            found.append((place, "a wildcard among the actions"))
        if statement.get("Principal") == "*" or statement.get("Principal") == {"AWS": "*"}:
            found.append((place, "anybody"))
        if "iam:PassRole" in listed(statement.get("Action", [])):
            to = statement.get("Condition", {}).get("StringEquals", {}).get("iam:PassedToService")
            if to != "ssm.amazonaws.com":
                found.append((place, "PassRole to any service"))
    return found


class Template(unittest.TestCase):
    def setUp(self):
        self.template = load()

    def test_no_policy_allows_more_than_it_has_to(self):
        self.assertEqual(too_wide(self.template), [])
        there = {(name, statement.get("Sid", "")) for name, statement in statements(self.template)}
        self.assertLessEqual(set(EVERYWHERE) | set(ANY_ACTION), there, "an exception that nothing needs any more")

    def test_what_is_too_wide_is_found(self):
        for change, said in [
            (lambda s: s.update(Resource="*"), "Resource: *"),
            (lambda s: s.update(Resource=["arn:aws:s3:::a", "*"]), "Resource: *"),
            (lambda s: s.update(Action="s3:*"), "a wildcard among the actions"),
            (lambda s: s.update(NotResource=s.pop("Resource")), "allows by exclusion"),
        ]:
            template = copy.deepcopy(self.template)
            policy = template["Resources"]["ToolsRole"]["Properties"]["Policies"][0]["PolicyDocument"]
            change(next(s for s in policy["Statement"] if s["Sid"] == "WriteRecords"))
            self.assertIn(said, [why for _, why in too_wide(template)])
        template = copy.deepcopy(self.template)
        policy = template["Resources"]["ToolsRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        next(s for s in policy["Statement"] if s["Sid"] == "HandTheRoleToTheAutomation").pop("Condition")
        self.assertIn("PassRole to any service", [why for _, why in too_wide(template)])

    def test_nodes_can_only_upload_archives(self):
        for name, statement in statements(self.template):
            if "s3:PutObject" in listed(statement.get("Action", [])) and name in ("LogsBucketPolicy", "NodeUploadPolicy"):
                places = listed(statement.get("Resource") or statement["NotResource"])
                self.assertTrue(places)
                for place in places:
                    self.assertRegex(place["Fn::Sub"], r"/eks_\*\.(tar\.gz|zip)$", f"{name}: {statement}")
        decrypting = [
            name for name, statement in statements(self.template)
            if {"kms:GenerateDataKey", "kms:Decrypt"} <= set(listed(statement.get("Action", [])))
        ]
        self.assertIn("NodeUploadPolicy", decrypting, "uploads in parts need kms:Decrypt")
        self.assertIn("EncryptionKey", decrypting, "uploads in parts need kms:Decrypt")

    def test_the_bucket_keeps_what_it_should_and_no_longer(self):
        bucket = self.template["Resources"]["LogsBucket"]["Properties"]
        self.assertEqual(bucket["VersioningConfiguration"]["Status"], "Enabled")
        self.assertTrue(all(bucket["PublicAccessBlockConfiguration"].values()))
        self.assertEqual(len(bucket["PublicAccessBlockConfiguration"]), 4)
        rules = bucket["LifecycleConfiguration"]["Rules"]
        expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
        # A rule without a prefix would take baselines with the logs.
        records = {"idempotency/", "execution-regions/", "batches/", "ingest-failures/", "baselines/"}
        self.assertEqual(set(expiring), records | {"eks_"})
        self.assertEqual(expiring["eks_"], {"Ref": "BundleRetentionDays"})
        self.assertTrue(any("NoncurrentVersionExpiration" in rule for rule in rules), "deleted must mean deleted")
        self.assertTrue(any("AbortIncompleteMultipartUpload" in rule for rule in rules))

    def test_what_holds_data_outlives_the_stack(self):
        for name in ("LogsBucket", "EncryptionKey"):
            resource = self.template["Resources"][name]
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Retain", "Retain"), name)

    def test_the_outputs_have_the_samples_names(self):
        for name in OUTPUTS:
            self.assertEqual(self.template["Outputs"][name]["Export"]["Name"], {"Fn::Sub": "${AWS::StackName}-" + name})
        self.assertEqual(self.template["Resources"]["GatewayTarget"]["Properties"]["Name"], "NodeLog")

    def test_every_function_has_its_alarms_and_its_log_ends(self):
        resources = self.template["Resources"]
        watched = {
            (alarm["Properties"]["Dimensions"][0]["Value"].get("Ref"), alarm["Properties"]["MetricName"])
            for alarm in resources.values() if alarm["Type"] == "AWS::CloudWatch::Alarm"
        }
        metrics = {metric for _, metric in watched}
        self.assertLessEqual({"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible"}, metrics)
        for name, resource in resources.items():
            if resource["Type"] == "AWS::Lambda::Function":
                self.assertLessEqual({(name, "Errors"), (name, "Throttles")}, watched, name)
                group = resources[resource["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]]
                self.assertIn("RetentionInDays", group["Properties"])
                self.assertEqual(resource["Properties"]["Runtime"], "provided.al2023")

    def test_the_queue_waits_as_long_as_lambda_asks(self):
        resources = self.template["Resources"]
        queue, function = resources["IngestQueue"]["Properties"], resources["IngestFunction"]["Properties"]
        self.assertGreaterEqual(queue["VisibilityTimeout"], 6 * function["Timeout"])
        self.assertEqual(queue["RedrivePolicy"]["deadLetterTargetArn"], {"Fn::GetAtt": ["IngestDeadLetters", "Arn"]})
        self.assertEqual(resources["IngestFromQueue"]["Properties"]["FunctionResponseTypes"], ["ReportBatchItemFailures"])

    def test_it_is_small_enough(self):
        # 51 200 bytes in a request, 1 MB through S3: deploy.sh uploads it.
        self.assertLess(TEMPLATE.stat().st_size, 1_000_000)
        self.assertLess(len(self.template["Resources"]), 500)
        self.assertLess(len(self.template["Parameters"]), 200)
        self.assertLess(len(self.template["Outputs"]), 200)


if __name__ == "__main__":
    unittest.main()
