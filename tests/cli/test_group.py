"""GROUP in the commands: check, why, plan."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.configured import write_vip

from cli.conftest import Vipctl
from cli.samples import BACKUP, NOW
from cli.test_plan import NEW, RANGE, made, order, plan
from vipd.api.io_vipd import Finding
from vipd.carp.health import Health
from vipd.cli.why import sentences


def pair(directory: Path, first: str | None, second: str | None, options: str = "") -> None:
    """Two VIPs with these GROUPs; OPTIONS of the second."""
    write_vip(directory, "001", GROUP=first, BIND_INTERFACE="lo")
    write_vip(
        directory, "002", GROUP=second, BIND_INTERFACE="lo", VIP_ADDRESS="203.0.113.1",
        OPTIONS=options,
    )  # fmt: skip


def messages(vipctl: Vipctl, directory: Path) -> list[str]:
    done = vipctl("check", "--json", "--config-dir", str(directory))
    return [
        each["message"]
        for each in json.loads(done.stdout)["problems"]
        if "GROUP" in each["message"]
    ]


def test_check_shows_groups_and_has_nothing_against_a_pair(vipctl: Vipctl, tmp_path: Path) -> None:
    pair(tmp_path, "router", "router")
    assert messages(vipctl, tmp_path) == []
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.stdout.count("group=router") == 2


def test_check_warns_of_a_group_of_one(vipctl: Vipctl, tmp_path: Path) -> None:
    pair(tmp_path, "router", "rooter")
    assert messages(vipctl, tmp_path) == [
        "GROUP=rooter has no other VIP on this host (there is router, too), so that it has no "
        "effect",
        "GROUP=router has no other VIP on this host (there is rooter, too), so that it has no "
        "effect",
    ]
    pair(tmp_path, "router", None)
    assert messages(vipctl, tmp_path) == [
        "GROUP=router has no other VIP on this host, so that it has no effect"
    ]


def test_check_warns_of_members_that_do_not_come_home_together(
    vipctl: Vipctl, tmp_path: Path
) -> None:
    pair(tmp_path, "router", "router", "--preempt")
    assert messages(vipctl, tmp_path) == [
        "of GROUP=router, 001 has no --preempt, and others have: after a failure only those come "
        "back to this host"
    ]


@pytest.mark.parametrize("name", ["two words", "a/b", "ü", "x" * 65])
def test_a_name_that_is_none(vipctl: Vipctl, tmp_path: Path, name: str) -> None:
    pair(tmp_path, name, name)
    done = vipctl("check", "--config-dir", str(tmp_path))
    assert done.returncode == 2
    assert "is not a name of 1 to 64 letters, digits, - _ ." in done.stdout


def test_why_names_who_ails_and_what_ends_it() -> None:
    said, ends = "002: waits: eth2 has no carrier", "with 002: when that ends"
    found = Finding("group:router", False, NOW - 8, said, ends, None)
    vip = replace(BACKUP, health=Health.SICK, findings=[found], group="router")
    text = "\n".join(sentences(vip, NOW))
    assert "group:router: another VIP of its group ails since" in text
    assert "8 s ago: 002: waits: eth2 has no carrier." in text
    assert "It is well again with 002: when that ends." in text


def test_why_of_the_one_that_ails_names_the_consequence() -> None:
    vip = replace(BACKUP, group="router", ails="waits: eth2 has no carrier")
    assert sentences(vip, NOW)[-1] == (
        "For the others of its group router on this host that is a reason to be sick, too: waits: "
        "eth2 has no carrier."
    )


PAIRS = [f"--group=r{n}=192.0.2.{100 + n},192.0.2.{106 + n}" for n in range(1, 7)]


def test_a_plan_gives_the_vips_of_a_group_one_order(tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", *NEW, *PAIRS, RANGE)
    firsts = []
    for number in range(1, 7):
        one, two = f"{number:03}", f"{number + 6:03}"
        assert order(hosts, one) == order(hosts, two)
        assert hosts["web01"][one].group == hosts["web01"][two].group == f"r{number}"
        firsts.append(order(hosts, one)[0])
    firsts.append(order(hosts, "013")[0])
    loads = sorted(firsts.count(name) for name in hosts)
    assert loads == [1, 2, 2, 2]
    again = plan("--from", tmp_path / "out", "--dry-run", "--json")
    assert not any(json.loads(again.stdout)["changed"].values())


def test_a_plan_from_files_brings_the_vips_of_a_group_together(tmp_path: Path) -> None:
    before = made(tmp_path / "in", *NEW, "192.0.2.101-192.0.2.104")
    assert order(before, "001") != order(before, "002")
    for name in before:
        for file in ("vip-001.conf", "vip-002.conf"):
            with (tmp_path / "in" / name / file).open("a") as stream:
                stream.write("GROUP=router\n")
    after = made(tmp_path / "out", "--from", tmp_path / "in")
    assert order(after, "001") == order(after, "002") == order(before, "001")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--group=r=192.0.2.200,192.0.2.101"], "192.0.2.200 is none of the ADDRESSes"),
        (["--group=r r=192.0.2.101"], "is not letters, digits, - _ and ."),
        (["--group=a=192.0.2.101", "--group=b=192.0.2.101"], "192.0.2.101 is in a already"),
        (
            ["--group=a=192.0.2.101,192.0.2.102", "--pin=192.0.2.101=web01",
             "--pin=192.0.2.102=web02"],
            "--pin 192.0.2.102=web02: web01 has another VIP of its GROUP",
        ),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_planned(words: list[str], message: str) -> None:
    done = plan(*NEW, "--dry-run", *words, RANGE)
    assert done.returncode == 2
    assert message in done.stderr
