"""`vipctl plan` as people run it, and the files that it writes, as vipd reads them."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest

from vipd.cli.planning.design import Wanted, design
from vipd.cli.planning.files import write
from vipd.cli.planning.orders import IMPOSSIBLE
from vipd.cli.planning.words import addresses
from vipd.config.load import load
from vipd.config.model import VipConfig

ROOT = Path(__file__).parents[2]
HOSTS = [f"--host=web0{n}=192.0.2.{n}" for n in range(1, 5)]
NEW = [*HOSTS, "--interface=eth1"]
RANGE = "192.0.2.101-192.0.2.113"


def plan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vipd.cli.main", "plan", *map(str, arguments)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def made(directory: Path, *arguments: str | Path) -> dict[str, dict[str, VipConfig]]:
    """Make a plan there; host → ID → VIP, as vipd reads them."""
    done = plan(*arguments, "--output", directory)
    assert (done.returncode, done.stderr) == (0, "")
    return site(directory)


def site(directory: Path) -> dict[str, dict[str, VipConfig]]:
    found = {}
    for place in sorted(directory.iterdir()):
        snapshot = load(place)
        assert not [each for each in snapshot.problems if each.severity.value == "error"]
        found[place.name] = {vip.id: vip for vip in snapshot.vips}
    return found


def order(hosts: dict[str, dict[str, VipConfig]], vip_id: str) -> list[str]:
    """The names of the hosts, first owner first."""
    skews = {name: vips[vip_id].advskew for name, vips in hosts.items() if vip_id in vips}
    assert len(set(skews.values())) == len(skews)
    return sorted(skews, key=lambda name: skews[name])


def spread(hosts: dict[str, dict[str, VipConfig]], failures: int) -> int:
    orders = [order(hosts, vip_id) for vip_id in next(iter(hosts.values()))]
    worst = 0
    for dead in combinations(hosts, failures):
        owners = Counter(next(name for name in each if name not in dead) for each in orders)
        loads = [owners[name] for name in hosts if name not in dead]
        worst = max(worst, max(loads) - min(loads))
    return worst


# -- what is written


@pytest.mark.parametrize("number", range(2, 9))
def test_the_files_are_as_even_as_is_possible(number: int, tmp_path: Path) -> None:
    for many in (1, 2, 7, 13, 25, 31, 50, 64):
        names = {f"h{n}": (f"10.0.0.{n}",) for n in range(1, number + 1)}
        floating = addresses([f"10.0.1.1-10.0.1.{many}"])
        wanted = Wanted(names, floating, (1,) * number, {}, "eth1", "love")
        directory = tmp_path / str(many)
        directory.mkdir()
        write(directory, design(wanted).files)
        hosts = site(directory)
        assert [len(vips) for vips in hosts.values()] == [many] * number
        twice = 2 if many in IMPOSSIBLE.get(number, ()) else 1
        for failures, most in zip(range(min(3, number)), (1, 1, twice), strict=False):
            assert spread(hosts, failures) <= most, (many, failures)


def test_every_host_gets_its_files_for_root_only(tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", *NEW, RANGE)
    assert list(hosts) == ["web01", "web02", "web03", "web04"]
    for number, (name, vips) in enumerate(hosts.items(), 1):
        assert list(vips) == [f"{n:03}" for n in range(1, 14)]
        assert (tmp_path / "out" / name).stat().st_mode & 0o777 == 0o700
        for path in (tmp_path / "out" / name).iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
        for n, vip in enumerate(vips.values(), 1):
            assert (vip.vhid, vip.interface, str(vip.source)) == (n, "eth1", f"192.0.2.{number}")
            assert [str(each) for each in vip.addresses] == [f"192.0.2.{100 + n}/32"]
            assert (vip.preempt, vip.shutdown, vip.advbase) == (True, True, 1)
    passwords = {vip.password for vips in hosts.values() for vip in vips.values()}
    assert len(passwords) == 1
    assert len(passwords.pop().get_secret_value()) == 19
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == list(hosts)


def test_two_plans_have_different_passwords_and_the_same_orders(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, *NEW, RANGE) for name in ("one", "two"))
    assert one["web01"]["001"].password != two["web01"]["001"].password
    assert [order(one, each) for each in one["web01"]] == [
        order(two, each) for each in one["web01"]
    ]


@pytest.mark.parametrize("password", ["tops3cret", "it's\"$HOME`x`\\!", "twenty-bytes-long-xy"])
def test_a_passfile_has_the_password_and_it_is_not_shown(password: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password}\nrest\n")
    done = plan(*NEW, "--passfile", file, "--output", tmp_path / "out", RANGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert password not in done.stdout
    for vips in site(tmp_path / "out").values():
        assert {v.password.get_secret_value().decode() for v in vips.values()} == {password}


@pytest.mark.parametrize("password", ["", "two words", "x" * 21, "tab\t"])
def test_a_password_that_the_files_cannot_hold_is_refused(password: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{password}\n")
    done = plan(*NEW, "--passfile", file, "--output", tmp_path / "out", RANGE)
    assert done.returncode == 2
    assert "cannot be PASSWORD; write 1 to 19 characters without blanks" in done.stderr
    assert not (tmp_path / "out").exists()


def test_both_families_lengths_and_single_addresses(tmp_path: Path) -> None:
    hosts = made(
        tmp_path / "out",
        *("--host=a=192.0.2.1,fe80::1", "--host=b=192.0.2.2,fe80::2", "--interface=eth1"),
        *("2001:db8::a-2001:db8::c", "192.0.2.30/24", "192.0.2.40-192.0.2.41/24"),
    )
    floating = [str(address) for vip in hosts["b"].values() for address in vip.addresses]
    assert floating == [
        *(f"2001:db8::{last}/128" for last in "abc"),
        *("192.0.2.30/24", "192.0.2.40/24", "192.0.2.41/24"),
    ]
    vip = hosts["b"]["001"]
    assert (str(vip.source), str(vip.source_ipv6)) == ("192.0.2.2", "fe80::2")


def test_255_addresses_have_every_vhid_once(tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", *NEW, "10.0.1.1-10.0.1.255")
    assert sorted(vip.vhid for vip in hosts["web03"].values()) == list(range(1, 256))


def test_vhids_may_begin_higher(tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", *NEW, "--vhid=200", "10.0.1.1-10.0.1.9")
    assert [vip.vhid for vip in hosts["web03"].values()] == list(range(200, 209))
    done = plan(*NEW, "--vhid=250", RANGE, "--dry-run")
    assert done.returncode == 2
    assert done.stderr == ("vipctl plan: 13 new addresses, and only 6 free VHIDs from 250 to 255\n")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = plan(*NEW, RANGE, "--dry-run", "--output", tmp_path / "out")
    assert done.returncode == 0
    assert "Nothing was written" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_there_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "web03").mkdir()
    done = plan(*NEW, RANGE, "--output", tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path}/web03 is there already: name another directory" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["web03"]


# -- what is shown


def table(text: str) -> dict[str, list[str]]:
    """Of the loads: who is dead → the cells."""
    lines = text.split("\n\n")[1].splitlines()
    width = lines[0].index("web01")
    return {line[:width].strip(): line[width:].split() for line in lines[1:]}


def test_the_table_has_every_failure_of_one_and_of_two(tmp_path: Path) -> None:
    done = plan(*NEW, RANGE, "--output", tmp_path / "out")
    shown = table(done.stdout)
    hosts = site(tmp_path / "out")
    orders = [order(hosts, vip_id) for vip_id in hosts["web01"]]
    assert len(shown) == 1 + 4 + 6
    for failures in range(3):
        for dead in combinations(hosts, failures):
            owners = Counter(next(name for name in each if name not in dead) for each in orders)
            expected = ["-" if name in dead else str(owners[name]) for name in hosts]
            assert shown[" ".join(dead) or "(all live)"] == expected
    owners_shown = [line.split()[3:] for line in done.stdout.split("\n\n")[0].splitlines()[1:]]
    assert owners_shown == orders
    assert "\nAfter any one failure: 4 to 5 addresses each, no two hosts more than 1" in done.stdout
    assert "\nAfter any two failures: 6 to 7 addresses each, no two hosts" in done.stdout


def test_where_even_loads_are_impossible_it_says_so() -> None:
    hosts = [f"--host=h{n}=192.0.2.{n}" for n in range(1, 6)]
    done = plan(*hosts, "--interface=eth1", "192.0.2.101-192.0.2.109", "--dry-run")
    assert (
        "\nAfter any two failures: 2 to 4 addresses each, hosts up to 2 apart: 1 is impossible"
        in (done.stdout)
    )
    assert "with 5 hosts and 9 addresses, whatever their order.\n" in done.stdout


def test_pins_and_weights_count_and_are_named_as_the_reason() -> None:
    arguments = [*NEW, "192.0.2.101-192.0.2.104", "--dry-run"]
    pins = [f"--pin=192.0.2.10{n}=web02" for n in range(1, 4)]
    done = plan(*arguments, *pins)
    assert table(done.stdout)["(all live)"] == ["1", "3", "0", "0"]
    assert "Now: 0 to 3 addresses each, hosts up to 3 apart: with these pins nothing" in done.stdout
    done = plan(*arguments, "--weight=web04=9")
    assert table(done.stdout)["(all live)"] == ["1", "0", "0", "3"]
    assert "every host its share, rounded" in done.stdout


def test_json_says_the_same_without_a_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("tops3cret\n")
    done = plan(*NEW, RANGE, "--dry-run", "--json", "--passfile", file)
    answer = json.loads(done.stdout)
    assert "tops3cret" not in done.stdout
    assert answer["hosts"] == ["web01", "web02", "web03", "web04"]
    assert answer["even"] == [True, True, True]
    assert len(answer["vips"]) == 13
    first = answer["vips"][0]
    assert sorted(first["advskew"].values()) == [0, 50, 100, 150]
    assert sorted(first["order"], key=lambda name: first["advskew"][name]) == first["order"]
    assert len(answer["outcomes"]) == 11
    assert all(sum(each["addresses"].values()) == 13 for each in answer["outcomes"])
    assert "vip-001.conf" in answer["changed"]["web02"]


# -- from files that are there


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan of 4 hosts and 13 addresses."""
    directory = tmp_path_factory.mktemp("four") / "out"
    made(directory, *NEW, RANGE)
    return directory


