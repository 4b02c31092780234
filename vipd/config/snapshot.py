"""What the files of a directory say at one moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vipd.config.model import Settings, VipConfig
from vipd.config.problem import FileLocation, Problem, error

ABSENCE = 2.0
"""Seconds for which a file must be absent before it counts as removed: editors, rsync, `git
checkout` and configuration management remove and rewrite files, and directories are swapped."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The contents of the directory at one moment.

    `places` has the places of the keys of each virtual IP, by `VipConfig.id`. `files` are the
    paths of all files that were read, or would have been if they were there. `common_broken`: an
    ERROR stands in vip-common.conf, so that any virtual IP may have other settings than meant.
    `settings`: what it says about the daemon. `failed`: the names of the files that are there, and
    from which no virtual IP can run, each with its first ERROR, in whatever file that stands.
    `ignored`: the names of files that are no virtual IP, and their paths. `unset`: of each virtual
    IP, the keys that it does not have and that another file has, with the place there.

    `listed`: False if the directory could not be read, or another one without any virtual IP has
    taken its place (the mount point of a file system that is gone): then this says nothing about
    what is to run. `faults`: something could not be read that may be readable later. `gone`: paths
    that are no longer there and still count, and until when (see `Memory`).
    """

    vips: tuple[VipConfig, ...]
    problems: tuple[Problem, ...]
    places: Mapping[str, Mapping[str, FileLocation]] = field(default_factory=dict, compare=False)
    files: frozenset[str] = field(default=frozenset(), compare=False)
    common_broken: bool = False
    settings: Settings = field(default_factory=Settings)
    listed: bool = True
    faults: bool = False
    gone: Mapping[str, float] = field(default_factory=dict, compare=False)
    failed: Mapping[str, Problem] = field(default_factory=dict, compare=False)
    ignored: Mapping[str, str] = field(default_factory=dict, compare=False)
    unset: Mapping[str, Mapping[str, FileLocation]] = field(default_factory=dict, compare=False)

    def place(self, vip: VipConfig, key: str) -> FileLocation:
        """Where this key of a virtual IP stands, or its file begins."""
        return self.places.get(vip.id, {}).get(key, FileLocation(vip.file))


def unread(directory: str, files: Iterable[str], what: str, hint: str) -> Snapshot:
    """The directory, as it is shown, could not be read; ``files`` would have been."""
    problem = error(FileLocation(directory), what, hint)
    return Snapshot((), (problem,), files=frozenset(files), listed=False, faults=True)
