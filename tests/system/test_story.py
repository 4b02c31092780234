"""A pair of ucarp hosts gets vipd, lives through what happens to machines, and loses it again.

The tests stand in the order in which it happens; any of them can run alone.
"""

import json
import re
from collections.abc import Callable

import pytest

from system.epel import EXAMPLE
from system.machine import Machine
from system.pair import HOME, OWN, PATIENCE, Pair, Sight
from vipd.lab.waiting import wait_until

#: What a client may notice of a crash, a restart or an upgrade, in seconds.
GAP = 0.15
#: And of a machine that loses its power, or freezes: three advertisements that fail to come.
FAILOVER = 4.5
OVERLAP = 1.0  # as in tests/owner

Figures = Callable[..., None]


@pytest.fixture
def report(
    record_property: Callable[[str, object], None], request: pytest.FixtureRequest
) -> Figures:
    """Print what was measured, in milliseconds (`pytest -s`); it goes to the JUnit file, too."""

    def say(**seconds: float) -> None:
        for name, value in seconds.items():
            record_property(name, value)
        text = ", ".join(f"{name} {value * 1000:.0f} ms" for name, value in seconds.items())
        print(f"\n{request.node.name}: {text}")

    return say


def worst(sight: Sight) -> float:
    """The longest gap of any floating address."""
    return max(map(sight.gap, HOME))


def main_pid(machine: Machine) -> int:
    return int(machine.property("MainPID"))


def started_anew(pair: Pair, machine: Machine, before: int) -> None:
    """Wait until another process than `before` runs vipd, and the addresses are where they were."""
    wait_until(
        lambda: True if main_pid(machine) not in (0, before) else None,
        timeout=PATIENCE,
        complaint=lambda: machine.run("systemctl status vipd", check=False),
    )
    pair.active(machine)
    pair.at_home()


# -- installing


def test_installing_leaves_the_running_ucarp_alone(installed: Pair) -> None:
    for machine in installed.machines:
        assert machine.property("ActiveState", "ucarp@001") == "active"
        assert machine.property("ActiveState", "ucarp@002") == "active"
        assert machine.property("ActiveState") == "inactive"
        assert machine.run("systemctl is-enabled vipd", check=False).strip() == "disabled"
        assert "vipd" not in machine.run("ucarp --help", check=False)  # still the real one
        assert not machine.run("dpkg --verify vipd ucarp")
    installed.at_home()


def test_either_ucarp_command_can_be_chosen(installed: Pair) -> None:
    machine = installed.web01
    chosen = "readlink -f $(command -v ucarp)"
    assert machine.run(chosen).strip() == "/usr/sbin/ucarp.distrib"
    machine.run("update-alternatives --set ucarp /usr/sbin/vipd-ucarp")
    assert machine.run(chosen).strip() == "/usr/sbin/vipd-ucarp"
    machine.run("update-alternatives --auto ucarp")
    assert machine.run(chosen).strip() == "/usr/sbin/ucarp.distrib"


def test_what_is_installed_depends_on_no_other_python_package(installed: Pair) -> None:
    machine = installed.web01
    assert "No module named" in machine.run("python3 -c 'import pydantic'", check=False)
    machine.run("vipctl --help && vipd --version")


def test_it_is_told_to_stop_ucarp_first(installed: Pair) -> None:
    told = installed.web01.run("vipctl check", check=False)
    assert re.search(r"ucarp@001\.service\) runs VHID 1 on eth1", told)
    assert "systemctl disable --now ucarp@001.service" in told


# -- running


def test_each_address_is_where_it_belongs(pair: Pair) -> None:
    for machine in pair.machines:
        assert machine.property("Type") == "notify"
        assert machine.property("ActiveState") == "active"
        assert re.search(r"\b2\b", machine.property("StatusText")), "VIPs counted"
        machine.run("vipctl status")
        for file in (EXAMPLE / machine.name).glob("*.conf"):
            assert machine.run(f"cat /etc/ucarp/{file.name}") == file.read_text()
    assert pair.web01.run("ip -4 -o address show eth1").count(".154/") == 1


def test_the_journal_can_be_asked_for_one_address(pair: Pair) -> None:
    text = pair.web01.run("journalctl -u vipd -o json VIPD_ID=1")
    entries = [json.loads(line) for line in text.splitlines()]
    switched = [e for e in entries if "Switching to state: MASTER" in e["MESSAGE"]]
    assert switched
    for entry in switched:
        assert entry["VIPD_STATE"] == "MASTER"
        assert entry["VIPD_INTERFACE"] == "eth1"
        assert entry["VIPD_REASON"]
    assert pair.web01.run("journalctl -u vipd -o cat VIPD_ID=001 VIPD_STATE=MASTER")


