"""How long the server takes from its start to its first list of tools over stdio, and its memory when idle.

usage: start.py SERVER STORE [RUNS]
"""

import json
import statistics
import subprocess
import sys
import time

server, store, *rest = sys.argv[1:]
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "start", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META}}
times, memory = [], []
for _ in range(int(rest[0]) if rest else 21):
    began = time.perf_counter()
    child = subprocess.Popen([server, "--store", store, "--tools", "all", "--log", "error"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(json.dumps(LIST).encode() + b"\n")
    child.stdin.flush()
    answer = json.loads(child.stdout.readline())
    times.append((time.perf_counter() - began) * 1000)
    assert answer["result"]["tools"], answer
    time.sleep(0.2)
    status = open(f"/proc/{child.pid}/status").read()
    memory.append(int(status.split("VmRSS:")[1].split()[0]) // 1024)
    child.stdin.close()
    child.wait(10)
print(f"start to tools/list: median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms; "
      f"resident when idle: {max(memory)} MiB")
