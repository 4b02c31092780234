"""The checks can fail: each of these mistakes in the machine is found within a few scenarios."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from sim.host import Host
from sim.network import Network
from sim.play import shortest, verdict
from sim.scenario import from_json, from_seed
from sim.seat import Seat
from sim.vipd import Vipd
from vipd.carp import backup, host, machine, master, parameters, peers, rank, timing
from vipd.carp.effects import Effects
from vipd.carp.health import Health
from vipd.carp.machine import TABLE, Machine
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.peers import Peer, Peers
from vipd.carp.rank import Rank
from vipd.carp.situation import Situation
from vipd.carp.states import Input, Mode
from vipd.daemon.guard import duty
from vipd.daemon.guard.duty import Duty
from vipd.daemon.guard.leases import Leases

#: Scenarios within which a mistake has to be found.
SOON = 500

REGRESSIONS = Path(__file__).parent / "regressions"

EVERY, DOWN, HEAR, SEND = timing.interval, timing.master_down, Peers.hear, Network._send
HOLD = Leases.hold
DERIVE = Parameters.__post_init__

Mutation = Callable[[pytest.MonkeyPatch], None]


def without(*rows: tuple[Mode, Input]) -> Mutation:
    """These rows are missing from the table."""
    left = MappingProxyType({key: rule for key, rule in TABLE.items() if key not in rows})
    return lambda patch: patch.setattr(machine, "TABLE", left)


def with_row(mode: Mode, event: Input, rule: Callable[[Situation, float], Effects]) -> Mutation:
    """This row is another one."""
    table = MappingProxyType({**TABLE, (mode, event): rule})
    return lambda patch: patch.setattr(machine, "TABLE", table)


def with_timing(name: str, function: Callable[..., float]) -> Mutation:
    return lambda patch: patch.setattr(timing, name, function)


def change_carelessly(self: Machine, parameters: Parameters, _now: float) -> Effects:
    self.parameters = parameters
    return ()


def hold_on(our: Situation, now: float) -> Effects:
    assert isinstance(our, Machine)
    return our.step_down(now)


def newest(self: Peers, _now: float) -> Peer | None:
    """Who was heard last, unless it leaves."""
    last = max(self, key=lambda peer: peer.at, default=None)
    return None if last is None or last.leaves else last


def follows_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Peers, "best", newest)


def hear_and_forget(self: Peers, ad: Advertisement, now: float) -> Peer | None:
    """Only the best master is kept."""
    peer = HEAR(self, ad, now)
    best = self.best(now)
    self._by_host = {known.host: known for known in self if known is best or known.leaves}
    return peer


def knows_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Peers, "hear", hear_and_forget)


def sends_one_family(patch: pytest.MonkeyPatch) -> None:
    """A group has both families, and IPv6 is left to the BSDs."""

    def send(self: Network, seat: Seat, ad: Advertisement, family: int) -> None:
        if family == 4 or seat.host.plan.kind != "vipd":
            SEND(self, seat, ad, family)

    patch.setattr(Network, "_send", send)


def is_two_hosts(patch: pytest.MonkeyPatch) -> None:
    """Each family has a tie-break of its own, and they disagree: in IPv6 each loses."""

    def send(self: Network, seat: Seat, ad: Advertisement, family: int) -> None:
        SEND(self, seat, ad._replace(host=bytes(3)) if family == 6 else ad, family)

    patch.setattr(Network, "_send", send)


def does_not_wait(patch: pytest.MonkeyPatch) -> None:
    without((Mode.BACKUP, Input.PREFERRED))(patch)
    patch.setattr(Peers, "silent_at", lambda _self: -inf)


def with_parameters(mutate: Callable[[Parameters], dict[str, Any]]) -> Mutation:
    """These of what follows from the parameters are others."""

    def derive(ours: Parameters) -> None:
        DERIVE(ours)
        for name, value in mutate(ours).items():
            object.__setattr__(ours, name, value)

    return lambda patch: patch.setattr(Parameters, "__post_init__", derive)


def as_if_well(ours: Parameters) -> dict[str, Any]:
    well = ours if ours.health is Health.WELL else replace(ours, health=Health.WELL)
    names = ("demotion", "advertised", "master_down", "stagger", "rank")
    return {name: getattr(well, name) for name in names}


def says(_self: Parameters, ad: Advertisement) -> float:
    return EVERY(ad.advbase, ad.advskew)


def only_the_well(our: Situation, now: float) -> Effects:
    return (backup.listen_again if our.parameters.hands_over else backup.time_out)(our, now)


def unless_sick(our: Situation, now: float) -> Effects:
    return (master.reassert if our.parameters.hands_over else master.yield_to)(our, now)


def delay_for_ever(our: Situation, _now: float) -> Effects:
    our.leave_alone_until = inf
    return ()


def silent_soon(our: Situation, now: float) -> float:
    return now + our.parameters.master_down


def renewed_once(self: Leases, place: int, until: int, believed: int) -> None:
    """The guard sees the end of the first lease only."""
    HOLD(self, place, self.until(place) or until, believed)


def counts_on(self: Host, used: int) -> None:
    """Numbers of a guard's own, and none of them is left behind."""
    self.reserved = max(self.reserved, used + 1_000_000_000)


