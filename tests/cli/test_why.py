"""`vipctl why`: the sentences, for every situation that a host can be in."""

from dataclasses import replace

import pytest

from cli.samples import BACKUP, MASTER, NOW, OTHER, problem
from vipd.api.io_vipd import VipStatus
from vipd.carp.health import Health
from vipd.carp.states import Mode, Reason, State
from vipd.cli.why import sentences

SLOWER = replace(OTHER, advskew=100)
LEAVING = replace(OTHER, advbase=255, advskew=255, followed=False)
PLAIN = replace(BACKUP, preempt=False)


def test_the_first_sentence_says_what_is() -> None:
    first = sentences(MASTER, NOW)[0]
    assert first.startswith(
        "This host is MASTER of 001 (198.51.100.154 on eth1, VHID 1), since 2027-01-15 "
    )
    assert first.endswith("2 h 13 min ago: nothing heard from a master.")


@pytest.mark.parametrize(
    ("vip", "parts"),
    [
        (
            BACKUP,
            ["198.51.100.180 (advbase 1, advskew 0) is master, heard 0.4 s ago",
             "this host would only every 1.039 s, advbase 1, advskew 10: it is preferred",
             "takes over 3 s after that host falls silent, or at once when it leaves in order",
             "With a lower --advskew than that host's, this host would take over at once."],
        ),
        (PLAIN, ["A lower --advskew would not change that while it lives, without --preempt."]),
        (
            replace(BACKUP, heard=replace(OTHER, advskew=10, address="198.51.100.7")),
            ["its address wins against ours: it is preferred"],
        ),
        (
            replace(BACKUP, heard=replace(OTHER, advskew=10)),
            ["as often as this host would, so whoever is master stays it"],
        ),
        (
            replace(PLAIN, heard=SLOWER),
            ["less often than this host would (every 1.039 s, advbase 1, advskew 10)",
             "but without --preempt it leaves a master alone"],
        ),
        (
            replace(BACKUP, heard=SLOWER, modest_left=7.0),
            ["could not send an advertisement lately, so it does not take over for another 7 s"],
        ),
        (
            replace(PLAIN, heard=replace(OTHER, demotion=2)),
            ["198.51.100.180 (advbase 1, advskew 0, demotion 2) is master",
             "It is demoted (byte 4 of its advertisements is 2, this host's would be 0): this "
             "host is preferred, with and without --preempt, and takes over when it hears it "
             "next, unless a better master lives as well."],
        ),
        (
            replace(PLAIN, heard=replace(OTHER, demotion=2), modest_left=7.0),
            ["with and without --preempt, but could not send an advertisement lately, so it does "
             "not take over for another 7 s"],
        ),
        (replace(BACKUP, heard=SLOWER), ["this host is preferred, and takes over when it hears"]),
        *(
            (
                replace(BACKUP, heard=heard, health=Health.UNKNOWN),
                ["this host is preferred", "but it is not known yet whether it is fit to own the "
                 "address, so it does not take over. This host takes over 3 s after that host"],
            )
            for heard in (SLOWER, replace(OTHER, advbase=254, demotion=1))
        ),
        (
            replace(BACKUP, heard=LEAVING, takeover_in=0.1,
                    takeover_reason=Reason.MASTER_LEAVING),
            ["is leaving, or", "takes over in 0.1 s unless a master is heard (the master is leav"],
        ),
        (
            replace(BACKUP, heard=replace(OTHER, ago=2.5, missing=1), takeover_in=0.5),
            ["was heard 2 s ago and is 1 advertisement late. It takes over in 0.5 s"],
        ),
        (replace(BACKUP, heard=None), ["No other host was heard. It takes over in 3 s"]),
        (
            replace(BACKUP, mode=Mode.HOLDING, maintenance=True),
            ["in maintenance and does not become master, whatever happens to the others, until: "
             "vipctl maintenance off 001", "198.51.100.180 is master."],
        ),
        (
            replace(BACKUP, mode=Mode.HOLDING, hold_left=47.0, heard=None),
            ["asked to stay backup, and does for another 47 s", "nobody owns the address"],
        ),
        (
            replace(BACKUP, mode=Mode.INIT, state=State.INIT, waiting_for="eth1 has no carrier"),
            ["takes no part in the election", "It waits: eth1 has no carrier.",
             "When that ends, it listens for 3 s"],
        ),
        (
            replace(BACKUP, mode=Mode.INIT, state=State.INIT, waiting_for="x", maintenance=True),
            ["vipctl maintenance off 001"],
        ),
        (replace(BACKUP, mode=Mode.TRYING), ["whether its advertisements can be sent at all"]),
        (
            MASTER,
            ["It advertises every 1.039 s, advbase 1, advskew 10", "No other host was heard",
             "the kernel would take the address off within 3 s", "vipctl demote 001"],
        ),
        (
            replace(MASTER, heard=replace(OTHER, ago=90.0), lease=None, lease_left=None, mute=True),
            ["The last other host that was heard is 198.51.100.180 (advbase 1, advskew 0), "
             "1 min 30 s ago", "LEASE is off", "could not be sent"],
        ),
        (
            replace(MASTER, mode=Mode.LEAVING, hold_left=60.0),
            ["handing over", "It answers until its successor is heard, 2 s at most. Then:"],
        ),
    ],
)  # fmt: skip
def test_the_reasons_are_told(vip: VipStatus, parts: list[str]) -> None:
    told = " ".join(sentences(vip, NOW))
    for part in parts:
        assert part in told


def test_what_is_to_be_mended_comes_last() -> None:
    vip = replace(BACKUP, problems=[problem("two masters", hint="look at the network")])
    assert sentences(vip, NOW)[-1] == "To correct: two masters; look at the network"


def test_no_text_of_another_host_commands_the_terminal() -> None:
    evil = "\x1b[2J"
    vip = replace(BACKUP, id=evil, interface=evil, addresses=[evil], waiting_for=evil)
    for mode in Mode:
        for sentence in sentences(replace(vip, mode=mode, state=mode.state), NOW):
            assert sentence.isprintable()
