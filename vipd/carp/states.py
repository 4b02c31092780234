"""The words of the state machine: states, modes, inputs, and the reasons of transitions."""

from enum import Enum


class State(Enum):
    """INIT: not taking part (interface down, or stopped). BACKUP: listening. MASTER: owner."""

    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"


class Mode(Enum):
    """What a machine is doing. Finer than `State`, which is what is shown and logged."""

    INIT = State.INIT, "not taking part"
    BACKUP = State.BACKUP, "listening, and taking over when the deadline passes"
    TRYING = State.BACKUP, "about to take over, if an advertisement leaves this time"
    HOLDING = State.BACKUP, "stepped down: not taking over whatever is heard, until the hold ends"
    MASTER = State.MASTER, "owning and advertising"
    LEAVING = State.MASTER, "bowed out: answering until the successor is heard"

    #: As in `vipd.carp.packet.Drop`: each rule is looked up by its mode and input.
    __hash__ = object.__hash__

    def __init__(self, state: State, meaning: str) -> None:
        self.state = state
        self.meaning = meaning


class Input(Enum):
    """What can happen to a machine. The first five are the meanings of an advertisement."""

    PREFERRED = "an advertisement that beats ours"
    EQUAL = "an advertisement as frequent as ours, from a higher address"
    SLOWER = "an advertisement less frequent than ours"
    DEMOTED = "an advertisement of a host that is sick, or demoted, and further than we are"
    LEAVING = "an advertisement so slow that its sender is bound to time out"
    TIMEOUT = "the deadline passed"
    LINK_UP = "the interface can be used"
    LINK_DOWN = "the interface cannot be used"
    STEP_DOWN = "asked to hand over and stay backup for a while"
    RESUME = "asked to forget a hold"
    STOP = "asked to hand over for good"
    SICKENED = "our host has fallen sick"
    RECOVERED = "our host is sick no more"
    LAPSED = "the lease on our addresses ran out before an advertisement renewed it"
    SENT = "an advertisement left, after one that did not"
    UNSENT = "an advertisement could not be sent"

    __hash__ = object.__hash__


class Reason(Enum):
    """Why a transition happened. The text is shown to people."""

    LINK_UP = "interface is up"
    LINK_DOWN = "interface is down"
    MASTER_DOWN = "nothing heard from a master"
    PREEMPTION = "the master advertises slower than we do, and we preempt"
    MASTER_SICK = "the master is sick"
    MASTER_DEMOTED = "the master is demoted further than we are (byte 4 of its advertisements)"
    MASTER_LEAVING = "the master is leaving or going to time out"
    PREFERRED_MASTER = "preferred master advertised"
    STEPPED_DOWN = "stepped down on request"
    MAINTENANCE = "handed over for maintenance"
    STOPPED = "stopped on request"
    SCRIPT_FAILED = "UPSCRIPT failed"
    LAPSED = "lease expired: no advertisement could be sent in time"
    UNHEARD = "advertisements cannot be sent"