# fmt: off
MUTANTS: dict[str, tuple[Mutation, str]] = {
    "a backup never takes over": (
        with_row(Mode.BACKUP, Input.TIMEOUT, backup.listen_again), "none"),
    "a master does not yield": (
        without((Mode.MASTER, Input.PREFERRED)), "2 owners"),
    "a master yields to worse ones as well": (
        with_row(Mode.MASTER, Input.SLOWER, master.yield_to), ""),
    "equal hosts all stay master": (
        lambda patch: patch.setattr(host, "by_address", lambda _address: b""), ""),
    "a preferred host does not preempt": (
        with_row(Mode.BACKUP, Input.SLOWER, backup.follow), "get its address back"),
    "everybody preempts a slower master": (
        with_row(Mode.BACKUP, Input.SLOWER, backup.take_over), "for no reason"),
    "everybody preempts a better master": (
        with_row(Mode.BACKUP, Input.PREFERRED, backup.take_over), ""),
    "a backup does not wait longer because of advertisements": (
        does_not_wait, ""),
    "a backup ignores a bow-out": (
        without((Mode.BACKUP, Input.LEAVING)), "nobody has taken over"),
    "a leaving host does not hear its successor": (
        without(*((Mode.LEAVING, event) for event in (Input.PREFERRED, Input.SLOWER))), ""),
    "a hold has no end": (
        with_row(Mode.HOLDING, Input.TIMEOUT, hold_on), ""),
    "backups wait for half as long": (
        with_timing("master_down", lambda *timers: DOWN(*timers) / 2 + EVERY(*timers[:2]) / 2), ""),
    "backups wait for twice as long": (
        with_timing("master_down", lambda *timers: 2 * DOWN(*timers)), "none"),
    "masters advertise half as often as they say": (
        with_timing("next_advertisement", lambda now, every, *_: now + 2 * every), ""),
    "new timers change nothing that is waited for": (
        lambda patch: patch.setattr(Machine, "change", change_carelessly), ""),
    "who has lost its lease goes on": (
        with_row(Mode.MASTER, Input.LAPSED, master.advertise), ""),
    "a backup follows anybody": (follows_anybody, "for no reason"),
    "demotion is ignored": (
        lambda patch: patch.setattr(rank, "Rank", lambda _, *rest: Rank(0, *rest)), ""),
    "a demoted master is left alone without preempt": (
        with_row(Mode.BACKUP, Input.DEMOTED, backup.heard_slower), "get its address back"),
    "a demoted master is not": (
        without((Mode.BACKUP, Input.DEMOTED)), ""),
    "a group of both families advertises in one": (sends_one_family, "for no reason"),
    "byte 4 of the sick is 0": (
        lambda patch: patch.setattr(parameters, "SICK_DEMOTION", 0), ""),
    "the sick are like everybody else": (
        with_parameters(lambda ours: {**as_if_well(ours), "hands_over": False}), ""),
    "the sick preempt the sick": (
        with_parameters(lambda ours: {"preempts": ours.preempt}), "before it may"),
    "the sick follow a sick host's going to time out": (
        lambda patch: patch.setattr(parameters, "is_sick", lambda _: False), ""),
    "a sick master is waited for as long as it says": (
        lambda patch: patch.setattr(Parameters, "interval_of", says), "none"),
    "the sick never own": (
        with_row(Mode.BACKUP, Input.TIMEOUT, only_the_well), "none"),
    "a sick master yields to nobody": (
        with_row(Mode.MASTER, Input.PREFERRED, unless_sick), ""),
    "who does not know its health relieves the sick": (
        lambda patch: patch.setattr(backup, "_may_relieve", lambda *_: True), "not known to be"),
    "a sick master is preempted, not relieved": (
        with_row(Mode.BACKUP, Input.DEMOTED, backup.heard_slower), "get its address back"),
    "PREEMPT_DELAY is over at once": (
        lambda patch: patch.setattr(backup, "begin_delay", lambda *_: ()), "before it may"),
    "PREEMPT_DELAY never ends": (
        lambda patch: patch.setattr(backup, "begin_delay", delay_for_ever), "get its address back"),
    "LISTEN_FIRST is over at once": (
        lambda patch: patch.setattr(Situation, "silent_at", silent_soon), "silence does not count"),
    "a guard does not bow out": (
        lambda patch: patch.setattr(Duty, "believed", lambda *_: False), "nobody has taken over"),
    "a guard removes nothing": (
        lambda patch: patch.setattr(Vipd, "taken_off", lambda _: True), ""),
    "a guard acts when its daemon ends, and not before": (
        lambda patch: patch.setattr(Duty, "end_leases", lambda _: None), "and its guard runs"),
    "a guard acts when a lease ends, and not when its daemon does": (
        lambda patch: patch.setattr(Duty, "daemon_ended", lambda _: None), "and its guard runs"),
    "a guard is late": (
        lambda patch: patch.setattr(duty, "MARGIN", 50_000_000), "and its guard runs"),
    "a guard does not see renewals": (
        lambda patch: patch.setattr(Leases, "hold", renewed_once), ""),
    "a daemon comes back without looking": (
        lambda patch: patch.setattr(Vipd, "_lapsed", lambda *_: False), ""),
}

