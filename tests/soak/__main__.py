"""``python -m soak --minutes 30``: 255 VIPs, reloads every second, transitions every few seconds.
Exit status 1, and what it grew by, when vipd holds more at the end than it did after warming up."""

import argparse
import sys
import tempfile
from pathlib import Path

from soak.editor import COUNT
from soak.leaks import leaks, private
from soak.soaking import WARM, Soak
from vipd.lab import Lab


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    options.add_argument(
        "--minutes", type=float, default=30.0, help=f"how long, after {WARM:.0f} s to warm up (30)"
    )
    options.add_argument("--seed", default="soak", help="of the edits")
    options.add_argument("--trace", action="store_true", help="find out where memory was allocated")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory, Lab(history=False) as lab:
        soak = Soak(lab, Path(directory), seed=given.seed, trace=given.trace)
        print(f"{COUNT} VIPs listen; warming up for {WARM:.0f} s", flush=True)
        soak.run(WARM)
        first = soak.rest()
        transitions, reloads = soak.transitions, soak.reloads
        readings = soak.run(60 * given.minutes)
        last = soak.rest()
        seconds = last.reading.time - first.reading.time
        print(
            f"{seconds:.0f} s, {soak.reloads - reloads} reloads, "
            f"{soak.transitions - transitions} transitions, "
            f"{(last.reading.cpu - first.reading.cpu) / seconds:.0%} of a core\n"
        )
        step = max(1, len(readings) // 10)
        course = " ".join(f"{reading.private:.1f}" for reading in readings[::step])
        print(f"private memory in MB, in ten steps: {course}\n")
        start, end = private(readings)
        print("| | when warm | at the end |\n|---|---|---|")
        print(f"| private memory under load | {start:.2f} MB | {end:.2f} MB |")
        before, after = first.reading, last.reading
        print(f"| private memory at rest | {before.private:.2f} MB | {after.private:.2f} MB |")
        print(f"| PSS at rest | {before.pss:.2f} MB | {after.pss:.2f} MB |")
        for what in ("descriptors", "threads", "children"):
            print(f"| {what} | {getattr(before, what)} | {getattr(after, what)} |")
        tasks = [sum(rest.inside["tasks"].values()) for rest in (first, last)]
        print(f"| tasks of the loop | {tasks[0]} | {tasks[1]} |", flush=True)
        if found := leaks(readings, first, last):
            sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
