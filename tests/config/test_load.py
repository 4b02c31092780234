"""A directory → what would run and what is wrong: precedence, bad input, and nothing raises."""

import os
import subprocess
import sys
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vipd.config.checked import plain
from vipd.config.files import MAX_BYTES
from vipd.config.health_fields import Gateway
from vipd.config.load import load, loading
from vipd.config.memory import Memory
from vipd.config.model import VipConfig
from vipd.config.problem import Problem, is_error
from vipd.config.snapshot import Snapshot

GOOD = {
    "VIP_ADDRESS": "198.51.100.154",
    "PASSWORD": "love",
    "BIND_INTERFACE": "eth1",
    "SOURCE_ADDRESS": "198.51.100.179",
}
OTHER = GOOD | {"VIP_ADDRESS": "198.51.100.155"}


def text(keys: dict[str, str]) -> str:
    return "".join(f"{key}='{value}'\n" for key, value in keys.items())


def read(directory: Path) -> Snapshot:
    return load(directory, scripts=directory / "scripts")


def one(directory: Path, name: str = "001", **keys: str) -> tuple[VipConfig | None, list[Problem]]:
    """What becomes of one file: GOOD, with other keys; an empty text leaves a key out."""
    kept = {key: value for key, value in (GOOD | keys).items() if value}
    (directory / f"vip-{name}.conf").write_text(text(kept), "utf-8", "surrogateescape")
    snapshot = read(directory)
    return (snapshot.vips[0] if snapshot.vips else None), list(snapshot.problems)


def script(path: Path, mode: int = 0o755) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return str(path)


# ---- what is read --------------------------------------------------------------------------------


def test_the_published_pair_reads_as_published() -> None:
    root = Path(__file__).parents[2] / "conf.d.example"
    hosts = {host: read(root / host) for host in ("web01", "web02")}
    seen = {
        (host, v.id): (v.vhid, str(v.source), str(v.addresses[0]), v.advskew, v.preempt, v.shutdown)
        for host, snapshot in hosts.items()
        for v in snapshot.vips
    }
    web01, web02 = "198.51.100.179", "198.51.100.180"
    assert seen == {
        ("web01", "001"): (1, web01, "198.51.100.154/32", 0, True, True),
        ("web01", "002"): (2, web01, "198.51.100.155/32", 10, True, True),
        ("web02", "001"): (1, web02, "198.51.100.154/32", 10, True, True),
        ("web02", "002"): (2, web02, "198.51.100.155/32", 0, True, True),
    }
    assert all(not snapshot.problems for snapshot in hosts.values())


@pytest.mark.parametrize("host", ["web01", "web02"])
def test_the_unicast_pair_lists_each_other(host: str) -> None:
    pairs = Path(__file__).parents[2] / "conf.d.example" / "unicast"
    snapshot, other = read(pairs / host), read(pairs / ("web02" if host == "web01" else "web01"))
    (vip,), (theirs,) = snapshot.vips, other.vips
    assert vip.peers == (theirs.source,)
    assert snapshot.problems == ()


def test_the_published_checks_are_those_of_their_comments() -> None:
    for host in ("web01", "web02"):
        snapshot = read(Path(__file__).parents[2] / "conf.d.example" / "health-checks" / host)
        assert not [each for each in snapshot.problems if is_error(each)]
        disk, web = snapshot.vips[0].checks
        assert (web.command[0], web.interval, web.timeout, web.user) == (
            "/usr/bin/curl", 1, 1, "nobody",
        )  # fmt: skip
        assert (disk.interval, disk.timeout, disk.fall, disk.rise) == (10, 8, 3, 5)


def test_the_published_router_has_one_group_and_one_order() -> None:
    hosts = [
        read(Path(__file__).parents[2] / "conf.d.example" / "router-pair" / host)
        for host in ("r1", "r2")
    ]
    assert all(host.problems == () for host in hosts)
    for host, advskew in zip(hosts, (0, 100), strict=True):
        assert {vip.group for vip in host.vips} == {"router"}
        assert [(vip.interface, vip.advskew) for vip in host.vips] == [
            ("eth1", advskew), ("eth2", advskew),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("peers", "families"),
    [("192.0.2.2 192.0.2.3", (4,)), ("2001:db8::2", (6,)), ("fe80::2%eth1 192.0.2.2", (4, 6))],
)
def test_peers_say_in_which_families_it_advertises(
    tmp_path: Path, peers: str, families: tuple[int, ...]
) -> None:
    vip, problems = one(tmp_path, PEERS=peers)
    assert vip is not None
    assert problems == []
    assert vip.families == families


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"PEERS": "192.0.2.2 192.0.2.2"}, "a second time"),
        ({"PEERS": "192.0.2.1", "SOURCE_ADDRESS": "192.0.2.1"}, "own SOURCE_ADDRESS"),
        ({"PEERS": "192.0.2.2 192.0.2.3 2001:db8::2"}, "2 IPv4 and 1 IPv6"),
        ({"PEERS": "192.0.2.2", "OPTIONS": "--nomcast"}, "no effect beside PEERS"),
    ],
)
def test_doubtful_peers_are_warned_of_and_run(
    tmp_path: Path, keys: dict[str, str], what: str
) -> None:
    vip, problems = one(tmp_path, **keys)
    assert vip is not None
    assert vip.peers
    (problem,) = problems
    assert what in problem.message


def test_what_is_tracked(tmp_path: Path) -> None:
    vip, problems = one(
        tmp_path,
        TRACK_INTERFACE="eth2 bond0 eth2",
        TRACK_FILE="/run/drain /srv/a",
        TRACK_UNIT="nginx postgresql@16-main.service docker.io web.slice",
        TRACK_DOWN="2",
        TRACK_UP="0.5",
        TRACK_GATEWAY="198.51.100.1 fe80::1%eth1",
        CHECK_INTERVAL="1.5",
        CHECK_FALL="2",
        CHECK_HOLD="7",
        CHECK_TIMEOUT="1",
    )
    assert vip is not None
    assert problems == []
    assert vip.track_interface == ("eth2", "bond0")
    assert vip.track_file == ("/run/drain", "/srv/a")
    units = ("nginx.service", "postgresql@16-main.service", "docker.io.service", "web.slice")
    assert vip.track_unit == units
    assert (vip.track_down, vip.track_up) == (2.0, 0.5)
    assert vip.track_gateway == (
        Gateway(IPv4Address("198.51.100.1"), 1.5, 2, 5, 7),
        Gateway(IPv6Address("fe80::1"), 1.5, 2, 5, 7),
    )
    assert vip.track_hold == 7


def test_nothing_is_tracked_unless_it_is_named(tmp_path: Path) -> None:
    vip, problems = one(tmp_path, TRACK_FILE=" ", TRACK_UNIT="")
    assert vip is not None
    assert problems == []
    assert not (vip.track_interface + vip.track_file + vip.track_unit + vip.track_gateway)
    assert (vip.track_down, vip.track_up) == (0.5, 10.0)


@pytest.mark.parametrize("host", ["web01", "web02"])
def test_the_pair_of_both_families_is_clean(host: str) -> None:
    snapshot = read(Path(__file__).parents[2] / "conf.d.example" / "both-families" / host)
    (vip,) = snapshot.vips
    assert vip.families == (4, 6)
    assert vip.source is not None
    assert vip.source_ipv6 is not None
    assert snapshot.problems == ()


