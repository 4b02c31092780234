"""The password changes while the hosts run: always one owner, never two, and every step is seen.

The steps are those of docs/passwords.md for groups of vipd alone. A host is in one of three: it
has the old password, both, or the new one."""

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from signal import SIGKILL

import pytest
from helpers.asking import Client, vip_of
from helpers.captured import advertisements, capture
from helpers.configured import VIP, write_vip
from helpers.hosts import complaints, transitions, until

from owner.group import ADDRESSES, GAP, IPV6, SECOND, VIP_IPV6, Group, Report
from vipd.carp.tag import sequence_of
from vipd.daemon.cleanup import farewell
from vipd.lab import Lab, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

OLD: dict[str, str | None] = {"PASSWORD": "love"}
BOTH: dict[str, str | None] = {"PASSWORD": "love", "PASSWORD_ALSO": "trust"}
NEW: dict[str, str | None] = {"PASSWORD": "trust"}
STEPS = {"old": OLD, "both": BOTH, "new": NEW}
#: The hosts that understand each other, and do not have the same.
MIXED = [("old", "both"), ("both", "old"), ("both", "new"), ("new", "both")]
#: Advertisements after which a host would have taken over long ago, had it not believed them.
MANY = 6


def address(name: str) -> str:
    return ADDRESSES[name].partition("/")[0]


def started(group: Group, first: str, second: str) -> tuple[Process, Process]:
    """web01, the master, and web02, each in this step."""
    one = group.vipd("web01", **STEPS[first])  # type: ignore[arg-type]
    two = group.vipd("web02", SECOND, **STEPS[second])  # type: ignore[arg-type]
    group.belongs_to("web01")
    return one, two


def write(group: Group, name: str, daemon: Process, step: str) -> None:
    """Take a host to another step, in place."""
    mark = daemon.mark()
    options = SECOND if name == "web02" else ""
    write_vip(group.directory / name, OPTIONS=options, **STEPS[step])
    daemon.wait_for("changed in place: .*password", since=mark)


def goes_on(backup: Process) -> None:
    """Wait until a backup has believed many more advertisements."""
    before = vip_of(backup)["received"]
    until(lambda: vip_of(backup)["received"] >= before + MANY, backup.tail)


def signs_with(daemon: Process) -> dict[str, str]:
    return {each["address"]: each["signs_with"] for each in vip_of(daemon)["signers"]}


@pytest.mark.parametrize("order", ["master first", "backup first"])
def test_two_hosts_change_their_password_step_by_step(group: Group, order: str) -> None:
    first, second = started(group, "old", "old")
    hosts = [("web01", first), ("web02", second)]
    for step in ("both", "new"):
        for name, daemon in hosts if order == "master first" else reversed(hosts):
            write(group, name, daemon, step)
            goes_on(second)
            assert group.lab.owners(VIP) == ["web01"]
    assert transitions(first) == ["BACKUP", "MASTER"]
    assert transitions(second) == ["BACKUP"]
    assert len(group.lab.ownership(VIP).changes) == 1
    assert first.stop() == 0
    group.belongs_to("web02", lasting=1)
    for daemon in (first, second):
        assert "trust" not in daemon.log()
        assert "love" not in daemon.log()


@pytest.mark.parametrize(("one", "other"), MIXED)
def test_hosts_in_different_steps_hand_over_without_a_gap(
    group: Group, report: Report, one: str, other: str
) -> None:
    """The bow-out is believed, whichever of its copies can be."""
    first, second = started(group, one, other)
    with group.seen() as seen:
        mark = second.mark()
        assert first.stop() == 0
        second.wait_for("state: MASTER .the master is leaving", since=mark)
        group.belongs_to("web02", lasting=1)
    report(gap=seen.gap, noise=seen.noise, overlap=seen.overlap)
    assert seen.gap < GAP + seen.noise


@pytest.mark.parametrize(("one", "other"), MIXED)
def test_of_two_owners_in_different_steps_one_yields(group: Group, one: str, other: str) -> None:
    started(group, one, other)
    group.host("web02").isolate()
    until(lambda: group.lab.owners(VIP) == ["web01", "web02"], group.lab.tails)
    group.host("web02").rejoin()
    group.belongs_to("web01", lasting=4)


@pytest.mark.parametrize("other", ["old", "both", "new"])
def test_a_killed_master_with_two_passwords_hands_over_to_every_step(
    group: Group, other: str
) -> None:
    first, second = started(group, "both", other)
    host = group.host("web01")
    until(lambda: "vip-001" in host.run(["ls", f"{RUNTIME_DIR}/farewell"]).stdout, first.tail)
    mark = second.mark()
    first.signal(SIGKILL)
    first.wait()
    program = [sys.executable, "-IS", str(Path(farewell.__file__))]
    done = host.run([*program, "--runtime-dir", RUNTIME_DIR])
    assert done.returncode == 0, done.stderr
    second.wait_for("state: MASTER .the master is leaving", since=mark)
    group.belongs_to("web02")


