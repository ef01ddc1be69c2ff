#!/usr/bin/env python3
"""Measures what we claim, both sides in one run on the same bytes, and prints medians and ratios.

  bars.py [--bundle DIR] [--size-mb 256] [--runs 5]           speed: a directory beside ripgrep, an archive beside gzip
  bars.py --memory [--size-mb 2000]                           peak memory, for a quarter of the size and all of it

Needs: cargo, gzip, tar; ripgrep (`rg`) for its row. Without --bundle a seeded bundle is made by `corpus`.
"""
import argparse, os, shutil, statistics, subprocess, sys, tempfile, time

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


def median(command, runs, fine=(0,)):
    status = run(command)[3]
    if status not in fine:
        sys.exit(f"{command}: exit status {status}: nothing was measured")
    measured = [run(command) for _ in range(runs)]
    return [statistics.median(column) for column in zip(*measured)]


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


def speed(eks_logs, bundle, work, runs):
    archive, patterns = os.path.join(work, "bundle.tar.gz"), os.path.join(work, "patterns")
    pack(bundle, archive)
    with open(patterns, "w") as out:
        subprocess.run([eks_logs, "rules", "list", "--patterns"], stdout=out, check=True)
    count, size = sum(1 for _ in open(patterns)), size_of(bundle)
    print(f"{size / 1e6:.0f} MB, {count} patterns, {os.cpu_count()} processors, medians of {runs}")
    ours = median([eks_logs, "triage", bundle, "--format", "json"], runs)
    row("eks-logs triage DIRECTORY", ours, size)
    if shutil.which("rg"):
        # 1: no line matched, which is an answer too.
        theirs = median(["rg", "-c", "-i", "-f", patterns, bundle], runs, fine=(0, 1))
        row("rg -c -i -f patterns DIRECTORY", theirs, size)
        print(f"  directory: {ours[0] / theirs[0]:.2f} x the time of ripgrep with the same patterns (bar: 1.00)")
    else:
        print("  rg is not installed: no comparison")
    ours = median([eks_logs, "triage", archive, "--format", "json"], runs)
    row("eks-logs triage ARCHIVE", ours, size)
    theirs = median(f"gzip -dc {archive} | wc -c", runs)
    row("gzip -dc ARCHIVE | wc -c", theirs, size)
    print(f"  archive: {ours[0] / theirs[0]:.2f} x the time of gzip -dc alone (bar: 1.50)")


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


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bundle", help="measure on this extracted bundle")
    ap.add_argument("--size-mb", type=int)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--memory", action="store_true")
    args = ap.parse_args()
    eks_logs, corpus = build()
    with tempfile.TemporaryDirectory() as work:
        if args.memory:
            memory(eks_logs, corpus, work, args.size_mb or 2000)
            return
        bundle = args.bundle
        if not bundle:
            bundle = os.path.join(work, "bundle")
            subprocess.run([corpus, bundle, str(args.size_mb or 256), "1"], check=True)
        speed(eks_logs, bundle, work, args.runs)


if __name__ == "__main__":
    sys.exit(main())