def test_extra_addresses_may_stand_on_other_interfaces(tmp_path: Path) -> None:
    vip, problems = one(tmp_path, EXTRA_ADDRESSES="192.0.2.7/24@eth2 2001:db8::7 192.0.2.8")
    assert vip is not None
    assert problems == []
    assert list(map(str, vip.extra_addresses)) == [
        "192.0.2.7/24@eth2",
        "2001:db8::7/128",
        "192.0.2.8/32",
    ]
    assert [str(each.ip) for each in vip.moving[1:]] == ["192.0.2.7", "2001:db8::7", "192.0.2.8"]


def test_the_commented_example_is_clean() -> None:
    snapshot = read(Path(__file__).parents[2] / "conf.d.example")
    assert [vip.id for vip in snapshot.vips] == ["001"]
    assert snapshot.problems == ()


def test_defaults_are_those_of_ucarp(tmp_path: Path) -> None:
    vip, problems = one(tmp_path)
    assert problems == []
    assert vip is not None
    assert (vip.advbase, vip.advskew, vip.deadratio) == (1, 0, 3)
    assert (vip.preempt, vip.neutral, vip.shutdown) == (False, False, False)
    assert (vip.ignoreifstate, vip.nomcast, vip.mcast) == (False, False, IPv4Address("224.0.0.18"))
    assert (vip.upscript, vip.downscript, vip.xparam) == (None, None, None)
    assert (vip.manage_address, vip.manages_address) == ("auto", True)
    assert (vip.lease, vip.lease_seconds) == ("auto", 3)
    assert (vip.script_timeout, vip.upscript_failure) == (30, "ignore")


def test_every_option_arrives(tmp_path: Path) -> None:
    options = "-znSPM -b2 --advsk 0x10 --deadr=5 --mcast=239.192.0.5 -x extra -D -B -f local0"
    vip, problems = one(tmp_path, OPTIONS=options)
    assert problems == []
    assert vip is not None
    assert (vip.advbase, vip.advskew, vip.deadratio) == (2, 16, 5)
    flags = (vip.shutdown, vip.neutral, vip.ignoreifstate, vip.preempt, vip.nomcast)
    assert all(flags)
    assert (str(vip.mcast), vip.xparam) == ("239.192.0.5", "extra")


def test_options_override_the_keys_before_them(tmp_path: Path) -> None:
    options = "-i eth9 -s 192.0.2.1 -p other -a 192.0.2.9 -v 7"
    vip, problems = one(tmp_path, OPTIONS=options)
    assert problems == []
    assert vip is not None
    assert (vip.interface, str(vip.source), str(vip.addresses[0])) == (
        "eth9", "192.0.2.1", "192.0.2.9/32",
    )  # fmt: skip
    assert (vip.password.get_secret_value(), vip.vhid) == (b"other", 7)


def test_script_keys_override_the_same_options(tmp_path: Path) -> None:
    key, option = script(tmp_path / "key"), script(tmp_path / "option")
    vip, _ = one(tmp_path, OPTIONS=f"-u {option} -d {option}", UPSCRIPT=key)
    assert vip is not None
    assert (vip.upscript, vip.downscript) == (key, option)


def test_the_default_scripts_are_used_when_they_are_there(tmp_path: Path) -> None:
    up, down = script(tmp_path / "scripts/vip-up"), script(tmp_path / "scripts/vip-down")
    vip, problems = one(tmp_path)
    assert vip is not None
    assert (vip.upscript, vip.downscript, vip.manages_address) == (up, down, False)
    assert problems == []


def test_a_default_script_that_is_not_executable_is_not_used(tmp_path: Path) -> None:
    script(tmp_path / "scripts/vip-up", 0o644)
    vip, problems = one(tmp_path)
    assert vip is not None
    assert (vip.upscript, vip.manages_address, problems) == (None, True, [])


@pytest.mark.parametrize("how", ["absent", "not executable", "a directory", "relative"])
def test_an_upscript_that_cannot_run_leaves_the_address_to_vipd(tmp_path: Path, how: str) -> None:
    path = str(tmp_path / "up")
    if how == "not executable":
        script(tmp_path / "up", 0o644)
    elif how == "a directory":
        (tmp_path / "up").mkdir()
    elif how == "relative":
        path = "up"
    vip, problems = one(tmp_path, UPSCRIPT=path)
    assert vip is not None
    assert (vip.upscript, vip.manages_address) == (None, True)
    assert [is_error(problem) for problem in problems] == [False]
    assert "vipd adds the address itself" in problems[0].message


@pytest.mark.parametrize(("manage", "with_script", "manages"), [
    ("auto", False, True), ("auto", True, False), ("yes", True, True), ("no", True, False),
    ("YES", True, True), ("no", False, False),
])  # fmt: skip
def test_manage_address(tmp_path: Path, manage: str, with_script: bool, manages: bool) -> None:
    up = script(tmp_path / "up") if with_script else ""
    vip, problems = one(tmp_path, MANAGE_ADDRESS=manage, UPSCRIPT=up)
    assert vip is not None
    assert vip.manages_address is manages
    nobody = manage == "no" and not with_script
    assert (
        any(problem.message.endswith("nobody adds the address") for problem in problems) is nobody
    )


@pytest.mark.parametrize(("options", "seconds"), [("-b0 -k100", 2), ("-r1 -k13", 3), ("-r3", 3)])
def test_a_lease_is_long_enough_for_a_host_that_demotes_itself(
    tmp_path: Path, options: str, seconds: int
) -> None:
    vip, _ = one(tmp_path, OPTIONS=options, DEMOTE_BY="240")
    assert vip is not None
    slowest = vip.advbase + min(vip.advskew + 240, 254) / 256
    assert vip.lease_seconds == seconds
    assert vip.guarded_for > slowest + 0.09


@pytest.mark.parametrize("lease", ["auto", "off", "2", "10"])
def test_others_wait_as_long_whatever_our_lease(tmp_path: Path, lease: str) -> None:
    vip, _ = one(tmp_path, LEASE=lease)
    assert vip is not None
    assert vip.believed_for == 3
    assert vip.guarded_for == {"2": 2, "10": 10}.get(lease, 3)


GUARDED = [
    ({"LEASE": "off"}, "LEASE=off: a vipd that is frozen"),
    ({"MANAGE_ADDRESS": "no"}, "MANAGE_ADDRESS=no and no DOWNSCRIPT that can run: nobody removes"),
    ({"MANAGE_ADDRESS": "no", "DOWNSCRIPT": ""}, ""),
    (
        {"MANAGE_ADDRESS": "no", "DOWNSCRIPT": "", "GUARD_SCRIPT": "no"},
        "MANAGE_ADDRESS=no and GUARD_SCRIPT=no: nobody removes",
    ),
    ({"GUARD_SCRIPT": "no", "DOWNSCRIPT": ""}, ""),  # vipd holds the address
]


@pytest.mark.parametrize(("keys", "lost"), GUARDED)
def test_what_stays_on_two_hosts_is_said(tmp_path: Path, keys: dict[str, str], lost: str) -> None:
    scripts = dict.fromkeys({"UPSCRIPT", *keys} & {"UPSCRIPT", "DOWNSCRIPT"}, "")
    scripts = {key: script(tmp_path / key) for key in scripts}
    vip, problems = one(tmp_path, **{**keys, **scripts})
    assert vip is not None
    assert [problem.message[: len(lost)] for problem in problems] == [lost] * bool(lost)
    assert not any(map(is_error, problems))
    guards = keys.get("GUARD_SCRIPT") != "no" and "DOWNSCRIPT" in keys
    assert vip.guards_script is guards


