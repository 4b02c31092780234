"""Small wheels for tests, with what the packages look for in one."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

METADATA = """\
Metadata-Version: 2.4
Name: {name}
Version: {version}
License-Expression: MIT
"""


def wheel(
    directory: Path,
    name: str = "thing",
    version: str = "1.0",
    tags: str = "py3-none-any",
    files: Mapping[str, str] | None = None,
    metadata: str = METADATA,
) -> Path:
    """Write NAME-VERSION-TAGS.whl with `files` (path → content) in it."""
    path = directory / f"{name}-{version}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in (files or {f"{name}/__init__.py": ""}).items():
            archive.writestr(file, content)
        information = f"{name}-{version}.dist-info"
        archive.writestr(f"{information}/METADATA", metadata.format(name=name, version=version))
        archive.writestr(f"{information}/licenses/LICENSE", "do what you like")
        archive.writestr(f"{information}/RECORD", f"of {tags}")
    return path
