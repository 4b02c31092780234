"""AUTHENTICATE: recorded advertisements, altered or not, move nothing; hosts that mean well are
heard, whatever their clocks and programs."""

from pathlib import Path
from signal import SIGKILL

import pytest
from helpers.asking import vip_of
from helpers.configured import write_vip
from helpers.forging import advertise, send, signed
from helpers.hosts import complaints, transitions, until
from helpers.recording import altered, record, tape

from owner.group import ADDRESSES, SECOND, Group
from vipd.lab import Host, Process
from vipd.lab.host import RUNTIME_DIR

pytestmark = pytest.mark.lab

WEB01, WEB02, WEB03 = (ADDRESSES[name].partition("/")[0] for name in ("web01", "web02", "web03"))
STRANGER = "198.51.100.77"
#: An hour, as sequences count it.
HOUR = 4 * 3600
FIRST = "--preempt"
#: What deposes a master, or takes the address from it.
WORDS = [(255, 255, 0), (0, 1, 0), (254, 0, 1), (1, 0, 5)]
FORGED, REPEATED, UNTAGGED = "altered since", "from before, sent again", "without the tag"


@pytest.fixture
def attacker(group: Group) -> Host:
    return group.lab.host("attacker", "198.51.100.66/24")


def sent_until(attacker: Host, frames: list[bytes], daemon: Process, mark: int) -> None:
    """Send them until they are too old to be taken for copies."""

    def look() -> bool:
        send(attacker, *frames)
        return bool(complaints(daemon, REPEATED, mark))

    until(look, daemon.tail, 60)


def goes_on(backup: Process, more: int = 4) -> None:
    """Wait until it has believed more advertisements."""
    before = vip_of(backup)["received"]
    until(lambda: vip_of(backup)["received"] >= before + more, backup.tail, 60)


def all_alterations(frames: list[bytes]) -> list[bytes]:
    return [
        altered(frame, *words, source=source)
        for frame in frames
        for words in WORDS
        for source in ("", STRANGER)
    ]


def test_what_was_recorded_moves_nothing_at_once_and_after_restarts(
    group: Group, attacker: Host
) -> None:
    recorder = record(attacker)
    first, second = group.pair()
    frames = tape(recorder, WEB01, 3)
    mark = second.mark()
    send(attacker, *all_alterations(frames))
    second.wait_for(f"dropped: .*{FORGED}", since=mark)
    goes_on(second)
    assert transitions(second) == ["BACKUP"]
    assert len(complaints(second, FORGED, mark)) == 1  # once a minute

    # the receiver starts again, and remembers
    assert second.stop() == 0
    second = group.vipd("web02", SECOND)
    send(attacker, *frames, *all_alterations(frames))
    second.wait_for(f"dropped: .*{FORGED}")
    goes_on(second)
    assert transitions(second) == ["BACKUP"]

    # the sender starts again: it is not master any more, and its words from then are old
    assert first.stop() == 0
    group.belongs_to("web02")
    bow_outs = tape(recorder, WEB01, 4)[-1:]
    first = group.vipd("web01")  # without --preempt
    mark = second.mark()
    sent_until(attacker, frames, second, mark)
    send(attacker, *bow_outs, *all_alterations(tape(recorder, WEB02)))
    first.wait_for(f"dropped: .*{FORGED}")
    goes_on(first)
    group.belongs_to("web02", lasting=1)
    assert transitions(second) == ["BACKUP", "MASTER"]
    assert transitions(first) == ["BACKUP"]


