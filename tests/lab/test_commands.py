"""`vipctl lab` as people and scripts use it."""

import re
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from vipd.lab import LabError
from vipd.lab.plan import floating, free_address, plan_bare, plan_from_config, preferred

ROOT = Path(__file__).parents[2]
WEB01, WEB02 = (ROOT / "conf.d.example" / name for name in ("web01", "web02"))
UCARP = (
    "ucarp -i eth1 -v 1 -p love -a 198.51.100.154 "
    "-u /run/lab/vip-up -d /run/lab/vip-down -z -P -k 10 -s 198.51.100.180"
)


def vipctl(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vipd.cli.main", "lab", *map(str, arguments)],
        cwd=ROOT,
        input=text,
        text=True,
        capture_output=True,
        timeout=100,
        check=False,
    )


def config(directory: Path, **keys: str) -> Path:
    directory.mkdir(exist_ok=True)
    defaults = {"PASSWORD": "love", "BIND_INTERFACE": "eth1", "VIP_ADDRESS": "198.51.100.154"}
    lines = [f'{key}="{value}"' for key, value in {**defaults, **keys}.items()]
    (directory / f"vip-{keys['ID']}.conf").write_text("\n".join(lines) + "\n")
    return directory


# -- planning


def test_the_published_pair_becomes_two_hosts_with_their_preferences() -> None:
    web01 = plan_from_config("web01", WEB01, [])
    web02 = plan_from_config("web02", WEB02, [web01])
    assert web01.interfaces == {"eth1": (IPv4Interface("198.51.100.179/24"),)}
    assert web02.interfaces == {"eth1": (IPv4Interface("198.51.100.180/24"),)}
    first, second = floating([web01, web02])
    assert (str(first), str(second)) == ("198.51.100.154", "198.51.100.155")
    assert preferred(first, [web01, web02]) == "web01"
    assert preferred(second, [web01, web02]) == "web02"
    assert preferred(second, [web01]) == "web01"
    assert preferred(IPv4Address("192.0.2.1"), [web01]) is None


def test_a_host_without_source_address_gets_a_free_one(tmp_path: Path) -> None:
    directory = config(tmp_path / "web", ID="1", VIP_ADDRESS="198.51.100.254")
    one = plan_from_config("one", directory, [])
    two = plan_from_config("two", directory, [one])
    assert one.interfaces["eth1"] == (IPv4Interface("198.51.100.253/24"),)
    assert two.interfaces["eth1"] == (IPv4Interface("198.51.100.252/24"),)


def test_the_network_is_large_enough_for_the_source_and_the_floating_address(
    tmp_path: Path,
) -> None:
    directory = config(tmp_path / "web", ID="1", SOURCE_ADDRESS="198.51.101.7")
    plan = plan_from_config("web", directory, [])
    assert plan.networks() == [IPv4Network("198.51.100.0/23")]


def test_a_full_network_has_no_free_address() -> None:
    network = IPv4Network("192.0.2.0/30")
    assert str(free_address(network, [IPv4Address("192.0.2.2")])) == "192.0.2.1/30"
    with pytest.raises(LabError, match="no free address"):
        free_address(network, network.hosts())


def test_a_bare_host_has_its_address_on_eth1() -> None:
    plan = plan_bare("old", IPv4Interface("192.0.2.1/24"), ["sleep", "9"])
    assert plan.interfaces == {"eth1": (IPv4Interface("192.0.2.1/24"),)}
    assert plan.command == ("sleep", "9")


# -- what people get wrong


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--host", "web01"], "write --host NAME=DIRECTORY"),
        (["--host", "web01=/nonexistent"], "neither a directory nor an ADDRESS/LENGTH"),
        (["--host", f"a={WEB01}", "--host", f"a={WEB02}"], "same name"),
        (["--host", f"a={WEB01}", "--command", "b=ucarp"], "there is no --host b="),
        (["--host", f"a={WEB01}", "--watch", "nonsense"], "--watch nonsense"),
        (["--host", f"a={ROOT / 'vipd'}"], "vipctl check --config-dir"),
    ],
)
def test_a_wrong_option_is_refused_with_what_to_write(arguments: list[str], complaint: str) -> None:
    done = vipctl("run", *arguments)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


