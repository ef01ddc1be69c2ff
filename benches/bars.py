#!/usr/bin/env python3
"""Measures what we claim, both sides in one run on the same bytes, and prints medians and ratios.

  bars.py [--bundle DIR] [--size-mb 1024] [--runs 7]          the whole job beside what one would run otherwise
  bars.py --memory [--size-mb 2000]                           peak memory, for a quarter of the size and all of it
  bars.py --growth [--sizes 64,256,1024,8192]                 how cost grows with bytes, and with rules (50 to 1000)

Needs: cargo, gzip, tar. Rows of ripgrep (`rg`), igzip (Debian: isal) and Hyperscan (PyPI: hyperscan, in the python of --hyperscan) are
left out, by name, where these are missing. Without --bundle a seeded bundle is made by `corpus`.
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def build():
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "eks-logs-cli", "-p", "eks-logs-benches"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "release", "eks-logs"), os.path.join(target, "release", "corpus")


def run(command, stdin=None):
    """Wall seconds, CPU seconds and peak resident KiB of a command (and what it starts)."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, shell=isinstance(command, str))
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, child.returncode


def by_turns(commands, runs):
    """Medians for each command, given with the exit statuses that are fine; they take turns, for a machine's speed drifts."""
    for command, fine in commands:
        status = run(command)[3]
        if status not in fine:
            sys.exit(f"{command}: exit status {status}: nothing was measured")
    measured = [[run(command) for command, _ in commands] for _ in range(runs)]
    return [[statistics.median(column) for column in zip(*figures)] for figures in zip(*measured)]


def median(command, runs, fine=(0,)):
    return by_turns([(command, fine)], runs)[0]


def row(name, figures, size, against=None):
    wall, cpu, peak, _ = figures
    ratio = f"{wall / against[0]:6.2f} x" if against else ""
    print(f"{name:<44} {wall:7.3f} s {cpu:7.3f} cpu-s {size / wall / 1e6:7.0f} MB/s {peak / 1024:6.0f} MiB {ratio}", flush=True)


def pack(directory, archive):
    with open(archive, "wb") as out:
        tar = subprocess.Popen(["tar", "-C", directory, "--sort=name", "-cf", "-", "."], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-n", "-6"], stdin=tar.stdout, stdout=out, check=True)
        tar.wait()


def size_of(directory):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(directory) for name in names)


# What one asks of a node's logs: a common word, a rare one, an alternation, a class, what is not there.
QUERIES = ["error", "OOMKilled", "failed to (create|start)", r"eni-[0-9a-f]{17}", "certificate has expired"]


def speed(eks_logs, bundle, work, runs, slow_runs, python):
    archive, patterns = os.path.join(work, "bundle.tar.gz"), os.path.join(work, "patterns")
    pack(bundle, archive)
    with open(patterns, "w") as out:
        subprocess.run([eks_logs, "rules", "list", "--patterns"], stdout=out, check=True)
    count, size = sum(1 for _ in open(patterns)), size_of(bundle)
    print(f"{size / 1e6:.0f} MB, {count} patterns, {os.cpu_count()} processors, medians of {runs} (ripgrep with patterns: {slow_runs})")
    row("wc -c of each file: reading alone", median(f"find {bundle} -type f -exec cat {{}} + | wc -c", runs), size)
    ours = median([eks_logs, "triage", bundle, "--format", "json"], runs)
    row("eks-logs triage DIRECTORY", ours, size)
    bars = []
    if slow_runs == 0:
        print("  --slow-runs 0: no ripgrep with all patterns")
    elif shutil.which("rg"):
        # 1: no line matched, which is an answer too.
        theirs = median(["rg", "-c", "-i", "-f", patterns, bundle], slow_runs, fine=(0, 1))
        row("rg -c -i -f patterns DIRECTORY", theirs, size)
        bars.append(f"directory, ripgrep's CPU / ours: {theirs[1] / ours[1]:.2f} x (bar: 2.00)")
    else:
        print("  rg is not installed: no comparison")
    figures = hyperscan(python, patterns, bundle, runs)
    if figures:
        wall, cpu, refused = figures
        row(f"Hyperscan, matching alone ({refused} patterns refused)", [wall, cpu, 0, 0], size)
        bars.append(f"directory, Hyperscan's CPU / ours: {cpu / ours[1]:.2f} x (bar: 1.30)")
    else:
        print("  hyperscan is not installed: no comparison")
    floors = []
    for tool in ("gzip", "igzip"):
        if shutil.which(tool):
            theirs = median(f"{tool} -dc {archive} | wc -c", runs)
            row(f"{tool} -dc ARCHIVE | wc -c", theirs, size)
            floors.append(theirs[0])
    ours = median([eks_logs, "triage", archive, "--format", "json"], runs)
    row("eks-logs triage ARCHIVE", ours, size)
    bars.append(f"archive, our time / the faster decompressor's: {ours[0] / min(floors):.2f} x (bar: 1.15)")
    if shutil.which("rg") and slow_runs > 0:
        unpacked = os.path.join(work, "unpacked")
        command = f"rm -rf {unpacked}; mkdir {unpacked}; tar -C {unpacked} -xzf {archive}; rg -c -i -f {patterns} {unpacked}"
        row("tar xzf ARCHIVE, then rg as above", median(command, slow_runs, fine=(0, 1)), size)
        shutil.rmtree(unpacked)
    if shutil.which("rg"):
        worst = 0.0
        for query in QUERIES:
            rg, search = ["rg", "-i", "-a", "-e", query, bundle], [eks_logs, "search", bundle, query, "--format", "json"]
            # ripgrep's 1: no line matched, which is an answer too.
            theirs, counted, ours = by_turns([(rg, (0, 1)), (rg + ["-c"], (0, 1)), (search, (0,))], runs)
            row(f"rg -i {query!r}", theirs, size)
            row("   with -c: nothing is printed", counted, size)
            row(f"eks-logs search {query!r}", ours, size, theirs)
            worst = max(worst, ours[0] / theirs[0])
        bars.append(f"search, our time / ripgrep's, the worst of {len(QUERIES)}: {worst:.2f} x (bar: 1.00)")
    indexed = os.path.join(work, "indexed")
    shutil.copytree(bundle, indexed)
    subprocess.run([eks_logs, "index", indexed], check=True, stdout=subprocess.DEVNULL)
    ours = median([eks_logs, "errors", indexed, "--format", "json"], 5 * runs)
    row("eks-logs errors of an indexed DIRECTORY", ours, size)
    for question in ("triage", "correlate", "network-diagnostics"):
        row(f"eks-logs {question} of it", median([eks_logs, question, indexed, "--format", "json"], runs), size)
    bars.append(f"errors of an indexed bundle: {ours[1] * 1000:.1f} ms of CPU (bar: 10)")
    print("\n".join(bars))


