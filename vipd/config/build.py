"""From the shell variables of one virtual IP to its checked settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vipd.config import checks, options, password, plausible, scripts, values
from vipd.config.checked import ValidationError, checked
from vipd.config.fields import MAX_DEADRATIO
from vipd.config.hosts import hosts
from vipd.config.keys import ALSO, DAEMON_KEYS, KEYS, OWN
from vipd.config.memory import Memory
from vipd.config.model import Settings, VipConfig
from vipd.config.other_names import HINTS
from vipd.config.problem import (
    FileLocation,
    Problem,
    Problems,
    Severity,
    error,
    is_error,
    shown,
    warning,
)
from vipd.config.secret import SecretBytes
from vipd.config.shell import Binding, Value, Variables
from vipd.config.trust import Trust

_FLAGS = ("preempt", "neutral", "shutdown", "ignoreifstate", "nomcast")


@dataclass(frozen=True, slots=True)
class Built:
    """One virtual IP (None when it cannot run), the places of its settings, and its problems.

    `files`: the password file that was read for it, or would have been. `ignored`: the file is no
    virtual IP. `unset`: keys that it does not have and a file before it has, with the place there.
    """

    vip: VipConfig | None
    places: Mapping[str, FileLocation]
    problems: tuple[Problem, ...]
    files: tuple[str, ...] = ()
    ignored: bool = False
    unset: Mapping[str, FileLocation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """What affects a virtual IP besides its variables. `earlier`: the keys set by the files before
    it. EPEL's init script sourced all files in one shell, so a key also counted for the files
    after it; ucarp@NNN read one file only."""

    directory: Path
    common_broken: bool
    memory: Memory
    trust: Trust
    earlier: Mapping[str, Binding]


INHERITED = ("BIND_INTERFACE", "PASSFILE", "PASSWORD")
"""Keys that every virtual IP needs: they are taken from a file before it."""

LEFT_OUT = ("OPTIONS", "SOURCE_ADDRESS", "UPSCRIPT", "DOWNSCRIPT")
"""Keys that a virtual IP need not have: what a file before it says does not count for it."""


def is_no_vip(own: Mapping[str, Binding]) -> bool:
    """Whether a file without a number in its name is no virtual IP: the variables that it set
    itself contain neither a number nor an address. (With an address but no number, it is a virtual
    IP whose number was forgotten.)"""
    if any(key in own for key in ("ID", "VID", "VHID", "VIP_ADDRESS")):
        return False
    line = options.parse(own["OPTIONS"].value) if "OPTIONS" in own else None
    return line is None or not (line.has("vhid") or line.has("addr"))


def daemon_settings(variables: Variables) -> tuple[Settings, tuple[Problem, ...]]:
    """The daemon's settings, from the variables as they are after vip-common.conf."""
    problems: list[Problem] = []
    listen = None
    if (binding := variables.bindings.get("METRICS_LISTEN")) is not None:
        listen = values.listen(binding.value, problems.append)
    named: tuple[str, ...] = ()
    if (binding := variables.bindings.get("HOSTS")) is not None:
        named = hosts(binding.value, problems.append)
    return checked(Settings, {"metrics_listen": listen, "hosts": named}), tuple(problems)


def build(name: str, file: str, variables: Variables, around: Around) -> Built:
    """Check the variables as they are after all files of the virtual IP `name` were read."""
    return _Builder(name, file, variables, around).build()


