"""Faults that no kernel can be asked for: a daemon in which one call is another."""

from pathlib import Path


def faulty(directory: Path, code: str) -> dict[str, str]:
    """The environment of a daemon that runs ``code`` before anything else; Python does so with a
    file of this name."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(directory)}


#: rtnetlink refuses to set promote_secondaries.
NO_PROMOTION = """
import vipd.linux.secondaries as secondaries

def refuse(netlink, index):
    raise OSError(1, "Operation not permitted")

secondaries.promote = refuse
"""

#: As long as the file {file} is there, batches of renewals are not sent, with the errno that it
#: holds; other requests are, because they ask for an acknowledgement (NLM_F_ACK).
NO_RENEWALS = """
import pathlib
import socket

import vipd.linux.netlink as netlink

class Socket(socket.socket):
    def send(self, data, *flags):
        file = pathlib.Path({file!r})
        if data[4:6] == b"\\x14\\0" and not data[6] & 4 and file.exists():
            raise OSError(int(file.read_text()), "injected")
        return super().send(data, *flags)

class Module:
    socket = Socket
    def __getattr__(self, name):
        return getattr(socket, name)

netlink.socket = Module()
"""

#: As long as the file {file} is there, news of the kernel get lost, and it has no memory for the
#: answers to dumps.
NO_DUMP = """
import pathlib

import vipd.linux.netlink as netlink

file = pathlib.Path({file!r})
read, dump = netlink.Monitor.read, netlink.Netlink.dump

def lose(monitor):
    messages = read(monitor)
    return None if file.exists() else messages

def refuse(asked, message):
    if file.exists():
        raise OSError(105, "No buffer space available")
    return dump(asked, message)

netlink.Monitor.read, netlink.Netlink.dump = lose, refuse
"""

#: As long as the file {file} is there, no thread can be had for work beside the loop.
NO_THREAD = """
import _thread
import pathlib

import vipd.daemon.base.background as background

class Module:
    def start_new_thread(self, *arguments):
        if pathlib.Path({file!r}).exists():
            raise RuntimeError("can't start new thread")
        return _thread.start_new_thread(*arguments)

background._thread = Module()
"""