def test_the_old_names_work(pair: Pair) -> None:
    machine = pair.web01
    assert "vipd" in machine.run("systemctl status ucarp")
    before = main_pid(machine)
    machine.run("systemctl reload ucarp")
    pair.active(machine)  # "reloading" until vipd has read its files
    assert main_pid(machine) == before
    assert machine.property("Id", "ucarp") == "vipd.service"


def test_each_vip_can_be_a_service_of_its_own_under_its_old_name(pair: Pair) -> None:
    machine = pair.web01
    theirs = "/etc/systemd/system/ucarp@.service"
    machine.run(f"mv {theirs} {theirs}.away; systemctl daemon-reload; systemctl stop vipd")
    try:
        machine.run("systemctl start ucarp@001 ucarp@vip-002")
        pair.at_home()
        assert machine.property("StatusText", "ucarp@001") == "1 VIP: 1 MASTER"
        assert "001" in machine.run("vipctl --runtime-dir /run/vipd@001 status")
        before = machine.property("MainPID", "ucarp@001")
        machine.run(f"kill -9 {before}")
        pair.at_home()
        assert machine.property("MainPID", "ucarp@001") != before
        # The service for all waits for each of them, and says so.
        machine.run("systemctl start vipd")
        assert machine.property("StatusText") == "2 VIPs: 2 waiting"
        assert "ucarp@001.service) runs VHID 1 on eth1" in machine.run("journalctl -u vipd")
        machine.run("systemctl stop ucarp@001")
        pair.at_home()
        machine.run("systemctl stop ucarp@vip-002")
        pair.at_home()
        machine.run("systemctl start ucarp@nothing", check=False)
        assert machine.property("ActiveState", "ucarp@nothing") == "failed"
        said = machine.run("journalctl -u ucarp@nothing")
        assert "there is no /etc/ucarp/vip-nothing.conf" in said
    finally:
        machine.run(f"mv {theirs}.away {theirs}; systemctl daemon-reload; systemctl start vipd")
        machine.run("systemctl reset-failed", check=False)


def test_without_scripts_it_needs_no_root(pair: Pair, report: Figures) -> None:
    """Real time and locked memory are left out: the limits that allow them cannot be raised in a
    machine that is a container."""
    machine = pair.web02
    drop_in = "/etc/systemd/system/vipd.service.d"
    source = "/usr/share/doc/vipd/examples/unprivileged.conf"
    machine.run("chmod -x /usr/libexec/ucarp/vip-up /usr/libexec/ucarp/vip-down")
    machine.run(f"install -D -m 644 {source} {drop_in}/unprivileged.conf")
    machine.run("chgrp -R vipd /etc/ucarp && chmod -R g+rX /etc/ucarp")
    try:
        machine.run("systemctl daemon-reload && systemctl restart vipd")
        pair.at_home()
        before = main_pid(machine)
        status = dict(
            line.split(":\t", 1) for line in machine.run(f"cat /proc/{before}/status").splitlines()
        )
        user = machine.run("id -u vipd").strip()
        assert status["Uid"].split() == [user] * 4
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << 12 | 1 << 13
        assert "MASTER" in machine.run("vipctl status")
        machine.run("systemctl reload vipd")
        with pair.seen() as seen:
            machine.run(f"kill -9 {before}")
            started_anew(pair, machine, before)
        report(gap=worst(seen), noise=seen.noise)
        assert worst(seen) < GAP + seen.noise
    finally:
        machine.run(f"rm -r {drop_in}; chgrp -R root /etc/ucarp; chmod -R g= /etc/ucarp")
        machine.run("chmod +x /usr/libexec/ucarp/vip-up /usr/libexec/ucarp/vip-down")
        machine.run("systemctl daemon-reload && systemctl restart vipd")
        pair.at_home()


def test_a_changed_file_is_noticed(pair: Pair) -> None:
    machine = pair.web01
    name = "/etc/ucarp/vip-001.conf"
    file = machine.run(f"cat {name}")
    added = "198.51.100.156"
    with pair.seen() as seen:
        machine.write(name, file.replace("198.51.100.154", "198.51.100.154 198.51.100.157"))
        machine.write("/etc/ucarp/vip-003.conf", f'{file}\nID="003"\nVIP_ADDRESS="{added}"\n')
        pair.lab.wait_owner(added, "web01", timeout=30)
        machine.run("rm /etc/ucarp/vip-003.conf")
        machine.write(name, file)
        pair.lab.wait_owner(added, None, timeout=30)
    assert seen.gap("198.51.100.155") < GAP + seen.noise, "nobody touched this one"