@dataclass(slots=True)
class _Builder:
    name: str
    file: str
    variables: Variables
    around: Around
    problems: Problems = field(default_factory=Problems)
    places: dict[str, FileLocation] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    line: options.CommandLine = field(default_factory=lambda: options.CommandLine((), ()))

    def build(self) -> Built:
        self._warn_of_unknown_keys()
        if (words := self._key("OPTIONS")) is not None:
            self.line = options.parse(words)
            self.problems.extend(self.line.problems)
        settings: dict[str, Any] = {"id": self.name, "file": self.file}
        settings["vhid"] = self._vhid()
        settings["other_vhid"] = self._other_vhid(settings["vhid"])
        settings["interface"] = self._required("BIND_INTERFACE", "interface", values.interface)
        settings["addresses"] = self._required("VIP_ADDRESS", "addr", values.addresses)
        sources = self._sources(settings["addresses"])
        settings["source"], settings["source_ipv6"] = sources.get(4), sources.get(6)
        secret = self._password()
        settings["password"] = None if secret is None else SecretBytes(secret)
        second = self._password_also(secret)
        settings["password_also"] = None if second is None else SecretBytes(second)
        settings.update({flag: self.line.has(flag) for flag in _FLAGS})
        self._numbers(settings)
        if (given := self.line.last("mcastip")) and given.value:
            settings["mcast"] = values.group(given.value, self.problems.append)
        self._own_keys(settings)
        named = {key: self._option(key.lower()) for key in scripts.KEYS}
        chosen = scripts.Chooser(
            self.file,
            self.variables.bindings,
            named,
            settings.get("manage_address", "auto"),
            self.around.trust,
            self.problems,
        )
        settings["upscript"], settings["downscript"] = chosen.both()
        if command := settings.get("notify"):
            settings["notify"] = chosen.notify(command, self.places["NOTIFY"])
        settings["xparam"] = self._xparam()
        reader = checks.CheckReader(
            self.file, self.variables.bindings, self.around.trust, self.problems, self.places
        )
        _add_checks(settings, reader)
        vip = self._checked(settings)
        return Built(
            vip, self.places, tuple(self.problems), tuple(self.files), unset=dict(self._unset())
        )

    def _checked(self, settings: dict[str, Any]) -> VipConfig | None:
        if any(map(is_error, self.problems)):
            return None
        try:
            vip = checked(VipConfig, settings)
        except ValidationError as why:
            # The model validates again: it rejects what the checks above let through by mistake.
            for each in why.errors(include_input=False, include_url=False):
                key = str(each["loc"][0]) if each["loc"] else "the settings"
                self._error(FileLocation(self.file), f"{key}: {each['msg']}", f"correct {key}")
            return None
        self.problems.extend(plausible.problems(vip, self.places))
        return None if any(map(is_error, self.problems)) else vip

    def _error(self, place: FileLocation, message: str, hint: str) -> None:
        self.problems.append(error(place, message, hint))

    def _key(self, key: str) -> Value | None:
        """The value of this key from a file; None when only the service, or nothing, set it."""
        binding = self._binding(key)
        return binding.value if binding is not None and binding.value.text.strip() else None

    def _binding(self, key: str) -> Binding | None:
        binding = self.variables.bindings.get(key)
        return None if binding is None or binding.preset else binding

    def _option(self, option: str) -> Value | None:
        given = self.line.last(option)
        return None if given is None else given.value

    def _missing(self, key: str, example: str) -> None:
        hint = f'write {key}="{example}"'
        if self.around.common_broken:
            hint += "; or correct vip-common.conf, which has errors of its own"
        binding = self._binding(key)
        if binding is None:
            self._error(FileLocation(self.file), f"{key} is missing", hint)
        else:
            self._error(binding.place, f"{key} is empty", hint)

    def _required(self, key: str, option: str, check: Any) -> Any:
        value = self._option(option) or self._key(key)
        if value is None and key == "BIND_INTERFACE":
            value = self._inherited(key)[1]
        if value is None:
            self._missing(key, {"BIND_INTERFACE": "eth0", "VIP_ADDRESS": "192.0.2.10"}[key])
            return None
        self.places[key] = value.place
        if key != "VIP_ADDRESS" and not value.text:
            self._missing(key, "eth0")
            return None
        return check(value, self.problems.append)

    def _inherited(self, *keys: str) -> tuple[str, Value | None]:
        """The first of these keys that a file before this one has, when this one has none of them:
        where ucarp ran it at all, it ran with that."""
        missing = all(self._binding(key) is None for key in keys)
        for key in keys if missing else ():
            if (binding := self.around.earlier.get(key)) is not None and binding.value.text.strip():
                where = f"{Path(binding.place.file).name} (line {binding.place.line})"
                self.problems.append(
                    warning(
                        FileLocation(self.file),
                        f"{key} is not set here, and is taken from {where}, as by the ucarp "
                        "service that read all files in one shell",
                        f"write {key}= in this file, too, or in vip-common.conf for all",
                    )
                )
                return key, binding.value
        return "", None

    def _unset(self) -> Iterator[tuple[str, FileLocation]]:
        for key, earlier in self.around.earlier.items():
            if key in LEFT_OUT and self._binding(key) is None:
                yield key, earlier.place

    def _vhid(self) -> int | None:
        report = self.problems.append
        if (binding := self._binding("VHID")) is not None:
            self.places["VHID"] = binding.place
            return values.plain_vhid(binding.value, report)
        if (value := self._option("vhid")) is not None:
            self.places["VHID"] = value.place
            return values.ucarp_vhid(value.text, value.place, "--vhid", report)
        for key in ("ID", "VID"):
            if (value := self._key(key)) is not None:
                self.places["VHID"] = value.place
                return values.ucarp_vhid(value.text, value.place, key, report)
        place = self.places["VHID"] = FileLocation(self.file)
        if self.name.isascii() and self.name.isdigit():
            return values.ucarp_vhid(self.name, place, "the number in the file's name,", report)
        self._missing("ID", "1")
        return None

    def _other_vhid(self, vhid: int | None) -> int | None:
        """The VHID of a host that reads our number differently, or does not know VHID=."""
        given = self._option("vhid") or self._key("ID") or self._key("VID")
        text = self.name if given is None else given.text
        return None if vhid is None else values.other_vhid(text, vhid)

    def _sources(self, floating: Any) -> dict[int, Any]:
        value = self._option("srcip") or self._key("SOURCE_ADDRESS")
        if value is None:
            return {}
        self.places["SOURCE_ADDRESS"] = value.place
        sources = values.sources(value, self.problems.append) or {}
        for source in sources.values():
            if any(source == address.ip for address in floating or ()):
                self._error(
                    value.place,
                    f"SOURCE_ADDRESS {source} is also in VIP_ADDRESS",
                    "write this host's own address here; the floating one moves between hosts",
                )
        return sources

    def _password(self) -> bytes | None:
        around = self.around.directory, self.around.memory, self.problems.append
        for given in reversed(self.line.given):
            if given.option.name in ("pass", "passfile") and given.value is not None:
                if given.option.name == "passfile":
                    self.files.append(str(self.around.directory / given.value.text))
                return password.from_options(given.option.name, given.value, *around)
        binding = self._binding("PASSWORD")
        word, passfile = None if binding is None else binding.value, self._key("PASSFILE")
        if word is None and passfile is None:
            key, value = self._inherited("PASSFILE", "PASSWORD")
            word, passfile = (None, value) if key == "PASSFILE" else (value, None)
        if word is None and passfile is None:
            self._missing("PASSWORD", "…")
            return None
        if passfile is not None:
            self.places["PASSFILE"] = passfile.place
            self.files.append(str(self.around.directory / passfile.text))
        return password.from_keys(passfile, word, *around)

    def _password_also(self, first: bytes | None) -> bytes | None:
        word, passfile = map(self._binding, ALSO)
        if passfile is not None and passfile.value.text.strip():
            self.files.append(str(self.around.directory / passfile.value.text))
        around = self.around.directory, self.around.memory, self.problems.append
        return password.second(first, passfile, word, *around)

    def _numbers(self, settings: dict[str, Any]) -> None:
        # ucarp stores the first two in a byte each, the ratio in 32 bits.
        for name, low, high, bits in (
            ("advbase", 0, 255, 8),
            ("advskew", 0, 255, 8),
            ("deadratio", 1, MAX_DEADRATIO, 32),
        ):
            if (value := self._option(name)) is not None:
                self.places[name] = value.place
                settings[name] = values.number(value, name, low, high, bits, self.problems.append)

    def _own_keys(self, settings: dict[str, Any]) -> None:
        for key in OWN:
            value = self._key(key.name)
            if value is None and key.blank and (binding := self._binding(key.name)) is not None:
                self._error(binding.place, f"{key.name} is empty", key.blank)
            if value is not None:
                self.places[key.name] = value.place
                if (read := key.read(key.name, value, self.problems.append)) is not None:
                    settings[key.field] = read

    def _xparam(self) -> str | None:
        value = self._option("xparam")
        if value is None:
            return None
        try:
            value.text.encode()
        except UnicodeEncodeError:
            self._error(value.place, "--xparam is not valid UTF-8", "save the file as UTF-8")
            return None
        return value.text

    def _warn_of_unknown_keys(self) -> None:
        for name, binding in self.variables.bindings.items():
            if name in DAEMON_KEYS:
                self._warn_of_daemon_key(name, binding)
                continue
            known = name in KEYS or checks.is_key(name)
            if known or binding.preset or name in self.variables.used:
                continue
            if self.problems.full(Severity.WARNING):
                break  # searching for a similar name is slow
            near = get_close_matches(name[:40].upper(), (*KEYS, *DAEMON_KEYS), 1, 0.6)
            guess = f"did you mean {near[0]}?" if near else "remove it, or put # in front"
            hint = HINTS.get(name, guess)
            self.problems.append(
                warning(binding.place, f"{shown(name)} is not a key that vipd or ucarp knows", hint)
            )

    def _warn_of_daemon_key(self, name: str, binding: Binding) -> None:
        if binding.place.file == self.file:
            what = f"{name} counts in vip-common.conf only: it is not about one VIP"
            hint = f"move {name} to vip-common.conf"
            self.problems.append(warning(binding.place, what, hint))


def _add_checks(settings: dict[str, Any], reader: checks.CheckReader) -> None:
    """The checks, and what they have in common with all that is tracked."""
    settings["checks"] = reader.read()
    if "hold" in reader.pace:
        settings["track_hold"] = reader.pace["hold"]
    if gateways := settings.get("track_gateway"):
        settings["track_gateway"] = tuple(replace(each, **reader.pace) for each in gateways)
