"""Reads a story and tells it again, with a real machine: where the two differ, vipd does not do
what the story says."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vipd.carp import machine as machine_module
from vipd.carp.authenticity import Authenticity
from vipd.carp.authenticity import Mode as AuthenticateMode
from vipd.carp.digest import Digest
from vipd.carp.effects import (
    Acquire,
    Announce,
    Effect,
    Effects,
    Release,
    SendAdvertisement,
    Transition,
)
from vipd.carp.health import Health
from vipd.carp.machine import TABLE, Machine
from vipd.carp.packet import Advertisement, Drop, decode, encode
from vipd.carp.parameters import Parameters
from vipd.carp.states import Input, Reason
from vipd.carp.tag import Tags

from .packets import ETHERNET, read_frame

FILE = "story.txt"
SHARED = Path(__file__).parent / "packets"
_STEP = re.compile(r"(?P<at>\d+(?:\.\d+)?) +(?P<doing>\S.*)")
_INDENT = " " * 11
#: Interval 1.5 s, master-down 3.5 s, stagger 0.125 s: all of them different.
_PARAMETERS = Parameters(IPv4Address("192.0.2.20"), advbase=1, advskew=128, deadratio=3)
_GROUP = IPv4Address("224.0.0.18")


@dataclass(frozen=True)
class Us:
    """The host that the story is about, as its files have it."""

    parameters: Parameters = _PARAMETERS
    group: IPv4Address = _GROUP  # what advertisements are sent to: with peers, our own address
    vhid: int = 1
    password: bytes = b"love"
    addresses: tuple[str, ...] = ("198.51.100.154",)
    peers: tuple[IPv4Address, ...] = ()
    """Who is heard, by unicast, if not everybody by multicast."""
    authenticate: str = "auto"
    master: bool = False
    """Whether it has been master for some seconds when the story begins."""

    def but(self, setting: str) -> "Us":
        """The same with one more setting of the line that begins with ``us:``."""
        name, _, value = setting.strip().partition(" ")
        match name:
            case "source":
                return replace(self, parameters=replace(self.parameters, source=IPv4Address(value)))
            case (
                "advbase" | "advskew" | "deadratio" | "demote_by" | "preempt_delay" | "listen_first"
            ):
                changed: dict[str, Any] = {name: int(value)}
                return replace(self, parameters=replace(self.parameters, **changed))
            case "sick" | "unknown":
                health = replace(self.parameters, health=Health(name))
                return replace(self, parameters=health)
            case "preempt":
                return replace(self, parameters=replace(self.parameters, preempt=True))
            case "group":
                return replace(self, group=IPv4Address(value))
            case "vhid":
                return replace(self, vhid=int(value))
            case "password":
                return replace(self, password=value.encode())
            case "authenticate":
                return replace(self, authenticate=value)
            case "master":
                return replace(self, master=True)
            case "peers":
                listed = tuple(map(IPv4Address, value.split()))
                return replace(self, peers=listed, group=IPv4Address("192.0.2.20"))
            case "addresses":
                return replace(self, addresses=tuple(value.split()))
        raise ValueError(f"nobody has a setting {name!r}")


@dataclass
class Telling:
    """A story as it happened: ``text`` is its whole file; what was asked of the table on the way,
    what was refused, why anything happened, and which packets were heard, believed and sent."""

    folder: Path
    us: Us = Us()  # as it begins
    text: str = ""
    asked: list[tuple[str, Input]] = field(default_factory=list)
    drops: set[Drop] = field(default_factory=set)
    reasons: set[Reason] = field(default_factory=set)
    heard: set[Path] = field(default_factory=set)
    believed: list[tuple[Us, Advertisement]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)


def tell(folder: Path) -> Telling:
    """Do what the story of this folder says is done, and write down what comes of it."""
    telling = Telling(folder)
    us, out = Us(), []
    actor: _Actor | None = None
    with _watched(telling.asked):
        for line in (folder / FILE).read_text().splitlines():
            if line.startswith("us: "):
                for setting in line[len("us: ") :].split(","):
                    us = us.but(setting)
            step = _STEP.fullmatch(line)
            if step is not None:
                if actor is None:
                    telling.us = us
                    actor = _Actor(us, telling)
                out.append(f"{step['at']:11}{step['doing']}")
                out += (_INDENT + told for told in actor.does(step["doing"], float(step["at"])))
            elif actor is None or not line.startswith(_INDENT):
                out.append(line)
    telling.text = "\n".join(out) + "\n"
    return telling


class _Actor:
    """A machine, and what a daemon does around it."""

    def __init__(self, us: Us, telling: Telling) -> None:
        self._us, self._telling = us, telling
        self._machine = Machine(us.parameters)
        self._digest = Digest(us.password, us.vhid, map(ip_address, us.addresses))
        self._tags = Tags(us.password, us.vhid)
        self._authenticity = Authenticity(AuthenticateMode(us.authenticate))
        if us.master:
            self._machine.link_up(-9.75)
            for quarter in range(-39, 1):
                self._machine.tick(quarter / 4)

    def does(self, what: str, now: float) -> Iterator[str]:
        """One step; what comes of it, in words."""
        before = (self._mode, self._machine.deadline)
        begin = len(self._telling.asked)
        happened = self._happens(what, now)
        mode, deadline = self._mode, self._machine.deadline
        asked = self._telling.asked[begin:]
        if asked and not set(asked) & _IN_TABLE:
            assert (happened, (mode, deadline)) == ((), before), asked
        if isinstance(happened, Drop):
            self._telling.drops.add(happened)
            yield f"dropped: {happened.value}"
        else:
            yield from map(self._carried_out, happened)
        yield f"= {mode}" + (f" until {deadline:.9g}" if deadline < float("inf") else "")

    @property
    def _mode(self) -> str:
        return self._machine.outlook(0.0).mode.name

    def _happens(self, what: str, now: float) -> Effects | Drop:
        machine = self._machine
        plain: Mapping[str, Callable[[], Effects]] = {
            "begin": machine.start,
            "link up": lambda: machine.link_up(now),
            "link down": lambda: machine.link_down(now),
            "time passes": lambda: machine.tick(now),
            "step down": lambda: machine.step_down(now),
            "resume": lambda: machine.resume(now),
            "stop": lambda: machine.stop(now),
            "well": lambda: machine.judge(Health.WELL, now),
            "sick": lambda: machine.judge(Health.SICK, now),
            "no verdict": lambda: machine.judge(Health.UNKNOWN, now),
            "lease lapsed": lambda: machine.lapse(now),
            "it left": lambda: machine.sent(True, now),
            "it did not leave": lambda: machine.sent(False, now),
        }
        if what in plain:
            return plain[what]()
        verb, _, rest = what.partition(" ")
        if verb == "hear":
            return self._hears(rest, now)
        if verb == "now":
            for setting in rest.split(","):
                self._us = self._us.but(setting)
            return machine.change(self._us.parameters, now)
        if held := re.fullmatch(r"step down for (\d+|inf) s(?:, (.+))?", what):
            return machine.step_down(
                now, float(held[1]), Reason(held[2]) if held[2] else Reason.STEPPED_DOWN
            )
        raise ValueError(f"nothing is called {what!r}")

    def _hears(self, name: str, now: float) -> Effects | Drop:
        us = self._us
        listed = {us.vhid: [peer.packed for peer in us.peers]} if us.peers else {}
        read = decode(self._packet(name), {us.vhid: us.group}, listed)
        if isinstance(read, Drop):
            return read
        drop = self._digest.doubts(read, us.parameters.sources, len(self._telling.sent))
        if drop:
            return drop
        patience = us.parameters.master_down
        new = self._authenticity.judge(read, read.host, self._tags, now, patience)
        if isinstance(new, Drop):
            return new
        self._telling.believed.append((us, read))
        return self._machine.receive(read, now) if new else ()

    def _packet(self, name: str) -> bytes:
        if name == "ourselves":
            return self._telling.sent[-1]
        own, shared = (at / f"{name}.hex" for at in (self._telling.folder, SHARED))
        path = own if own.exists() else shared
        self._telling.heard.add(path)
        return read_frame(path)[ETHERNET:]

    def _carried_out(self, effect: Effect) -> str:
        match effect:
            case Transition(old, new, reason):
                self._telling.reasons.add(reason)
                return f"{old.value} → {new.value}: {reason.value}"
            case Acquire():
                return "acquire"
            case Release(at_start):
                return "release what an earlier life left" if at_start else "release"
            case Announce():
                return "announce"
            case SendAdvertisement(advbase, advskew):
                self._send(advbase, advskew)
                return f"advertise {advbase}/{advskew}"

    def _send(self, advbase: int, advskew: int) -> None:
        us, counter = self._us, len(self._telling.sent) + 1
        demotion = self._machine.parameters.demotion
        source, digest = us.parameters.source, self._digest.sign(counter)
        ad = Advertisement(source, us.group, us.vhid, advbase, advskew, demotion, counter, digest)
        self._telling.sent.append(encode(ad))


class _Watched(dict[Any, Any]):
    """TABLE, remembering what was looked up."""

    def __init__(self, asked: list[tuple[str, Input]]) -> None:
        super().__init__(TABLE)
        self._asked = asked

    def get(self, key: Any, default: Any = None) -> Any:
        mode, event = key
        self._asked.append((mode.name, event))
        return super().get(key, default)


_IN_TABLE = {(mode.name, event) for mode, event in TABLE}


@contextmanager
def _watched(asked: list[tuple[str, Input]]) -> Iterator[None]:
    with patch.object(machine_module, "TABLE", _Watched(asked)):
        yield


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(tell(Path(name)).text)