# What is too rare for that: which of the regressions finds it.
RARE: dict[str, tuple[Mutation, str, str]] = {
    "a group of both families has two tie-breaks": (
        is_two_hosts, "two-equal-hosts-of-both-families", "0 owners"),
    "all relieve a sick master at once": (
        with_parameters(lambda _: {"stagger": 0.0}),
        "a-sick-master-and-two-healthy-backups", "second to move"),
    "the last word of a sick master is a good one": (
        lambda patch: patch.setattr(master, "slower_than", lambda _: (1, 0)),
        "a-sick-loser-beside-freebsd", "0 owners"),
    "a sick loser is better than a sick master": (
        lambda patch: patch.setattr(backup, "_to_be_left_alone", backup._better_lives),
        "a-sick-loser-is-no-better-than-a-sick-master", "sick from"),
    "an advertisement counts after the sick word that has overtaken it": (
        lambda patch: patch.setattr(peers, "asks_for_successor", rank.bows_out),
        "a-sick-word-overtakes-a-healthy-one", "without an owner"),
    "PREEMPT_DELAY does not begin when a master recovers": (
        with_row(Mode.MASTER, Input.RECOVERED, master.fall_sick),
        "a-master-recovers-and-takes-its-time", "before it may"),
    "the sick are as quick as the healthy": (
        lambda patch: patch.setattr(timing, "SICK_LATER", 0.0),
        "a-healthy-and-a-sick-successor", "is sick, and another is not"),
    "a backup knows the master that it follows and no other": (
        knows_one, "when-the-better-of-two-masters-leaves", "for no reason"),
    "a backup forgets a master that another one beats": (
        knows_one, "a-master-leaves-and-a-ucarp-has-not-looked-yet", "for no reason"),
    "a daemon counts on below what its guard has sent": (
        lambda patch: patch.setattr(Host, "leave_behind", counts_on),
        "a-killed-master-is-back-within-a-second", "overlap"),
    "an advertisement counts after the bow-out that has overtaken it": (
        lambda patch: patch.setattr(peers, "OVERTAKEN", 0.0),
        "a-bow-out-overtakes-an-advertisement", "without an owner"),
}
# fmt: on


def found(mutate: Mutation, patch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The first scenario that finds the mistake, and what it says."""
    mutate(patch)
    for seed in range(SOON):
        broken = verdict(from_seed(seed))
        if broken:
            return seed, broken
    pytest.fail(f"not found in {SOON} scenarios")


@pytest.mark.parametrize(("mutate", "says"), MUTANTS.values(), ids=MUTANTS)
def test_a_mistake_in_the_machine_is_found(
    mutate: Mutation, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, broken = found(mutate, monkeypatch)
    assert says in broken


@pytest.mark.parametrize(("mutate", "file", "says"), RARE.values(), ids=RARE)
def test_a_rare_mistake_in_the_machine_is_found(
    mutate: Mutation, file: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = from_json((REGRESSIONS / f"{file}.json").read_bytes())
    assert verdict(scenario) == ""
    mutate(monkeypatch)
    assert says in verdict(scenario)


def test_a_scenario_is_shortened_to_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, says = MUTANTS["everybody preempts a slower master"]
    seed, _ = found(mutate, monkeypatch)
    scenario = shortest(from_seed(seed))
    assert says in verdict(scenario)
    for left_out in range(len(scenario.faults)):
        faults = scenario.faults[:left_out] + scenario.faults[left_out + 1 :]
        less = type(scenario)(scenario.seed, scenario.hosts, scenario.weather, faults)
        assert says not in verdict(less)
