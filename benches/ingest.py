#!/usr/bin/env python3
"""Measures what ingesting an archive in a bucket costs, beside its two parts in the same run: the local scan, and putting the files.

  python3 .ci/services.py python3 benches/ingest.py [--size-mb 1000] [--runs 3]

A seeded bundle is made and packed. `ingest` reads the archive from SeaweedFS and stores files, line indexes, findings and manifest; beside it
stand `eks-logs triage` of the same archive on disk and puts of the same files by boto3, six at a time, as ingestion does. One more run goes
through a counting proxy, which tells the requests. Needs: cargo, gzip, tar.
"""
import argparse, collections, concurrent.futures, os, re, socket, statistics, subprocess, sys, tempfile, threading, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bars

AT_A_TIME = 6
NAME = "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9"


class Counting:
    """A proxy in front of S3 that counts requests by method and what they are about."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.seen = collections.Counter()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.upstream)
            threading.Thread(target=self.relay, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self.relay, args=(server, client, False), daemon=True).start()

    def relay(self, come, go, count):
        # A client writes each request at the start of a piece, for it waits for the answer to the last one.
        head = re.compile(rb"(GET|PUT|HEAD|POST|DELETE) (\S+) HTTP/1.1\r\n")
        try:
            while piece := come.recv(1 << 20):
                found = count and head.match(piece)
                if found:
                    self.seen[found[1].decode(), self.kind(found[2].decode())] += 1
                go.sendall(piece)
        except OSError:
            pass
        for end in (come, go):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @staticmethod
    def kind(target):
        path, _, query = target.partition("?")
        if "list-type" in query:
            return "listing"
        if path.endswith(".tar.gz"):
            return "archive"
        if "/line_index/" in path or path.endswith(("manifest.json", "findings_index.json", "events_index.json")):
            return "record"
        if "/extracted/" in path:
            return "part of a member" if "upload" in query.lower() else "member"
        return "other"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--size-mb", type=int, default=1000)
    arguments.add_argument("--runs", type=int, default=3)
    given = arguments.parse_args()
    endpoint = os.environ.get("EKS_LOGS_TEST_S3") or sys.exit("run it through .ci/services.py")
    # boto3 comes with the servers.
    venv = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(bars.ROOT, "target")), "services", "venv", "lib")
    sys.path += [os.path.join(venv, version, "site-packages") for version in os.listdir(venv)]
    import boto3
    import botocore.config

    eks_logs, corpus = bars.build()
    config = botocore.config.Config(max_pool_connections=AT_A_TIME, s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "testsecret", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=endpoint, config=config, **keys)
    os.environ.update({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "testsecret", "AWS_REGION": "us-east-1"})
    os.environ.pop("AWS_PROFILE", None)
    with tempfile.TemporaryDirectory() as work:
        bundle, archive = os.path.join(work, "bundle"), os.path.join(work, NAME + ".tar.gz")
        subprocess.run([corpus, bundle, str(given.size_mb), "1"], check=True)
        bars.pack(bundle, archive)
        size = bars.size_of(bundle)
        files = [os.path.join(at, name) for at, _, names in os.walk(bundle) for name in names]
        print(f"{size / 1e6:.0f} MB in {len(files)} files, {os.path.getsize(archive) / 1e6:.0f} MB packed, "
              f"{os.cpu_count()} processors, medians of {given.runs}", flush=True)

        def ingest(bucket, url):
            s3.create_bucket(Bucket=bucket)
            s3.upload_file(archive, bucket, NAME + ".tar.gz")
            os.environ["AWS_ENDPOINT_URL"] = url
            figures = bars.run([eks_logs, "ingest", NAME + ".tar.gz", "--store", "s3://" + bucket])
            if figures[3] != 0:
                sys.exit(f"ingest: exit status {figures[3]}: nothing was measured")
            return figures

        def put(bucket):
            s3.create_bucket(Bucket=bucket)
            start = time.perf_counter()
            with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
                done = [pool.submit(s3.upload_file, file, bucket, os.path.relpath(file, bundle)) for file in files]
                for each in done:
                    each.result()
            return time.perf_counter() - start, 0, 0, 0

        runs, mark = [], f"{os.getpid()}-{int(time.time())}"
        for number in range(given.runs):
            runs.append((bars.run([eks_logs, "triage", archive, "--format", "json"]), put(f"put-{mark}-{number}"),
                         ingest(f"ingest-{mark}-{number}", endpoint)))
        scan, puts, ours = ([statistics.median(column) for column in zip(*side)] for side in zip(*runs))
        bars.row("eks-logs triage ARCHIVE (on disk)", scan, size)
        bars.row(f"puts of the files by boto3, {AT_A_TIME} at a time", puts, size)
        bars.row("eks-logs ingest ARCHIVE (in S3)", ours, size)
        print(f"  time: {ours[0] / (scan[0] + puts[0]):.2f} x the scan + the puts (bar: 2.00)")
        print(f"  peak memory: {max(run[2][2] for run in runs) / 1024:.0f} MiB (bar: 256)")
        host, port = endpoint.removeprefix("http://").split(":")
        proxy = Counting((host, int(port)))
        ingest(f"counted-{mark}", proxy.url)
        print(f"  GETs of the archive: {proxy.seen['GET', 'archive']} (bar: 1); all requests:")
        for (method, kind), count in sorted(proxy.seen.items()):
            print(f"    {count:6} {method} {kind}")


main()
