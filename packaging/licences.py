"""The licences of what is bundled, read from the wheels' own metadata and bills of materials."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.parser import Parser
from zipfile import Path as ZipPath

HEAD = """\
# What is bundled with vipd

vipd itself is under the ISC licence. These packages are bundled with it below /usr/lib/vipd,
unchanged and at these versions.
"""

#: Names of files that hold a licence.
_TEXT = re.compile(r"(LICEN[CS]E|COPYING|NOTICE)\b")

CRATES = """
## Compiled into {name}

Rust crates, from {name}'s own bill of materials:

"""


@dataclass(frozen=True, slots=True)
class Bundled:
    """One package, as its metadata describes it."""

    name: str
    version: str
    licence: str  # an SPDX expression
    texts: str  # its licence texts, below /usr/lib/vipd


#: What packages without a License-Expression say, as SPDX.
CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
}


class UnknownLicenceError(Exception):
    """A package that does not state its licence, or states it in an unknown form."""


def bundled(metadata: ZipPath) -> Bundled:
    """Read one package's *.dist-info directory (in its wheel)."""
    message = Parser().parsestr((metadata / "METADATA").read_text(encoding="utf-8"))
    named = [CLASSIFIERS[c] for c in message.get_all("Classifier", []) if c in CLASSIFIERS]
    field = message["License"] if message["License"] in CLASSIFIERS.values() else None
    expression = message["License-Expression"] or (named[0] if len(named) == 1 else field)
    if expression is None:
        raise UnknownLicenceError(
            f"{message['Name']} does not say its licence as SPDX: look, and add it to CLASSIFIERS"
        )
    files = sorted(n for n in metadata.root.namelist() if _TEXT.match(n.rpartition("/")[2]))
    return Bundled(message["Name"], message["Version"], expression, " ".join(files))


def crates(metadata: ZipPath) -> Iterator[Bundled]:
    """What a package's bills of materials (CycloneDX) name as its parts."""
    directory = metadata / "sboms"
    for bill in directory.iterdir() if directory.is_dir() else ():
        for part in json.loads(bill.read_text(encoding="utf-8")).get("components", ()):
            terms = " AND ".join(
                entry.get("expression") or entry["license"]["id"] for entry in part["licenses"]
            )
            yield Bundled(part["name"], part["version"], terms, "")


def listing(packages: Iterable[ZipPath]) -> str:
    """The list for people, as Markdown."""
    packages = sorted(packages, key=lambda package: package.name)
    lines = [HEAD, "| package | version | licence | texts in /usr/lib/vipd |", "|---|---|---|---|"]
    for package in map(bundled, packages):
        lines.append(
            f"| {package.name} | {package.version} | {package.licence} | {package.texts} |"
        )
    for metadata in packages:
        parts = sorted(crates(metadata), key=lambda part: part.name)
        if parts:
            lines.append(CRATES.format(name=bundled(metadata).name))
            lines += ["| crate | version | licence |", "|---|---|---|"]
            lines += [f"| {part.name} | {part.version} | {part.licence} |" for part in parts]
    return "\n".join(lines) + "\n"


def expressions(packages: Iterable[ZipPath]) -> set[str]:
    """The different licences of the packages and of what is compiled into them."""
    return {part.licence for package in packages for part in (bundled(package), *crates(package))}
