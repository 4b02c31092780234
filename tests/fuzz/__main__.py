"""``python -m fuzz [TARGET …] [--seconds N]``: let atheris look for inputs that break a property.

Several targets run side by side, one a core. What was tried is kept in .cache/fuzz, so that the
next run goes on from there; status 1 and the input itself when a property did not hold.
"""

import argparse
import importlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import process_time

HERE = Path(__file__).parent
CACHE = HERE.parent.parent / ".cache" / "fuzz"
TARGETS = tuple(sorted(path.name for path in (HERE / "corpus").iterdir()))
#: Seconds of CPU that one input may take, of the thousandth that it does take; and seconds by the
#: clock, for one that hangs, on a machine that may have better things to do.
SLOW, STUCK = 20.0, 600


def fuzz(target: str, seconds: int) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=["vipd", "asyncvarlink"]):
        holds = importlib.import_module(f"fuzz.{target}").check

    def check(data: bytes) -> None:
        begin = process_time()
        holds(data)
        assert process_time() - begin < SLOW, f"takes {process_time() - begin:.1f} s"

    seen, corpus = str(CACHE / target), str(HERE / "corpus" / target)
    Path(seen).mkdir(parents=True, exist_ok=True)
    options = (
        f"-max_total_time={seconds}",
        f"-timeout={STUCK}",
        "-max_len=1000",
        "-print_final_stats=1",
        f"-artifact_prefix={CACHE}/{target}-",
    )
    atheris.Setup([sys.argv[0], *options, seen, corpus], check)
    atheris.Fuzz()


def apart(target: str, seconds: int) -> bool:
    """Run one target in a process of its own and say how it went; False if it found something."""
    command = [sys.executable, "-m", "fuzz", target, "--seconds", str(seconds), "--here"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    log = done.stdout.decode(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", log)
    covered = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", log)
    if done.returncode or not runs or not covered:
        what = log[log.find("=== Uncaught") :] if "=== Uncaught" in log else log[-3000:]
        print(f"{target}: a property does not hold\n{what}", flush=True)
        return False
    print(
        f"{target}: {int(runs[1]):,} inputs in {seconds} s, {covered[-1][0]} branches, "
        f"{covered[-1][2]} inputs kept, nothing found",
        flush=True,
    )
    return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--here", action="store_true", help="in this process, with all its words")
    asked = parser.parse_args()
    targets = asked.targets or TARGETS
    if unknown := set(targets) - set(TARGETS):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if asked.here:
        fuzz(targets[0], asked.seconds)
    CACHE.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        held = list(workers.map(apart, targets, [asked.seconds] * len(targets)))
    return not all(held)


if __name__ == "__main__":
    sys.exit(main())
