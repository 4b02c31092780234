"""The judge, judged: made-up evidence with one thing wrong in it, or nothing."""

from collections.abc import Sequence

from chaos import bounds
from chaos.groups import GROUPS, HOSTS
from chaos.moves import Verdict, too_many, verdict
from chaos.record import Condition, Span
from chaos.verdict import Check, Measured, judge, judge_together, missed_an_owner
from vipd.lab import Change, Ownership

GROUP = GROUPS[0]  # preferred on web02; lease 3 s
BOTH = 12  # the index of a group with an address of each family
FIRST, SECOND, THIRD = GROUP.preferred, "web03", "web01"
PATIENCE = 0.5
END = 100.0
#: It gets the address at second 0, as its owner at the begin of a round does.
OWNS = Change(0.0, FIRST, added=True)


def gets(host: str, at: float) -> Change:
    return Change(at, host, added=True)


def loses(host: str, at: float) -> Change:
    return Change(at, host, added=False)


def span(condition: Condition, host: str, begin: float, end: float = END) -> Span:
    return Span(condition, host, None, begin, end)


def ownership(changes: Sequence[Change], group: int = 0) -> Ownership:
    return Ownership(GROUPS[group].addresses[0], tuple(changes), END)


def measured(
    changes: Sequence[Change], spans: Sequence[Span] = (), group: int = 0
) -> dict[Check, Measured]:
    """The longest of each check."""
    found: dict[Check, Measured] = {}
    for one in judge(GROUPS[group], ownership(changes, group), spans, PATIENCE):
        if one.seconds >= (found[one.check].seconds if one.check in found else 0.0):
            found[one.check] = one
    return found


def broken(
    changes: Sequence[Change], spans: Sequence[Span] = (), group: int = 0
) -> dict[Check, float]:
    """What lasted longer than it may, and by how much."""
    return {
        check: round(one.seconds - one.limit, 9)
        for check, one in measured(changes, spans, group).items()
        if one.seconds > one.limit + PATIENCE
    }


def test_one_owner_all_the_time_is_nothing_to_talk_about() -> None:
    assert measured([OWNS]) == {}


def test_two_owners_without_a_reason_are_one_too_many() -> None:
    assert broken([OWNS, gets(SECOND, 10), loses(SECOND, 12)]) == {Check.HAND_OVER: 2.0}


def test_two_owners_for_a_moment_are_a_hand_over() -> None:
    assert broken([OWNS, gets(SECOND, 10), loses(FIRST, 10.2)]) == {}


def test_a_frozen_owner_without_a_guard_keeps_its_address_until_its_lease_is_over() -> None:
    frozen = [
        span(Condition.UNGUARDED, FIRST, 0, 20),
        span(Condition.IMPAIRED, FIRST, 10, 20),
        span(Condition.EXCUSED, FIRST, 10, 20),
    ]
    taken = gets(SECOND, 12.9)
    assert broken([OWNS, taken, loses(FIRST, 13.8)], frozen) == {}
    assert broken([OWNS, taken, loses(FIRST, 15)], frozen) == {
        Check.DOUBLE: 1.0,
        Check.ORPHAN: 1.0,
    }


def test_a_thawed_owner_lets_go_at_once() -> None:
    frozen = [
        span(Condition.IMPAIRED, FIRST, 10, 11),
        span(Condition.EXCUSED, FIRST, 10, 11),
    ]
    changes = [OWNS, gets(SECOND, 10.5), loses(FIRST, 13)]
    assert broken(changes, frozen) == {Check.DOUBLE: 2.0}


def test_what_a_script_adds_while_vipd_is_frozen_has_no_lease() -> None:
    frozen = [span(Condition.IMPAIRED, FIRST, 10, 20)]
    assert broken([OWNS, gets(SECOND, 13), loses(FIRST, 20.1)], frozen, group=7) == {}


def test_each_side_of_a_partition_has_an_owner_until_it_heals() -> None:
    apart = [span(Condition.APART, SECOND, 10, 20)]
    taken = gets(SECOND, 13)
    assert broken([OWNS, taken, loses(SECOND, 20.9)], apart) == {}
    too_long = broken([OWNS, taken, loses(SECOND, 23)], apart)
    assert too_long == {Check.DOUBLE: 3 - GROUP.interval}


def test_a_partition_explains_two_owners_only_after_it() -> None:
    apart = [span(Condition.APART, SECOND, 13, 20)]
    changes = [OWNS, gets(SECOND, 10), loses(SECOND, 20)]
    assert broken(changes, apart) == {Check.HAND_OVER: 3.0}


