"""Only a host whose surroundings work owns: tracked interfaces, files, units and routers."""

import os
import re
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers.asking import vip_of
from helpers.captured import capture
from helpers.configured import write_vip
from helpers.hosts import ip, transitions

from owner.group import ADDRESSES, GAP, SECOND, Group, Report
from vipd.lab import Host, Process

pytestmark = pytest.mark.lab

QUICK = {"TRACK_DOWN": "0.1", "TRACK_UP": "0.1", "CHECK_HOLD": "0"}
ROUTER = ADDRESSES["web03"].removesuffix("/24")
SLICE = f"vipdtest{os.getpid()}.slice"
UNIT = f"vipdtest{os.getpid()}.service"
START = f"""
mkdir -p /sys/fs/cgroup/{SLICE}/{UNIT}
echo $$ >/sys/fs/cgroup/{SLICE}/{UNIT}/cgroup.procs
echo runs
exec sleep 1000
"""


def sick(daemon: Process, why: str, since: int = 0) -> None:
    daemon.wait_for(f"001: sick: track:{re.escape(why)}$", since=since)


def well(daemon: Process, name: str, since: int = 0) -> None:
    daemon.wait_for(f"001: well again: track:{re.escape(name)}$", since=since)


def pair(group: Group, **keys: str) -> tuple[Process, Process]:
    """web01 tracks something, web02 does not."""
    first = group.vipd("web01", "--preempt", **{**QUICK, **keys})
    second = group.vipd("web02", SECOND, "--preempt")
    group.belongs_to("web01")
    return first, second


def test_a_router_without_its_other_side_hands_over(group: Group, report: Report) -> None:
    web01 = group.host("web01")
    ip(web01, "link add eth2 type veth peer name far2", "link set eth2 up", "link set far2 up")
    first, _ = pair(group, TRACK_INTERFACE="eth2")
    with group.seen() as seen:
        ip(web01, "link set far2 down")
        sick(first, "eth2: eth2 has no carrier")
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap, none=seen.none)
    assert seen.gap < GAP + seen.noise
    assert seen.none == 0
    ip(web01, "link set far2 up")
    well(first, "eth2")
    group.belongs_to("web01", lasting=1)


def test_a_cable_that_comes_and_goes_does_not_pull_the_address_along(group: Group) -> None:
    web01 = group.host("web01")
    ip(web01, "link add eth2 type veth peer name far2", "link set eth2 up", "link set far2 up")
    first, _ = pair(group, TRACK_INTERFACE="eth2", CHECK_HOLD="1000")
    for owner, state in (("web02", "down"), ("web01", "up"), ("web02", "down")):
        ip(web01, f"link set far2 {state}")
        group.belongs_to(owner, lasting=0.5)
    ip(web01, "link set far2 up")
    group.belongs_to("web02", lasting=2)
    (finding,) = vip_of(first)["findings"]
    assert finding["said"] == "in order again, but not for long enough yet"
    assert finding["ends"].endswith("(CHECK_HOLD)")


def test_an_interface_is_removed_and_made_again(group: Group) -> None:
    web01 = group.host("web01")
    make = ("link add eth2 type veth peer name far2", "link set eth2 up", "link set far2 up")
    ip(web01, *make)
    first, _ = pair(group, TRACK_INTERFACE="eth2")
    ip(web01, "link del eth2")
    sick(first, "eth2: interface eth2 is not there")
    group.belongs_to("web02")
    ip(web01, *make)
    group.belongs_to("web01")


