"""Files that come, change and go, as vipd finds out by itself."""

import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP

import pytest
from helpers.advertising import LATE, bows_out, go_on, lateness, of_vhid, seen
from helpers.asking import vip_of
from helpers.captured import capture
from helpers.configured import QUICK, VIP, write_script, write_vip
from helpers.forging import frame, send, signed
from helpers.hosts import address_of, ip, transitions, until
from helpers.machine import Delay

from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

SECOND = "198.51.100.155"
THIRD = "198.51.100.156"
SLOW = f"{QUICK} --advskew=50"


def test_a_new_file_starts_and_a_removed_one_bows_out_and_lets_go(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "proto", "112")
    write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    lab.wait_owner(VIP, "web01")
    second = write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    lab.wait_owner(SECOND, "web01")
    second.unlink()
    lab.wait_owner(SECOND, None)
    bows_out(dump, 2)
    seen(dump, 1, times=5)
    assert transitions(daemon) == ["BACKUP", "MASTER"]
    assert transitions(daemon, "002") == ["BACKUP", "MASTER", "INIT"]
    assert lateness(of_vhid(dump, 1), delay) < LATE


def test_small_changes_are_made_in_place(
    web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    """Each setting on a VIP of its own, all at once: no transition, no advertisement missed, and
    then a sign that each of them is in force."""
    said = tmp_path / "said"
    old = str(write_script(tmp_path / "old", f'echo "old $*" >>{said}'))
    new = str(write_script(tmp_path / "new", f'echo "new $*" >>{said}'))
    changes: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "advskew": ({"OPTIONS": QUICK}, {"OPTIONS": f"{QUICK} --advskew=20"}),
        "preempt": ({"OPTIONS": QUICK}, {"OPTIONS": f"{QUICK} --preempt"}),
        "deadratio": ({"OPTIONS": QUICK}, {"OPTIONS": "--deadratio=4"}),
        "password": ({"OPTIONS": SLOW}, {"OPTIONS": SLOW, "PASSWORD": "hope"}),
        "scripts": (
            {"OPTIONS": f"{QUICK} -z", "UPSCRIPT": old, "DOWNSCRIPT": old},
            {"OPTIONS": f"{QUICK} -z", "UPSCRIPT": new, "DOWNSCRIPT": new},
        ),
        "xparam": (
            {"OPTIONS": f"{QUICK} -z -x one", "UPSCRIPT": old, "DOWNSCRIPT": old},
            {"OPTIONS": f"{QUICK} -z -x two", "UPSCRIPT": old, "DOWNSCRIPT": old},
        ),
        "mcast": ({"OPTIONS": QUICK}, {"OPTIONS": f"{QUICK} --mcast=239.192.0.5"}),
        "lease": ({"OPTIONS": QUICK}, {"OPTIONS": "--deadratio=20", "LEASE": "20"}),
        "no lease": ({"OPTIONS": QUICK}, {"OPTIONS": QUICK, "LEASE": "off"}),
    }
    vhids = {what: number for number, what in enumerate(changes, 1)}
    addresses = {what: f"198.51.100.{vhids[what]}" for what in changes}

    def write(which: int) -> None:
        for what, keys in changes.items():
            name = f"{vhids[what]:03}"
            write_vip(files, name, VIP_ADDRESS=addresses[what], **keys[which])

    dump = capture(web02, "proto", "112")
    write(0)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    for vhid in vhids.values():
        seen(dump, vhid, times=2)
    write(1)
    seen(dump, vhids["advskew"], lambda ad: ad.advskew == 20)
    go_on(dump, *vhids.values())
    for what, vhid in vhids.items():
        assert transitions(daemon, f"{vhid:03}") == ["BACKUP", "MASTER"], what
        assert lateness(of_vhid(dump, vhid), delay) < LATE, what

    assert {ad.group for ad in of_vhid(dump, vhids["mcast"])[-2:]} == {"239.192.0.5"}
    lease = address_of(web01, addresses["lease"])
    assert lease is not None
    assert 2 < lease["valid_life_time"] <= 20
    no_lease = address_of(web01, addresses["no lease"])
    assert no_lease is not None
    assert no_lease["valid_life_time"] > 1 << 31  # the kernel's word for ever
    believed = signed(
        vhid=vhids["password"], password="hope", addresses=[addresses["password"]]
    ).build()
    send(web02, frame(believed))
    daemon.wait_for(rf"^<4>{vhids['password']:03}: Preferred master advertised")
    said.unlink()
    daemon.stop()
    for words in (
        f"new eth1 {addresses['scripts']}",
        f"old eth1 {addresses['xparam']} two",
    ):
        assert words in said.read_text().splitlines()