def test_one_who_leaves_just_after_a_partition_waits_for_another_word() -> None:
    spans = [
        span(Condition.APART, SECOND, 10, 20),
        span(Condition.LEAVING, FIRST, 20.9, 24),
        span(Condition.EXCUSED, FIRST, 20.9, 24),
    ]
    assert broken([OWNS, gets(SECOND, 13), loses(FIRST, 22)], spans) == {}


def test_no_owner_although_somebody_could() -> None:
    cut = [span(c, FIRST, 10) for c in (Condition.EXCUSED, Condition.APART)]
    lost = loses(FIRST, 10.01)
    assert broken([OWNS, lost, gets(SECOND, 13.2)], cut) == {}
    assert broken([OWNS, lost, gets(SECOND, 15.01)], cut).keys() == {Check.NONE}


def test_the_lonely_side_of_a_partition_needs_an_owner_as_well() -> None:
    apart = [span(Condition.APART, SECOND, 10)]
    assert broken([OWNS], apart).keys() == {Check.NONE}
    assert broken([OWNS, gets(SECOND, 13.1)], apart) == {}


def test_no_owner_is_no_wonder_when_nobody_can() -> None:
    dead = [span(Condition.EXCUSED, host, 10) for host in HOSTS]
    assert broken([OWNS, loses(FIRST, 10.1)], dead) == {}


def test_an_address_that_somebody_took_away_has_to_be_put_back_at_once() -> None:
    assert broken([OWNS, loses(FIRST, 50), gets(FIRST, 50.1)]) == {}
    assert broken([OWNS, loses(FIRST, 50), gets(FIRST, 51)]) == {Check.BLINK: 1.0}


def test_a_host_without_carrier_has_to_let_go_at_once() -> None:
    cut = [
        span(condition, FIRST, 10, 20)
        for condition in (Condition.EXCUSED, Condition.APART, Condition.NO_CARRIER)
    ]
    assert broken([OWNS, loses(FIRST, 10.1), gets(SECOND, 13)], cut) == {}
    late = broken([OWNS, loses(FIRST, 11), gets(SECOND, 13)], cut)
    assert late == {Check.CARRIER: 1.0}


def test_scripts_that_fail_leave_an_address_to_its_lease() -> None:
    failing = [span(Condition.SCRIPTLESS, FIRST, 10, 14)]
    changes = [OWNS, gets(SECOND, 12), loses(FIRST, 17)]
    assert broken(changes, failing, group=7) == {}
    assert broken(changes, failing) == {Check.HAND_OVER: 5.0}


def test_a_host_in_maintenance_owns_nothing_but_what_it_hands_over() -> None:
    barred = [span(c, FIRST, 10, 20) for c in (Condition.BARRED, Condition.EXCUSED)]
    assert broken([OWNS, gets(SECOND, 12), loses(FIRST, 12.1)], barred) == {}
    late = broken([OWNS, loses(FIRST, 10.1), gets(SECOND, 10.1), gets(FIRST, 15)], barred)
    assert late[Check.BARRED] == 5 - 2
    frozen = span(Condition.IMPAIRED, FIRST, 14, 19.5)
    assert Check.BARRED not in broken([OWNS, loses(FIRST, 20)], [*barred, frozen])


def test_samples_do_not_see_an_owner_that_comes_and_goes_between_two_of_them() -> None:
    dead = [span(c, FIRST, 10, 20) for c in (Condition.EXCUSED, Condition.IMPAIRED)]
    seldom = [OWNS, loses(FIRST, 12), gets(SECOND, 18)]
    sampled = measured(seldom, dead)[Check.NONE]
    for absent, missed in ((0.009, True), (1.0, False)):
        brief = [gets(SECOND, 15), loses(SECOND, 15 + absent)]
        changes = [*seldom[:2], *brief, *seldom[2:]]
        told = list(judge(GROUP, ownership(changes), dead, PATIENCE))
        assert missed_an_owner(sampled, told, 0.05) is missed
    told = list(judge(GROUP, ownership(seldom), dead, PATIENCE))
    assert not missed_an_owner(sampled, told, 0.05)


def parted(
    first: Sequence[Change], second: Sequence[Change], spans: Sequence[Span] = ()
) -> list[tuple[str, float, float]]:
    """(host, since when, for longer than it may) of a VIP of two addresses, on parts of it."""
    addresses = [
        Ownership(address, tuple(changes), END)
        for address, changes in zip(GROUPS[BOTH].addresses, (first, second), strict=True)
    ]
    found = judge_together(GROUPS[BOTH], addresses, spans)
    return [(one.hosts[0], one.begin, round(one.seconds - one.limit, 9)) for one in found]