def test_the_common_file_comes_first_and_each_file_overrides_it(tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text(
        "PASSWORD=shared BIND_INTERFACE=eth7\nOPTIONS='--preempt'\n"
    )
    (tmp_path / "vip-001.conf").write_text('VIP_ADDRESS=192.0.2.9\nOPTIONS="$OPTIONS -k9"\n')
    snapshot = read(tmp_path)
    assert snapshot.problems == ()
    (vip,) = snapshot.vips
    assert (vip.interface, vip.preempt, vip.advskew, vip.source) == ("eth7", True, 9, None)


def test_what_was_read_before_counts_for_as_long_as_it_stands_there(tmp_path: Path) -> None:
    memory = Memory()

    def again() -> list[tuple[str, str]]:
        *_, snapshot = loading(tmp_path, scripts=tmp_path, memory=memory)
        assert snapshot is not None
        assert snapshot == read(tmp_path)  # by one that knows nothing
        return [(vip.id, vip.interface) for vip in snapshot.vips]

    first, common = tmp_path / "vip-001.conf", tmp_path / "vip-common.conf"
    first.write_text(text(GOOD))
    (tmp_path / "vip-002.conf").write_text(text(OTHER | {"BIND_INTERFACE": ""}))
    common.write_text("BIND_INTERFACE=eth2\n")
    assert again() == again() == [("001", "eth1")]
    common.write_text("BIND_INTERFACE=eth3\n")
    (tmp_path / "vip-002.conf").write_text(text({k: v for k, v in OTHER.items() if k[0] != "B"}))
    assert again() == [("001", "eth1"), ("002", "eth3")]
    first.write_text(text(GOOD).replace("eth1", "eth4"))  # as long as before
    assert again() == [("001", "eth4"), ("002", "eth3")]
    first.write_text("BIND_INTERFACE='eth4\n")
    assert again() == [("002", "eth3")]
    first.unlink()
    assert again() == [("002", "eth3")]
    first.write_text(text(GOOD))
    assert again() == [("001", "eth1"), ("002", "eth3")]


def test_the_older_name_of_the_common_file_counts_when_the_newer_is_absent(tmp_path: Path) -> None:
    (tmp_path / "vip-common").write_text("OPTIONS=-k1\n")
    vip, _ = one(tmp_path)
    assert vip is not None
    assert vip.advskew == 1
    (tmp_path / "vip-common.conf").write_text("OPTIONS=-k2\n")
    vip, _ = one(tmp_path)
    assert vip is not None
    assert vip.advskew == 2


def test_the_common_file_may_use_the_id_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text('PASSFILE="$CONFDIR/vip-$ID.pwd"\n')
    (tmp_path / "vip-001.pwd").write_text("from file\nsecond line\n")
    vip, problems = one(tmp_path, PASSWORD="")
    assert problems == []
    assert vip is not None
    assert vip.password.get_secret_value() == b"from file"


def test_files_are_read_in_c_locale_order_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    names = ["vip-web.conf", "vip-010.conf", "vip-002.conf", "vip-B.conf"]
    for number, name in enumerate(names, 20):
        keys = GOOD | {"VIP_ADDRESS": f"192.0.2.{number}", "VHID": str(number)}
        (tmp_path / name).write_text(text(keys))
    for name in (
        "vip-001.conf.example",
        "vip-001.conf.rpmnew",
        "vip-001.conf~",
        "README",
        ".vip-001.conf.swp",
        "#vip-001.conf#",
        "vip-001.pwd",
        "vip-001.conf.dpkg-dist",
    ):
        (tmp_path / name).write_text("$(reboot)")  # fmt: skip
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["002", "010", "B", "web"]
    assert snapshot.problems == ()


def test_an_empty_directory_is_fine(tmp_path: Path) -> None:
    assert read(tmp_path) == Snapshot((), ())


# ---- keys that ucarp does not have ---------------------------------------------------------------

LEASES = [
    # LEASE, OPTIONS, seconds, part of a warning (None: no problem)
    ("", "", 3, None),
    ("auto", "-b2 -r5", 10, None),
    ("AUTO", "-b0 -k100", 1, "--advbase=0"),
    ("auto", "-r1", 2, None),
    ("auto", "-b3 -k255 -r1", 5, None),  # 4 would be 4 ms after an advertisement is due
    ("auto", "-k254 -r2", 3, None),
    ("auto", "-k200 -r2", 2, None),
    ("off", "", None, "LEASE=off"),
    ("2", "", 2, None),
    ("3", "-k255", 3, None),
    ("03", "", 3, None),
    ("4", "", 4, "two hosts own the address"),
    ("3600", "", 3600, "two hosts own the address"),
    ("4", "-r4", 4, None),
]


@pytest.mark.parametrize(("lease", "options", "seconds", "message"), LEASES)
def test_a_lease_ends_when_a_backup_takes_over(
    tmp_path: Path, lease: str, options: str, seconds: int | None, message: str | None
) -> None:
    vip, problems = one(tmp_path, OPTIONS=options, LEASE=lease)
    assert vip is not None
    assert vip.lease_seconds == seconds
    assert vip.lease_seconds is None or vip.lease_seconds > vip.interval
    assert [is_error(problem) for problem in problems] == [False] * (message is not None)
    assert message is None or message in problems[0].message


@pytest.mark.parametrize(
    ("lease", "options"), [("1", "-k0"), ("1", "-k1"), ("3", "-b3 -k0"), ("2", "-k254")]
)
def test_a_lease_that_lapses_between_renewals_does_not_run(
    tmp_path: Path, lease: str, options: str
) -> None:
    vip, problems = one(tmp_path, OPTIONS=options, LEASE=lease)
    assert vip is None
    (problem,) = problems
    assert is_error(problem)
    assert (problem.line, problem.column) == (6, 8)
    assert "would lapse between two advertisements" in problem.message
    assert "LEASE=auto" in problem.hint


def test_how_long_a_script_may_run_and_what_follows_a_failure(tmp_path: Path) -> None:
    vip, problems = one(tmp_path, SCRIPT_TIMEOUT="3600", UPSCRIPT_FAILURE="Demote")
    assert vip is not None
    assert (vip.script_timeout, vip.upscript_failure, problems) == (3600, "demote", [])


# ---- what else the daemon is told ----------------------------------------------------------------


@pytest.mark.parametrize(("name", "keys", "vhid", "other"), [
    ("001", {}, 1, None),
    ("010", {}, 8, 10),
    ("008", {}, 8, None),
    ("018", {}, 1, 18),
    ("001", {"ID": "010"}, 8, 10),
    ("001", {"ID": "0x10"}, 16, None),
    ("0400", {"VHID": "4"}, 4, None),
    ("001", {"ID": "010", "VHID": "10"}, 10, 8),
    ("001", {"ID": "010", "VHID": "8"}, 8, 10),
    ("001", {"ID": "010", "VHID": "4"}, 4, 8),
    ("010", {"VHID": "10"}, 10, 8),
    ("001", {"VHID": "7"}, 7, 1),
    ("web", {"VHID": "7"}, 7, None),
    ("001", {"OPTIONS": "-v 010"}, 8, 10),
    ("001", {"ID": "3", "OPTIONS": "-v 4"}, 4, None),
])  # fmt: skip
def test_another_reading_of_the_number_is_known(
    tmp_path: Path, name: str, keys: dict[str, str], vhid: int, other: int | None
) -> None:
    vip, _ = one(tmp_path, name, **keys)
    assert vip is not None
    assert (vip.vhid, vip.other_vhid) == (vhid, other)


def test_every_file_that_was_or_would_have_been_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "vip-001.conf").write_text(text(GOOD | {"PASSFILE": "p1"}))
    (tmp_path / "vip-002.conf").write_text(text(OTHER | {"PASSFILE": "/nowhere/p2"}))
    (tmp_path / "vip-003.conf").write_text(text(OTHER | {"OPTIONS": "-o p3"}))
    (tmp_path / "vip-004.conf").write_text("VIP_ADDRESS='half")
    (tmp_path / "vip-005.conf").symlink_to("nothing")
    (tmp_path / "vip-006.conf.example").write_text("PASSFILE=p6\n")
    names = ["vip-common.conf", "vip-common", *(f"vip-00{n}.conf" for n in range(1, 6)), "p1", "p3"]
    here = {str(tmp_path / name) for name in names}
    assert read(tmp_path).files == here | {"/nowhere/p2"}


