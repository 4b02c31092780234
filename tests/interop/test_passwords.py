"""The password changes in a group of vipd and the real ucarp, or a BSD: one owner, and never two.

The steps are those of docs/passwords.md. ucarp and the BSDs know one password at a time, so they
get the new one while every vipd has both.
"""

import sys
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers import bsd
from helpers.asking import vip_of
from helpers.configured import VIP, WEB01, WEB02, write_vip
from helpers.hosts import until

from interop.pair import BEHIND, LASTING, PATIENCE, UCARP_DISBELIEF, Pair
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

OLD, NEW = "love", "trust"


def owned_by(pair: Pair, host: Host, *, lasting: float = LASTING) -> None:
    """As `Pair.belongs_to`; but doubts are expected: ucarp has one of two passwords."""
    pair.lab.wait_owner(VIP, host.name, timeout=PATIENCE, stable=lasting)


def rewrite(pair: Pair, vipd: Process, options: str, **keys: str) -> None:
    """Take vipd to another step, in place."""
    mark = vipd.mark()
    write_vip(pair.directory, OPTIONS=options, **keys)
    vipd.wait_for("changed in place: .*password", since=mark)


def signs_with(vipd: Process) -> list[str]:
    return [each["signs_with"] for each in vip_of(vipd)["signers"]]


def test_vipd_and_ucarp_change_their_password(pair: Pair) -> None:
    """Whichever of them is master, and with ucarp restarted at the right step."""
    pair.common = ("--shutdown", "--preempt")
    first, second = pair.start_both(preempt=True)
    on_web01 = pair.vipd_host is pair.web01
    vipd, ucarp = (first, second) if on_web01 else (second, first)
    ucarp_host = pair.web02 if on_web01 else pair.web01
    options = "--shutdown --preempt" + ("" if on_web01 else f" {BEHIND}")
    # 1. vipd gets the new password beside the old one.
    rewrite(pair, vipd, options, PASSWORD=OLD, PASSWORD_ALSO=NEW)
    owned_by(pair, pair.web01, lasting=6)
    if not on_web01:
        assert signs_with(vipd) == ["PASSWORD"]
    # 2. ucarp is restarted with the new one.
    assert ucarp.stop() == 0
    owned_by(pair, pair.vipd_host)
    pair.password = NEW
    pair.start(ucarp_host, "--preempt", *([BEHIND] if on_web01 else []))
    owned_by(pair, pair.web01, lasting=6)
    if not on_web01:
        until(lambda: signs_with(vipd) == ["PASSWORD_ALSO"], vipd.tail)
    # 3. vipd forgets the old one.
    rewrite(pair, vipd, options, PASSWORD=NEW)
    owned_by(pair, pair.web01, lasting=6)
    assert pair.lab.ownership(VIP).longest_overlap() < 1
    # They are a pair as before.
    pair.web01.cut()
    owned_by(pair, pair.web02)
    pair.web01.join()
    owned_by(pair, pair.web01)


@pytest.mark.parametrize("step", [(OLD, NEW), (NEW, OLD)], ids=["before its restart", "after it"])
def test_ucarp_ignores_half_of_the_advertisements_and_says_so(
    lab: Lab, tmp_path: Path, step: tuple[str, str]
) -> None:
    """One line of its log for each advertisement with the password that it does not have."""
    pair = Pair(lab, tmp_path / "ucarp", "web01")
    pair.keys = {"PASSWORD": OLD, "PASSWORD_ALSO": NEW}
    vipd = pair.start(pair.web01)
    pair.password = step[0]
    ucarp = pair.start(pair.web02, BEHIND)
    owned_by(pair, pair.web01)
    before = vip_of(vipd)["sent"], ucarp.log().count(UCARP_DISBELIEF)
    until(lambda: vip_of(vipd)["sent"] >= before[0] + 6, vipd.tail)
    lines = ucarp.log().count(UCARP_DISBELIEF) - before[1]
    assert 3 <= lines <= vip_of(vipd)["sent"] - before[0] + 1
    owned_by(pair, pair.web01)
    assert vipd.stop() == 0  # its bow-out is believed
    ucarp.wait_for(r"going to time out", timeout=PATIENCE)
    owned_by(pair, pair.web02)