def test_a_host_has_all_addresses_of_a_vip_or_none() -> None:
    assert parted([OWNS], [OWNS]) == []
    together = [OWNS, loses(FIRST, 10), gets(SECOND, 10)]
    assert parted(together, together) == []
    assert set(parted(together, [OWNS])) == {(SECOND, 10, 90), (FIRST, 10, 90)}
    assert parted([OWNS], [OWNS, loses(FIRST, 10), gets(FIRST, 10.5)]) == [(FIRST, 10, 0.5)]


def test_the_leases_of_a_frozen_host_end_each_for_itself() -> None:
    frozen = [span(Condition.IMPAIRED, FIRST, 10, 20)]
    addresses = [OWNS, loses(FIRST, 13)], [OWNS, loses(FIRST, 13.8)]
    assert parted(*addresses) == [(FIRST, 13, 0.8)]
    [(host, since, beyond)] = parted(*addresses, frozen)
    assert (host, since) == (FIRST, 13)
    assert beyond < 0


def test_a_dead_host_that_has_a_guard_loses_its_address_at_once() -> None:
    dead = [
        span(condition, FIRST, 10, 20)
        for condition in (Condition.IMPAIRED, Condition.DEAD, Condition.EXCUSED)
    ]
    without = span(Condition.UNGUARDED, FIRST, 9.9, 30)
    changes = [OWNS, loses(FIRST, 12), gets(SECOND, 12)]
    orphan = measured(changes, dead)[Check.ORPHAN]
    assert (orphan.limit, orphan.patience) == (bounds.GUARD_LATE, bounds.GUARD_PATIENCE)
    orphan = measured(changes, [*dead, without])[Check.ORPHAN]
    assert (orphan.limit, orphan.patience) == (GROUP.lease + bounds.KERNEL_LATE, None)
    later = span(Condition.UNGUARDED, FIRST, 11, 30)
    assert measured(changes, [*dead, later])[Check.ORPHAN].limit == bounds.GUARD_LATE


def test_a_frozen_host_that_has_a_guard_loses_its_address_with_its_lease() -> None:
    frozen = [span(c, FIRST, 10, 20) for c in (Condition.IMPAIRED, Condition.EXCUSED)]
    without = span(Condition.UNGUARDED, FIRST, 12.5, 12.6)
    changes = [OWNS, loses(FIRST, 13.8), gets(SECOND, 13)]
    assert measured(changes, frozen)[Check.ORPHAN].limit == GROUP.lease + bounds.GUARD_LATE
    assert measured(changes, [*frozen, without])[Check.ORPHAN].limit == bounds.orphan(GROUP)


def test_a_sick_owner_gives_way_to_a_healthy_host_that_is_free() -> None:
    sick = [span(c, FIRST, 10, 20) for c in (Condition.SICK, Condition.UNWELL)]
    assert broken([OWNS, gets(SECOND, 13), loses(FIRST, 13)], sick) == {}
    assert broken([OWNS], sick) == {Check.SICK: 10 - bounds.sick(GROUP)}
    others = [span(Condition.UNWELL, host, 10, 20) for host in (SECOND, THIRD)]
    assert broken([OWNS], [*sick, *others]) == {}
    away = [span(Condition.APART, FIRST, 10, 20)]
    assert Check.SICK not in broken([OWNS], [*sick, *away])


def test_a_sick_host_takes_over_from_silence_an_advbase_later() -> None:
    gone = [span(Condition.EXCUSED, host, 10) for host in (FIRST, THIRD)]
    sick = span(Condition.UNWELL, SECOND, 5)
    taken = 10 + bounds.none(GROUP) + GROUP.advbase
    changes = [OWNS, loses(FIRST, 10), gets(SECOND, taken)]
    assert broken(changes, [*gone, sick]) == {}
    assert broken(changes, gone) == {Check.NONE: GROUP.advbase}


def test_a_verdict_moves_an_address_once() -> None:
    said = [verdict(10, FIRST, "sick: check:web: x"), verdict(20, FIRST, "well again: check:web")]
    verdicts = [each for each in said if each]
    once = [OWNS, gets(SECOND, 11), loses(FIRST, 11), gets(FIRST, 21), loses(SECOND, 21)]
    assert too_many(ownership(once), verdicts, 2.0) is None
    assert too_many(ownership([*once, gets(THIRD, 22)]), verdicts, 2.0) == (
        22,
        "moved 3 times for 2 verdicts",
    )
    assert verdict(1, FIRST, "Switching to state: BACKUP (startup)") is None


def test_nothing_moves_between_hosts_that_are_all_sick() -> None:
    verdicts = [Verdict(10 + n, host, sick=True) for n, host in enumerate(HOSTS)]
    assert too_many(ownership([OWNS, gets(SECOND, 13)]), verdicts, 2.0) is None
    late = too_many(ownership([OWNS, gets(SECOND, 15)]), verdicts, 2.0)
    assert late == (15, f"moved to {SECOND} while all hosts were sick")