def hyperscan(python, patterns, bundle, runs):
    """Wall and CPU seconds of the matching alone, and the patterns that it does not take."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hyperscan_scan.py")
    measured = []
    for _ in range(runs + 1):
        ran = subprocess.run([python, script, patterns, bundle], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if ran.returncode != 0:
            return None
        measured.append(json.loads(ran.stdout))
    measured = measured[1:]
    return [statistics.median(one[name] for one in measured) for name in ("wall", "cpu")] + [measured[0]["refused"]]


def memory(eks_logs, corpus, work, megabytes):
    for size in (megabytes // 4, megabytes):
        bundle = os.path.join(work, f"bundle-{size}")
        subprocess.run([corpus, bundle, str(size), "1"], check=True)
        archive = bundle + ".tar.gz"
        pack(bundle, archive)
        for name, path in (("directory", bundle), ("archive", archive)):
            figures = run([eks_logs, "triage", path, "--format", "json"])
            row(f"{size} MB {name}", figures, size * 1e6)
        shutil.rmtree(bundle)
        os.remove(archive)


def growth(eks_logs, corpus, work, sizes, runs):
    """CPU seconds for each GB: by the bundle's size with the catalogue as it is, and by the number of rules at the largest size up to 1 GB."""
    subprocess.run(["cargo", "build", "--release", "-q", "-p", "eks-logs-benches", "--example", "scan_with_rules"], cwd=ROOT, check=True)
    with_rules = os.path.join(os.path.dirname(eks_logs), "examples", "scan_with_rules")
    first = None
    for number, megabytes in enumerate(sizes):
        bundle = os.path.join(work, "bundle")
        subprocess.run([corpus, bundle, str(megabytes), "1"], check=True)
        size = size_of(bundle)
        figures = median([eks_logs, "triage", bundle, "--format", "json"], runs)
        each = figures[1] / size * 1e9
        first = first or each
        row(f"{megabytes} MB", figures, size)
        print(f"    {each:.3f} CPU seconds for each GB, {each / first:.2f} x the smallest's", flush=True)
        if megabytes <= 1024 and all(later > 1024 for later in sizes[number + 1:]):
            # Rules are compiled in each run: what a bundle of 1 MB costs is taken off.
            small, before = os.path.join(work, "small"), None
            subprocess.run([corpus, small, "1", "1", "0"], check=True)
            for rules in (50, 100, 250, 500, 1000):
                figures = median([with_rules, bundle, str(rules)], runs)
                compiling = median([with_rules, small, str(rules)], runs)[1]
                scanning = figures[1] - compiling
                row(f"{megabytes} MB, {rules} rules", figures, size)
                ratio = f", {scanning / before:.2f} x the row before" if before else ""
                print(f"    {compiling:.3f} CPU seconds to compile them, {scanning:.3f} to scan{ratio}", flush=True)
                before = scanning
        shutil.rmtree(bundle)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", help="measure on this extracted bundle")
    ap.add_argument("--size-mb", type=int)
    ap.add_argument("--runs", type=int, default=7)
    ap.add_argument("--slow-runs", type=int, default=3, help="of ripgrep with all patterns, which takes minutes for a GB; 0 leaves it out")
    ap.add_argument("--hyperscan", default=sys.executable, metavar="PYTHON", help="a python that has the package hyperscan")
    ap.add_argument("--memory", action="store_true")
    ap.add_argument("--growth", action="store_true")
    ap.add_argument("--sizes", default="64,256,1024", help="of --growth, in MB")
    args = ap.parse_args()
    if args.bundle and os.path.exists(os.path.join(args.bundle, "findings_index.json")):
        sys.exit(f"{args.bundle} is indexed (`eks-logs index`): its triage would read the index and no log; measure on a fresh copy")
    eks_logs, corpus = build()
    with tempfile.TemporaryDirectory() as work:
        if args.memory:
            memory(eks_logs, corpus, work, args.size_mb or 2000)
            return
        if args.growth:
            growth(eks_logs, corpus, work, [int(size) for size in args.sizes.split(",")], args.runs)
            return
        bundle = args.bundle
        if not bundle:
            bundle = os.path.join(work, "bundle")
            subprocess.run([corpus, bundle, str(args.size_mb or 1024), "1"], check=True)
        speed(eks_logs, bundle, work, args.runs, args.slow_runs, args.hyperscan)


if __name__ == "__main__":
    sys.exit(main())
