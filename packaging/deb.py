"""Makes the Debian package: `python deb.py --wheels DIR --output DIR [--revision N]`.

One package serves every Debian and Ubuntu release whose python3 is one of about.PYTHONS. Uses
dpkg-deb and nothing else of Debian, so it can be made elsewhere, too.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from email.utils import format_datetime
from pathlib import Path

import about
import tree

SCRIPTS = about.SOURCE / "packaging/debian"
CONTROL_FILES = ("postinst", "prerm", "postrm", "triggers")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

CHANGELOG = """\
vipd ({version}) unstable; urgency=medium

  * {upstream}: see changelog.gz.

 -- {maintainer}  {date}
"""

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: vipd
Comment:
 The Python packages below /usr/lib/vipd have licences of their own; they are
 listed, with where their texts are, in /usr/share/doc/vipd/THIRD-PARTY.md.

Files: *
Copyright: 2026 The vipd authors
License: ISC

License: ISC
{licence}
"""


def make(wheels: Path, output: Path, revision: int, machine: str, compression: str) -> Path:
    """Make the package in `output`; its path. `compression` as dpkg-deb has it."""
    architecture = ARCHITECTURES[machine]
    version = f"{about.version()}-{revision}"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "root")
        tree.build(root, wheels, about.PYTHONS, "/usr/bin/python3")
        _documents(root, version)
        hook = root / "usr/share/python3/runtime.d/vipd.rtupdate"
        hook.parent.mkdir(parents=True)
        shutil.copy(SCRIPTS / "rtupdate", hook)
        override = root / "usr/share/lintian/overrides/vipd"
        tree.install(SCRIPTS / "lintian-overrides", override)
        _control(root, version, architecture)
        package = output / f"vipd_{version}_{architecture}.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", root, package],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "SOURCE_DATE_EPOCH": f"{about.date().timestamp():.0f}"},
        )
    return package


def _documents(root: Path, version: str) -> None:
    documents = root / tree.DOCUMENTATION
    tree.compressed(about.SOURCE / "CHANGELOG.md", documents / "changelog.gz")
    entry = CHANGELOG.format(
        version=version,
        upstream=about.version(),
        maintainer=about.maintainer(),
        date=format_datetime(about.date()),
    )
    (documents / "changelog.Debian.gz").write_bytes(gzip.compress(entry.encode(), mtime=0))
    text = (about.SOURCE / "LICENSE").read_text().partition("\n\n")[2]
    licence = "\n".join(f" {line or '.'}" for line in text.strip().splitlines())
    (documents / "copyright").write_text(COPYRIGHT.format(licence=licence))


def _control(root: Path, version: str, architecture: str) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    fields = {
        "VERSION": version,
        "ARCHITECTURE": architecture,
        "MAINTAINER": about.maintainer(),
        "SIZE": str(sum(-(-path.lstat().st_size // 1024) for path in files)),
        "FIRST_PYTHON": about.PYTHONS[0],
        "NEXT_PYTHON": about.after(about.PYTHONS[-1]),
    }
    control = root / "DEBIAN"
    control.mkdir()
    text = (SCRIPTS / "control").read_text()
    for name, value in fields.items():
        text = text.replace(f"@{name}@", value)
    (control / "control").write_text(text)
    sums = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
        if not path.is_symlink()
    ]
    (control / "md5sums").write_text("".join(sums))
    for name in CONTROL_FILES:
        shutil.copy(SCRIPTS / name, control / name)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--wheels", type=Path, required=True)
    options.add_argument("--output", type=Path, required=True)
    options.add_argument("--revision", type=int, default=1)
    options.add_argument("--machine", default=os.uname().machine, choices=sorted(ARCHITECTURES))
    options.add_argument("--compression", default="xz", choices=["xz", "none"])
    given = options.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    print(make(given.wheels, given.output, given.revision, given.machine, given.compression))


if __name__ == "__main__":
    main()
