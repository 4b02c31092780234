"""Machines brought to where a test begins, by nothing but what can happen to them."""

from ipaddress import IPv4Address
from math import inf

from vipd.carp.effects import Effects
from vipd.carp.host import Address, by_address
from vipd.carp.machine import Machine
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.rank import BOW_OUT
from vipd.carp.states import State

NOW = 100.0
GROUP = IPv4Address("224.0.0.18")
OUR_ADDRESS = IPv4Address("192.0.2.20")
LOWER, HIGHER = IPv4Address("192.0.2.10"), IPv4Address("192.0.2.30")
#: Interval 1.5 s, master-down 3.5 s, stagger 0.125 s: all of them different.
US = Parameters(source=OUR_ADDRESS, advbase=1, advskew=128, deadratio=3)


def advertisement(advbase: int, advskew: int, source: Address = HIGHER) -> Advertisement:
    """What another host says (counter and digest are nothing to the machine)."""
    return Advertisement(source, GROUP, 1, advbase, advskew, 0, 0, bytes(20), by_address(source))


FASTER = advertisement(1, 127)
SLOWER = advertisement(1, 129, LOWER)
A_BOW_OUT = advertisement(*BOW_OUT)


def init(parameters: Parameters = US) -> Machine:
    """Not taking part."""
    return Machine(parameters)


def backup(parameters: Parameters = US) -> Machine:
    """Listening for a second now."""
    machine = init(parameters)
    machine.link_up(NOW - 1)
    return machine


def master(parameters: Parameters = US) -> Machine:
    """Owner for some seconds, with nothing left to do but advertise: US again in 1 s."""
    machine = init(parameters)
    machine.link_up(NOW - 9.75)
    while machine.state is not State.MASTER or machine.deadline <= NOW:
        machine.tick(machine.deadline)
    return machine


def mute_master(parameters: Parameters = US) -> Machine:
    """Its last advertisement could not be sent; those before were."""
    machine = master(parameters)
    machine.tick(machine.deadline)
    machine.sent(False, NOW)
    return machine


def leaving_for_a_while(parameters: Parameters = US) -> Machine:
    """Stepped down for 3 s, a tenth of a second ago; no successor heard."""
    machine = master(parameters)
    machine.step_down(NOW - 0.1, hold=3.0)
    return machine


def leaving_for_good(parameters: Parameters = US) -> Machine:
    """Stopped, a tenth of a second ago; no successor heard."""
    machine = master(parameters)
    machine.stop(NOW - 0.1)
    return machine


def holding(parameters: Parameters = US) -> Machine:
    """Stepped down for 3 s, a second ago, and let go to a successor at once: 2 s are left."""
    machine = master(parameters)
    machine.step_down(NOW - 1, hold=3.0)
    machine.receive(SLOWER, NOW - 1)
    return machine


def in_maintenance(parameters: Parameters = US) -> Machine:
    """Asked a second ago, as a backup, never to be master until that is taken back."""
    machine = backup(parameters)
    machine.step_down(NOW - 1, inf)
    return machine


def play(machine: Machine, until: float) -> list[tuple[float, Effects]]:
    """What the machine does by itself, and when, up to and including ``until``."""
    done = []
    while machine.deadline <= until:
        at = machine.deadline
        done.append((at, machine.tick(at)))
    return done