def test_a_file_name_that_is_no_text_is_named_as_it_is(tmp_path: Path) -> None:
    vip, _ = one(tmp_path, PASSFILE="\udcff", PASSWORD="")
    assert vip is None
    assert str(tmp_path / "\udcff") in read(tmp_path).files


def test_an_absent_directory_names_the_common_files(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert load(absent).files == {str(absent / "vip-common.conf"), str(absent / "vip-common")}


@pytest.mark.parametrize(("name", "content", "broken"), [
    ("vip-common.conf", "OPTIONS=-P\n", False),
    ("vip-common.conf", "PASWORD=x\n", False),
    ("vip-common.conf", "OPTIONS='-P\n", True),
    ("vip-common.conf", "OPTIONS=--advskw\n", True),
    ("vip-common", "OPTIONS=`date`\n", True),
    ("vip-002.conf", "OPTIONS=`date`\n", False),
])  # fmt: skip
def test_a_broken_common_file_is_told_from_broken_others(
    tmp_path: Path, name: str, content: str, broken: bool
) -> None:
    (tmp_path / name).write_text(content)
    one(tmp_path)
    assert read(tmp_path).common_broken is broken


# ---- VHID ----------------------------------------------------------------------------------------

VHIDS = [
    # file name, keys, VHID, part of a warning (None: no problem)
    ("001", {}, 1, None),
    ("007", {}, 7, None),
    ("100", {}, 100, None),
    ("010", {}, 8, "VHID 8"),
    ("008", {}, 8, "ucarp refuses"),
    ("099", {}, 99, "ucarp refuses"),
    ("018", {}, 1, "VHID 1"),
    ("200", {"ID": "001"}, 1, None),
    ("001", {"ID": "010"}, 8, "VHID 8"),
    ("001", {"ID": "009"}, 9, "ucarp refuses"),
    ("001", {"ID": "0x10"}, 16, None),
    ("001", {"ID": "10x"}, 10, "ignores what follows"),
    ("web", {"ID": "12"}, 12, None),
    ("web", {"VID": "12"}, 12, None),
    ("001", {"ID": "2", "OPTIONS": "--vhid=3"}, 3, None),
    ("001", {"ID": "2", "OPTIONS": "-v010"}, 8, "VHID 8"),
    ("001", {"ID": "010", "OPTIONS": "-v3", "VHID": "4"}, 4, None),
    ("010", {"VHID": "10"}, 10, None),
    ("010", {"VHID": "010"}, 10, None),
]


@pytest.mark.parametrize(("name", "keys", "vhid", "message"), VHIDS)
def test_the_vhid_is_what_ucarp_would_send(
    tmp_path: Path, name: str, keys: dict[str, str], vhid: int, message: str | None
) -> None:
    vip, problems = one(tmp_path, name, **keys)
    assert vip is not None
    assert (vip.id, vip.vhid) == (name, vhid)
    if message is None:
        assert problems == []
    else:
        (problem,) = problems
        assert not is_error(problem)
        assert message in problem.message
        assert "VHID=" in problem.hint


@pytest.mark.parametrize(
    ("name", "keys"),
    [("000", {}), ("256", {}), ("999", {}), ("web", {}), ("001", {"ID": "web"}),
     ("001", {"ID": "0"}), ("001", {"ID": "-1"}), ("001", {"ID": "08x"}), ("001", {"VHID": "0"}),
     ("001", {"VHID": "0x1"}), ("001", {"VHID": "256"}), ("001", {"OPTIONS": "--vhid=300"}),
     ("001", {"ID": "9" * 5000})],
)  # fmt: skip
def test_a_vhid_that_is_none_is_an_error(tmp_path: Path, name: str, keys: dict[str, str]) -> None:
    vip, problems = one(tmp_path, name, **keys)
    assert vip is None
    assert [is_error(problem) for problem in problems] == [True]


# ---- values that are wrong -----------------------------------------------------------------------

WRONG = [
    ("advskew out of range", {"OPTIONS": "-P --advskew=300"}, (5, 23), "would have used 44"),
    ("advskew below zero", {"OPTIONS": "--advskew=-1"}, (5, 20), "would have used 255"),
    ("advskew that is no number", {"OPTIONS": "--advskew=x"}, (5, 20), "would have used 0"),
    ("deadratio 0 and more", {"OPTIONS": "-r0s"}, (5, 12), "from 1 to 255"),
    ("advskew that is empty", {"OPTIONS": "--advskew="}, (5, 19), "not a number"),
    ("advbase out of range", {"OPTIONS": "-b256"}, (5, 12), "would have used 0"),
    ("deadratio 0", {"OPTIONS": "-r0"}, (5, 12), "from 1 to 255"),
    ("deadratio beyond reason", {"OPTIONS": "-r 1000"}, (5, 13), "from 1 to 255"),
    ("an unknown option", {"OPTIONS": "--preemt"}, (5, 10), "--preemt is not an option"),
    ("a group that is no group", {"OPTIONS": "--mcast=192.0.2.1"}, (5, 18), "multicast"),
    ("no address", {"VIP_ADDRESS": "host"}, (1, 14), "not an IP address"),
    ("an address with zeros", {"VIP_ADDRESS": "192.0.2.010"}, (1, 14), "not an IP address"),
    ("a second address", {"VIP_ADDRESS": "192.0.2.1 192.0.2.1/99"}, (1, 24), "not an IP address"),
    ("an address for all", {"VIP_ADDRESS": "224.0.0.1"}, (1, 14), "cannot be the address"),
    ("a zone", {"VIP_ADDRESS": "192.0.2.1 fe80::1%eth0"}, (1, 24), "not an IP address"),
    ("a source with a length", {"SOURCE_ADDRESS": "192.0.2.1/24"}, (4, 17), "not an IP addr"),
    ("an extra that is none", {"EXTRA_ADDRESSES": "host"}, (5, 18), "not an IP address"),
    ("an extra nowhere", {"EXTRA_ADDRESSES": "192.0.2.1@"}, (5, 27), "cannot be the name"),
    ("an extra for all", {"EXTRA_ADDRESSES": "224.0.0.1@e"}, (5, 18), "cannot be the address"),
    ("blank peers", {"PEERS": " "}, (5, 1), "PEERS is empty"),
    ("a peer that is a name", {"PEERS": "192.0.2.2 web02"}, (5, 18), "not the address of a host"),
    ("a group as a peer", {"PEERS": "224.0.0.18"}, (5, 8), "not the address of a host"),
    ("a floating peer", {"PEERS": "198.51.100.154"}, (5, 8), "also in VIP_ADDRESS"),
    ("a label is tracked", {"TRACK_INTERFACE": "eth2 eth3:1"}, (5, 23), "is a label"),
    ("no interface to track", {"TRACK_INTERFACE": "a/b"}, (5, 18), "cannot be the name"),
    ("a relative file", {"TRACK_FILE": "/run/a drain"}, (5, 20), "not the whole path of a file"),
    ("a directory", {"TRACK_FILE": "/run/"}, (5, 13), "not the whole path of a file"),
    ("no unit", {"TRACK_UNIT": "a/b.service"}, (5, 13), "cannot be the name of a systemd unit"),
    ("all units", {"TRACK_UNIT": "-.slice"}, (5, 13), "cannot be the name of a systemd unit"),
    ("a timer", {"TRACK_UNIT": "nginx a.timer"}, (5, 19), "a timer never counts as running"),
    ("a template", {"TRACK_UNIT": "a@"}, (5, 13), "like a@1.service"),
    ("a named gateway", {"TRACK_GATEWAY": "router"}, (5, 16), "not the address of a host"),
    ("an own gateway", {"TRACK_GATEWAY": "198.51.100.154"}, (5, 16), "moves with this VIP"),
    ("TRACK_DOWN", {"TRACK_DOWN": "0"}, (5, 13), "not a number of seconds from 0.1 to 3600"),
    ("TRACK_UP", {"TRACK_UP": "10s"}, (5, 11), "not a number of seconds from 0.1 to 3600"),
    ("a shared extra", {"EXTRA_ADDRESSES": "198.51.100.154"}, (5, 18), "also in VIP_ADDRESS"),
    ("two sources", {"SOURCE_ADDRESS": "192.0.2.1 192.0.2.2"}, (4, 27), "two IPv4 addresses"),
    ("a source with a zone", {"SOURCE_ADDRESS": "fe80::1%eth0"}, (4, 17), "not an IP address"),
    ("a source that is nothing", {"SOURCE_ADDRESS": "0.0.0.0"}, (4, 17), "cannot be"),
    ("source and address alike", {"SOURCE_ADDRESS": "198.51.100.154"}, (4, 17), "also in VIP_ADD"),
    ("a long interface", {"BIND_INTERFACE": "a" * 16}, (3, 17), "cannot be the name"),
    ("an invalid byte", {"BIND_INTERFACE": "e\udcff"}, (3, 17), "cannot be the name"),
    ("MANAGE_ADDRESS", {"MANAGE_ADDRESS": "true"}, (5, 17), "none of auto, yes, no"),
    ("LEASE", {"LEASE": "3s"}, (5, 8), "not a number of seconds from 1 to 3600"),
    ("LEASE 0", {"LEASE": "0"}, (5, 8), "from 1 to 3600"),
    ("a day of LEASE", {"LEASE": "86400"}, (5, 8), "from 1 to 3600"),
    ("SCRIPT_TIMEOUT", {"SCRIPT_TIMEOUT": "auto"}, (5, 17), "from 1 to 3600"),
    ("no time for scripts", {"SCRIPT_TIMEOUT": "0"}, (5, 17), "from 1 to 3600"),
    ("GUARD_SCRIPT", {"GUARD_SCRIPT": "off"}, (5, 15), "none of yes, no"),
    ("UPSCRIPT_FAILURE", {"UPSCRIPT_FAILURE": "yes"}, (5, 19), "none of ignore, demote"),
    ("no PASSFILE", {"PASSWORD": "", "PASSFILE": "/nowhere"}, (4, 11), "no such file"),
    ("xparam in another code", {"OPTIONS": "-x \udcff"}, (5, 13), "UTF-8"),
    ("an empty password", {"PASSWORD": " "}, (2, 11), "empty"),
    ("an empty second one", {"PASSWORD_ALSO": " "}, (5, 1), "PASSWORD_ALSO is empty"),
    ("an empty second file", {"PASSFILE_ALSO": " "}, (5, 1), "PASSFILE_ALSO is empty"),
    ("no PASSFILE_ALSO", {"PASSFILE_ALSO": "/nowhere"}, (5, 16), "PASSFILE_ALSO /nowhere: there"),
    ("a second one of 21 bytes", {"PASSWORD_ALSO": "x" * 21}, (5, 16), "21 bytes"),
    ("a password of 21 bytes", {"PASSWORD": "x" * 21}, (2, 11), "21 bytes"),
    ("no password", {"PASSWORD": ""}, (1, 1), "PASSWORD is missing"),
    ("no address at all", {"VIP_ADDRESS": ""}, (1, 1), "VIP_ADDRESS is missing"),
    ("no interface", {"BIND_INTERFACE": ""}, (1, 1), "BIND_INTERFACE is missing"),
    ("an empty interface", {"BIND_INTERFACE": " "}, (3, 1), "BIND_INTERFACE is empty"),
]


@pytest.mark.parametrize(
    ("keys", "place", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG]
)
def test_a_wrong_value_is_reported_at_its_own_column_and_the_other_files_run(
    tmp_path: Path, keys: dict[str, str], place: tuple[int, int], message: str
) -> None:
    (tmp_path / "vip-200.conf").write_text(text(OTHER | {"BIND_INTERFACE": "eth2"}))
    kept = {key: value for key, value in (GOOD | keys).items() if value}
    path = tmp_path / "vip-001.conf"
    path.write_text(text(kept), "utf-8", "surrogateescape")
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["200"]
    (problem,) = snapshot.problems
    assert is_error(problem)
    assert problem.file == str(path)
    assert (problem.line, problem.column) == place
    assert message in problem.message
    assert problem.hint


WARNED = [
    ("octal", {"OPTIONS": "--advskew=010"}, (5, 20), "is 8, as for ucarp"),
    ("broken octal", {"OPTIONS": "--advskew=08"}, (5, 20), "is 0, as for ucarp"),
    ("a unit", {"OPTIONS": "--advskew=10s"}, (5, 20), "is 10, as for ucarp, which ignores"),
    ("a comma", {"OPTIONS": "-k 10,--preempt"}, (5, 13), "is 10, as for ucarp, which ignores"),
    ("a network address", {"VIP_ADDRESS": "192.0.2.0/24"}, (1, 14), "is the network address"),
    ("a broadcast address", {"VIP_ADDRESS": "192.0.2.7/29"}, (1, 14), "is the broadcast address"),
    ("an anycast address", {"VIP_ADDRESS": "192.0.2.1 2001:db8::/64"}, (1, 24), "anycast"),
    ("curly quotes", {"PASSWORD": "“love”"}, (2, 11), "curly quotes"),
    ("curly quotes in OPTIONS", {"OPTIONS": "--pass=‘love"}, (5, 17), "curly quotes"),
    ("an unknown key", {"BIND_INTERFCE": "x"}, (5, 1), "BIND_INTERFCE is not a key"),
    ("20 bytes of password", {"PASSWORD": "x" * 20}, (2, 11), "20 bytes"),
    ("a blank in the password", {"PASSWORD": "two words"}, (2, 11), "first word"),
    ("advbase 0", {"OPTIONS": "-b0 -k0"}, (5, 12), "ucarp refuses to start"),
    ("an address twice", {"VIP_ADDRESS": "192.0.2.1 192.0.2.1"}, (1, 24), "second time"),
    ("a word in OPTIONS", {"OPTIONS": "preempt"}, (5, 10), "ignored, as by ucarp"),
    ("a missing PASSFILE", {"PASSFILE": "/nowhere"}, (5, 11), "PASSWORD is used instead"),
    ("no downscript", {"DOWNSCRIPT": "/nowhere"}, (5, 13), "not there"),
]


@pytest.mark.parametrize(
    ("keys", "place", "message"), [w[1:] for w in WARNED], ids=[w[0] for w in WARNED]
)
def test_what_runs_but_needs_a_look_is_a_warning(
    tmp_path: Path, keys: dict[str, str], place: tuple[int, int], message: str
) -> None:
    vip, problems = one(tmp_path, **keys)
    assert vip is not None
    (problem,) = problems
    assert not is_error(problem)
    assert (problem.line, problem.column) == place
    assert message in problem.message


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    _, problems = one(tmp_path, BIND_INTERFCE="x")
    assert "BIND_INTERFACE" in problems[0].hint


def test_a_helper_variable_is_no_unknown_key(tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text('SKEW=10\nOPTIONS="-k $SKEW"\n')
    vip, problems = one(tmp_path)
    assert vip is not None
    assert (vip.advskew, problems) == (10, [])


# ---- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"love\n", b"love"), (b"love", b"love"), (b"two words\nrest", b"two words"),
     (b"lo\0ve\n", b"lo"), (b"\xff\xfe$$\n", b"\xff\xfe$$"), (b"x" * 19 + b"\n", b"x" * 19)],
)  # fmt: skip
def test_a_password_file_is_read_as_ucarp_reads_it(
    tmp_path: Path, content: bytes, password: bytes
) -> None:
    (tmp_path / "p").write_bytes(content)
    vip, problems = one(tmp_path, PASSWORD="", PASSFILE=str(tmp_path / "p"))
    assert vip is not None
    assert (vip.password.get_secret_value(), problems) == (password, [])


