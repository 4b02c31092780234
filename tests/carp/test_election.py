"""Hosts on a perfect virtual network: whatever happens, once it is quiet there is one master."""

from collections.abc import Callable
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
)

from vipd.carp.machine import LEAVE_AT_MOST, Parameters
from vipd.carp.timing import GRID

from .network import SLOWEST, Host, Network
from .stage import advertisement

SOURCES = [IPv4Address(a) for a in ("192.0.2.10", "192.0.2.30", "198.51.100.5")]
STRANGER = IPv4Address("203.0.113.77")
#: Far more than any quiet network needs; a pair that flaps gets here.
TOO_MANY = 20_000

BYTES = st.one_of(st.integers(0, 2), st.integers(0, 255))
DELAYS = st.floats(0, SLOWEST / 2)
HOLDS = st.sampled_from([0.0, 3.0, 10.0])


def parameters(source: IPv4Address) -> st.SearchStrategy[Parameters]:
    return st.builds(
        Parameters,
        source=st.just(source),
        advbase=BYTES,
        advskew=BYTES,
        deadratio=st.integers(1, 20),
        preempt=st.booleans(),
    )


def brisk(source: IPv4Address) -> st.SearchStrategy[Parameters]:
    """Hosts that a bow-out is slower than (nobody with a master-down time of 256 s is)."""
    return parameters(source).filter(lambda host: host.master_down < 255)


def networks(hosts: int) -> st.SearchStrategy[Network]:
    """That many hosts, of any parameters, none of them started."""
    return st.tuples(*(st.tuples(parameters(source), DELAYS) for source in SOURCES[:hosts])).map(
        Network
    )


def settle(network: Network, held_until: float = 0) -> None:
    """Leave the hosts alone, and look at each segment when it has calmed down."""
    for host in network.hosts:
        network.thaw(host)
    for number in {host.segment for host in network.hosts}:
        with network.segment(number) as segment:
            calm_down(segment, held_until)
            assert_settled(segment)


def calm_down(segment: Network, held_until: float) -> None:
    """Calm comes within the shortest master-down time of those that stay, counted from when the
    last of them has done what it was asked to do. It shows with the master's next word;
    or the one after that, when a preempting host took a loser's last word for a slow master.
    """
    begin = max(segment.now + LEAVE_AT_MOST, held_until)
    for _ in range(TOO_MANY):
        if segment.calm():
            break
        segment.step()
    assert segment.calm()
    patience = [h.parameters.master_down for h in segment.hosts if h.running]
    shown = max((h.parameters.interval for h in segment.hosts if h.owner), default=0)
    assert segment.now <= begin + min(patience, default=0) + 2 * shown + GRID + 10 * SLOWEST


def assert_settled(segment: Network) -> None:
    """Exactly one master, if any host runs; no host has a reason to replace it; and it stays."""
    running = [h for h in segment.hosts if h.running]
    owners = [h for h in segment.hosts if h.owner]
    assert len(owners) == bool(running)
    for master in owners:
        for host in running:
            assert master.parameters.interval <= host.parameters.master_down
            if host.parameters.preempt:
                assert master.parameters.interval <= host.parameters.interval
    before = [h.transitions for h in segment.hosts]
    segment.run(seconds=1e5, at_most=50)
    assert [h.transitions for h in segment.hosts] == before


# Two and three hosts, any parameters


@given(networks(2), st.floats(0, 600))
def test_two_hosts_started_at_any_time_end_with_one_master(network: Network, later: float) -> None:
    first, second = network.hosts
    network.start(first)
    network.run(later, at_most=500)
    network.start(second)
    settle(network)


@settings(max_examples=50)
@given(networks(3), st.floats(0, 60), st.floats(0, 60))
def test_two_masters_of_a_partition_are_one_after_it_heals(
    network: Network, apart: float, after: float
) -> None:
    for host in network.hosts:
        network.start(host)
    network.run(after, at_most=300)
    network.hosts[0].segment = 1
    network.run(apart, at_most=300)
    settle(network)
    network.hosts[0].segment = 0
    settle(network)


# Planned hand-overs


