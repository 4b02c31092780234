"""CHECK_<NAME> and its times: which programs tell whether this host is fit to own an address.

CHECK_WEB is a check; CHECK_INTERVAL is for all checks of the VIP, CHECK_WEB_INTERVAL for one.
"""

import grp
import os
import pwd
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from vipd.config import commands, plain_values
from vipd.config.files import UnreadableError, read_regular
from vipd.config.health_fields import MAX_RUNS, Account, Check
from vipd.config.problem import FileLocation, Problem, alarm, cited, error, shown, warning
from vipd.config.shell import Binding, Value
from vipd.config.trust import Danger, Trust, unknown_owner
from vipd.config.values import Report

PREFIX = "CHECK_"
USER = "nobody"
"""Whom checks run as unless CHECK_USER says otherwise."""

_Read = Callable[[str, Value, Report], object]


@dataclass(frozen=True, slots=True)
class Setting:
    """What CHECK_…= sets for all checks, and CHECK_<NAME>_…= for one: a field of `Check` whose name
    is this one's in lower case. ``description``: for people; ``default``: likewise."""

    read: _Read
    description: str
    default: str


SETTINGS: Mapping[str, Setting] = {
    "INTERVAL": Setting(
        plain_values.fractional_seconds,
        "seconds (0.1 to 3600) from one start of a check to the next.",
        "2",
    ),
    "TIMEOUT": Setting(
        plain_values.fractional_seconds,
        "seconds (0.1 to 3600) after which a run is killed with all that it started, and has "
        "failed.",
        "the interval",
    ),
    "FALL": Setting(
        partial(plain_values.whole, low=1, high=MAX_RUNS),
        "how many runs (1 to 100) fail one after the other until the check has failed.",
        "3",
    ),
    "RISE": Setting(
        partial(plain_values.whole, low=1, high=MAX_RUNS),
        "how many runs (1 to 100) succeed one after the other until a failed check is well again.",
        "5",
    ),
    "HOLD": Setting(
        plain_values.seconds_or_0,
        "seconds (0 to 3600) that a failed check stays so at least. They are doubled, up to 600, "
        "each time it fails again within 5 minutes of its recovery.",
        "30",
    ),
    "USER": Setting(
        lambda _key, value, _report: value.text.strip(),
        "whom the check runs as, a name or a number, with all groups of this user.",
        USER,
    ),
}

_LONGEST_FIRST_LINE = 256
"""Bytes that the kernel reads of a script to find its interpreter."""

_NAMED = re.compile(rf"{PREFIX}(?P<name>\w+?)(_(?P<setting>{'|'.join(SETTINGS)}))?", re.ASCII)


def is_key(name: str) -> bool:
    """Whether a key of this name is a check, or about one or all checks."""
    return _NAMED.fullmatch(name) is not None