@pytest.mark.parametrize("content", [b"", b"\n", b"\0", b"x" * 600])
def test_a_password_file_without_a_usable_password_is_an_error(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "p").write_bytes(content)
    vip, problems = one(tmp_path, PASSWORD="", PASSFILE=str(tmp_path / "p"))
    assert vip is None
    assert [is_error(problem) for problem in problems] == [True]


def test_a_carriage_return_in_a_password_file_stays_and_is_reported(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"love\r\n")
    vip, problems = one(tmp_path, PASSFILE=str(tmp_path / "p"), PASSWORD="")
    assert vip is not None
    assert vip.password.get_secret_value() == b"love\r"
    assert "part of the password" in problems[0].message


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"love \n", "ends in a blank"), (b"love\t", "ends in a blank"), (b" love", "begins with a"),
     (b"\xef\xbb\xbflove\n", "byte order mark"), ("“love”\n".encode(), "curly quotes")],
)  # fmt: skip
def test_what_is_part_of_the_password_and_looks_as_if_it_were_not_is_told(
    tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "p").write_bytes(content)
    vip, problems = one(tmp_path, PASSWORD="", PASSFILE=str(tmp_path / "p"))
    assert vip is not None
    assert vip.password.get_secret_value() == content.rstrip(b"\n")
    (problem,) = problems
    assert told in problem.message
    assert "love" not in problem.message + problem.hint