def test_a_will_is_signed_with_the_passwords_of_now(group: Group) -> None:
    """The passwords change in place while it is master: the will that was written before knows the
    old one only."""
    first, second = started(group, "old", "both")
    host = group.host("web01")
    write(group, "web01", first, "both")
    goes_on(second)
    write(group, "web02", second, "new")
    goes_on(second)
    mark = second.mark()
    first.signal(SIGKILL)
    first.wait()
    program = [sys.executable, "-IS", str(Path(farewell.__file__))]
    assert host.run([*program, "--runtime-dir", RUNTIME_DIR]).returncode == 0
    second.wait_for("state: MASTER .the master is leaving", since=mark)


def test_both_copies_of_an_advertisement_count_once(group: Group) -> None:
    first, second = started(group, "both", "both")
    before = vip_of(first)["sent"], vip_of(second)["received"]
    goes_on(second)
    received = vip_of(second)["received"] - before[1]
    sent = vip_of(first)["sent"] - before[0]
    assert received <= sent + 1


def test_each_interval_has_two_advertisements_with_one_sequence(group: Group) -> None:
    started(group, "both", "both")
    dump = capture(group.host("web02"), "proto", "112")
    until(lambda: len(advertisements(dump)) >= 9, dump.tail)
    sequences = Counter(sequence_of(ad.counter) for ad in advertisements(dump))
    assert set(list(sequences.values())[1:-1]) == {2}


def _shows(daemon: Process, shown: str) -> bool:
    return signs_with(daemon) == {address("web01"): shown}


def test_it_is_shown_who_signs_with_which(group: Group) -> None:
    first, second = started(group, "old", "both")
    until(partial(_shows, second, "PASSWORD"), second.tail)
    for step, shown in (("both", "both"), ("new", "PASSWORD_ALSO")):
        write(group, "web01", first, step)
        until(partial(_shows, second, shown), second.tail)
    vip = vip_of(second)
    assert vip["password_also"] is True
    write(group, "web02", second, "new")
    vip = vip_of(second)
    assert (vip["password_also"], vip["signers"]) == (False, [])


@pytest.mark.parametrize("lacks", ["old", "new"])
def test_a_host_with_one_of_two_passwords_says_why_it_drops_half(group: Group, lacks: str) -> None:
    _, second = started(group, "both", lacks)
    second.wait_for(r"dropped: bad digest.*with a second one \(PASSWORD_ALSO\)")
    with Client(second) as client:
        (problem,) = client.problems()
    assert problem["code"] == "DIGEST"
    assert "docs/passwords.md" in problem["text"]
    goes_on(second)
    assert len(complaints(second, "bad digest")) == 1


def test_a_host_that_cuts_its_master_off_says_so_at_once(group: Group) -> None:
    """The last step came too early. It takes the step back, and one of them yields."""
    _, second = started(group, "old", "both")
    until(partial(_shows, second, "PASSWORD"), second.tail)
    mark = second.mark()
    write(group, "web02", second, "new")
    second.wait_for(
        f"{address('web01')} signs only with the password that was removed here", since=mark
    )
    write(group, "web02", second, "both")
    group.belongs_to("web01", lasting=4)


def test_a_second_password_file_counts_as_soon_as_it_is_written(group: Group) -> None:
    file = group.directory / "new.pwd"
    keys: dict[str, str | None] = {"PASSWORD": "love", "PASSFILE_ALSO": str(file)}
    file.write_text("hate\n")
    first = group.vipd("web01", **keys)  # type: ignore[arg-type]
    group.belongs_to("web01")
    second = group.vipd("web02", SECOND, **NEW)  # type: ignore[arg-type]
    second.wait_for("state: MASTER")  # it is alone with its password
    mark = first.mark()
    file.write_text("trust\n")
    first.wait_for("changed in place: password_also", since=mark)
    group.belongs_to("web01", lasting=4)
    mark = first.mark()
    file.unlink()
    first.wait_for("PASSFILE_ALSO .*there is no such file", since=mark)
    group.belongs_to("web01", lasting=4)


def test_both_families_and_both_passwords(lab: Lab, tmp_path: Path) -> None:
    group = Group(lab, tmp_path, addresses=(ADDRESSES, IPV6), shared=f"{VIP} {VIP_IPV6}")
    first, second = started(group, "both", "both")
    dump = group.host("web02").capture("proto", "112", "or", "ip6", "proto", "112")
    until(lambda: dump.log().count("> ff02::12") >= 8, dump.tail)
    seen = dump.log()
    assert abs(seen.count("> 224.0.0.18") - seen.count("> ff02::12")) <= 2
    assert signs_with(second) == {address("web01"): "both"}
    with Client(second) as client:
        assert client.problems() == []
    assert transitions(second) == ["BACKUP"]
    assert first.stop() == 0
    group.belongs_to("web02", lasting=1)


def test_unicast_with_both_passwords(group: Group) -> None:
    for name, daemon_step in (("web01", "both"), ("web02", "new")):
        other = "web02" if name == "web01" else "web01"
        options = (SECOND,) if name == "web02" else ()
        keys = {**STEPS[daemon_step], "PEERS": address(other)}
        group.vipd(name, *options, **keys)  # type: ignore[arg-type]
    group.belongs_to("web01", lasting=6)
