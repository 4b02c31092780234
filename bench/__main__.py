"""``python -m bench``: measure, print the tables, and write docs/benchmarks.md and the ten lines of
README.md."""

import argparse
import compileall
import sys
import time
from pathlib import Path

import vipd
from bench.figures import Section
from bench.parts import ON_REQUEST, PARTS
from bench.pictures import draw
from bench.report import PICTURES, markdown
from bench.run import Bench
from bench.summary import put, summary
from bench.surroundings import surroundings
from vipd.lab import LabError
from vipd.lab.errors import require

QUICK = ("gaps", "many")
README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "benchmarks.md"


def main() -> int:
    """Run what was asked for; the exit status tells only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=_positive, default=2, help="of each case (default 2)")
    parser.add_argument(
        "--quick", action="store_true", help="one short run of the first and cheapest parts"
    )
    parser.add_argument(
        "--cycles", type=_positive, default=20, help="of each fault on a pair (default 20)"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of endurance (default 30)")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument(
        "--output",
        type=Path,
        help=f"write the page here (default: docs/{PAGE.name} for a complete run, else nowhere)",
    )
    options = parser.parse_args()
    try:
        require("ucarp", "keepalived", "tcpdump")
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    # An installed vipd has its byte code; a checkout may not, and may not be allowed to write it.
    # Whoever compiles at each start is slower, and larger for as long as it runs.
    compileall.compile_dir(Path(vipd.__file__).parent, quiet=1)
    if options.quick:
        bench = Bench(runs=1, cycles=1, window=5.0)
    else:
        bench = Bench(options.runs, options.cycles, 10.0, options.minutes)
    complete = [part for part in PARTS if part not in ON_REQUEST]
    parts = options.only or [
        part for part in PARTS if part in (QUICK if options.quick else complete)
    ]
    where = surroundings()
    began = time.monotonic()
    sections = [section for part in parts for section in _timed(part, bench)]
    minutes = (time.monotonic() - began) / 60
    page = markdown(sections, where, bench.failures, bench.runs, minutes)
    print(page)
    ten_lines = summary(sections)
    print(ten_lines)
    everything = not options.quick and not options.only
    target = options.output or (PAGE if everything else None)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page)
        for section in sections:
            if section.picture:
                draw(section, target.parent / PICTURES / f"{section.picture}.svg")
        print(f"written to {target}", file=sys.stderr)
    if everything and put(ten_lines, README):
        print(f"ten lines of it are in {README}", file=sys.stderr)
    return 1 if bench.failures else 0


def _timed(part: str, bench: Bench) -> list[Section]:
    began = time.monotonic()
    sections = PARTS[part](bench)
    print(f"{part} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return sections


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("one run at least")
    return number


if __name__ == "__main__":
    sys.exit(main())
