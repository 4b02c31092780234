"""The files that a plan starts from, and the few changes that it makes to them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipd.cli.planning.files import COMMON, Files, Item, PlanError, vip_file
from vipd.config.files import UnreadableError, read_configuration
from vipd.config.load import load
from vipd.config.model import VipConfig
from vipd.config.problem import is_error

_ADVSKEW = re.compile(rb"""(--advskew[= ]\s*|(?<=[\s"'=])-[A-Za-z]*k\s*)[0-9]+""")


def _assigned(key: str) -> re.Pattern[bytes]:
    """Lines that set a key."""
    return re.compile(rf"^[ \t]*(?:export[ \t]+)?(?:{key})=.*$".encode(), re.MULTILINE)


_OPTIONS = _assigned("OPTIONS")
_SOURCE = _assigned("SOURCE_ADDRESS")


@dataclass(frozen=True, slots=True)
class Before:
    """What a host has now. `vips`: by their ID."""

    name: str
    files: Files
    vips: Mapping[str, VipConfig]

    @property
    def vip(self) -> VipConfig:
        """One of its VIPs, as an example."""
        return next(iter(self.vips.values()))

    @property
    def sources(self) -> tuple[str, ...]:
        """Its own addresses, as that VIP has them; empty if it leaves them out."""
        return tuple(str(each) for each in (self.vip.source, self.vip.source_ipv6) if each)


def read(directory: Path) -> dict[str, Before]:
    """The hosts of DIR/NAME, by their names. PlanError when something there is not as it should
    be, OSError when it cannot be listed."""
    found = {}
    for place in sorted(directory.iterdir()):
        if place.is_dir() and any(place.glob("vip-*.conf")) and not place.name.startswith("."):
            found[place.name] = _host(place)
    if not found:
        raise PlanError(
            f"{directory} has no directory with vip-NNN.conf files: --from takes DIR/NAME"
        )
    return found


def _host(place: Path) -> Before:
    snapshot = load(place)
    for problem in filter(is_error, snapshot.problems):
        if not problem.runs:
            raise PlanError(
                f"{problem.file}:{problem.line}: {problem.message}; {problem.hint}, before "
                "anything is planned from these files"
            )
    if not snapshot.vips:
        raise PlanError(f"{place} has no VIP: remove it, or put its files there")
    files = {}
    for path in sorted(place.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            try:
                files[path.name] = read_configuration(path)
            except UnreadableError as why:
                raise PlanError(f"{path}: {why.message}; {why.hint}") from why
    return Before(place.name, files, {vip.id: vip for vip in snapshot.vips})


def files_of(
    host: str, sources: Sequence[str], items: Sequence[Item], before: Mapping[str, Before]
) -> Files:
    """The files of a host of the plan: its own with few changes; those of another host, if it is
    new; and new ones for new VIPs. `sources`: of SOURCE_ADDRESS; empty to leave that alone."""
    own = before.get(host)
    model = own or next(iter(before.values()))
    of_vips = {Path(vip.file).name for vip in model.vips.values()}
    files = {name: text for name, text in model.files.items() if name not in of_vips}
    common = files.get(COMMON, b"")
    here = sources or (own.sources if own else ())
    for item in items:
        having = [each for each in (model, *before.values()) if item.id in each.vips]
        if having:
            vip = having[0].vips[item.id]
            text = _edited(having[0].files[item.file], common, vip, item.advskew[host])
            files[item.file] = text if having[0] is own else _from_here(text, here)
        else:
            files[item.file] = vip_file(item, host, _left_out(common, model.vip, here))
    if sources and (own is None or set(own.sources) != set(sources)):
        _set_source(files, sources)
    return files


def _edited(text: bytes, common: bytes, vip: VipConfig, advskew: int) -> bytes:
    """The file of a VIP, with this advskew and --preempt."""
    more = "" if vip.preempt else " --preempt"
    if vip.advskew != advskew:
        changed, number = _OPTIONS.subn(
            lambda line: _ADVSKEW.sub(rb"\g<1>%d" % advskew, line[0]), text
        )
        if number and changed != text:
            text = changed
        else:
            more += f" --advskew={advskew}"
    if not more:
        return text
    if _OPTIONS.search(text) or _OPTIONS.search(common):
        more = f"$OPTIONS{more}"
    return _with_line(text, f'OPTIONS="{more.strip()}"')


def _left_out(common: bytes, vip: VipConfig, sources: Sequence[str]) -> dict[str, str]:
    """What a new VIP file has to say because vip-common.conf does not. `vip`: another VIP of the
    host."""
    password = vip.password.get_secret_value().decode("utf-8", "surrogateescape")
    keys = (
        ("BIND_INTERFACE", "BIND_INTERFACE", vip.interface),
        ("SOURCE_ADDRESS", "SOURCE_ADDRESS", " ".join(sources)),
        ("PASSWORD", "PASSWORD|PASSFILE", password),
    )
    return {
        key: value
        for key, pattern, value in keys
        if value and not _assigned(pattern).search(common)
    }


def _set_source(files: Files, sources: Sequence[str]) -> None:
    """Write SOURCE_ADDRESS wherever it stands; in vip-common.conf if it stands nowhere."""
    found = [name for name, text in files.items() if _SOURCE.search(text)]
    for name in found:
        files[name] = _from_here(files[name], sources)
    if not found:
        files[COMMON] = _with_line(files.get(COMMON, b""), _source_line(sources))


def _from_here(text: bytes, sources: Sequence[str]) -> bytes:
    """A file that may be of another host, with this SOURCE_ADDRESS if it has any."""
    return _SOURCE.sub(_source_line(sources).encode(), text)


def _source_line(sources: Sequence[str]) -> str:
    return f'SOURCE_ADDRESS="{" ".join(sources)}"' if sources else "# no SOURCE_ADDRESS"


def _with_line(text: bytes, line: str) -> bytes:
    end = b"" if not text or text.endswith(b"\n") else b"\n"
    return text + end + f"{line}\n".encode()