def contents(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


def differing(one: Path, two: Path) -> set[str]:
    old, new = contents(one), contents(two)
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def test_from_an_even_plan_nothing_changes(four: Path, tmp_path: Path) -> None:
    choices: tuple[list[str], ...] = ([], [*HOSTS, RANGE])
    for arguments in choices:
        output = tmp_path / str(len(arguments))
        made(output, "--from", four, *arguments)
        assert differing(four, output) == set()


def test_a_fifth_host_gets_its_share_from_the_others(four: Path, tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", "--from", four, *HOSTS, "--host=web05=192.0.2.5")
    assert [spread(hosts, failures) for failures in (0, 1)] == [1, 1]
    changed = differing(four, tmp_path / "out")
    assert {name for name in changed if name.startswith("web05/")} == {
        "web05/vip-common.conf",
        *(f"web05/vip-{n:03}.conf" for n in range(1, 14)),
    }
    moved = [name for name in changed if not name.startswith("web05/")]
    assert len(moved) <= 8  # of 56
    old = site(four)
    firsts = {i: (order(old, i)[0], order(hosts, i)[0]) for i in hosts["web05"]}
    assert {new for was, new in firsts.values() if was != new} == {"web05"}
    assert str(hosts["web05"]["001"].source) == "192.0.2.5"
    assert hosts["web05"]["001"].password == old["web01"]["001"].password


def test_a_new_address_moves_no_other(four: Path, tmp_path: Path) -> None:
    hosts = made(tmp_path / "out", "--from", four, RANGE, "192.0.2.200")
    changed = differing(four, tmp_path / "out")
    assert changed >= {f"web0{n}/vip-014.conf" for n in range(1, 5)}
    assert len(changed) <= 6  # of 60
    old = site(four)
    assert all(order(old, each)[0] == order(hosts, each)[0] for each in old["web01"])
    assert [spread(hosts, failures) for failures in (0, 1)] == [1, 1]
    assert hosts["web01"]["014"].password == hosts["web01"]["001"].password


def test_hosts_and_addresses_that_are_not_named_leave(four: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = plan("--from", four, *HOSTS[:3], "192.0.2.101-192.0.2.112", "--output", output)
    assert "web04: not in the plan any more" in done.stdout
    assert "VIPs that are not in the plan any more: 013" in done.stdout
    hosts = site(output)
    assert list(hosts) == ["web01", "web02", "web03"]
    assert list(hosts["web01"]) == [f"{n:03}" for n in range(1, 13)]
    assert [spread(hosts, failures) for failures in (0, 1)] == [0, 0]
    old = site(four)
    for vip_id in hosts["web01"]:
        was = order(old, vip_id)[0]
        assert was in (order(hosts, vip_id)[0], "web04") or vip_id == "013"


def test_what_people_wrote_stays_and_only_the_advskew_changes(tmp_path: Path) -> None:
    """Files as EPEL's users have them: everything in each file, OPTIONS in their own spelling."""
    options = {
        "web01": ['"--preempt -k 10 -z"', "'-Pzk5'"],
        "web02": ['"--shutdown --preempt --advskew 20"', '"-P -z --advskew=30"'],
    }
    for host, each in options.items():
        place = tmp_path / "in" / host
        place.mkdir(parents=True)
        for number, text in enumerate(each, 1):
            (place / f"vip-00{number}.conf").write_text(
                f"# {host}: by hand\nID={number}\nVIP_ADDRESS=192.0.2.10{number}\nPASSWORD=love\n"
                f"BIND_INTERFACE=eth7\nSOURCE_ADDRESS=192.0.2.{host[-1]}\nLEASE=9\nOPTIONS={text}\n"
            )
    hosts = made(tmp_path / "out", "--from", tmp_path / "in", *("--pin=192.0.2.102=web02",))
    assert order(hosts, "002") == ["web02", "web01"]
    changed = differing(tmp_path / "in", tmp_path / "out")
    assert changed == {"web01/vip-002.conf"}
    old, new = ((tmp_path / d / "web01/vip-002.conf").read_text() for d in ("in", "out"))
    assert new == old.replace("-Pzk5", "-Pzk80")
    more = tmp_path / "more"
    wider = ["--host=web01=192.0.2.1", "--host=web02=192.0.2.2", "--host=web03=192.0.2.3"]
    hosts = made(more, "--from", tmp_path / "out", *wider, "192.0.2.101-192.0.2.103")
    assert {str(vip.source) for vip in hosts["web03"].values()} == {"192.0.2.3"}
    assert {vip.interface for vips in hosts.values() for vip in vips.values()} == {"eth7"}
    assert {vip.password.get_secret_value() for vip in hosts["web02"].values()} == {b"love"}
    assert [hosts["web03"][i].lease for i in ("001", "002", "003")] == [9, 9, "auto"]


def test_options_that_several_files_share_are_added_to(tmp_path: Path) -> None:
    for host in ("web01", "web02"):
        place = tmp_path / "in" / host
        place.mkdir(parents=True)
        (place / "vip-common.conf").write_text(
            f"PASSWORD=love\nBIND_INTERFACE=eth1\nSOURCE_ADDRESS=192.0.2.{host[-1]}\n"
            'OPTIONS="--shutdown --neutral"\n'
        )
        (place / "vip-001.conf").write_text("VIP_ADDRESS=192.0.2.101\n")
    hosts = made(tmp_path / "out", "--from", tmp_path / "in")
    for vips in hosts.values():
        assert (vips["001"].preempt, vips["001"].neutral, vips["001"].shutdown) == (True,) * 3
    again = tmp_path / "again"
    made(again, "--from", tmp_path / "out")
    assert differing(tmp_path / "out", again) == set()


def test_hosts_with_peers_that_do_not_list_a_new_one_are_refused(tmp_path: Path) -> None:
    made(tmp_path / "in", *HOSTS[:2], "--interface=eth1", RANGE)
    for n in (1, 2):
        with (tmp_path / f"in/web0{n}/vip-common.conf").open("a") as common:
            common.write(f"PEERS=192.0.2.{3 - n}\n")
    hosts = made(tmp_path / "same", "--from", tmp_path / "in")
    assert str(hosts["web01"]["001"].peers) == "(IPv4Address('192.0.2.2'),)"
    done = plan("--from", tmp_path / "in", "--output", tmp_path / "out", *HOSTS[:3])
    assert done.returncode == 2
    assert "vip-001.conf of web01: PEERS lacks web03; list every other host, on each" in done.stderr
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("web02/vip-003.conf", "192.0.2.103", "192.0.2.99"), "vip-003.conf has another VHID, VIP"),
        (("web02/vip-common.conf", "PASSWORD=", "PASSWORD=x"), "have a different password"),
        (("web02/vip-004.conf", "--preempt", "--preempt -b 2"), "have a different advbase"),
        (("web02/vip-004.conf", "ID=4", "ID=$(id)"), "before anything is planned"),
    ],
)
def test_files_that_contradict_each_other_are_refused(
    four: Path, tmp_path: Path, change: tuple[str, str, str], message: str
) -> None:
    for name, text in contents(four).items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(*change[1:]) if name == change[0] else text)
    done = plan("--from", tmp_path / "in", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("vipctl plan: ")
    assert message in done.stderr
    assert not list((tmp_path / "out").glob("*"))


# -- wrong usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--host is missing"),
        (HOSTS, "--interface is missing"),
        (NEW, "ADDRESS is missing"),
        ([*NEW, "192.0.2.9-192.0.2.3"], "the last address is below the first one"),
        ([*NEW, "192.0.2.9-12"], "two whole addresses as FIRST-LAST"),
        ([*NEW, "192.0.2.9", "192.0.2.9/24"], "192.0.2.9 is there twice"),
        ([*NEW, "10.0.0.0-10.0.1.0"], "more than 255 addresses"),
        ([*NEW, "192.0.2.3"], "192.0.2.3 is the own address of a host"),
        ([*NEW, RANGE, "--pin=192.0.2.7=web01"], "192.0.2.7 is not in the plan"),
        ([*NEW, RANGE, "--pin=192.0.2.101=web9"], "there is no host 'web9', only web01"),
        ([*NEW, RANGE, "--weight=web01=0"], "write a number from 1 to 100"),
        ([*NEW, RANGE, "--host=web01=192.0.2.77"], "two --host are named web01"),
        ([*NEW, RANGE, "--host=web09=192.0.2.1"], "two --host have the address 192.0.2.1"),
        ([*NEW, RANGE, "--host=../x=192.0.2.8"], "cannot be the name of a directory"),
        ([*NEW, RANGE, "--host=x"], "write --host NAME=SOURCE"),
        ([*NEW[:1], "--interface=eth1", RANGE], "a plan is for 2 to 32"),
        ([*NEW[:4], "--interface=much-too-long-for-it", RANGE], "name of an interface"),
        (["--from", "/nonexistent"], "/nonexistent: No such file or directory"),
        (["--from", "docs"], "docs has no directory with vip-NNN.conf files"),
        (["--from", "conf.d.example", "--interface=eth1"], "--interface is for new files"),
    ],
)
def test_wrong_usage_is_explained(arguments: Sequence[str], message: str, tmp_path: Path) -> None:
    done = plan(*arguments, "--output", tmp_path / "out")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not list((tmp_path / "out").glob("*"))