@dataclass(slots=True)
class CheckReader:
    """For one virtual IP, whose file is `file`. `places` gets the place of each key; `pace` the
    interval, fall, rise and hold that are given for everything."""

    file: str
    bindings: Mapping[str, Binding]
    trust: Trust
    problems: list[Problem]
    places: dict[str, FileLocation]
    pace: dict[str, Any] = field(default_factory=dict)
    _trusting: dict[int, Trust] = field(default_factory=dict)

    def read(self) -> tuple[Check, ...]:
        """The checks, by name. One with an empty value is switched off."""
        commands: dict[str, tuple[str, Value]] = {}
        settings: dict[str, dict[str, Any]] = {"": {}}
        about: dict[str, Binding] = {}
        for key, binding in self.bindings.items():
            match = _NAMED.fullmatch(key)
            if match is None or binding.preset:
                continue
            name, setting = match["name"].lower(), match["setting"]
            if setting is None and match["name"] in SETTINGS:
                name, setting = "", match["name"]
            if setting is None:
                self._add(commands, name, key, binding)
            elif binding.value.text.strip():
                about.setdefault(name, binding)
                self.places[key] = binding.value.place
                read = SETTINGS[setting].read(key, binding.value, self.problems.append)
                if read is not None:
                    settings.setdefault(name, {})[setting.lower()] = read
        for name, binding in about.items():
            if name and name not in commands and not self._switched_off(name):
                what = f"there is no check {PREFIX}{name.upper()} that this could be about"
                hint = f"write {PREFIX}{name.upper()}=/PATH/OF/A/PROGRAM, or remove this"
                self.problems.append(warning(binding.place, what, hint))
        self.pace = {
            n: v for n, v in settings[""].items() if n in ("interval", "fall", "rise", "hold")
        }
        checks = []
        for name, (key, value) in sorted(commands.items()):
            about_it = {**settings[""], **settings.get(name, {})}
            if check := self._check(name, key, value, about_it):
                checks.append(check)
        return tuple(checks)

    def _add(
        self, commands: dict[str, tuple[str, Value]], name: str, key: str, binding: Binding
    ) -> None:
        if not binding.value.text.strip():
            return
        if name in commands:
            what = f"{key} and {commands[name][0]} are the same check: case does not count"
            self.problems.append(error(binding.place, what, "rename one of the two"))
        commands[name] = key, binding.value

    def _switched_off(self, name: str) -> bool:
        return any(key.lower() == f"{PREFIX}{name}".lower() for key in self.bindings)

    def _check(self, name: str, key: str, value: Value, about: dict[str, Any]) -> Check | None:
        self.places[key] = value.place
        words = commands.words(key, value, self.problems.append)
        if words is None:
            return None
        account = _account(about.get("user", USER))
        why = self._refused(key, value, words[0], account, about.get("user", USER))
        check = Check(name, words, account=account, refused=why, **{"user": USER, **about})
        if check.timeout > check.interval:
            what = (
                f"{key} may take {check.timeout:g} s and is to start every {check.interval:g} s: "
                "while one run lasts, no other is started"
            )
            hint = f"write {key}_TIMEOUT={check.interval:g} or less, or a longer {key}_INTERVAL"
            self.problems.append(warning(value.place, what, hint))
        return check

    def _refused(
        self, key: str, value: Value, path: str, account: Account | None, user: str
    ) -> str:
        """Report why this check does not run at all, or cannot now; "" unless it must not run.
        A program that is missing may be there later: it is tried each time, unless others may make
        it."""
        if account is None:
            what = f"{key} is to run as {cited(user)}, and this host has no such user"
            hint = f"create the user, or write another one into {PREFIX}USER; then reload"
            self.problems.append(alarm(value.place, f"{what}; it counts as failed", hint))
            return f"there is no user {shown(user)}"
        if danger := self._danger(path, value.place.file, account):
            what = f"{key} {cited(path)} is not run, and counts as failed: {danger.text}"
            self.problems.append(alarm(value.place, what, f"{danger.cure}; then vipctl reload"))
            return danger.text
        if why := _cannot_run(path, account):
            what = f"{key} {cited(path)} {why}; it counts as failed"
            hint = f"write the path of a program that user {shown(user)} may run, or remove {key}"
            self.problems.append(alarm(value.place, what, hint))
        return ""

    def _danger(self, path: str, named_in: str, account: Account) -> Danger | None:
        """Who else may change the program, or the files that name it: all but root, the daemon's
        own user, and the user that it runs as."""
        trust = self._trusting.get(account.uid)
        if trust is None:
            unknown = unknown_owner()
            trust = self._trusting[account.uid] = Trust(
                {0, os.geteuid(), account.uid, *unknown}, {0, os.getegid(), *unknown}
            )
        if danger := trust.danger(path):
            return danger
        for file in dict.fromkeys((self.file, named_in)):
            danger = self.trust.danger(file)
            if danger and danger.anybody:
                return danger
        return None


def _account(user: str) -> Account | None:
    """The IDs of a user, by its name or number."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    return Account(entry.pw_uid, entry.pw_gid, tuple(sorted(set(groups))))


def _cannot_run(path: str, account: Account) -> str:
    """Why this user cannot run this program; "" if nothing speaks against it."""
    try:
        return _obstacle(path, account)
    except OSError as why:
        return f"cannot be run: {why.strerror}"


def _obstacle(path: str, account: Account) -> str:
    status = os.stat(path)  # noqa: PTH116
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if account.uid == 0:
        if not status.st_mode & 0o111:
            return "has no execute permission for anybody"
        return _without_interpreter(path)
    at = os.path.realpath(path)
    while True:
        status = os.stat(at)  # noqa: PTH116
        if not _may_execute(status, account):
            named = "" if at == os.path.realpath(path) else f" in {shown(at, 200)}"
            return f"cannot be run by {_named(account)}: no execute permission{named}"
        if at == "/":
            return _without_interpreter(path)
        at = os.path.dirname(at)  # noqa: PTH120


def _without_interpreter(path: str) -> str:
    """The kernel says of such a script that there is no such file, which is hard to understand: a
    carriage return at the end of the line, most likely."""
    try:
        line = read_regular(Path(path), _LONGEST_FIRST_LINE).split(b"\n")[0]
    except UnreadableError:  # a program need not be readable for us
        return ""
    interpreter = re.split(rb"[ \t]", line[2:].strip(b" \t"))[0]
    if not line.startswith(b"#!") or os.path.exists(interpreter):  # noqa: PTH110
        return ""
    return f"begins with #!{shown(os.fsdecode(interpreter))}, and there is no such program"


def _may_execute(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in account.groups:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _named(account: Account) -> str:
    try:
        return f"{pwd.getpwuid(account.uid).pw_name} ({grp.getgrgid(account.gid).gr_name})"
    except KeyError:
        return f"user {account.uid}"
