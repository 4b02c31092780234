"""What hosts' files say: their answers to `vipctl check --json --sign NUMBER`."""

from dataclasses import dataclass

from vipd.cli.remote.ask import Answer
from vipd.cli.remote.fields import AnswerError, Fields, address


@dataclass(frozen=True, slots=True)
class VipFile:
    """The settings of one VIP on one host, those that another host's have to fit.

    `addresses` are sorted, and without prefix length, which need not be the same. `signatures`:
    of its password, and of the second one if it has one. `sources`: its own addresses, as far as
    they are known there, by IP version.
    """

    id: str
    vhid: int
    addresses: tuple[str, ...]
    signatures: tuple[str, ...]
    advbase: int
    advskew: int
    deadratio: int
    preempt: bool
    mcast: str
    peers: tuple[str, ...] | None
    sources: dict[int, str]
    group: str = ""


@dataclass(frozen=True, slots=True)
class HostFiles:
    """The files of one host. `why`: why it could not be asked; "" if it answered. `errors`: how
    many its vipctl check reports: VIPs may be missing."""

    name: str
    why: str
    version: str = ""
    errors: int = 0
    vips: tuple[VipFile, ...] = ()


def files_of(answer: Answer) -> HostFiles:
    """What a host answered. All its texts have yet to be made `safe`."""
    if answer.found is None:
        return HostFiles(answer.host, answer.why)
    fields = Fields(answer.found)
    try:
        return HostFiles(
            answer.host,
            "",
            fields.text("version"),
            sum(each.text("severity") == "error" for each in fields.objects("problems")),
            tuple(_vip(each) for each in fields.objects("vips")),
        )
    except AnswerError as error:
        why = f"its answer is not that of vipctl check ({error}); compare the versions"
        return HostFiles(answer.host, why)


def _vip(fields: Fields) -> VipFile:
    peers = fields.texts_or_none("peers")
    if not (signatures := fields.texts("signatures")[:2]):
        raise AnswerError("signatures is empty")
    sources = {4: fields.text_or_none("source"), 6: fields.text_or_none("source_ipv6")}
    return VipFile(
        id=fields.text("id"),
        vhid=fields.whole("vhid"),
        addresses=tuple(sorted(set(fields.addresses("addresses")))),
        signatures=signatures,
        advbase=fields.whole("advbase"),
        advskew=fields.whole("advskew"),
        deadratio=fields.whole("deadratio"),
        preempt=fields.flag("preempt"),
        mcast=fields.text("mcast"),
        peers=None if peers is None else tuple(sorted({address(each) for each in peers})),
        sources={version: address(each) for version, each in sources.items() if each},
        group=fields.text("group") if fields.has("group") else "",
    )