def test_the_bow_out_of_a_killed_master_is_heard_and_not_twice(
    group: Group, attacker: Host
) -> None:
    """It was made long before it is sent, and is later than everything that was sent before it."""
    recorder = record(attacker)
    first, second = group.pair()
    host = group.host("web01")
    until(lambda: "vip-001" in host.run(["ls", f"{RUNTIME_DIR}/farewell"]).stdout, first.tail)
    goes_on(second)
    mark = second.mark()
    first.signal(SIGKILL)
    second.wait_for("state: MASTER .the master is leaving", since=mark)
    bow_out = tape(recorder, WEB01)[-1]
    first.wait()
    first = group.vipd("web01", FIRST)  # later than its own bow-out
    first.wait_for("state: MASTER", timeout=60)
    group.belongs_to("web01")
    goes_on(second)
    mark = second.mark()
    sent_until(attacker, [bow_out], second, mark)
    goes_on(second)
    assert "Switching" not in second.log(mark)


@pytest.mark.parametrize("ahead", ["web01", "web02"])
def test_clocks_that_are_an_hour_apart_and_set_back_cut_off_nobody(
    group: Group, ahead: str
) -> None:
    """The file says where an earlier run was: it makes a host that is ahead of the clock. Without
    it, the same host is an hour behind what the other remembers of it."""
    file = Path(RUNTIME_DIR) / "sequence"
    hour = f"expr $(date +%s) '*' 4 - 7068902400 + {HOUR}"
    group.host(ahead).must(["sh", "-c", f"set -e; mkdir -p {RUNTIME_DIR}; {hour} >{file}"])
    first, second = group.vipd("web01", FIRST), group.vipd("web02", SECOND, FIRST)
    group.belongs_to("web01")
    for _ in range(2):
        assert first.stop() == 0
        group.belongs_to("web02")
        for name in ("web01", "web02"):  # for the second round
            group.host(name).must(["rm", "-f", str(file)])
        first = group.vipd("web01", FIRST)
        group.belongs_to("web01")
        goes_on(second)
    for daemon in (first, second):
        assert not complaints(daemon, "dropped")
    assert transitions(second) == ["BACKUP", "MASTER", "BACKUP", "MASTER", "BACKUP"]


def test_hosts_without_tags_are_heard_beside_those_that_have_them(group: Group) -> None:
    """ucarp goes on from the counters that it hears."""
    ucarp = group.ucarp("web03", "--advskew=50")
    group.belongs_to("web03")
    second = group.vipd("web02", "--advskew=100")
    goes_on(second)
    first = group.vipd("web01", FIRST)
    group.belongs_to("web01")
    goes_on(second)
    assert first.stop() == 0
    group.belongs_to("web03")
    goes_on(second)
    assert ucarp.alive
    assert not complaints(second, "dropped")
    assert not complaints(first, "dropped")


def test_strict_hears_only_hosts_with_tags(group: Group, attacker: Host) -> None:
    first = group.vipd("web01", FIRST, AUTHENTICATE="strict")
    group.belongs_to("web01")
    second = group.vipd("web02", SECOND, AUTHENTICATE="strict")
    goes_on(second)
    advertise(attacker, signed(source=WEB03, advbase=0, advskew=1))
    first.wait_for(f"dropped: .*{UNTAGGED}")
    goes_on(second)
    group.belongs_to("web01", lasting=1)
    write_vip(group.directory / "web01", OPTIONS=FIRST)
    first.wait_for("changed in place: authenticate")
    first.wait_for("Switching to state: BACKUP", since=first.log().index("changed in place"))


def test_unicast_is_protected_as_well(group: Group, attacker: Host) -> None:
    recorder = record(group.host("web02"))  # it is sent to nobody else
    first = group.vipd("web01", PEERS=WEB02)
    group.belongs_to("web01")
    second = group.vipd("web02", SECOND, PEERS=WEB01)
    frames = tape(recorder, WEB01, 3)
    mac = group.host("web02").run(["cat", "/sys/class/net/eth1/address"]).stdout.strip()
    to_web02 = [bytes.fromhex(mac.replace(":", "")) + each[6:] for each in frames]
    goes_on(second)
    mark = second.mark()
    send(attacker, *(altered(each, 255, 255) for each in to_web02))
    second.wait_for(f"dropped: .*{FORGED}", since=mark)
    goes_on(second)
    assert "Switching" not in second.log(mark)
    assert not complaints(first, "dropped")
