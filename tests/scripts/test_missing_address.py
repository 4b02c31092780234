"""An UPSCRIPT that adds no address, or adds it somewhere else."""

import json
from pathlib import Path

import pytest
from cli.conftest import COMMAND
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.hosts import address_of, ip, until

from vipd.lab import Host

pytestmark = pytest.mark.lab

PATIENCE = 30.0


def vipctl(host: Host, *words: str) -> tuple[int, str]:
    run = host.run([*COMMAND, *words], timeout=PATIENCE)
    return run.returncode, run.stdout


def test_a_master_whose_script_adds_no_address_needs_attention(web01: Host, files: Path) -> None:
    write_vip(files, UPSCRIPT="/bin/true", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(
        rf"^<3>001: MASTER, but {VIP} is on no interface of this host: UPSCRIPT /bin/true did not "
        "add it",
        timeout=PATIENCE,
    )
    status, shown = vipctl(web01, "status")
    assert status == 1, shown
    _, why = vipctl(web01, "why", "001")
    assert f"{VIP} is on no interface" in " ".join(why.split())
    ip(web01, f"addr add {VIP}/32 dev eth1")
    until(lambda: vipctl(web01, "status")[0] == 0, lambda: vipctl(web01, "status")[1], PATIENCE)


def test_an_address_on_another_interface_is_announced_and_leased_there(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    ip(web01, "link add eth5 type veth peer name peer5", "link set eth5 up", "link set peer5 up")
    up = write_script(tmp_path / "up", 'ip addr add "$2/32" dev eth5')
    down = write_script(tmp_path / "down", 'ip addr del "$2/32" dev eth5')
    there = web01.start(["tcpdump", "-l", "-n", "-e", "-i", "peer5", "arp"])
    there.wait_for("listening on peer5", timeout=PATIENCE)
    write_vip(files, UPSCRIPT=str(up), DOWNSCRIPT=str(down), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(f"{VIP} is on eth5, not on BIND_INTERFACE eth1", timeout=PATIENCE)

    def leased() -> bool:
        shown = address_of(web01, VIP, "eth5")
        return bool(shown and shown["valid_life_time"] < 4294967295)

    until(leased, daemon.tail, PATIENCE)
    until(lambda: VIP in there.log(), there.tail, PATIENCE)
    link = json.loads(web01.run(["ip", "-j", "link", "show", "dev", "eth5"]).stdout)[0]
    assert link["address"] in there.log()
    daemon.kill()
    until(lambda: address_of(web01, VIP, "eth5") is None, lambda: "it stays", PATIENCE)


def test_an_address_whose_interface_is_deleted_is_missing_and_the_vip_goes_on(
    web01: Host, files: Path, tmp_path: Path
) -> None:
    ip(web01, "link add eth5 type veth peer name peer5", "link set eth5 up", "link set peer5 up")
    up = write_script(tmp_path / "up", 'ip addr add "$2/32" dev eth5')
    write_vip(files, UPSCRIPT=str(up), OPTIONS=QUICK)
    daemon = web01.vipd(files)
    daemon.wait_for(f"{VIP} is on eth5, not on BIND_INTERFACE eth1", timeout=PATIENCE)
    ip(web01, "link del eth5")
    daemon.wait_for(f"MASTER, but {VIP} is on no interface of this host", timeout=PATIENCE)
    assert "failed: NetlinkError" not in daemon.log()
