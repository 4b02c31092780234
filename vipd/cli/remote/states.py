"""What hosts are doing: their answers to `vipctl status --json`."""

from dataclasses import dataclass

from vipd.carp.states import Mode, State
from vipd.cli.remote.ask import Answer
from vipd.cli.remote.fields import AnswerError, Fields, address

STATUS = ("status", "--json")
"""The command that each host is asked."""


@dataclass(frozen=True, slots=True)
class SignerHeard:
    """A host that advertised `ago` seconds ago, and which of the two passwords it signs with."""

    address: str
    signs_with: str
    ago: float


@dataclass(frozen=True, slots=True)
class VipThere:
    """A VIP on one host. `addresses`: those of VIP_ADDRESS, `extra`: of EXTRA_ADDRESSES, both
    without prefix length. `master`: the source address of the living master that it hears. `hold`:
    seconds for which it stays backup. `attention`: what needs attention."""

    id: str
    addresses: tuple[str, ...]
    extra: tuple[str, ...]
    state: State
    leaving: bool
    maintenance: bool
    hold: float | None
    sources: tuple[str, ...]
    master: str | None
    attention: tuple[str, ...]
    two_passwords: bool
    signers: tuple[SignerHeard, ...]


@dataclass(frozen=True, slots=True)
class HostState:
    """A host. `why`: why it could not be asked; "" if it answered. `seconds`: how long that took.
    `problems`: those that belong to none of its VIPs."""

    name: str
    why: str
    seconds: float
    vips: tuple[VipThere, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether the rest says anything."""
        return not self.why


def state_of(answer: Answer) -> HostState:
    """What a host answered. All its texts have yet to be made `safe`."""
    if answer.found is None:
        return HostState(answer.host, answer.why, answer.seconds)
    fields = Fields(answer.found)
    try:
        vips = tuple(_vip(each) for each in fields.objects("vips"))
        problems = tuple(_problem(each) for each in fields.objects("problems"))
    except AnswerError as error:
        why = f"its answer is not that of vipctl status ({error}); compare the versions"
        return HostState(answer.host, why, answer.seconds)
    return HostState(answer.host, "", answer.seconds, vips, problems)


def _vip(fields: Fields) -> VipThere:
    state, mode = fields.text("state"), fields.text("mode")
    if state not in State.__members__:
        raise AnswerError("state is none")
    heard = fields.object_or_none("heard")
    followed = heard is not None and heard.flag("followed")
    sources = (fields.text_or_none("source"), fields.text_or_none("source_ipv6"))
    return VipThere(
        id=fields.text("id"),
        addresses=fields.addresses("addresses"),
        extra=tuple(address(each.partition("@")[0]) for each in fields.texts("extra_addresses")),
        state=State[state],
        leaving=mode == Mode.LEAVING.name,
        maintenance=fields.flag("maintenance"),
        hold=fields.number_or_none("hold_left"),
        sources=tuple(address(each) for each in sources if each),
        master=address(heard.text("address")) if heard and followed else None,
        attention=fields.texts("attention"),
        two_passwords=fields.has("password_also") and fields.flag("password_also"),
        signers=tuple(map(_signer, fields.objects("signers") if fields.has("signers") else ())),
    )


def _signer(fields: Fields) -> SignerHeard:
    ago = fields.number_or_none("ago")
    return SignerHeard(address(fields.text("address")), fields.text("signs_with"), ago or 0.0)


def _problem(fields: Fields) -> str:
    who = fields.text("file") or fields.text("id") or fields.text("interface") or "vipd"
    hint = fields.text("hint")
    return f"{who}: {fields.text('text')}" + (f"; {hint}" if hint else "")
