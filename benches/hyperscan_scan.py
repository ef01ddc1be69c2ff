#!/usr/bin/env python3
"""Scans a directory with Hyperscan and prints, as JSON, the CPU seconds and wall seconds of the matching alone.

  hyperscan_scan.py PATTERNS DIRECTORY        needs the package `hyperscan` of PyPI

Each pattern is told once a block (SINGLEMATCH), which is the fastest that the engine can be asked for: no counts, no places.
"""
import json, os, sys, time

import hyperscan

BLOCK = 4 << 20


def compiled(patterns):
    """The database of all patterns that Hyperscan takes, and how many it refuses."""
    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_ALLOWEMPTY
    taken = []
    for pattern in patterns:
        try:
            hyperscan.Database().compile(expressions=[pattern], ids=[0], elements=1, flags=[flags])
            taken.append(pattern)
        except hyperscan.error:
            pass
    database = hyperscan.Database()
    database.compile(expressions=taken, ids=list(range(len(taken))), elements=len(taken), flags=[flags] * len(taken))
    return database, len(patterns) - len(taken)


def main():
    patterns_path, directory = sys.argv[1:]
    patterns = [line.rstrip(b"\n") for line in open(patterns_path, "rb") if line.strip()]
    database, refused = compiled(patterns)
    matches, size, cpu, wall = 0, 0, 0.0, 0.0

    def matched(*_):
        nonlocal matches
        matches += 1

    for at, _, names in sorted(os.walk(directory)):
        for name in sorted(names):
            with open(os.path.join(at, name), "rb") as file:
                while block := file.read(BLOCK):
                    size += len(block)
                    started, ticks = time.perf_counter(), time.process_time()
                    database.scan(block, match_event_handler=matched)
                    cpu += time.process_time() - ticks
                    wall += time.perf_counter() - started
    print(json.dumps({"cpu": cpu, "wall": wall, "bytes": size, "matches": matches, "patterns": len(patterns), "refused": refused}))


if __name__ == "__main__":
    main()
