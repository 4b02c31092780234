"""Configuration files for tests: one flawless VIP, and what a test changes about it."""

from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from vipd.config.model import VipConfig
from vipd.config.secret import SecretBytes

VIP = "198.51.100.154"
WEB01 = "198.51.100.179"
WEB02 = "198.51.100.180"
PASSWORD = "love"

#: Options of a host that becomes master after one second of silence, not three.
QUICK = "--deadratio=1"

FLAWLESS = {
    "VIP_ADDRESS": VIP,
    "PASSWORD": PASSWORD,
    "BIND_INTERFACE": "eth1",
}


def write_vip(directory: Path, name: str = "001", /, **keys: str | None) -> Path:
    """Write vip-NAME.conf: FLAWLESS with other `keys`; None leaves a key out."""
    settings = {"ID": name, **FLAWLESS, **keys}
    lines = [f"{key}='{value}'\n" for key, value in settings.items() if value is not None]
    directory.mkdir(exist_ok=True)
    file = directory / f"vip-{name}.conf"
    file.write_text("".join(lines))
    return file


def model(**settings: Any) -> VipConfig:
    """What the daemon gets of such a file, with other `settings`."""
    flawless: dict[str, Any] = {
        "id": "001",
        "file": "vip-001.conf",
        "vhid": 1,
        "interface": "eth1",
        "source": None,
        "addresses": (ip_interface(VIP),),
        "password": SecretBytes(PASSWORD.encode()),
    }
    return VipConfig(**{**flawless, **settings})


def write_script(file: Path, body: str) -> Path:
    """Write an executable shell script."""
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return file
