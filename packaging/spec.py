"""Fills in the spec file: `python spec.py --wheels DIR --revision N` prints it."""

import argparse
import sys
from pathlib import Path

import about
import licences
import tree

SPEC = about.SOURCE / "packaging/rpm/vipd.spec"


def filled(wheels: Path, revision: int) -> str:
    """The spec file for the current version and these dependencies."""
    terms = licences.expressions(tree.metadata(wheels, [about.EL_PYTHON]))
    fields = {
        "VERSION": about.version(),
        "REVISION": str(revision),
        "PYTHON": about.EL_PYTHON,
        "LICENCE": " AND ".join(["ISC", *(f"({t})" if " " in t else t for t in terms - {"ISC"})]),
        "DATE": about.date().strftime("%a %b %d %Y"),
        "MAINTAINER": about.maintainer(),
    }
    text = SPEC.read_text()
    for name, value in fields.items():
        text = text.replace(f"@{name}@", value)
    return text


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--wheels", type=Path, required=True)
    options.add_argument("--revision", type=int, default=1)
    given = options.parse_args()
    sys.stdout.write(filled(given.wheels, given.revision))


if __name__ == "__main__":
    main()
