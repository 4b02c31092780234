"""A file system that hangs, for real: its server answers the kernel's first question (which mounts
it) and none after that, so that stat(2) and open(2) below it wait in the kernel, like those of a
network file system whose server is gone. When the process ends they fail with ENOTCONN.

Run inside a host of the lab (`hang`): ``python hanging.py DIRECTORY``.
"""

import ctypes
import os
import signal
import struct
import sys
from pathlib import Path

from vipd.lab import Host, Process

_FUSE_INIT = 26
#: linux/fuse.h: fuse_in_header (length, opcode, unique), fuse_out_header, fuse_init_out.
_REQUEST, _REPLY, _INIT = struct.Struct("=IIQ"), struct.Struct("=IiQ"), struct.Struct("=4I2H2I2H8I")


def hang(host: Host, directory: Path) -> Process:
    """Mount it on the host. Ends with the process."""
    directory.mkdir()
    process = host.start([sys.executable, __file__, directory], name="hanging")
    process.wait_for("^hangs$")
    return process


def _serve(directory: str) -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hanging", os.fsencode(directory), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "cannot mount a FUSE file system")
    _, opcode, unique = _REQUEST.unpack_from(os.read(device, 1 << 20))
    assert opcode == _FUSE_INIT
    answer = _INIT.pack(7, 31, 65536, 0, 16, 12, 65536, 1, 32, 0, *(0,) * 8)
    os.write(device, _REPLY.pack(_REPLY.size + len(answer), 0, unique) + answer)
    print("hangs", flush=True)
    signal.pause()


if __name__ == "__main__":
    _serve(sys.argv[1])
