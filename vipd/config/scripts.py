"""UPSCRIPT, DOWNSCRIPT and NOTIFY: which programs run as root for a virtual IP, if any."""

from collections.abc import Mapping
from dataclasses import dataclass

from vipd.config.files import is_executable
from vipd.config.problem import FileLocation, Problem, alarm, cited, shown, warning
from vipd.config.shell import Binding, Value
from vipd.config.trust import Trust

KEYS = ("UPSCRIPT", "DOWNSCRIPT")

_INSTEAD = {
    "auto": ", and adds and removes the address itself",
    "yes": "",
    "no": ", and nobody adds the address (MANAGE_ADDRESS=no)",
}
"""What happens to the address when no script runs, for each MANAGE_ADDRESS."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """For one virtual IP. `given`: what OPTIONS says for each key; `manage`: MANAGE_ADDRESS."""

    file: str
    bindings: Mapping[str, Binding]
    given: Mapping[str, Value | None]
    manage: str
    trust: Trust
    problems: list[Problem]

    def both(self) -> tuple[str | None, str | None]:
        """The paths of the scripts that are to run.

        If anybody on this host may change a script, neither runs: every local user would be root at
        the next transition. ucarp ran them, so the address must not be lost: with
        MANAGE_ADDRESS=auto, vipd adds and removes it itself. If only a certain user or group may
        change them, they run, as with ucarp: that user may be the administrator.
        """
        up, down = self._named("UPSCRIPT"), self._named("DOWNSCRIPT")
        if up is None and down is None:
            return None, None
        usable = {key: named for key, named in zip(KEYS, (up, down), strict=True) if named}
        then = f"vipd runs no script{_INSTEAD[self.manage]}"
        open_to_all = [self._open(key, *named, then) for key, named in usable.items()]
        if any(place.file != path for path, place in usable.values()):
            # A user that may write these files may write the name of a script into them.
            files = dict.fromkeys((self.file, *(place.file for _, place in usable.values())))
            open_to_all += [self._open_file(file, then) for file in files]
        if any(open_to_all):
            return None, None
        return up and up[0], down and down[0]

    def notify(self, command: tuple[str, ...], place: FileLocation) -> tuple[str, ...]:
        """NOTIFY's command, or nothing if anybody may change or make its program. One that is
        missing may be there later: it is tried each time."""
        path, then = command[0], "it is not run"
        open_to_all = [self._open("NOTIFY", path, place, then)]
        open_to_all += [
            self._open_file(file, then) for file in dict.fromkeys((self.file, place.file))
        ]
        if any(open_to_all):
            return ()
        if not is_executable(path):
            what = f"NOTIFY {cited(path)} is not there, or not executable; nobody is told"
            hint = "write the path of an executable file (chmod +x), or remove NOTIFY"
            self.problems.append(warning(place, what, hint))
        return command

    def _named(self, key: str) -> tuple[str, FileLocation] | None:
        """The script of the key, of OPTIONS, or the package's, if it can run; and where it is
        named, which for the package's is itself."""
        binding = self.bindings.get(key)
        value = None if binding is None or binding.preset else binding.value
        if value is None:
            value = self.given[key]
        if value is None:
            default = "" if binding is None else binding.value.text
            return (default, FileLocation(default)) if is_executable(default) else None
        path = value.text
        if not path:
            return None
        if path.startswith("/") and is_executable(path) and shown(path, len(path)) == path:
            return path, value.place
        then = ""
        if key == "UPSCRIPT" and self.manage == "auto":
            then = "; vipd adds the address itself"
        why = "is not there, or not executable" if path.startswith("/") else "is not a whole path"
        self.problems.append(
            warning(
                value.place,
                f"{key} {cited(path)} {why}{then}",
                f"write the path of an executable file (chmod +x), or remove {key}",
            )
        )
        return None

    def _open(self, key: str, path: str, place: FileLocation, instead: str) -> bool:
        """Report who else may change this script; whether anybody may: then that happens
        ``instead``."""
        danger = self.trust.danger(path)
        if danger is None:
            return False
        runs = "it runs all the same" if key == "NOTIFY" else "it runs, as with ucarp"
        then = instead if danger.anybody else runs
        what = f"{key} {cited(path)} runs as root, and {danger.text}; {then}"
        hint = f"{danger.cure}; then vipctl reload" if danger.anybody else danger.cure
        self.problems.append(alarm(place, what, hint))
        return danger.anybody

    def _open_file(self, file: str, instead: str) -> bool:
        """The same for a file that names a script."""
        danger = self.trust.danger(file)
        if danger is None or not danger.anybody:
            return False
        what = f"this file names a script that runs as root, and {danger.text}; {instead}"
        hint = f"{danger.cure}; then vipctl reload"
        self.problems.append(alarm(FileLocation(file), what, hint))
        return True
