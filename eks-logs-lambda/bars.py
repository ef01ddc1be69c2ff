#!/usr/bin/env python3
"""Measures what we claim of the functions, with an emulator of Lambda's Runtime API, and prints medians.

  bars.py start BINARY [--runs 30]                 from the start of the process to its first answer, no network
  bars.py zip BINARY...                            what a function's zip file weighs
  bars.py ingest BINARY ARCHIVE                    peak memory and time of one ingestion; S3 is EKS_LOGS_TEST_S3, started by
                                                   python3 .ci/services.py python3 eks-logs-lambda/bars.py ingest ...
"""

import argparse
import http.server
import io
import json
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
import zipfile


class Api(http.server.BaseHTTPRequestHandler):
    """One event after the other to the function, and its answers back."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        event, client = self.server.events.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", str(uuid.uuid4()))
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:1:function:measured")
        if client:
            self.send_header("Lambda-Runtime-Client-Context", client)
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put((time.perf_counter(), self.path.endswith("/response"), body))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


def emulator():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    # A function that is ended breaks its connection off.
    server.handle_error = lambda *_: None
    server.events, server.answers = queue.Queue(), queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start(binary, server, more):
    environment = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "measured",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_EC2_METADATA_DISABLED": "true", **more,
    }
    return subprocess.Popen([binary], env=environment, stdout=subprocess.DEVNULL)


def answered(server, timeout=None):
    at, good, body = server.answers.get(timeout=timeout)
    if not good:
        sys.exit(f"the invocation failed: {body[:500]}")
    return at, json.loads(body)


def measure_start(binary, runs):
    client = json.dumps({"custom": {"bedrockAgentCoreToolName": "NodeLog___rules"}})
    took = []
    for _ in range(runs + 1):
        server = emulator()
        server.events.put((b'{"id": "network/conntrack-table-full"}', client))
        began = time.perf_counter()
        process = start(binary, server, {"EKS_LOGS_STORE": "s3://nobody-asks-for-it"})
        at, answer = answered(server, 60)
        assert answer["statusCode"] == 200, answer
        took.append((at - began) * 1000)
        process.kill()
        process.wait()
        server.shutdown()
    took = took[1:]
    print(f"start to first answer: median {statistics.median(took):.0f} ms, worst {max(took):.0f} ms, {runs} runs")


def measure_zip(binaries):
    for binary in binaries:
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.write(binary, "bootstrap")
        print(f"{os.path.basename(binary)}: {os.path.getsize(binary) / 1e6:.1f} MB, zipped {len(held.getvalue()) / 1e6:.1f} MB")


def peak(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def measure_ingest(binary, archive):
    import boto3

    s3_url = os.environ.get("EKS_LOGS_TEST_S3") or sys.exit(__doc__)
    s3 = boto3.client("s3", endpoint_url=s3_url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="testsecret")
    bucket, key = f"bars-{os.getpid()}", "eks_i-0123456789abcdef0_bars.tar.gz"
    s3.create_bucket(Bucket=bucket)
    s3.upload_file(archive, bucket, key)
    event = {
        "detail-type": "Object Created", "source": "aws.s3",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }
    server = emulator()
    process = start(binary, server, {"EKS_LOGS_STORE": f"s3://{bucket}", "AWS_ENDPOINT_URL": s3_url})
    server.events.put((json.dumps(event).encode(), None))
    began = time.perf_counter()
    at, answer = answered(server)
    took, most = at - began, peak(process)
    process.kill()
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"{key[:-7]}/extracted/manifest.json")["Body"].read())
    size = manifest.get("totalSize") or manifest.get("total_size")
    print(f"ingested {os.path.getsize(archive) / 1e6:.0f} MB packed, {size / 1e6:.0f} MB extracted: {answer}")
    print(f"peak {most / 1024:.0f} MiB resident, {took:.0f} s, {size / 1e6 / took:.0f} MB/s")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("what", choices=["start", "zip", "ingest"])
    arguments.add_argument("paths", nargs="+")
    arguments.add_argument("--runs", type=int, default=30)
    given = arguments.parse_args()
    if given.what == "start":
        measure_start(given.paths[0], given.runs)
    elif given.what == "zip":
        measure_zip(given.paths)
    else:
        measure_ingest(*given.paths)


if __name__ == "__main__":
    main()
