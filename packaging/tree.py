"""What an installed vipd consists of and where each file goes: both packages are this tree.

    python3 packaging/tree.py --root DIR --wheels DIR --python 3.11 --interpreter /usr/bin/python3

The dependencies are unpacked beside vipd below /usr/lib/vipd, where no other Python looks for them
and no other package's version gets in their way. Runs on a bare Python 3.11 or newer, because the
machine that rpmbuild runs on has nothing else.
"""

import argparse
import gzip
import re
import shutil
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import licences

SOURCE = Path(__file__).resolve().parents[1]
LIBRARY = Path("usr/lib/vipd")
DOCUMENTATION = Path("usr/share/doc/vipd")

#: What goes where: files of the source (patterns), the directory they are put in.
FILES = (
    ("packaging/systemd/*.service", "usr/lib/systemd/system"),
    ("packaging/systemd/*.sysusers", "usr/lib/sysusers.d"),
    ("packaging/systemd/*.tmpfiles", "usr/lib/tmpfiles.d"),
    ("packaging/systemd/unprivileged.conf", f"{DOCUMENTATION}/examples"),
    ("packaging/grafana/*.json", "usr/share/vipd/grafana"),
    ("packaging/prometheus/*.rules.yml", "usr/share/vipd/prometheus"),
    ("packaging/completions/vipctl.bash", "usr/share/bash-completion/completions"),
    ("packaging/completions/_vipctl", "usr/share/zsh/vendor-completions"),
    ("packaging/completions/vipctl.fish", "usr/share/fish/vendor_completions.d"),
    ("conf.d.example/*.conf", f"{DOCUMENTATION}/conf.d.example"),
    ("conf.d.example/web01/*.conf", f"{DOCUMENTATION}/conf.d.example/web01"),
    ("conf.d.example/web02/*.conf", f"{DOCUMENTATION}/conf.d.example/web02"),
    *(
        (f"conf.d.example/{pair}/*.conf", f"{DOCUMENTATION}/conf.d.example/{pair}")
        for pair in (
            "both-families/web01",
            "both-families/web02",
            "health-checks/web01",
            "health-checks/web02",
            "unicast/web01",
            "unicast/web02",
            "router-pair/r1",
            "router-pair/r2",
        )
    ),
    ("packaging/ansible/playbook.yml", "usr/share/vipd/ansible"),
    ("packaging/ansible/vipd/README.md", "usr/share/vipd/ansible/vipd"),
    *(
        (f"packaging/ansible/vipd/{part}/*", f"usr/share/vipd/ansible/vipd/{part}")
        for part in ("defaults", "handlers", "meta", "tasks", "templates", "vars")
    ),
    ("README.md", f"{DOCUMENTATION}"),
    ("docs/*.md", f"{DOCUMENTATION}"),
)

#: Links, which an sdist does not keep.
LINKS = (("usr/lib/systemd/system/ucarp.service", "vipd.service"),)

#: systemd's names for files that all live in one directory.
RENAMED = {".sysusers": ".conf", ".tmpfiles": ".conf"}

#: Commands that only administrators use.
SYSTEM_COMMANDS = re.compile(r"vipd\b")

#: `-IS`: neither the user's nor the machine's Python packages, no PYTHON* variables, no .pth files.
#: `-B`: byte code belongs to the package manager; files written at run time would never be removed.
LAUNCHER = """\
#!{interpreter} -ISB
import sys

sys.path.insert(0, "/{library}")
from {module} import {function}

sys.exit({function}())
"""


class WrongWheelError(Exception):
    """Wheels that cannot be unpacked into one directory."""


def build(root: Path, wheels: Path, pythons: Iterable[str], interpreter: str) -> None:
    """Lay the whole tree out below `root`.

    `wheels` holds the dependencies; compiled ones are taken for each of `pythons` ("3.11").
    """
    library = root / LIBRARY
    unpack(wheels, library, pythons)
    copy_package(library / "vipd")
    for command, function in sorted(commands().items()):
        write_launcher(root, command, function, interpreter)
    for source, place in placed():
        install(source, root / place)
    for name, link in LINKS:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(link)
    for page in sorted((SOURCE / "docs/man").glob("*.[1-8]")):
        section = page.suffix[1:]
        compressed(page, root / f"usr/share/man/man{section}/{page.name}.gz")
    shutil.copy(SOURCE / "packaging/services", library)
    etc = root / "etc/ucarp"
    etc.mkdir(parents=True)
    etc.chmod(0o700)  # passwords
    text = licences.listing(metadata(wheels, pythons))
    (root / DOCUMENTATION / "THIRD-PARTY.md").write_text(text, encoding="utf-8")


