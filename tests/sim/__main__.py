"""Play scenarios, or tell the story of one: ``python -m sim --help``."""

import os
import sys
from argparse import ArgumentParser
from time import monotonic

from sim import routers
from sim.play import Tally, play_on_all, shortest, story
from sim.scenario import Scenario, named


def main() -> int:
    parser = ArgumentParser(prog="sim", description=__doc__)
    parser.add_argument("scenario", nargs="?", help="a seed, or a file: tell what happens in it")
    parser.add_argument("--shorten", action="store_true", help="leave out what does not matter")
    parser.add_argument("--json", action="store_true", help="write it as a file, not as a story")
    parser.add_argument("--routers", action="store_true", help="the one with GROUPs of this seed")
    parser.add_argument("-n", "--scenarios", type=int, default=10_000, help="how many to play")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of them")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    if options.scenario is None:
        return _many(options.first, options.scenarios, options.jobs)
    if options.routers:
        return _routers(int(options.scenario))
    scenario = named(options.scenario)
    if options.shorten:
        scenario = shortest(scenario)
    if options.json:
        print(scenario.to_json().decode())
        return 0
    return _one(scenario)


def _routers(seed: int) -> int:
    plan = routers.from_seed(seed)
    for number, segment in enumerate(plan.segments):
        for host, its in enumerate(segment.hosts):
            print(f"segment {number}, {its.kind}{host}: {its}")
    print(f"TRACK_UP {plan.track_up:g} s, {plan.segments[0].weather}")
    return _told(*routers.story(plan))


def _one(scenario: Scenario) -> int:
    for host, plan in enumerate(scenario.hosts):
        print(f"{plan.kind}{host}: {plan}")
    print(scenario.weather)
    return _told(*story(scenario))


def _told(lines: list[str], broken: str) -> int:
    print(*lines, sep="\n")
    print(f"BROKEN  {broken}" if broken else "All holds.")
    return bool(broken)


def _many(first: int, scenarios: int, jobs: int) -> int:
    begin, said, tally = monotonic(), 0, Tally()
    for part in play_on_all(first, scenarios, jobs):
        for seed, text in part.broken:
            print(f"seed {seed}: {text}", flush=True)
        tally.add(part)
        if tally.scenarios * 10 // scenarios > said:
            said = tally.scenarios * 10 // scenarios
            print(f"{tally.scenarios:,} in {monotonic() - begin:.0f} s", flush=True)
    print(f"seeds {first} to {first + scenarios - 1}: {tally}")
    if tally.broken:
        print("The story of one: python -m sim SEED")
    return bool(tally.broken)


if __name__ == "__main__":
    sys.exit(main())
