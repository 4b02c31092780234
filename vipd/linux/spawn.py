"""Starts a program without blocking the other threads of the process.

Python's own functions (subprocess, os.posix_spawn) hold the interpreter's lock until the new
program has been loaded: on a busy machine a real-time daemon waits until an ordinary process gets a
processor (10 ms and more, 255 times at a take-over), and for the disk that has the program.
"""

import ctypes
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache

_SETSIGDEF, _SETSIGMASK, _SETSID = 0x04, 0x08, 0x80  # POSIX_SPAWN_…, <spawn.h>
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4  # <linux/prctl.h>
#: Room for posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t, in every C library.
_OPAQUE = 1024
_libc = ctypes.CDLL(None)
_close_from = getattr(_libc, "posix_spawn_file_actions_addclosefrom_np", None)  # glibc 2.34


class Program:
    """A program with its arguments and its whole environment, which is started any number of times:
    in a session of its own, with no signal ignored, and none blocked, or all (``blocked``). It is
    looked for in our PATH if it has no slash."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, blocked: bool = False
    ) -> None:
        self.command = command
        self.environment = environment
        self._attributes = _attributes(blocked)
        self._words = _strings(command)
        self._variables = _strings([f"{name}={value}" for name, value in environment.items()])

    def start(self, files: Mapping[int, int]) -> int:
        """Returns its process ID when it has been loaded. ``files``: the descriptors that it gets →
        ours; it gets no others except 0 to 2. Raises OSError.

        Call this in a thread: other threads run during the call."""
        process, given = ctypes.c_int(), tuple(files.items())
        actions = _kept_actions(given) if _close_from else _actions(given)
        try:
            number = _libc.posix_spawnp(
                ctypes.byref(process),
                self._words[0],
                actions,
                self._attributes,
                self._words,
                self._variables,
            )
        finally:
            if not _close_from:
                _libc.posix_spawn_file_actions_destroy(actions)
        if number:
            raise OSError(number, os.strerror(number), self.command[0])
        return process.value


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    files: Mapping[int, int],
    *,
    blocked: bool = False,
) -> int:
    """Start a `Program` once."""
    return Program(command, environment, blocked=blocked).start(files)


def drop_ambient_capabilities() -> None:
    """What this thread starts from now on inherits no capability from us; other threads are not
    concerned. (setpriv calls capset(2) for that, which unprivileged.conf forbids.)"""
    nothing = ctypes.c_ulong(0)
    clear = ctypes.c_ulong(_PR_CAP_AMBIENT_CLEAR_ALL)
    _libc.prctl(_PR_CAP_AMBIENT, clear, nothing, nothing, nothing)


@cache
def _attributes(blocked: bool) -> ctypes.Array[ctypes.c_char]:
    """They are kept, and never destroyed."""
    attributes, nothing, everything = (ctypes.create_string_buffer(_OPAQUE) for _ in range(3))
    _libc.sigemptyset(nothing)
    # Not sigfillset: it leaves out two signals that glibc uses itself, which would stay ignored.
    ctypes.memset(everything, 0xFF, _OPAQUE)
    _libc.posix_spawnattr_init(attributes)
    _libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSIGDEF | _SETSIGMASK | _SETSID))
    _libc.posix_spawnattr_setsigdefault(attributes, everything)
    _libc.posix_spawnattr_setsigmask(attributes, everything if blocked else nothing)
    return attributes


def _actions(files: tuple[tuple[int, int], ...]) -> ctypes.Array[ctypes.c_char]:
    """What is done to the descriptors in the new process."""
    actions = ctypes.create_string_buffer(_OPAQUE)
    _libc.posix_spawn_file_actions_init(actions)
    for theirs, ours in files:
        _libc.posix_spawn_file_actions_adddup2(actions, ours, theirs)
    first = max(2, *(theirs for theirs, _ in files)) + 1
    if _close_from:
        _close_from(actions, first)
    else:
        for descriptor in _inherited(first):
            _libc.posix_spawn_file_actions_addclose(actions, descriptor)
    return actions


#: They are never destroyed: the numbers of descriptors come again.
_kept_actions = cache(_actions)


def _inherited(first: int) -> Iterator[int]:
    """Descriptors without FD_CLOEXEC that we got from the process that started us: Python itself
    opens none. Slow with hundreds of descriptors."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(OSError):  # the descriptor of this directory itself
            if int(name) >= first and os.get_inheritable(int(name)):
                yield int(name)


def _strings(words: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)