@pytest.mark.parametrize("address", ["192.0.2.0/31", "192.0.2.1/31", "192.0.2.0", "192.0.2.255"])
def test_an_address_in_no_network_or_one_of_two_is_none_of_the_networks(
    tmp_path: Path, address: str
) -> None:
    assert one(tmp_path, VIP_ADDRESS=address)[1] == []


@pytest.mark.parametrize(("content", "differ"), [("love\n", False), ("hate\n", True)])
def test_passfile_wins_over_password(tmp_path: Path, content: str, differ: bool) -> None:
    (tmp_path / "p").write_text(content)
    vip, problems = one(tmp_path, PASSFILE=str(tmp_path / "p"))
    assert vip is not None
    assert vip.password.get_secret_value() == content.strip().encode()
    assert len(problems) == differ


@pytest.mark.parametrize(
    "keys", [{"PASSWORD_ALSO": "trust"}, {"PASSFILE_ALSO": "p"},
             {"PASSWORD_ALSO": "hate", "PASSFILE_ALSO": "p"}]
)  # fmt: skip
def test_a_second_password_is_read_as_the_first_is(tmp_path: Path, keys: dict[str, str]) -> None:
    (tmp_path / "p").write_text("trust\n")
    vip, problems = one(tmp_path, **keys)
    assert vip is not None
    assert vip.passwords == (b"love", b"trust")
    assert [problem.message for problem in problems] == (
        ["PASSWORD_ALSO differs from what PASSFILE_ALSO holds; PASSFILE_ALSO is used"]
        if len(keys) > 1
        else []
    )
    assert (str(tmp_path / "p") in read(tmp_path).files) == ("PASSFILE_ALSO" in keys)


def test_a_second_password_may_be_shared_by_all(tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text("PASSWORD_ALSO=trust\n")
    vip, problems = one(tmp_path)
    assert vip is not None
    assert (vip.passwords, problems) == ((b"love", b"trust"), [])


@pytest.mark.parametrize(("key", "value"), [("PASSWORD_ALSO", "love"), ("PASSFILE_ALSO", "p")])
def test_a_second_password_that_is_the_first_counts_for_nothing(
    tmp_path: Path, key: str, value: str
) -> None:
    (tmp_path / "p").write_text("love\n")
    vip, (problem,) = one(tmp_path, **{key: value})
    assert vip is not None
    assert vip.password_also is None
    assert f"{key} is the same password as the first one" in problem.message
    assert (problem.line, is_error(problem)) == (5, False)


def test_a_passfile_that_is_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p")
    vip, problems = one(tmp_path, PASSFILE=str(tmp_path / "p"), PASSWORD="")
    assert vip is None
    assert "FIFO" in problems[0].message


def test_a_password_of_any_bytes_arrives_as_it_is(tmp_path: Path) -> None:
    vip, problems = one(tmp_path, PASSWORD="\udcff\udc80é$$`\\")
    assert problems == []
    assert vip is not None
    assert vip.password.get_secret_value() == b"\xff\x80\xc3\xa9$$`\\"


def test_no_password_is_printed_or_named_in_a_problem(tmp_path: Path) -> None:
    second = {"PASSWORD_ALSO": "ecretal so", "PASSFILE_ALSO": "/nowhere"}
    vip, problems = one(tmp_path, PASSWORD="tops ecret", PASSFILE="/nowhere", **second)
    assert vip is not None
    assert vip.passwords == (b"tops", b"ecretal")
    shown = f"{vip!r} {vip} {plain(vip)} {problems}"
    assert "tops" not in shown
    assert "ecret" not in shown.replace("SecretBytes", "")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("VIP_ADDRESS=198.51.100.\\\nPASSWORD='S3cret'", id="a backslash ends a line"),
        pytest.param('VIP_ADDRESS="1.2.3\nPASSWORD=S3cret"', id="a quote is missing twice"),
        pytest.param("OPTIONS='--advskew --pass=S3cret'", id="a value is missing"),
        pytest.param("OPTIONS='-k -pS3cret'", id="a value is missing before a letter"),
        pytest.param("OPTIONS='-b -zPpS3cret'", id="a value is missing before a cluster"),
    ],
)
def test_no_password_that_ran_into_another_value_is_told(tmp_path: Path, lines: str) -> None:
    """The first was found by fuzzing."""
    (tmp_path / "vip-001.conf").write_text(f"{text(GOOD)}{lines}\n")
    problems = read(tmp_path).problems
    assert any(map(is_error, problems))
    assert "S3cret" not in str(problems)


