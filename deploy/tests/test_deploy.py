"""deploy.sh against an `aws` of our own: what it asks for, what it would change, what it says is missing."""

import json
import os
import pathlib
import stat
import subprocess
import tempfile
import textwrap
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent / "deploy.sh"
ROLE = "arn:aws:iam::123456789012:role/nodes"

# Writes down each call, and answers as AWS would; ABSENT names what there is not.
AWS = textwrap.dedent(
    """\
    #!/usr/bin/env python3
    import json, os, sys
    arguments = sys.argv[1:]
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(json.dumps(arguments) + "\\n")
    absent = os.environ.get("ABSENT", "").split(",")
    what = " ".join(arguments[:2])
    if what in absent:
        sys.exit(f"An error occurred ({what}): not here")
    def option(name):
        return arguments[arguments.index(name) + 1]
    if what == "sts get-caller-identity":
        print("123456789012\\tarn:aws:iam::123456789012:user/me")
    elif what == "iam get-role":
        print("arn:aws:iam::123456789012:role/" + option("--role-name"))
    elif what == "cloudformation describe-stacks":
        names = ["GatewayUrl", "CognitoUserPoolId", "CognitoClientId", "OAuthExchangeUrl", "OAuthScope", "LogsBucketName", "NodeUploadPolicyArn"]
        print(json.dumps([{"OutputKey": name, "OutputValue": "the-" + name} for name in names]))
    elif what == "cognito-idp describe-user-pool-client":
        print("a-secret")
    """
)
CHANGES = {"mb", "cp", "deploy", "put-public-access-block", "create-bucket", "put-object"}


class Deploy(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = pathlib.Path(self.directory.name)
        (self.root / "bin").mkdir()
        self.tool("aws", AWS)
        for name in ("tools", "ingest"):
            (self.root / f"{name}.zip").write_bytes(name.encode())

    def tool(self, name, text):
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run_it(self, *arguments, absent="", path=None, region="eu-central-1"):
        self.calls = self.root / "calls"
        self.calls.write_text("")
        environment = {
            "PATH": path or f"{self.root}/bin:{os.environ['PATH']}", "HOME": str(self.root), "CALLS": str(self.calls), "ABSENT": absent,
        }
        if region:
            environment["AWS_REGION"] = region
        return subprocess.run(
            ["bash", str(SCRIPT), *arguments], env=environment, cwd=self.root, capture_output=True, text=True, timeout=60
        )

    def made(self):
        calls = [json.loads(line) for line in self.calls.read_text().splitlines()]
        return [call for call in calls if call[1] in CHANGES]

    def zips(self):
        return ("--zips", str(self.root))

    def test_a_dry_run_says_what_it_would_do_and_changes_nothing(self):
        done = self.run_it("--dry-run", "--node-role", ROLE, "--allow-region", "us-east-1", "--stack", "Mine", *self.zips())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.made(), [])
        self.assertFalse((self.root / "eks-logs-config.txt").exists())
        for words in [
            "stack      Mine in eu-central-1, account 123456789012", f"node role  {ROLE}", "regions    eu-central-1,us-east-1",
            "would run: aws cloudformation deploy", f"NodeRoleArns={ROLE}", "s3://eks-logs-artifacts-123456789012-eu-central-1/eks-logs/tools-arm64-",
            "nothing was changed",
        ]:
            self.assertIn(words, done.stdout)

    def test_a_deployment_prints_the_values_and_keeps_the_secret_in_a_file(self):
        done = self.run_it("--region", "us-west-2", *self.zips(), absent="s3api head-bucket")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([call[1] for call in self.made()], ["mb", "put-public-access-block", "cp", "cp", "deploy"])
        deploy = self.made()[-1]
        for value in ["Architecture=arm64", "NamePrefix=eks-logs", "NodeRoleArns=", "AllowedRegions="]:
            self.assertIn(value, deploy)
        self.assertEqual(deploy[deploy.index("--region") + 1], "us-west-2")
        config = self.root / "eks-logs-config.txt"
        self.assertEqual(stat.S_IMODE(config.stat().st_mode), 0o600)
        for line in ["MCP_SERVER_URL=the-GatewayUrl", "OAUTH_CLIENT_SECRET=a-secret", "OAUTH_SCOPE=the-OAuthScope"]:
            self.assertIn(line, config.read_text())
        self.assertIn("the-GatewayUrl", done.stdout)
        self.assertNotIn("a-secret", done.stdout + done.stderr)

    def test_everything_that_is_missing_is_said_at_once_and_before_anything(self):
        done = self.run_it(
            "--node-role", "nodes", "--arch", "mips", "--prefix", "A", "--parameter", "x", "--zips", "/nowhere",
            absent="bedrock-agentcore-control list-gateways",
        )
        self.assertEqual(done.returncode, 2)
        for words in ["--node-role nodes", "--arch mips", "--prefix A", "--parameter x", "/nowhere/tools.zip", "AgentCore Gateway in eu-central-1"]:
            self.assertIn(words, done.stderr)
        self.assertEqual(self.made(), [])
        done = self.run_it(*self.zips(), absent="sts get-caller-identity")
        self.assertIn("credentials that AWS accepts", done.stderr)
        done = self.run_it(*self.zips(), region=None)
        self.assertIn("a region: --region, or AWS_REGION", done.stderr)
        done = self.run_it("--node-role", "arn:aws:iam::999999999999:role/nodes", *self.zips())
        self.assertIn("a role of this account, 123456789012", done.stderr)
        done = self.run_it("--node-role", "arn:aws:iam::123456789012:role/nodes", *self.zips(), absent="iam get-role")
        self.assertIn("the role cannot be seen", done.stderr)

    def test_tools_that_are_missing_are_named(self):
        bare = self.root / "bare"
        bare.mkdir()
        for name in ("bash", "dirname", "cut", "tr", "cat"):
            (bare / name).symlink_to(subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip())
        done = self.run_it(path=str(bare))
        self.assertEqual(done.returncode, 2)
        for words in ["the AWS CLI", "python3", "cargo, to build"]:
            self.assertIn(words, done.stderr)

    def test_options_that_there_are_not_are_refused(self):
        for arguments, words in [(("--nodes",), "no option --nodes"), (("--region",), "--region needs a value"), (("--stack", "--dry-run"), "--stack needs a value")]:
            done = self.run_it(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(words, done.stderr)
        self.assertIn("--dry-run", self.run_it("--help").stdout)


if __name__ == "__main__":
    unittest.main()