@settings(max_examples=30)
@given(
    st.tuples(*(st.tuples(brisk(source), DELAYS) for source in SOURCES)).map(Network),
    st.sampled_from([Network.stop, lambda network, host: network.step_down(host, hold=3.0)]),
    st.floats(0, 5),
)
def test_a_master_that_leaves_leaves_no_moment_without_an_owner(
    network: Network, leave: Callable[[Network, Host], None], when: float
) -> None:
    for host in network.hosts:
        network.start(host)
    settle(network)
    network.run(when, at_most=100)
    (master,) = [h for h in network.hosts if h.owner]
    leave(network, master)
    while master.owner:
        assert network.step()
        assert any(host.owner for host in network.hosts)
    settle(network, held_until=network.now + 3)


@pytest.mark.parametrize("leave", [Network.stop, Network.crash])
def test_of_three_hosts_only_the_next_in_line_takes_over(
    leave: Callable[[Network, Host], None],
) -> None:
    network = Network(
        (Parameters(source, advskew=advskew), SLOWEST / 2)
        for source, advskew in zip(SOURCES, (0, 100, 200), strict=True)
    )
    for host in network.hosts:
        network.start(host)
    settle(network)
    first, second, third = network.hosts
    assert first.owner
    before = third.transitions
    leave(network, first)
    settle(network)
    assert second.owner
    assert third.transitions == before


@settings(max_examples=50)
@given(networks(3))
def test_a_preempting_host_that_is_faster_than_the_others_has_the_address(network: Network) -> None:
    best = min(network.hosts, key=lambda h: h.parameters.interval)
    for host in network.hosts:
        if host is not best:
            network.start(host)
    settle(network)
    network.start(best)
    settle(network)
    others = [h.parameters.interval for h in network.hosts if h is not best]
    if best.parameters.preempt and best.parameters.interval < min(others):
        assert best.owner


# Anything


class Cluster(RuleBasedStateMachine):
    """Anything that can happen to hosts, in any order, at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network(())
        self.held_until = 0.0

    def host(self, number: int) -> Host:
        return self.network.hosts[number % len(self.network.hosts)]

    @initialize(network=st.integers(2, 3).flatmap(networks), start=st.booleans())
    def some_hosts(self, network: Network, start: bool) -> None:
        self.network = network
        for host in network.hosts if start else []:
            network.start(host)

    @rule(number=st.integers(0, 2))
    def host_starts(self, number: int) -> None:
        if not self.host(number).running:
            self.network.start(self.host(number))

    @rule(number=st.integers(0, 2))
    def host_crashes(self, number: int) -> None:
        self.network.crash(self.host(number))

    @rule(number=st.integers(0, 2))
    def host_stops(self, number: int) -> None:
        self.network.stop(self.host(number))

    @rule(number=st.integers(0, 2), hold=HOLDS)
    def host_steps_down(self, number: int, hold: float) -> None:
        self.held_until = max(self.held_until, self.network.now + hold)
        self.network.step_down(self.host(number), hold)

    @rule(number=st.integers(0, 2), up=st.booleans())
    def link_changes(self, number: int, up: bool) -> None:
        self.network.link(self.host(number), up)

    @rule(number=st.integers(0, 2), segment=st.integers(0, 2))
    def cable_moves(self, number: int, segment: int) -> None:
        self.host(number).segment = segment

    @rule(number=st.integers(0, 2))
    def host_freezes(self, number: int) -> None:
        self.network.freeze(self.host(number))

    @rule(number=st.integers(0, 2))
    def host_thaws(self, number: int) -> None:
        self.network.thaw(self.host(number))

    @rule(number=st.integers(0, 2), advbase=BYTES, advskew=BYTES)
    def stranger_speaks(self, number: int, advbase: int, advskew: int) -> None:
        self.network.hear(self.host(number), advertisement(advbase, advskew, STRANGER))

    @rule(number=st.integers(0, 2))
    def timer_fires_early(self, number: int) -> None:
        machine = self.host(number).machine
        if machine.deadline > self.network.now:
            assert machine.tick(self.network.now) == ()

    @rule(seconds=st.one_of(st.floats(0, 0.01), st.floats(0, 5), st.floats(0, 6000)))
    def time_passes(self, seconds: float) -> None:
        self.network.run(seconds, at_most=200)

    @rule(happenings=st.integers(1, 5))
    def a_few_things_happen(self, happenings: int) -> None:
        self.network.run(1e5, at_most=happenings)

    @rule()
    def it_is_quiet(self) -> None:
        settle(self.network, self.held_until)

    def teardown(self) -> None:
        self.it_is_quiet()


Cluster.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWhateverHappensOnceItIsQuietThereIsOneMaster = Cluster.TestCase