def test_the_published_password_with_a_process_number_does_not_run(tmp_path: Path) -> None:
    (tmp_path / "vip-001.conf").write_text(text(GOOD | {"PASSWORD": ""}) + 'PASSWORD="pa$$w0rd"\n')
    snapshot = read(tmp_path)
    assert snapshot.vips == ()
    (problem,) = snapshot.problems
    assert "process number" in problem.message
    assert "single quotes" in problem.hint
    assert "w0rd" not in str(problem)


# ---- files that are wrong ------------------------------------------------------------------------


def a_directory(path: Path) -> None:
    path.mkdir()


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def a_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def an_empty_file(path: Path) -> None:
    path.touch()


def a_binary_file(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 16)


def binary_without_zeros(path: Path) -> None:
    path.write_bytes(bytes(range(128, 256)) * 16)


def crlf(path: Path) -> None:
    path.write_bytes(text(GOOD).replace("\n", "\r\n").encode())


def half_written(path: Path) -> None:
    path.write_text(text(GOOD)[:-5])


def ten_megabytes(path: Path) -> None:
    path.write_text(text(GOOD) + "#" * 10_000_000)


FILES = [
    (a_directory, "directory"),
    (a_fifo, "FIFO"),
    (a_dangling_link, "points to nothing"),
    (a_link_to_itself, "cannot be read"),
    (a_device, "device"),
    (an_empty_file, "empty"),
    (a_binary_file, "not a text file"),
    (binary_without_zeros, "command"),
    (crlf, "CR LF"),
    (half_written, "never ends"),
    (ten_megabytes, f"larger than {MAX_BYTES} bytes"),
]


@pytest.mark.parametrize(("make", "message"), FILES)
def test_a_file_that_is_wrong_is_named_and_the_others_run(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    (tmp_path / "vip-001.conf").write_text(text(GOOD))
    make(tmp_path / "vip-003.conf")
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    problem = snapshot.problems[0]
    assert is_error(problem)
    assert problem.file == str(tmp_path / "vip-003.conf")
    assert message in problem.message
    assert problem.hint


@pytest.mark.parametrize(("make", "message"), [f for f in FILES if f[0] is not an_empty_file])
def test_a_common_file_that_is_wrong_is_reported_once_and_the_vips_run(
    tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "vip-common.conf")
    for name, keys in (("001", GOOD), ("002", OTHER)):
        (tmp_path / f"vip-{name}.conf").write_text(text(keys))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001", "002"]
    assert len(snapshot.problems) == len(set(snapshot.problems))
    assert message in snapshot.problems[0].message
    assert {problem.file for problem in snapshot.problems} == {str(tmp_path / "vip-common.conf")}


def test_what_a_broken_common_file_still_says_counts(tmp_path: Path) -> None:
    (tmp_path / "vip-common.conf").write_text("PASSWORD=`x`\nOPTIONS=-P\nBIND_INTERFACE=eth5\n")
    keys = GOOD | {"BIND_INTERFACE": ""}
    (tmp_path / "vip-001.conf").write_text(text({k: v for k, v in keys.items() if v}))
    (tmp_path / "vip-002.conf").write_text("VIP_ADDRESS=198.51.100.155\n")
    snapshot = read(tmp_path)
    assert [(vip.id, vip.preempt, vip.interface) for vip in snapshot.vips] == [
        ("001", True, "eth5")
    ]
    common, missing = snapshot.problems
    assert common.file == str(tmp_path / "vip-common.conf")
    assert missing.message == "PASSWORD is missing"
    assert "vip-common.conf" in missing.hint


def test_a_wrong_value_in_the_common_file_is_reported_once_at_its_own_place(tmp_path: Path) -> None:
    common = tmp_path / "vip-common.conf"
    common.write_text('\nOPTIONS="--preempt --advskw=10"\n')
    for name, keys in (("001", GOOD), ("002", OTHER)):
        (tmp_path / f"vip-{name}.conf").write_text(text(keys))
    snapshot = read(tmp_path)
    assert snapshot.vips == ()
    (problem,) = snapshot.problems
    assert (problem.file, problem.line, problem.column) == (str(common), 2, 20)


def test_an_unreadable_file_is_named_and_the_others_run(tmp_path: Path) -> None:
    """Run as another user, because root reads everything."""
    (tmp_path / "vip-001.conf").write_text(text(GOOD))
    (tmp_path / "vip-002.conf").write_text(text(OTHER))
    (tmp_path / "vip-002.conf").chmod(0)
    code = (
        "import sys, os, pathlib\n"
        "from vipd.config.load import load\n"
        "directory = os.open(sys.argv[1], os.O_RDONLY)\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "snapshot = load(pathlib.Path('/proc/self/fd', str(directory)))\n"
        "print([vip.id for vip in snapshot.vips], snapshot.problems[0].message)\n"
    )
    # Passed as a descriptor: the user nobody may not walk to the directory by its name.
    tmp_path.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout == "['001'] no permission to read the file\n"


@pytest.mark.parametrize("name", ["absent", "file"])
def test_a_directory_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    snapshot = load(tmp_path / name)
    assert snapshot.vips == ()
    assert [is_error(problem) for problem in snapshot.problems] == [True]
    assert "--config-dir" in snapshot.problems[0].hint


# ---- two that cannot run together ----------------------------------------------------------------


def test_the_copy_paste_slip_is_named_and_the_first_file_runs(tmp_path: Path) -> None:
    (tmp_path / "vip-001.conf").write_text(text({"ID": "001"} | GOOD))
    (tmp_path / "vip-002.conf").write_text(text({"ID": "001"} | OTHER))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    (problem,) = snapshot.problems
    assert (problem.file, problem.line, problem.column) == (str(tmp_path / "vip-002.conf"), 1, 5)
    assert "vip-001.conf" in problem.message
    assert "vip-002.conf" in problem.message
    assert 'ID="002"' in problem.hint


def test_octal_and_decimal_may_meet_in_one_vhid(tmp_path: Path) -> None:
    (tmp_path / "vip-008.conf").write_text(text(GOOD))
    (tmp_path / "vip-010.conf").write_text(text(OTHER))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["008"]
    assert "VHID 8" in snapshot.problems[-1].message


def test_one_address_cannot_belong_to_two(tmp_path: Path) -> None:
    (tmp_path / "vip-001.conf").write_text(text(GOOD))
    (tmp_path / "vip-002.conf").write_text(text(GOOD))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    assert "198.51.100.154 like vip-001.conf" in snapshot.problems[0].message


def test_other_interfaces_do_not_clash(tmp_path: Path) -> None:
    (tmp_path / "vip-001.conf").write_text(text(GOOD))
    (tmp_path / "vip-002.conf").write_text(text(GOOD | {"ID": "1", "BIND_INTERFACE": "eth2"}))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001", "002"]
    assert snapshot.problems == ()


# ---- nothing raises ------------------------------------------------------------------------------

KEY = st.sampled_from(
    [*GOOD, "ID", "VHID", "PASSFILE", "OPTIONS", "UPSCRIPT", "MANAGE_ADDRESS", "LEASE", "X"]
)
WORD = st.sampled_from(
    ["--advskew=", "-k", "010", "-1", "256", "192.0.2.1", "2001:db8::1/64", "é", "/", "eth0", "yes",
     "no", "$ID", "$X", "'", '"', "\\", " ", "-p", "-o", "-v", "/dev/null", "99999999999999999999"]
)  # fmt: skip
LINE = st.tuples(KEY, st.lists(WORD, max_size=4).map("".join)).map(lambda pair: "=".join(pair))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(LINE | st.tuples(KEY, WORD).map(lambda p: f'{p[0]}="{p[1]}"'), max_size=6)
    .map("\n".join)
    .map(lambda text: text.encode("utf-8", "surrogateescape"))
    | st.binary(max_size=80)
)
def test_no_file_makes_load_raise(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "vip-001.conf").write_bytes(text(GOOD).encode() + content)
    (tmp_path / "vip-002.conf").write_text(text(OTHER | {"BIND_INTERFACE": "eth2"}))
    (tmp_path / "vip-common.conf").write_bytes(content)
    snapshot = read(tmp_path)
    broken = {Path(problem.file).name for problem in snapshot.problems if is_error(problem)}
    assert "001" not in [vip.id for vip in snapshot.vips] or "vip-001.conf" not in broken
    for problem in snapshot.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert (problem.message + problem.hint).isprintable()


