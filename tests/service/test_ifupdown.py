"""ucarp in Debian's /etc/network/interfaces: ifup starts it, and what ifdown does ends it."""

import os
import sys
from pathlib import Path
from signal import SIGTERM

import pytest
from helpers.configured import VIP, WEB01, WEB02, write_script
from helpers.hosts import ip, until

from vipd.lab import Host, Lab
from vipd.lab.host import VIP_DOWN, VIP_UP

pytestmark = pytest.mark.lab

PATIENCE = 20.0
OURS = [sys.executable, "-m", "vipd.ucarp.main"]
PROGRAMS = {"ucarp": ["ucarp"], "vipd-ucarp": OURS}
STANZA = f"""\
iface eth1 inet static
    address {WEB01}
    netmask 255.255.255.0
    ucarp-vid 1
    ucarp-vip {VIP}
    ucarp-password {{password}}
    ucarp-advskew {{advskew}}
    ucarp-master yes
    ucarp-upscript {VIP_UP}
    ucarp-downscript {VIP_DOWN}
"""


def words(source: str, *more: str) -> list[str]:
    common = f"-i eth1 -s {source} -v 1 -p love -a {VIP}"
    return [*common.split(), *more]


@pytest.mark.parametrize("more", [(), ("-z",), ("-S",)])
@pytest.mark.parametrize("how", ["link set eth1 down", "link del eth1"])
def test_it_ends_as_ucarp_does_when_its_interface_goes(
    lab: Lab, web01: Host, tmp_path: Path, how: str, more: tuple[str, ...]
) -> None:
    said = {}
    for name, program in PROGRAMS.items():
        ran = tmp_path / f"{name}-ran"
        up = write_script(tmp_path / "up", f'echo up >>{ran}; ip addr add "$2/32" dev "$1"')
        down = write_script(tmp_path / "down", f"echo down >>{ran}")
        ip(web01, "link add eth9 type veth peer name peer9", "link set peer9 up")
        ip(web01, "link set eth9 up", "addr add 192.0.2.1/24 dev eth9")
        command = [*program, *words("192.0.2.1", "-n", "-u", str(up), "-d", str(down), *more)]
        command[command.index("eth1")] = "eth9"
        listen = ["tcpdump", "--immediate-mode", "-l", "-n", "-i", "peer9", "proto", "112"]
        dump = web01.start(listen, name="tcpdump")
        dump.wait_for("listening on", timeout=PATIENCE)
        process = web01.start(command, name=name)
        lab.wait_owner(VIP, "web01", timeout=PATIENCE)
        # In its loop: while it takes over, ucarp ends with other lines.
        dump.wait_for(r"> 224\.0\.0\.18[^$]*> 224\.0\.0\.18", timeout=PATIENCE)
        ip(web01, how.replace("eth1", "eth9"))
        assert process.wait() == 0
        line = r"\[ERROR\] exiting: pfds\[0\]\.revents = 8$"
        assert process.wait_for(line), process.tail()
        said[name] = ran.read_text()
        web01.run(["ip", "link", "del", "eth9"])
        lab.wait_owner(VIP, None)
    assert said["vipd-ucarp"] == said["ucarp"]


def test_an_interface_that_is_down_is_refused_in_the_same_words(web01: Host) -> None:
    ip(web01, "link set eth1 down")
    for name, program in PROGRAMS.items():
        process = web01.start([*program, *words(WEB01)], name=name)
        assert process.wait() == 2
        assert process.wait_for(
            r"\[ERROR\] Unable to open interface \[eth1\]: eth1: That device is not up$"
        )


def test_it_ends_although_the_interface_is_up_again_at_once(web01: Host) -> None:
    process = web01.start([*OURS, *words(WEB01)], name="vipd-ucarp")
    process.wait_for("state: BACKUP", timeout=PATIENCE)
    ip(web01, "link set eth1 down", "link set eth1 up")
    assert process.wait() == 0


def test_a_cable_that_is_pulled_does_not_end_it(lab: Lab, web01: Host) -> None:
    process = web01.start([*OURS, *words(WEB01, "-u", VIP_UP, "-d", VIP_DOWN)], name="vipd-ucarp")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    web01.cut()
    lab.wait_owner(VIP, None, timeout=PATIENCE)
    web01.join()
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    process.signal(SIGTERM)
    assert process.wait() == 0


def test_ifdown_and_ifup_bring_the_new_settings_and_leave_one_process(
    lab: Lab, web01: Host, web02: Host, tmp_path: Path
) -> None:
    """Another password on both hosts, one after the other, and a reboot of the second."""
    pids = tmp_path / "pids"
    program = write_script(
        tmp_path / "ucarp",
        f'export PYTHONPATH={os.getcwd()}; echo run >>{pids}; exec {" ".join(OURS)} "$@"',  # noqa: PTH109
    )
    web01.bind(program, "/usr/sbin/ucarp")
    interfaces = tmp_path / "interfaces"

    def configure(password: str, advskew: int) -> None:
        interfaces.write_text(STANZA.format(password=password, advskew=advskew))

    def ifupdown(command: str) -> None:
        done = web01.run([command, "-i", interfaces, "--force", "eth1"], timeout=30)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"

    def running() -> list[str]:
        return web01.run(["pgrep", "-f", "eth1 -s .* -B"]).stdout.split()

    web01.must(["mkdir", "-p", "/run/network"])
    configure("love", 10)
    ip(web01, "addr flush dev eth1", "link set eth1 down")
    ifupdown("ifup")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    (first,) = running()
    configure("hate", 100)
    ifupdown("ifdown")
    ifupdown("ifup")
    until(lambda: len(running()) == 1 and running() != [first], lambda: f"{running()}", PATIENCE)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    assert len(pids.read_text().splitlines()) == 2
    # the other host, with the new password and a better skew
    other = web02.start(
        ["ucarp", *f"-i eth1 -s {WEB02} -v 1 -p hate -a {VIP} -P -u {VIP_UP} -d {VIP_DOWN}".split()]
    )
    lab.wait_owner(VIP, "web02", timeout=PATIENCE)  # they understand each other
    assert other.alive
    assert len(running()) == 1