# -- crashing


def test_kill_9_is_hardly_noticed(pair: Pair, report: Figures) -> None:
    for machine in pair.machines:
        before = main_pid(machine)
        with pair.seen() as seen:
            machine.run(f"kill -9 {before}")
            started_anew(pair, machine, before)
        report(gap=worst(seen), noise=seen.noise)
        assert worst(seen) < GAP + seen.noise
        for address in HOME:
            assert seen.ownership(address).longest_overlap() < OVERLAP


def test_a_frozen_daemon_loses_its_addresses_and_the_watchdog_brings_it_back(
    pair: Pair, report: Figures
) -> None:
    machine, before = pair.web01, main_pid(pair.web01)
    with pair.seen() as seen:
        machine.run(f"kill -STOP {before}")
        pair.all_at(pair.web02)
        started_anew(pair, machine, before)
    report(gap=worst(seen), noise=seen.noise)
    assert "watchdog" in machine.run("journalctl -u vipd").lower()
    assert worst(seen) < FAILOVER + seen.noise
    for address in HOME:
        assert seen.ownership(address).longest_overlap() < OVERLAP


@pytest.mark.parametrize("orderly", [False, True], ids=["cut", "orderly"])
def test_a_machine_that_is_powered_off_is_replaced_until_it_is_back(
    pair: Pair, report: Figures, orderly: bool
) -> None:
    with pair.seen(unmoved=OWN["web01"]) as seen:
        pair.web02.power_off() if orderly else pair.web02.crash()
        pair.all_at(pair.web01)
    report(gap=worst(seen), noise=seen.noise)
    assert worst(seen) < (GAP if orderly else FAILOVER) + seen.noise
    with pair.seen(unmoved=OWN["web01"]) as seen:
        pair.web02.boot()  # vipd is enabled: nobody starts it
        pair.at_home()
    report(coming_home=worst(seen), noise=seen.noise)
    assert worst(seen) < GAP + seen.noise


# -- maintaining


def test_a_restart_is_not_noticed(pair: Pair, report: Figures) -> None:
    for machine in pair.machines:
        before = main_pid(machine)
        with pair.seen() as seen:
            machine.run("systemctl restart vipd")
            pair.at_home()
        report(gap=worst(seen), noise=seen.noise)
        assert main_pid(machine) != before
        assert worst(seen) < GAP + seen.noise


def test_an_upgrade_is_not_noticed(pair: Pair, report: Figures) -> None:
    for machine in pair.machines:
        before = main_pid(machine)
        with pair.seen() as seen:
            machine.run("dpkg -i /root/vipd_*-2_*.deb")
            pair.at_home()
        report(gap=worst(seen), noise=seen.noise)
        assert main_pid(machine) != before
        assert machine.property("ActiveState") == "active"
        assert machine.run("dpkg-query -W -f '${Version}' vipd").endswith("-2")
        assert worst(seen) < GAP + seen.noise


# -- and away again


def test_a_purge_hands_the_addresses_over_and_leaves_nothing(
    enabled: Pair, report: Figures
) -> None:
    machine = enabled.web02
    enabled.at_home()
    with enabled.seen(unmoved=OWN["web01"]) as seen:
        machine.run("DEBIAN_FRONTEND=noninteractive dpkg --purge vipd")
        enabled.all_at(enabled.web01)
    report(gap=worst(seen), noise=seen.noise)
    assert worst(seen) < GAP + seen.noise
    left = {file for file in machine.files() - enabled.before["web02"] if not expected(file)}
    assert not left
    for file in (EXAMPLE / machine.name).glob("*.conf"):
        assert machine.run(f"cat /etc/ucarp/{file.name}") == file.read_text()
    assert machine.run("readlink -f $(command -v ucarp)").strip() == "/usr/sbin/ucarp"
    # and ucarp takes over where it left off
    machine.run("systemctl enable --now ucarp@001 ucarp@002")
    enabled.at_home()


def expected(file: str) -> bool:
    """Files that the machine itself keeps about what was done on it."""
    return file.startswith(("/var/log/", "/var/tmp/systemd-private-"))
