"""Sets a machine up as EPEL's ucarp does: its service, its wrapper and its scripts."""

from pathlib import Path

from system.machine import Machine

EXAMPLE = Path(__file__).parents[2] / "conf.d.example"

#: The shape of EPEL's unit: a template whose instance names the file.
UNIT = """\
[Unit]
Description=UCARP virtual interface %I
After=network.target

[Service]
Type=simple
ExecStart=/usr/libexec/ucarp/ucarp %I
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""

#: As EPEL's: sources the files and lets the shell split OPTIONS.
WRAPPER = """\
#!/bin/bash
UPSCRIPT=/usr/libexec/ucarp/vip-up
DOWNSCRIPT=/usr/libexec/ucarp/vip-down
. /etc/ucarp/vip-common.conf
. "/etc/ucarp/vip-${1#vip-}.conf"
exec /usr/sbin/ucarp --interface=$BIND_INTERFACE --pass=$PASSWORD --srcip=$SOURCE_ADDRESS \\
    --vhid=$ID --addr=$VIP_ADDRESS $OPTIONS --upscript=$UPSCRIPT --downscript=$DOWNSCRIPT
"""

UP = """\
#!/bin/sh
exec 2>/dev/null
/sbin/ip address add "$2"/32 dev "$1"
"""

DOWN = """\
#!/bin/sh
exec 2>/dev/null
/sbin/ip address del "$2"/32 dev "$1"
"""


def configure(machine: Machine) -> None:
    """Give a machine its files of the published pair."""
    for file in sorted((EXAMPLE / machine.name).glob("*.conf")):
        machine.write(f"/etc/ucarp/{file.name}", file.read_text())


def set_up(machine: Machine) -> None:
    """Configure and start the published pair's ucarp, as it was before anybody heard of vipd."""
    machine.run("mkdir -m 700 /etc/ucarp && mkdir -p /usr/libexec/ucarp")
    configure(machine)
    machine.write("/etc/systemd/system/ucarp@.service", UNIT, "644")
    machine.write("/usr/libexec/ucarp/ucarp", WRAPPER, "700")
    machine.write("/usr/libexec/ucarp/vip-up", UP, "700")
    machine.write("/usr/libexec/ucarp/vip-down", DOWN, "700")
    machine.run("systemctl daemon-reload")
    machine.run("systemctl enable --now ucarp@001 ucarp@002")
