"""Reads a directory of configuration files: the virtual IPs that are to run, and the problems."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from vipd.config.build import INHERITED, LEFT_OUT, Around, Built, build, daemon_settings, is_no_vip
from vipd.config.claims import Claims
from vipd.config.files import UnreadableError, read_configuration
from vipd.config.keys import KEYS
from vipd.config.memory import Memory
from vipd.config.model import Settings, VipConfig
from vipd.config.problem import FileLocation, Problem, error, is_error, shown
from vipd.config.shell import Binding, Reader, Script, Variables
from vipd.config.snapshot import Snapshot, unread
from vipd.config.trust import Trust

DEFAULT_SCRIPTS = Path("/usr/libexec/ucarp")
"""Where EPEL's package has vip-up and vip-down."""

# Everything else (*.example, *.rpmnew, *.dpkg-dist, vip-001.conf~, .vip-001.conf.swp) is not ours.
_VIP_FILE = re.compile(r"vip-(?P<name>.+)\.conf", re.DOTALL)
# What a tool writes before it renames it: vip-001.conf20260101-7-x, .ansible_tmpvip-001.conf.
_NUMBERED = re.compile(r"vip-(?P<name>[0-9]+)\.conf")
_COMMON = "vip-common.conf"
_OLDER_COMMON = "vip-common"


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is the same for all virtual IPs that are read at one time. `earlier`: what the keys are
    that the files before set (see `build.Around`)."""

    directory: Path
    common: Script
    defaults: Mapping[str, str]
    memory: Memory
    trust: Trust
    earlier: dict[str, Binding] = field(default_factory=dict)


def load(directory: Path, *, only: str | None = None, scripts: Path = DEFAULT_SCRIPTS) -> Snapshot:
    """Read all files of `directory`, in C-locale order as the service did.

    Never raises for anything found there: a file that cannot be used is an ERROR of the result
    and the others count. `only`: the name of the one virtual IP whose file counts. `scripts` is
    the directory of the default vip-up and vip-down.
    """
    for snapshot in loading(directory, only=only, scripts=scripts):
        if snapshot is not None:
            return snapshot
    raise AssertionError("loading ends with a snapshot")


def loading(
    directory: Path,
    *,
    only: str | None = None,
    scripts: Path = DEFAULT_SCRIPTS,
    memory: Memory | None = None,
) -> Iterator[Snapshot | None]:
    """`load` a file at a time, for a caller with other things to do in between: None after each,
    and the snapshot at the end. `memory`: the same for each call of a caller that loads again."""
    memory = memory or Memory()
    commons = [directory / _COMMON, directory / _OLDER_COMMON]
    files = {str(path) for path in commons}
    memory.reading(str(directory))
    try:
        names, identity = _listing(directory)
    except (OSError, ValueError) as why:
        reason = why.strerror if isinstance(why, OSError) else str(why)
        what = f"the directory cannot be read: {reason}; VIPs that run go on as they are"
        hint = (
            "create it or make it readable, and vipd reads it by itself; or name another one with "
            "--config-dir"
        )
        yield unread(_path(directory), files, what, hint)
        return
    before = memory.others(directory, names)
    if (
        memory.is_another(identity)
        and any(map(_is_vip_file, before))
        and not any(map(_is_vip_file, names))
    ):
        what = "this is another directory than before and has no VIP file; VIPs go on as they are"
        hint = "mount or restore the right one; or, if no VIP is to run here, vipctl reload"
        yield unread(_path(directory), files, what, hint)
        return
    memory.directory = identity
    # Files that are gone come last: an existing file may take their VHID and addresses at once.
    gone = [name for name in before if _is_vip_file(name) or name in (_COMMON, _OLDER_COMMON)]
    names += gone
    if only is not None:
        names = [name for name in names if name in (_COMMON, _OLDER_COMMON, f"vip-{only}.conf")]
    problems: list[Problem] = []
    common = _common(directory, names, memory)
    problems.extend(common.problems)
    settings, shared, wrong = _settings(common, directory, memory)
    shared |= {_path(path) for path in commons}
    problems.extend(wrong)
    failed: dict[str, Problem] = {}
    vips: list[VipConfig] = []
    places: dict[str, Mapping[str, FileLocation]] = {}
    ignored: dict[str, str] = {}
    unset: dict[str, Mapping[str, FileLocation]] = {}
    claims = Claims()
    reading = _Reading(directory, common, _defaults(directory, scripts), memory, Trust())
    for name, built in _each(reading, names):
        yield None
        clash = claims.clash(built.vip, built.places) if built.vip else None
        if clash and f"vip-{name}.conf" in gone:
            memory.forget(directory / f"vip-{name}.conf")
            continue
        problems.extend(built.problems)
        files.add(str(directory / f"vip-{name}.conf"))
        files.update(built.files)
        if clash:
            problems.append(clash)
            failed[name] = clash
        elif built.vip:
            vips.append(built.vip)
            places[name], unset[name] = built.places, built.unset
        elif built.ignored:
            ignored[name] = _path(directory / f"vip-{name}.conf")
        else:
            failed[name] = next(filter(is_error, built.problems))
    memory.end()
    if gone:
        vips.sort(key=lambda vip: os.fsencode(f"vip-{vip.id}.conf"))
    # A problem in vip-common.conf is found once for each virtual IP, but reported once.
    unique = tuple(dict.fromkeys(problems))
    common_broken = any(is_error(problem) and problem.file in shared for problem in unique)
    yield Snapshot(
        tuple(vips),
        unique,
        places,
        frozenset(files),
        common_broken,
        settings,
        failed=failed,
        ignored=ignored,
        unset=unset,
        faults=memory.faults,
        gone=dict(memory.gone()),
    )


def load_settings(directory: Path) -> tuple[Settings, tuple[Problem, ...]]:
    """Read only what vip-common.conf of `directory` says about the daemon and vipctl; and what is
    wrong in that file. Never raises for anything found there."""
    memory = Memory()
    common = _common(directory, [_COMMON, _OLDER_COMMON], memory)
    settings, _, problems = _settings(common, directory, memory)
    return settings, (*common.problems, *problems)


def load_file(
    path: Path, directory: Path, *, called: str = "", scripts: Path = DEFAULT_SCRIPTS
) -> Snapshot:
    """Read one file as it would count in `directory`, with vip-common.conf there.

    It may be anywhere and have any name; a number counts if vip-NNN.conf is a part of it. `called`:
    the name that it will have in `directory`, if not its own. A file named like vip-common.conf,
    and one with another name that says nothing about one virtual IP alone, is read as
    vip-common.conf: there is no virtual IP then, but its keys are checked. Never raises for
    anything found there.
    """
    memory = Memory()
    called = called or path.name
    match = _VIP_FILE.fullmatch(called) or _NUMBERED.search(called)
    name = shown(match["name"] if match else called)
    reading = _Reading(directory, Script((), ()), _defaults(directory, scripts), memory, Trust())
    built: Built | None = None
    before: tuple[Problem, ...] = ()
    settings = Settings()
    is_shared = _COMMON in called
    if not is_shared:
        common = _common(directory, [_COMMON, _OLDER_COMMON], memory)
        built, before = _one(replace(reading, common=common), name, path), common.problems
        is_shared = built is not None and built.ignored and match is None
    if is_shared:
        built, settings = _shared_file(reading, path)
    if built is None:
        hint = "write the path of one that exists, or none to check the whole directory"
        built = Built(None, {}, (error(FileLocation(_path(path)), "there is no such file", hint),))
    vips = (built.vip,) if built.vip else ()
    return Snapshot(
        vips,
        tuple(dict.fromkeys((*before, *built.problems))),
        {vip.id: built.places for vip in vips},
        frozenset((_path(path), *built.files)),
        settings=settings,
        ignored={name: _path(path)} if built.ignored and not is_shared else {},
    )


_SAMPLE = {
    "ID": "1",
    "VIP_ADDRESS": "192.0.2.10",
    "BIND_INTERFACE": "eth0",
    "PASSWORD": "password",
}
"""What vip-common.conf need not have; with these, the rest of it can be checked."""


def _shared_file(reading: _Reading, path: Path) -> tuple[Built | None, Settings]:
    """Read a file as vip-common.conf, and check it with a VIP that adds only what is missing. Names
    that are no keys are not reported: files of VIPs may use them."""
    script = _read(path, reading.memory)
    if script is None:
        return None, Settings()
    if script.broken:
        return Built(None, {}, script.problems), Settings()
    sample = FileLocation(_path(reading.directory / "vip-1.conf"))

    def run(presets: Mapping[str, str]) -> Variables:
        found = Variables.of({**reading.defaults, **presets}, sample, _reader(reading.memory))
        found.run(script)
        return found

    there = run({}).bindings
    missing = _SAMPLE.keys() - there.keys() - ({"PASSWORD"} if "PASSFILE" in there else set())
    variables = run({key: _SAMPLE[key] for key in missing})
    settings, wrong = daemon_settings(variables)
    variables.used.update(name for name in variables.bindings if name not in KEYS)
    around = Around(reading.directory, False, reading.memory, reading.trust, {})
    built = build("1", sample.file, variables, around)
    problems = (*script.problems, *variables.problems, *built.problems, *wrong)
    found = tuple(each for each in problems if each.file != sample.file)
    files = (*variables.sourced, *built.files)
    return Built(None, {}, found, files, ignored=True), settings


def _defaults(directory: Path, scripts: Path) -> dict[str, str]:
    """What EPEL's init script had set before it sourced the files."""
    return {
        "CONFDIR": _path(directory),
        "UPSCRIPT": str(scripts / "vip-up"),
        "DOWNSCRIPT": str(scripts / "vip-down"),
    }