def usable(wheels: Path, pythons: Iterable[str]) -> list[Path]:
    """The wheels that one of `pythons` can use."""
    tags = {f"cp{python.replace('.', '')}" for python in pythons} | {"py3"}
    found = sorted(wheels.glob("*.whl"))
    return [wheel for wheel in found if tags & set(wheel.name.split("-")[2].split("."))]


def metadata(wheels: Path, pythons: Iterable[str]) -> list[zipfile.Path]:
    """The *.dist-info directory of each package that is bundled, inside its wheel."""
    found: dict[str, zipfile.Path] = {}
    for wheel in usable(wheels, pythons):
        name, version = wheel.name.split("-")[:2]
        directory = zipfile.Path(wheel, f"{name}-{version}.dist-info/")
        if found.setdefault(name, directory).name != directory.name:
            raise WrongWheelError(f"{wheel.name}, and {found[name].name}")
    return list(found.values())


def unpack(wheels: Path, library: Path, pythons: Iterable[str]) -> None:
    """Unpack the wheels that one of `pythons` can use.

    Compiled modules carry their Python's version in their names, so those for several Pythons
    live side by side; everything else has to be the same in all of a package's wheels.
    """
    for wheel in usable(wheels, pythons):
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if info.is_dir() or "/." in info.filename:
                    continue
                if ".data" in Path(info.filename).parts[0]:
                    raise WrongWheelError(f"{wheel.name}: {info.filename} has no place to go to")
                _unpack_file(library, info.filename, archive.read(info), wheel.name)


def _unpack_file(library: Path, name: str, data: bytes, wheel: str) -> None:
    target = library / name
    if target.name in ("RECORD", "WHEEL"):
        return  # they describe the wheel for pip; pip does not manage these files
    if target.exists() and target.read_bytes() != data:
        if target.relative_to(library).parts[0].endswith(".dist-info"):
            return  # bills of materials contain dates, so they differ
        raise WrongWheelError(f"{wheel}: {target.name} is another one in another wheel")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def copy_package(target: Path) -> None:
    """vipd itself."""
    shutil.copytree(SOURCE / "vipd", target, ignore=shutil.ignore_patterns("__pycache__"))


def commands() -> dict[str, str]:
    """Name → "module:function" of the commands, as pyproject.toml has them."""
    with (SOURCE / "pyproject.toml").open("rb") as file:
        scripts: dict[str, str] = tomllib.load(file)["project"]["scripts"]
    return scripts


def write_launcher(root: Path, name: str, target: str, interpreter: str) -> None:
    """Write the command `name`, which calls `target` ("module:function")."""
    module, _, function = target.partition(":")
    directory = root / ("usr/sbin" if SYSTEM_COMMANDS.match(name) else "usr/bin")
    directory.mkdir(parents=True, exist_ok=True)
    text = LAUNCHER.format(
        interpreter=interpreter, library=LIBRARY, module=module, function=function
    )
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)


def placed() -> Iterator[tuple[Path, Path]]:
    """Each file of FILES with its place; FileNotFoundError when a pattern finds none."""
    for pattern, directory in FILES:
        found = sorted(SOURCE.glob(pattern))
        if not found:
            raise FileNotFoundError(f"nothing to package is called {pattern}")
        for source in found:
            name = source.with_suffix(RENAMED.get(source.suffix, source.suffix)).name
            # bash looks for a completion by the command's own name
            yield source, Path(directory) / ("vipctl" if name == "vipctl.bash" else name)


def install(source: Path, target: Path) -> None:
    """Copy a file with its directories, readable by all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o644)


def compressed(source: Path, target: Path) -> None:
    """Copy a file as `target`.gz, always with the same bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), mtime=0))
    target.chmod(0o644)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--root", type=Path, required=True, help="where to lay it out")
    options.add_argument("--wheels", type=Path, required=True, help="where the dependencies are")
    options.add_argument("--python", action="append", required=True, help="such as 3.12")
    options.add_argument("--interpreter", required=True, help="for the first line of commands")
    given = options.parse_args()
    try:
        build(given.root, given.wheels, given.python, given.interpreter)
    except WrongWheelError as error:
        sys.exit(f"tree: {error}; take other wheels (packaging/bundle)")


if __name__ == "__main__":
    main()