def test_preemption_switched_on_takes_effect_on_the_master_that_is_heard(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    write_vip(tmp_path / "other", OPTIONS=SLOW)
    web02.vipd(tmp_path / "other")
    lab.wait_owner(VIP, "web02")
    write_vip(files)
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP")
    write_vip(files, OPTIONS="--preempt")
    lab.wait_owner(VIP, "web01")
    daemon.wait_for("we preempt")


def test_a_shorter_patience_counts_the_silence_so_far(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS="--deadratio=200")
    daemon = web01.vipd(files)
    daemon.wait_for("state: BACKUP")
    write_vip(files, OPTIONS=QUICK)
    lab.wait_owner(VIP, "web01")
    assert transitions(daemon) == ["BACKUP", "MASTER"]


def test_a_shorter_lease_begins_at_once(lab: Lab, web01: Host, files: Path) -> None:
    write_vip(files, OPTIONS="--advbase=0 --advskew=200 --deadratio=5")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    write_vip(files, OPTIONS="--advbase=0 --advskew=32 --deadratio=3")
    daemon.wait_for("changed in place")
    left = vip_of(daemon).get("lease_left")
    assert left is None or left <= 3 * 32 / 256


def lived_twice(daemon: Process, vip: str) -> None:
    """Wait until a VIP has ended in order and is master again."""
    life = ["BACKUP", "MASTER"]
    until(lambda: transitions(daemon, vip) == [*life, "INIT", *life], daemon.tail)


def test_large_changes_restart_that_vip_alone(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    """Interface, VHID, source and address, each on a VIP of its own; a fifth one looks on."""
    ip(
        web01,
        "link add eth2 link eth1 type macvlan mode bridge",
        "link set eth2 up",
        "addr add 192.0.2.9/24 dev eth2",
        "addr add 198.51.100.42/24 dev eth1",
    )
    changes: dict[str, dict[str, str]] = {
        "001": {"BIND_INTERFACE": "eth2"},
        "002": {"VHID": "22"},
        "003": {"SOURCE_ADDRESS": "198.51.100.42"},
        "004": {"VIP_ADDRESS": "198.51.100.44"},
    }
    dump = capture(web02, "proto", "112")
    addresses = {f"{number:03}": f"198.51.100.{number}" for number in range(1, 6)}
    for name, address in addresses.items():
        write_vip(files, name, VIP_ADDRESS=address, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    for address in addresses.values():
        lab.wait_owner(address, "web01")
    for name, keys in changes.items():
        write_vip(files, name, **{"VIP_ADDRESS": addresses[name], "OPTIONS": QUICK, **keys})
    for name in changes:
        lived_twice(daemon, name)
    for address in (*list(addresses.values())[:3], "198.51.100.44", addresses["005"]):
        lab.wait_owner(address, "web01")
    assert lab.owners(addresses["004"]) == []
    assert address_of(web01, addresses["001"], "eth2")
    assert not address_of(web01, addresses["001"], "eth1")
    bows_out(dump, 2)
    seen(dump, 22, times=2)
    seen(dump, 3, lambda ad: ad.source == "198.51.100.42", times=2)
    seen(dump, 5, times=5)
    assert transitions(daemon, "005") == ["BACKUP", "MASTER"]
    assert lateness(of_vhid(dump, 5), delay) < LATE


def test_a_broken_file_keeps_its_last_good_version_and_says_so_until_it_is_mended(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    dump = capture(web02, "proto", "112")
    file = write_vip(files, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    lab.wait_owner(VIP, "web01")
    mark = daemon.mark()
    file.write_text(file.read_text() + "OPTIONS='--deadratio=1 --advskew=70\n")
    daemon.wait_for(r"^<3>.*vip-001\.conf:\d+:\d+: ", since=mark)
    daemon.wait_for("^<4>001: keeps its old settings until", since=mark)
    # whatever else happens: it goes on being said
    mark = daemon.mark()
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    daemon.wait_for("^<4>001: keeps its old settings until", since=mark)
    lab.wait_owner(SECOND, "web01")
    assert {ad.advskew for ad in of_vhid(dump, 1)} == {0}
    mark = daemon.mark()
    write_vip(files, OPTIONS=f"{QUICK} --advskew=70")
    seen(dump, 1, lambda ad: ad.advskew == 70, times=2)
    assert "keeps its old settings" not in daemon.log(mark)
    assert transitions(daemon) == ["BACKUP", "MASTER"]
    assert lateness(of_vhid(dump, 1), delay) < LATE


def test_a_broken_common_file_changes_nothing_that_runs(
    web01: Host, web02: Host, files: Path
) -> None:
    common = files / "vip-common.conf"
    common.write_text(f"OPTIONS='{QUICK} --advskew=30'\n")
    dump = capture(web02, "proto", "112")
    for name, address in (("001", VIP), ("002", SECOND)):
        write_vip(files, name, VIP_ADDRESS=address)
    write_vip(files, "003", VIP_ADDRESS=THIRD, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    for vhid in (1, 2, 3):
        seen(dump, vhid, times=2)
    mark = daemon.mark()
    common.write_text(f"OPTIONS='{QUICK} --advskew=40\n")  # a quote is missing
    daemon.wait_for(r"^<3>.*vip-common\.conf:\d+:\d+: ", since=mark)
    daemon.wait_for("^<4>001: keeps its old settings until", since=mark)
    go_on(dump, 1, 2, 3)
    assert {ad.advskew for ad in of_vhid(dump, 1) + of_vhid(dump, 2)} == {30}
    common.write_text(f"OPTIONS='{QUICK} --advskew=40'\n")
    for vhid in (1, 2):
        seen(dump, vhid, lambda ad: ad.advskew == 40)
    for vhid in (1, 2, 3):
        assert transitions(daemon, f"{vhid:03}") == ["BACKUP", "MASTER"]
        assert lateness(of_vhid(dump, vhid), delay) < LATE


def test_a_common_change_touches_only_those_whose_result_differs(
    lab: Lab, web01: Host, web02: Host, files: Path
) -> None:
    ip(
        web01,
        "link add eth2 link eth1 type macvlan mode bridge",
        "link set eth2 up",
        "addr add 192.0.2.9/24 dev eth2",
    )
    common = files / "vip-common.conf"
    common.write_text("BIND_INTERFACE=eth1\n")
    dump = capture(web02, "proto", "112")
    write_vip(files, BIND_INTERFACE=None, OPTIONS=QUICK)
    write_vip(files, "002", VIP_ADDRESS=SECOND, OPTIONS=QUICK)
    daemon = web01.vipd(files)
    delay = Delay(daemon)
    for vhid in (1, 2):
        seen(dump, vhid, times=2)
    common.write_text("BIND_INTERFACE=eth2\n")
    until(lambda: address_of(web01, VIP, "eth2") is not None, daemon.tail)
    go_on(dump, 2)
    assert transitions(daemon, "002") == ["BACKUP", "MASTER"]
    assert len(lab.ownership(SECOND).changes) == 1
    assert lateness(of_vhid(dump, 2), delay) < LATE


def test_hup_reads_what_no_event_tells_of(
    lab: Lab, web01: Host, files: Path, tmp_path: Path
) -> None:
    daemon = web01.vipd(files)
    daemon.wait_for("no VIP to run")
    write_vip(tmp_path / "mounted", OPTIONS=QUICK)
    web01.bind(tmp_path / "mounted", files)
    daemon.signal(SIGHUP)
    lab.wait_owner(VIP, "web01")


PATIENT = """
from vipd.daemon.__main__ import main
from vipd.daemon.files import watch

watch.LONGEST = 3600.0
main()
"""


def test_hup_does_not_wait_until_the_files_have_settled(
    web01: Host, web02: Host, files: Path
) -> None:
    """Without SIGHUP, this vipd would wait for an hour."""
    write_vip(files, OPTIONS=QUICK)
    places = ("--runtime-dir", "/run/vipd", "--state-dir", "/run/lab/vipd")
    daemon = web01.start([sys.executable, "-c", PATIENT, "--config-dir", files, *places])
    daemon.wait_for("state: MASTER", timeout=60)
    restless = files / "vip-002.conf"
    busy = f"echo busy; while :; do echo 'ID=002' >{restless}; sleep 0.02; done"
    noise = web02.start(["sh", "-c", busy])
    noise.wait_for("busy")
    write_vip(files, "003", VIP_ADDRESS=THIRD, OPTIONS=QUICK)
    daemon.signal(SIGHUP)
    daemon.wait_for("^.*003: .*Switching to state: BACKUP", timeout=60)
    noise.stop()


@pytest.mark.parametrize("key", ["PASSWORD", "PASSFILE"])
def test_another_password_is_in_force_without_a_transition(
    lab: Lab, web01: Host, web02: Host, files: Path, key: str
) -> None:
    """Both hosts change theirs, one after the other, and neither loses its place."""
    secret = files / "vip-001.pwd"

    def write(directory: Path, password: str, options: str) -> None:
        if key == "PASSFILE":
            (directory / secret.name).write_text(f"{password}\n")
            password_keys = {"PASSWORD": None, "PASSFILE": str(directory / secret.name)}
        else:
            password_keys = {"PASSWORD": password}
        if key == "PASSWORD" or not (directory / "vip-001.conf").exists():
            write_vip(directory, OPTIONS=options, **password_keys)

    other = files.parent / "other"
    other.mkdir()
    write(files, "before", "--shutdown")
    write(other, "before", "--shutdown --advskew=100")
    ours = web01.vipd(files)
    ours.wait_for("state: BACKUP")  # the first to listen is the first to be master
    theirs = web02.vipd(other)
    lab.wait_owner(VIP, "web01")
    for directory, options in ((other, "--shutdown --advskew=100"), (files, "--shutdown")):
        write(directory, "after", options)
    lab.wait_owner(VIP, "web01", stable=4)  # longer than they would wait for each other
    assert transitions(ours) == ["BACKUP", "MASTER"]
    assert transitions(theirs) == ["BACKUP"]
    better = signed(password="after", source="198.51.100.7").build()
    send(web02, frame(better))
    ours.wait_for("Preferred master advertised")


def _rename_over(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.new")
    new.write_text(text)
    new.rename(file)


def _as_vim_does(file: Path, text: str) -> None:
    file.rename(backup := file.with_name(f"{file.name}~"))
    file.write_text(text)
    backup.unlink()


def _swap_link(file: Path, text: str) -> None:
    target = file.parent / f"version-{len(list(file.parent.iterdir()))}"
    target.write_text(text)
    link = file.with_name(".link")
    link.symlink_to(target.name)
    link.replace(file)


@pytest.mark.parametrize("edit", [_rename_over, _as_vim_does, _swap_link])
def test_whichever_way_an_editor_writes_it_is_one_change_in_place(
    lab: Lab, web01: Host, web02: Host, files: Path, edit: Callable[[Path, str], None]
) -> None:
    dump = capture(web02, "proto", "112")
    file = write_vip(files, OPTIONS=QUICK)
    daemon: Process = web01.vipd(files)
    delay = Delay(daemon)
    lab.wait_owner(VIP, "web01")
    text = file.read_text()
    edit(file, text.replace(QUICK, f"{QUICK} --advskew=10"))
    seen(dump, 1, lambda ad: ad.advskew == 10)
    edit(file, text.replace(QUICK, f"{QUICK} --advskew=20"))
    seen(dump, 1, lambda ad: ad.advskew == 20)
    assert transitions(daemon) == ["BACKUP", "MASTER"]
    assert len(lab.ownership(VIP).changes) == 1
    assert lateness(of_vhid(dump, 1), delay) < LATE


def test_a_file_that_another_one_reads_is_followed_like_it(
    lab: Lab, web01: Host, web02: Host, files: Path, tmp_path: Path
) -> None:
    """Changed, it counts; with errors, its VIP goes on as it was, in whatever file they stand."""
    more = tmp_path / "more"
    more.write_text(f"OPTIONS='{QUICK}'\n")
    file = write_vip(files)
    file.write_text(f"{file.read_text()}. {more}\n")
    dump = capture(web02, "proto", "112")
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    more.write_text(f"OPTIONS='{QUICK} -k 20'\n")
    seen(dump, 1, lambda ad: ad.advskew == 20)
    for broken in ("OPTIONS=$(x)\n", "OPTIONS='--advskw=1'\n", "BIND_INTERFACE=a/b\n"):
        mark = daemon.mark()
        more.write_text(broken)
        daemon.wait_for(rf"{more}:1:\d+: ", since=mark)
        daemon.wait_for("001: keeps its old settings until its files are corrected", since=mark)
    go_on(dump, 1)
    assert transitions(daemon) == ["BACKUP", "MASTER"]


def test_a_vip_whose_file_is_none_any_more_goes_on(lab: Lab, web01: Host, files: Path) -> None:
    """Half of a file that is being written looks like one of shared settings."""
    file = write_vip(files, "web", ID="7", OPTIONS=QUICK)
    daemon = web01.vipd(files)
    lab.wait_owner(VIP, "web01")
    mark = daemon.mark()
    file.write_text("BIND_INTERFACE=eth1\n")
    daemon.wait_for("web: keeps its old settings until its files are corrected", since=mark)
    assert lab.owners(VIP) == ["web01"]