def _listing(directory: Path) -> tuple[list[str], tuple[int, int]]:
    """The names in a directory, and its device and inode. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        names = sorted(os.listdir(descriptor), key=os.fsencode)  # noqa: PTH208
        return names, (status.st_dev, status.st_ino)
    finally:
        os.close(descriptor)


def _is_vip_file(name: str) -> bool:
    return name != _COMMON and _VIP_FILE.fullmatch(name) is not None


def _settings(
    common: Script, directory: Path, memory: Memory
) -> tuple[Settings, set[str], tuple[Problem, ...]]:
    """What vip-common.conf says about the daemon, the files that it reads, what is wrong."""
    place = FileLocation(_path(directory / _COMMON))
    variables = Variables.of({"CONFDIR": _path(directory)}, place, _reader(memory))
    variables.run(common)  # problems of its variables are reported with each virtual IP
    settings, problems = daemon_settings(variables)
    return settings, set(map(_shown, variables.sourced)), problems


def _each(reading: _Reading, names: list[str]) -> Iterator[tuple[str, Built]]:
    for file_name in names:
        match = _VIP_FILE.fullmatch(file_name)
        if match is None or file_name == _COMMON:
            continue
        name = match["name"]
        if shown(name, len(name)) != name:
            place = FileLocation(_path(reading.directory / file_name))
            what = "the name of this file has characters that cannot be printed"
            hint = "rename it, like vip-001.conf"
            yield name, Built(None, {}, (error(place, what, hint),))
            continue
        built = _one(reading, name, reading.directory / file_name)
        if built is not None:
            yield name, built


def _one(reading: _Reading, name: str, path: Path) -> Built | None:
    """Read one virtual IP; None when its file went away meanwhile."""
    file = _path(path)
    script = _read(path, reading.memory, empty_is_broken=True)
    if script is None:
        return None
    if script.broken:
        return Built(None, {}, script.problems)
    presets = {**reading.defaults, "FILE": f"vip-{name}.conf"}
    numbered = name.isascii() and name.isdigit()
    if numbered:
        presets["ID"] = name
    common = reading.common
    variables = Variables.of(presets, FileLocation(file), _reader(reading.memory))
    variables.run(common)
    common_problems = list(variables.problems)
    shared = dict(variables.bindings)
    variables.problems.clear()
    variables.run(script)
    before = (*common_problems, *script.problems, *variables.problems)
    if any(map(is_error, variables.problems)):
        return Built(None, {}, before, tuple(variables.sourced))
    if not numbered:
        now = variables.bindings.items()
        if is_no_vip({key: it for key, it in now if shared.get(key) is not it}):
            return Built(None, {}, (), tuple(variables.sourced), ignored=True)
    common_broken = common.broken or any(map(is_error, common_problems))
    around = Around(
        reading.directory,
        common_broken,
        reading.memory,
        reading.trust,
        reading.earlier if numbered and not common_broken else {},
    )
    built = build(name, file, variables, around)
    for key in (*INHERITED, *LEFT_OUT) if numbered else ():
        if (binding := variables.bindings.get(key)) is not shared.get(key) and binding is not None:
            reading.earlier[key] = binding
    files = (*variables.sourced, *built.files)
    problems = (*before, *built.problems)
    return Built(built.vip, built.places, problems, files, unset=built.unset)


def _reader(memory: Memory) -> Reader:
    """Reads the files that files read."""
    return lambda path: _read(Path(path), memory)


def _common(directory: Path, names: list[str], memory: Memory) -> Script:
    for name in (_COMMON, _OLDER_COMMON):
        if name in names and (script := _read(directory / name, memory)) is not None:
            return script
    return Script((), ())


def _read(path: Path, memory: Memory, *, empty_is_broken: bool = False) -> Script | None:
    """Parse a file; None when it went away between listing and reading."""
    file = _path(path)
    try:
        content = memory.content(path, read_configuration)
    except UnreadableError as why:
        # Not lexists(): it takes every error for absence.
        if why.absent and not path.is_symlink():
            return None
        return Script((), (error(FileLocation(file), why.message, why.hint),))
    if empty_is_broken and not content.strip():
        hint = "write it again (see vip-001.conf.example), or remove it"
        return Script((), (error(FileLocation(file), "the file is empty", hint),))
    return memory.script(path, content, file)


def _path(path: Path) -> str:
    """A path as it is shown: bytes that are no UTF-8 are escaped."""
    return _shown(str(path))


def _shown(text: str) -> str:
    return shown(text, len(text))
