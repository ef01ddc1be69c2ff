#!/usr/bin/env python3
"""Measures what we claim of eks-logs-mcp: how fast it starts, what it weighs, and how it bears many clients.

  mcp_load.py SERVER [--bundle DIR] [--size-mb 1024] [--clients 200] [--seconds 120] [--starts 21]

A bundle is made by `corpus` (cargo) where none is given: a directory named eks_<instance>_<collection>. Clients keep one connection each
and call `errors` and `read` in turn over streamable HTTP, protocol 2026-07-28, as fast as they are answered; every answer is looked at.
Only the Python standard library is used. On Linux: memory is read from /proc. Exit status 1 if a call failed or memory grew.
"""
import argparse, asyncio, json, os, pathlib, re, statistics, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
INSTANCE = re.compile(r"eks_(m?i-[0-9a-f]+)_")
VERSION = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientInfo": {"name": "mcp_load", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def resident(process):
    """Resident memory in MiB."""
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def threads(process):
    return int(re.search(r"Threads:\s+(\d+)", pathlib.Path(f"/proc/{process}/status").read_text()).group(1))


def line(method, number, params=None):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}).encode() + b"\n"


def starts(server, store, count):
    """Milliseconds from the start of the process to the answer of tools/list, over stdio; and resident MiB a second later."""
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "mcp_load", "version": "1"}}
    times, idle = [], 0.0
    for number in range(count):
        began = time.perf_counter()
        child = subprocess.Popen([server, "--store", store, "--log", "error"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdin.write(line("initialize", 1, hello))
        child.stdin.flush()
        child.stdout.readline()
        child.stdin.write(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n' + line("tools/list", 2))
        child.stdin.flush()
        if b'"tools"' not in child.stdout.readline():
            sys.exit("tools/list is not answered")
        times.append((time.perf_counter() - began) * 1000)
        if number == count - 1:
            time.sleep(2)
            idle = resident(child.pid)
        child.stdin.close()
        child.wait()
    return times, idle


def request(tool, arguments):
    """A call, as bytes on the wire."""
    params = {"name": tool, "arguments": arguments, "_meta": META}
    body = line("tools/call", 1, params)
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        f"MCP-Protocol-Version: {VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(reader, writer, wire):
    """Sends a call; the answer's body."""
    writer.write(wire)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    if length:
        body = await reader.readexactly(int(length.group(1)))
    else:
        pieces = []
        while True:
            size = int(await reader.readline(), 16)
            piece = await reader.readexactly(size + 2)
            if size == 0:
                break
            pieces.append(piece[:-2])
        body = b"".join(pieces)
    if not head.startswith(b"HTTP/1.1 200") or b'"success":true' not in body:
        raise ValueError((head[:80] + body[:400]).decode(errors="replace"))
    return body


async def client(port, calls, turn, until, times, failures):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    while time.perf_counter() < until:
        tool, wire = calls[turn % len(calls)]
        turn += 1
        began = time.perf_counter()
        try:
            await ask(reader, writer, wire)
            times[tool].append(time.perf_counter() - began)
        except (ValueError, OSError, asyncio.IncompleteReadError) as why:
            failures.append(str(why))
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    writer.close()


def told(name, times):
    times = sorted(times)
    at = lambda share: times[min(int(len(times) * share), len(times) - 1)] * 1000
    print(f"{name:<24} {len(times):>8} answers   median {at(0.5):8.2f} ms   p99 {at(0.99):8.2f} ms   longest {at(1):8.2f} ms", flush=True)


async def load(server, store, node, file, args):
    command = [server, "--store", store, "--tools", "all", "--http", "127.0.0.1:0", "--stateless", *args.server_args]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        port = next(int(at.group(1)) for text in child.stderr if (at := re.search(r"at=127\.0\.0\.1:(\d+)", text)))
        threading.Thread(target=lambda: [None for _ in child.stderr], daemon=True).start()
        calls = [
            ("errors", request("errors", {"instanceId": node})),
            ("read", request("read", {"instanceId": node, "logKey": file, "startByte": 1000, "endByte": 21_000})),
        ]
        time.sleep(2)
        print(f"idle over HTTP: {resident(child.pid):.1f} MiB", flush=True)
        connection = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        began = time.perf_counter()
        await ask(*connection, calls[0][1])
        print(f"first answer (scan): {time.perf_counter() - began:.2f} s, {resident(child.pid):.1f} MiB", flush=True)
        sizes = {}
        for tool, wire in calls:
            alone = []
            for _ in range(200):
                began = time.perf_counter()
                sizes[tool] = len(await ask(*connection, wire))
                alone.append(time.perf_counter() - began)
            told(f"1 client, {tool}", alone)
        print(f"bytes of an answer: {sizes}", flush=True)

        times, failures, memory = {tool: [] for tool, _ in calls}, [], []
        began = time.perf_counter()
        running = [asyncio.create_task(client(port, calls, turn, began + args.seconds, times, failures)) for turn in range(args.clients)]
        while time.perf_counter() - began < args.seconds - 1:
            await asyncio.sleep(5)
            memory.append(resident(child.pid))
            print(f"{time.perf_counter() - began:6.0f} s: {memory[-1]:8.1f} MiB, {threads(child.pid)} threads", flush=True)
        await asyncio.gather(*running)
        for tool, of_tool in times.items():
            told(f"{args.clients} clients, {tool}", of_tool)
        total = sum(map(len, times.values()))
        print(f"{total} answers, {total / args.seconds:.0f} a second, {len(failures)} errors", flush=True)
        if failures:
            print("first error:", failures[0])
        # After the first third everything that is kept is there.
        settled = memory[len(memory) // 3:]
        half = len(settled) // 2
        before, after = statistics.median(settled[:half]), statistics.median(settled[half:])
        print(f"memory after warm-up: {before:.1f} MiB, then {after:.1f} MiB ({(after / before - 1) * 100:+.1f} %)", flush=True)
        return not failures and after <= before * 1.05
    finally:
        child.terminate()
        child.wait()


def corpus(directory, size):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "eks-logs-benches"], cwd=ROOT, check=True)
    bundle = pathlib.Path(directory) / "eks_i-0a1b2c3d4e5f60718_2026-11-20_0312-UTC_0.7.9"
    subprocess.run([target / "release/corpus", bundle, str(size), "1"], check=True)
    return bundle


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--bundle", type=pathlib.Path)
    parser.add_argument("--size-mb", type=int, default=1024)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--starts", type=int, default=21)
    parser.add_argument("--server-args", nargs=argparse.REMAINDER, default=[], help="what follows is given to the server")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        bundle = (args.bundle or corpus(made, args.size_mb)).resolve()
        node = INSTANCE.search(bundle.name).group(1)
        files = [path for path in bundle.rglob("*") if path.is_file()]
        file = max(files, key=lambda path: path.stat().st_size).relative_to(bundle).as_posix()
        print(f"{bundle.name}: {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.0f} MB; read: {file}", flush=True)
        times, idle = starts(args.server, str(bundle.parent), args.starts)
        print(f"start to tools/list over stdio: median {statistics.median(times):.1f} ms, longest {max(times):.1f} ms; idle {idle:.1f} MiB")
        fine = asyncio.run(load(args.server, str(bundle.parent), node, file, args))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
