"""A file system with one directory of scripts, whose server stops answering when it is told to, as
a file server that died. Who waits for it in the kernel is not ended by SIGKILL.

Run as a program: ``dead_server.py MOUNTPOINT GATE SCRIPT…``. The scripts are copied to memory; as
soon as the file GATE is there, no request is answered any more.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

_HEADER = struct.Struct("=IIQQIIII")  # fuse_in_header: length, opcode, number, node, …
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _INIT, _BATCH_FORGET = 1, 2, 3, 14, 15, 26, 42
_EMPTY = (18, 25, 27, 29)  # RELEASE, FLUSH, OPENDIR, RELEASEDIR
_ENOENT, _ENOSYS = 2, 38
_ROOT = 1


def _attributes(node: int, content: bytes | None) -> bytes:
    mode, size = (0o40755, 0) if content is None else (0o100755, len(content))
    return struct.pack("=6Q10I", node, size, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def _answer(opcode: int, node: int, body: bytes, files: dict[bytes, bytes]) -> bytes | int:
    """What to say; an error number."""
    contents: list[bytes | None] = [None, *files.values()]
    if opcode == _INIT:
        return struct.pack("=4I2H2I2H8I", 7, 31, 0, 0, 1, 1, 65536, 1, 1, 0, *[0] * 8)
    if opcode == _LOOKUP:
        name = body.rstrip(b"\0")
        if name not in files:
            return _ENOENT
        found = list(files).index(name) + 2
        return struct.pack("=4Q2I", found, 0, 0, 0, 0, 0) + _attributes(found, files[name])
    if opcode == _GETATTR:
        return struct.pack("=Q2I", 0, 0, 0) + _attributes(node, contents[node - _ROOT])
    if opcode == _OPEN or opcode in _EMPTY:
        return struct.pack("=QII", 0, 0, 0) if opcode in (_OPEN, 27) else b""
    if opcode == _READ:
        _, offset, size = struct.unpack_from("=QQI", body)
        return (contents[node - _ROOT] or b"")[offset : offset + size]
    return _ENOSYS


def main() -> None:
    mountpoint, gate = sys.argv[1], Path(sys.argv[2])
    files = {os.fsencode(Path(each).name): Path(each).read_bytes() for each in sys.argv[3:]}
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hanging", os.fsencode(mountpoint), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    print("mounted", flush=True)
    while True:
        request = os.read(device, 1 << 18)
        _, opcode, number, node, *_ = _HEADER.unpack_from(request)
        if opcode in (_FORGET, _BATCH_FORGET) or gate.exists():
            continue
        said = _answer(opcode, node, request[_HEADER.size :], files)
        error, data = (-said, b"") if isinstance(said, int) else (0, said)
        os.write(device, struct.pack("=IiQ", 16 + len(data), error, number) + data)


if __name__ == "__main__":
    main()
