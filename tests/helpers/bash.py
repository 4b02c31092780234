"""bash as an oracle: what it makes of a text that sets variables, without letting it do more."""

import os
import re
import select
import shutil
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self

NOBODY = 65534
#: Asked for names and a text, both ending in a zero byte; answers their values in the same way.
#: `ulimit`: it can start no process and write no file, whatever we took for an assignment.
#: `some_command` stands for a program, which it could not start.
#: LC_ALL=C: else the zero byte would go down with half a character before it.
_LOOP = r"""
ulimit -f 0 -u 0
some_command() { :; }
while IFS= read -r -d '' __names && LC_ALL=C IFS= read -r -d '' __text; do
    eval -- "$__text" >/dev/null
    for __name in $__names; do printf '%s\0' "${!__name-<unset>}"; done
    unset -v $__names
done
"""

#: Said of a redirection, which has no meaning here: of the command that it belongs to only
#: assignments count, and bash makes none when it cannot open the file.
_MISSING_FILE = re.compile(rb"^.*: (No such file or directory|Permission denied)\n", re.MULTILINE)


class Bash:
    """One bash, asked again and again; `ask` takes a tenth of a millisecond."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [shutil.which("bash") or "bash", "--norc", "--noprofile", "-c", _LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": "/nonexistent", "LC_ALL": "C.UTF-8"},
            cwd="/",
            user=NOBODY if os.geteuid() == 0 else None,
        )

    def ask(self, text: str, names: Sequence[str]) -> dict[str, bytes]:
        """What bash has in each of these names after this text; ``<unset>`` for nothing.

        AssertionError when bash complains about the text, or does not answer within 10 s.
        """
        process = self._process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        request = f"{' '.join(names)}\0{text}\0".encode("utf-8", "surrogateescape")
        process.stdin.write(request)
        process.stdin.flush()
        answer = b""
        while answer.count(b"\0") < len(names):
            ready, _, _ = select.select([process.stdout], [], [], 10)
            part = os.read(process.stdout.fileno(), 65536) if ready else b""
            assert part, f"bash does not answer about {text!r}"
            answer += part
        complains, _, _ = select.select([process.stderr], [], [], 0)
        complaint = os.read(process.stderr.fileno(), 65536) if complains else b""
        complaint = _MISSING_FILE.sub(b"", complaint)
        assert not complaint, f"bash complains about {text!r}: {complaint!r}"
        return dict(zip(names, answer.split(b"\0"), strict=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        with self._process:
            self._process.kill()
