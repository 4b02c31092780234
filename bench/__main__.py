"""``python -m bench``: measure, print the tables, and write docs/benchmarks.md."""

import argparse
import sys
from pathlib import Path

from bench.parts import ON_REQUEST, PARTS
from bench.pictures import draw
from bench.report import PICTURES, markdown
from bench.run import Bench
from bench.surroundings import surroundings
from vipd.lab import LabError
from vipd.lab.errors import require

QUICK = ("gaps", "many")
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def main() -> int:
    """Run what was asked for; the exit status tells only whether it could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=_positive, default=3, help="of each case (default 3)")
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
    if options.quick:
        bench = Bench(runs=1, cycles=1, window=5.0)
    else:
        bench = Bench(options.runs, options.cycles, 10.0, options.minutes)
    complete = [part for part in PARTS if part not in ON_REQUEST]
    parts = options.only or [
        part for part in PARTS if part in (QUICK if options.quick else complete)
    ]
    where = surroundings()
    sections = [section for part in parts for section in PARTS[part](bench)]
    page = markdown(sections, where, bench.failures, bench.runs)
    print(page)
    everything = not options.quick and not options.only
    target = options.output or (PAGE if everything else None)
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page)
        for section in sections:
            if section.picture:
                draw(section, target.parent / PICTURES / f"{section.picture}.svg")
        print(f"written to {target}", file=sys.stderr)
    return 1 if bench.failures else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("one run at least")
    return number


if __name__ == "__main__":
    sys.exit(main())