# ---- what ran with ucarp, and runs the same ------------------------------------------------------


def write(directory: Path, name: str, *lines: str) -> None:
    (directory / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def test_a_byte_order_mark_costs_the_first_line_as_it_did_in_the_shell(tmp_path: Path) -> None:
    write(tmp_path, "vip-001.conf", "\ufeff# web", text(GOOD))
    write(
        tmp_path, "vip-002.conf", "\ufeffVIP_ADDRESS=198.51.100.155", text(GOOD).partition("\n")[2]
    )
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    first, second, missing = snapshot.problems
    assert "byte order mark" in first.message
    assert (first.message, is_error(first), is_error(second)) == (second.message, False, False)
    assert missing.message == "VIP_ADDRESS is missing"


def test_a_file_may_read_another_which_is_watched_with_it(tmp_path: Path) -> None:
    write(tmp_path, "secrets", "PASSWORD='love'", ". $CONFDIR/more")
    write(tmp_path, "vip-common.conf", f". {tmp_path}/secrets", "OPTIONS=-P")
    write(tmp_path, "more", "BIND_INTERFACE=eth5")
    write(tmp_path, "vip-001.conf", "VIP_ADDRESS=198.51.100.1", f". {tmp_path}/later")
    snapshot = read(tmp_path)
    (vip,) = snapshot.vips
    assert (vip.interface, vip.preempt) == ("eth5", True)
    assert vip.password.get_secret_value() == b"love"
    here = {str(tmp_path / name) for name in ("secrets", "more", "later")}
    assert here <= snapshot.files
    (problem,) = snapshot.problems
    assert (problem.line, is_error(problem)) == (2, False)
    assert f"there is no {tmp_path}/later" in problem.message


@pytest.mark.parametrize("content", ["BIND_INTERFACE=$(x)\n", "BIND_INTERFACE=a/b\n", "A='\n"])
def test_what_is_wrong_in_a_file_that_is_read_keeps_its_vip_from_running(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "more").write_text(content)
    write(tmp_path, "vip-001.conf", text(GOOD), f". {tmp_path}/more")
    write(tmp_path, "vip-002.conf", text(OTHER | {"BIND_INTERFACE": "eth2"}))
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["002"]
    assert snapshot.failed["001"].file == str(tmp_path / "more")
    assert not snapshot.common_broken
    write(tmp_path, "vip-common.conf", f". {tmp_path}/more")
    assert read(tmp_path).common_broken


def test_what_only_an_earlier_file_has_is_taken_from_it_where_it_is_needed(tmp_path: Path) -> None:
    write(tmp_path, "vip-001.conf", text(GOOD), "OPTIONS=-P")
    write(tmp_path, "vip-002.conf", "VIP_ADDRESS=198.51.100.155")
    snapshot = read(tmp_path)
    first, second = snapshot.vips
    assert (second.interface, second.password) == (first.interface, first.password)
    assert (second.preempt, second.source) == (False, None)
    assert [problem.message.split(" ")[0] for problem in snapshot.problems] == [
        "BIND_INTERFACE",
        "PASSWORD",
    ]
    for problem in snapshot.problems:
        assert not is_error(problem)
        assert problem.file == second.file
        assert "vip-001.conf (line" in problem.message
        assert "love" not in str(problem)
    assert {key: place.line for key, place in snapshot.unset["002"].items()} == {
        "SOURCE_ADDRESS": 4,
        "OPTIONS": 6,
    }
    assert load(tmp_path, only="002").failed.keys() == {"002"}  # ucarp@002 read this file alone
    write(tmp_path, "vip-001.conf", "BIND_INTERFACE='")
    assert read(tmp_path).failed.keys() == {"001", "002"}


@pytest.mark.parametrize("lines", ["BIND_INTERFACE=eth5", "OPTIONS='-P -k10'", "# nothing", "X=1"])
def test_a_file_without_number_and_address_is_no_vip(tmp_path: Path, lines: str) -> None:
    write(tmp_path, "vip-001.conf", text(GOOD))
    write(tmp_path, "vip-common-master.conf", lines)
    snapshot = read(tmp_path)
    assert [vip.id for vip in snapshot.vips] == ["001"]
    assert snapshot.problems == ()
    assert snapshot.ignored == {"common-master": str(tmp_path / "vip-common-master.conf")}
    assert str(tmp_path / "vip-common-master.conf") in snapshot.files


@pytest.mark.parametrize(
    ("lines", "message"),
    [("VIP_ADDRESS=192.0.2.7", "ID is missing"), ("OPTIONS='-a 192.0.2.7'", "ID is missing"),
     ("ID=7", "VIP_ADDRESS is missing"), ("OPTIONS=-v7", "VIP_ADDRESS is missing"),
     ("ID='", "never ends"), ("", "the file is empty")],
)  # fmt: skip
def test_a_vip_with_a_name_that_has_something_forgotten_is_told(
    tmp_path: Path, lines: str, message: str
) -> None:
    write(tmp_path, "vip-common.conf", "BIND_INTERFACE=eth1 PASSWORD=love")
    write(tmp_path, "vip-web.conf", lines)
    snapshot = read(tmp_path)
    assert snapshot.failed.keys() == {"web"}
    assert message in snapshot.failed["web"].message