def test_one_vipd_and_two_ucarps(lab: Lab, tmp_path: Path) -> None:
    """ucarps with different passwords would not hear each other: all are stopped before one is
    started again."""
    files = tmp_path / "web01"
    hosts = [lab.host(f"web0{n}", f"198.51.100.{178 + n}/24") for n in (1, 2, 3)]
    write_vip(files, OPTIONS="--shutdown", PASSWORD=OLD)
    vipd = hosts[0].vipd(files)
    vipd.wait_for("state: MASTER", timeout=PATIENCE)

    def ucarp(host: Host, password: str) -> Process:
        skew = "--advskew=100" if host is hosts[1] else "--advskew=200"
        words = ("--shutdown", skew)
        process = host.ucarp(vhid="001", address=VIP, password=password, options=words)
        process.wait_for("state: BACKUP", timeout=PATIENCE)
        return process

    def belongs_to(host: Host) -> None:
        lab.wait_owner(VIP, host.name, timeout=PATIENCE, stable=5)

    ucarps = [ucarp(host, OLD) for host in hosts[1:]]
    belongs_to(hosts[0])
    mark = vipd.mark()
    write_vip(files, OPTIONS="--shutdown", PASSWORD=OLD, PASSWORD_ALSO=NEW)
    vipd.wait_for("changed in place: .*password", since=mark)
    for each in ucarps:
        assert each.stop() == 0
    for host in hosts[1:]:
        ucarp(host, NEW)
    belongs_to(hosts[0])
    mark = vipd.mark()
    write_vip(files, OPTIONS="--shutdown", PASSWORD=NEW)
    vipd.wait_for("changed in place: .*password", since=mark)
    belongs_to(hosts[0])
    assert len(lab.ownership(VIP).changes) == 1
    assert vipd.stop() == 0
    belongs_to(hosts[1])


@pytest.mark.parametrize("vipd_on", ["web01", "web02"], ids=["vipd master", "BSD master"])
def test_vipd_and_a_bsd_change_their_password(lab: Lab, tmp_path: Path, vipd_on: str) -> None:
    """The BSD gets its new one in place."""
    files = tmp_path / "vipd"
    hosts = {"web01": lab.host("web01", f"{WEB01}/24"), "web02": lab.host("web02", f"{WEB02}/24")}
    options = "" if vipd_on == "web01" else BEHIND

    def start(name: str) -> Process:
        host = hosts[name]
        if name == vipd_on:
            write_vip(files, OPTIONS=options, PASSWORD=OLD)
            process = host.vipd(files)
        else:
            source, skew = (WEB01, "0") if name == "web01" else (WEB02, "100")
            words = [sys.executable, bsd.__file__, "eth1", source, VIP, skew, OLD, NEW]
            process = host.start(words, name="bsd")
        process.wait_for("BACKUP", timeout=PATIENCE)
        return process

    first = start("web01")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    second = start("web02")
    vipd, other = (first, second) if vipd_on == "web01" else (second, first)

    def stays(**keys: str) -> None:
        mark = vipd.mark()
        write_vip(files, OPTIONS=options, **keys)
        vipd.wait_for("changed in place: .*password", since=mark)
        lab.wait_owner(VIP, "web01", timeout=PATIENCE, stable=6)

    stays(PASSWORD=OLD, PASSWORD_ALSO=NEW)
    assert ("badauth" in other.log()) == (vipd is first)
    other.signal(SIGHUP)
    other.wait_for("next password")
    lab.wait_owner(VIP, "web01", timeout=PATIENCE, stable=6)
    if vipd is second:
        assert signs_with(vipd) == ["PASSWORD_ALSO"]
    stays(PASSWORD=NEW)
    assert len(lab.ownership(VIP).changes) == 1
    hosts["web01"].crash()
    lab.wait_owner(VIP, "web02", timeout=PATIENCE)