def test_a_deployment_drains_its_host(group: Group, tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    first, _ = pair(group, TRACK_FILE=str(drain))
    drain.write_text("deploying 4.2\n")
    sick(first, f"{drain}: {drain} says “deploying 4.2”")
    group.belongs_to("web02", lasting=1)
    (found,) = vip_of(first)["findings"]
    assert (found["name"], found["well"]) == (f"track:{drain}", False)
    assert found["ends"] == "when the file is gone, empty or 0"
    drain.write_text("0\n")
    well(first, str(drain))
    group.belongs_to("web01")


def test_a_service_that_stops_hands_over(group: Group) -> None:
    web01 = group.host("web01")
    mount = ["mount", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"]
    assert web01.run(mount).returncode == 0
    service = started(web01)
    try:
        first, _ = pair(group, TRACK_UNIT=UNIT.removesuffix(".service"))
        service.kill()
        service.wait()
        sick(first, f"{UNIT}: no process of {UNIT} runs")
        group.belongs_to("web02")
        service = started(web01)
        well(first, UNIT)
        group.belongs_to("web01")
    finally:
        service.kill()
        service.wait()
        web01.run(["rmdir", f"/sys/fs/cgroup/{SLICE}/{UNIT}", f"/sys/fs/cgroup/{SLICE}"])


def started(host: Host) -> Process:
    process = host.start(["sh", "-c", START], name="service")
    process.wait_for("^runs$")
    return process


def test_a_host_that_loses_its_router_hands_over(group: Group) -> None:
    """The hosts still hear each other: it is the router's cable to web01 that is cut."""
    web01 = group.host("web01")
    group.host("web03")
    first, _ = pair(
        group, TRACK_GATEWAY=ROUTER, CHECK_INTERVAL="0.2", CHECK_FALL="2", CHECK_RISE="2"
    )
    cut = "table netdev cut {\nchain in {\ntype filter hook ingress device eth1 priority 0\n"
    cut += f"arp saddr ip {ROUTER} drop\n}}\n}}\n"
    done = web01.run(["nft", "-f", "-"], text=cut)
    assert done.returncode == 0, done.stderr
    sick(first, f"{ROUTER}: {ROUTER} does not answer")
    group.belongs_to("web02", lasting=1)
    assert web01.run(["nft", "delete", "table", "netdev", "cut"]).returncode == 0
    well(first, ROUTER)
    group.belongs_to("web01")


def test_what_all_hosts_lose_leaves_an_owner(group: Group) -> None:
    """It moves once at most: the host that notices first may find the other one well."""
    router = group.host("web03")
    keys = {"CHECK_INTERVAL": "0.2", "CHECK_FALL": "2", "CHECK_RISE": "2", "TRACK_GATEWAY": ROUTER}
    daemons = group.vipd("web01", "--preempt", **keys), group.vipd("web02", SECOND, **keys)
    group.belongs_to("web01")
    before = sum(len(transitions(each)) for each in daemons)
    router.isolate()
    for daemon in daemons:
        sick(daemon, f"{ROUTER}: {ROUTER} does not answer")
    group.belongs_to(group.owner(), lasting=4)
    assert sum(len(transitions(each)) for each in daemons) - before in (0, 2)
    router.rejoin()
    for daemon in daemons:
        well(daemon, ROUTER)
    group.belongs_to("web01")


def test_a_reload_tracks_something_else(group: Group, tmp_path: Path) -> None:
    drain, other = tmp_path / "drain", tmp_path / "other"
    first, _ = pair(group, TRACK_FILE=str(drain))
    drain.write_text("1")
    sick(first, f"{drain}: {drain} says “1”")
    group.belongs_to("web02")
    write_vip(tmp_path / "web01", OPTIONS="--preempt", TRACK_FILE=str(other), **QUICK)
    first.signal(SIGHUP)
    group.belongs_to("web01")
    mark = first.mark()
    other.write_text("1")
    sick(first, f"{other}: {other} says “1”", since=mark)
    group.belongs_to("web02")


def test_many_vips_ask_one_gateway_once(group: Group) -> None:
    """Twenty VIPs, one probe each second."""
    router, web01 = group.host("web03"), group.host("web01")
    files = group.directory / "web01"
    keys = {"TRACK_GATEWAY": ROUTER, "CHECK_INTERVAL": "1"}
    names = [str(number) for number in range(101, 121)]
    for name in names:
        write_vip(files, name, VIP_ADDRESS=f"198.51.100.{name}", **keys)
    heard = capture(router, "arp", "and", "dst", "host", ROUTER)
    daemon = web01.vipd(files)
    for name in names:
        daemon.wait_for(f"{name}: Switching to state: MASTER")
    heard.wait_for(rf"(?s)(who-has {ROUTER}.*){{4}}")
    question = re.compile(rf"^([\d.]+) .*who-has {ROUTER}.* tell ", re.MULTILINE)
    asked = [float(at) for at in question.findall(heard.log())]
    assert len(asked) <= asked[-1] - asked[0] + 2
    assert daemon.stop() == 0