# -- real runs


@pytest.mark.lab
def test_vipd_beside_ucarp_at_a_scripted_prompt(tmp_path: Path) -> None:
    web01 = config(
        tmp_path / "web01", ID="001", SOURCE_ADDRESS="198.51.100.179", OPTIONS="--preempt"
    )
    logs = tmp_path / "logs"
    done = vipctl(
        *("run", "--host", f"web01={web01}", "--host", "old=198.51.100.180/24"),
        *("--command", f"old={UCARP}", "--keep-logs", logs, "--settle", "1.5"),
        text="# a comment\ncut web01\nexec old ip -o addr\n\nlog old 5\ngaps\nstatus\n",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(part.split("\n", 1) for part in done.stdout.split("lab> ")[2:])
    assert re.search(r"198\.51\.100\.154 +web01", done.stdout.split("lab> ")[1])
    assert re.search(r"\+[2345]\.\d\d s  old owns 198\.51\.100\.154", said["cut web01"])
    assert re.search(r"198\.51\.100\.154 did not answer for [2-5]\d{3} ms", said["cut web01"])
    assert "inet 198.51.100.154/32" in said["exec old ip -o addr"]
    assert "Switching to state: MASTER" in said["log old 5"]
    assert "198.51.100.154 did not answer for" in said["gaps"]
    assert re.search(r"198\.51\.100\.154 +old", said["status"])
    kept = {path.name.rsplit("-", 1)[0] for path in logs.iterdir()}
    assert kept >= {"web01-vipd", "old-ucarp"}


CHECKED = {
    "CHECK_Web": '/usr/bin/no-such-program --url \\"it\'s here\\"',
    "CHECK_WEB_USER": "no-such-user",
    "TRACK_UNIT": "no-such-unit",
    "TRACK_UP": "0.5",
    "TRACK_INTERFACE": "eth2",
    "TRACK_FILE": "/run/drain",
    "TRACK_GATEWAY": "198.51.100.1",
    "CHECK_INTERVAL": "0.3",
    "CHECK_FALL": "2",
    "CHECK_RISE": "2",
    "CHECK_HOLD": "0",
}


def test_what_is_checked_is_played_and_what_is_tracked_is_there(tmp_path: Path) -> None:
    directory = config(tmp_path / "web", ID="1", SOURCE_ADDRESS="198.51.100.1", **CHECKED)
    plan = plan_from_config("web", directory, [])
    assert plan.interfaces == {"eth1": (IPv4Interface("198.51.100.1/24"),), "eth2": ()}
    assert plan.gateways == (IPv4Address("198.51.100.1"),)
    played = plan.played
    assert played.reasons == ["check:no_such_unit", "check:web", "track:/run/drain"]
    assert [played.reason(word) for word in ("WEB", "no-such-unit.service", "/run/drain")] == [
        "check:web",
        "check:no_such_unit",
        "track:/run/drain",
    ]
    with pytest.raises(LabError, match="only no_such_unit, web, /run/drain"):
        played.reason("db")
    real = plan_from_config("web", directory, [], real_checks=True)
    assert real.played.reasons == []


@pytest.mark.lab
def test_checks_fail_and_recover_at_the_prompt_and_the_address_moves(tmp_path: Path) -> None:
    one, two = (
        config(
            tmp_path / name,
            ID="001",
            SOURCE_ADDRESS=f"198.51.100.{number}",
            OPTIONS=f"--preempt --advskew={number}",
            **CHECKED,
        )
        for number, name in ((20, "one"), (120, "two"))
    )
    (one / "vip-001.pwd").write_text("love\n")
    with (one / "vip-001.conf").open("a") as file:
        file.write("PASSWORD=\nPASSFILE=vip-001.pwd\n")
    script = [
        "sick one web no answer",
        "exec one cat /run/lab/sick/web",
        "well one web",
        "cut one eth2",
        "join one eth2",
        "sick one /run/drain deploying",
        "well one /run/drain",
        "sick one no-such-unit",
        "crash one",
        "boot one",
        "well one db",
        "exec one ls -A /run/lab/sick",
    ]
    done = vipctl(
        *("run", "--host", f"one={one}", "--host", f"two={two}", "--settle", "1.5"),
        text="".join(f"{line}\n" for line in script),
    )
    assert done.returncode == 1  # because of db
    first, *parts = done.stdout.split("lab> ")[1:]
    said = dict(part.split("\n", 1) for part in parts)
    assert "checked and tracked: check:no_such_unit, check:web, track:/run/drain" in first
    told = done.stdout + done.stderr
    for command, reason, owner in (
        ("sick one web no answer", "check:web fails on one", "two"),
        ("well one web", "check:web is well again on one", "one"),
        ("cut one eth2", "", "two"),
        ("join one eth2", "", "one"),
        ("sick one /run/drain deploying", "track:/run/drain fails on one", "two"),
        ("well one /run/drain", "track:/run/drain is well again on one", "one"),
        ("sick one no-such-unit", "check:no_such_unit fails on one", "two"),
    ):
        assert reason in said[command], told
        assert f"{owner} owns 198.51.100.154" in said[command], told
    assert "no answer" in said["exec one cat /run/lab/sick/web"]
    assert "nothing called 'db' is checked or tracked there" in said["well one db"]
    assert said["exec one ls -A /run/lab/sick"].strip() == ""  # it is a new machine


@pytest.mark.lab
@pytest.mark.parametrize("example", ["both-families", "health-checks", "router-pair", "unicast"])
def test_every_published_pair_runs(example: str) -> None:
    first, second = sorted((ROOT / "conf.d.example" / example).iterdir())
    hosts = [f"--host={each.name}={each}" for each in (first, second)]
    done = vipctl("run", *hosts, text="owners\n")
    assert done.returncode == 0, done.stdout + done.stderr
    for each in (first, second):
        assert re.search(rf"{each.name}: <vipd on {each.name} pid \d+, running>", done.stdout)


def test_a_script_with_a_mistake_goes_on_and_fails_at_the_end() -> None:
    done = vipctl(
        *("run", "--host", "one=192.0.2.1/24", "--host", "two=192.0.2.2/24", "--settle", "0.1"),
        text="fly one\ncut three\nfreeze one\nexec one false\nlog one\nexec two echo still here\n",
    )
    assert done.returncode == 1
    for said in (
        "unknown command 'fly'",
        "which host? There are one, two",
        "nothing has been started on one",
        "false ended with status 1",
        "still here",
    ):
        assert said in done.stdout


@pytest.mark.lab
def test_the_tour_comes_true() -> None:
    done = vipctl("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [
        line.split(" after")[0].strip() for line in done.stdout.splitlines() if "✓" in line
    ] == [
        "✓ 198.51.100.154 is on web01",
        "✓ 198.51.100.155 is on web02",
        "✓ 198.51.100.154 is on web02",
        "✓ 198.51.100.155 is on web02, as before",
        "✓ 198.51.100.154 is on web01",
        "✓ 198.51.100.155 is on web02, as before",
    ]
    assert re.search(r"cable cut +198\.51\.100\.154 +\d{3,4} ms", done.stdout)


@pytest.mark.lab
def test_a_tour_whose_expectation_fails_says_so(tmp_path: Path) -> None:
    # Another password on one side: both hosts become master.
    one = config(tmp_path / "one", ID="1", SOURCE_ADDRESS="198.51.100.1")
    two = config(tmp_path / "two", ID="1", SOURCE_ADDRESS="198.51.100.2", PASSWORD="hate")
    done = vipctl("demo", "--config", one, "--config", two)
    assert done.returncode == 1
    assert "should belong to one" in done.stdout
    assert "belongs to one and two" in re.sub(r"\s+", " ", done.stdout)
    assert "log of vipd on two" in done.stdout
