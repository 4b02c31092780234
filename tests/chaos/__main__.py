"""``python -m chaos --minutes 10 [--seed SEED]``: figures at the end; exit status 1 and the story
of what happened when something did not hold."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from chaos.play import Play
from chaos.scene import BrokenError
from chaos.stage import Stage
from vipd.lab import Lab

ROUND = 25.0  # seconds of faults before the network is put right and looked at
SIEGE = 8.0  # seconds of faults, after that, that must not move an address
SICKNESS = 10.0  # seconds, after that, of checks that fail


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    options.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    options.add_argument("--seed", default=f"{time.time():.0f}", help="what goes wrong, and when")
    options.add_argument(
        "--stories", action="store_true", help="also tell what the machine was too late for"
    )
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    end = time.monotonic() + 60 * given.minutes
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory, Lab() as lab:
        play = Play(Stage(lab, Path(directory)), given.seed)
        try:
            play.open()
            while time.monotonic() < end:
                play.round(ROUND)
                play.siege(SIEGE)
                play.sickness(SICKNESS)
                figures = play.figures
                print(
                    f"round {figures.rounds}: {figures.faults.total()} faults so far, "
                    f"{max(0.0, end - time.monotonic()):.0f} s to go",
                    flush=True,
                )
        except BrokenError as broken:
            sys.exit(f"{broken}\n{play.figures.table()}")
    print(play.figures.table())
    if given.stories:
        print(*play.figures.strained, sep="\n\n")


if __name__ == "__main__":
    main()
