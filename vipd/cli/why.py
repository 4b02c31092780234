"""`vipctl why`: in sentences, why this host is or is not master of a virtual IP.

What the election decides is not compared here: `vipd.carp.machine.meaning` does.
"""

import time
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import click

from vipd.api.io_vipd import Heard, VipStatus
from vipd.carp import timing
from vipd.carp.health import Health
from vipd.carp.host import by_address, in_both
from vipd.carp.machine import meaning
from vipd.carp.packet import Advertisement
from vipd.carp.parameters import Parameters
from vipd.carp.states import Input, Mode
from vipd.cli import health
from vipd.cli.attention import attention, master_of
from vipd.cli.client import run
from vipd.cli.completion import complete_ids
from vipd.cli.history import when
from vipd.cli.settings import runtime_dir_option, settings
from vipd.cli.text import safe, span, wrapped, write
from vipd.cli.two_passwords import sentence


@click.command("why")
@click.argument("identifier", metavar="ID", shell_complete=complete_ids)
@runtime_dir_option
def command(identifier: str, runtime_dir: Path | None) -> None:
    """Explain why this host is or is not master of a virtual IP.

    Also shows what would change that, and when this host would take over.

    Exit status: 0 shown, 1 there is no such virtual IP, 2 the daemon cannot be reached.
    """
    vip = run(settings(runtime_dir=runtime_dir), lambda client: client.vip(identifier))
    write(wrapped(each) for each in sentences(vip, time.time()))


def sentences(vip: VipStatus, now: float) -> list[str]:
    """Paragraphs: what is, why, what would change it, and what is wrong. `now`: Unix time."""
    told = [_now(vip, now), _SAID[vip.mode](vip), *health.sentences(vip, now)]
    told += [text] if (text := sentence(vip)) else []
    told_above = ("sick", "no_verdict")
    wrong = replace(vip, problems=[each for each in vip.problems if each.code not in told_above])
    told += [f"To correct: {each}" for each in attention(wrong)]
    return told


def _now(vip: VipStatus, now: float) -> str:
    every = (*vip.addresses, *vip.extra_addresses)
    names = ", ".join(safe(each).removesuffix("/32").removesuffix("/128") for each in every)
    states = {
        Mode.INIT: "takes no part in the election for",
        Mode.BACKUP: "is BACKUP for",
        Mode.TRYING: "is BACKUP for",
        Mode.HOLDING: "is BACKUP for",
        Mode.MASTER: "is MASTER of",
        Mode.LEAVING: "is MASTER, but handing over, of",
    }
    because = f": {vip.reason.value}" if vip.event else ""
    return (
        f"This host {states[vip.mode]} {safe(vip.id)} ({names} on {safe(vip.interface)}, VHID "
        f"{vip.vhid}), since {when(vip.since)[:19]}, {span(now - vip.since)} ago{because}."
    )


def _init(vip: VipStatus) -> str:
    if vip.waiting_for:
        kept = f" {_kept(vip)}" if vip.maintenance else ""
        return (
            f"It waits: {safe(vip.waiting_for)}. When that ends, it listens for "
            f"{span(vip.master_down)}, and becomes master if no better host advertises.{kept}"
        )
    return "It is being started or stopped."


def _backup(vip: VipStatus) -> str:
    heard = vip.heard
    if heard is None:
        only = f" Hosts in PEERS are heard: {safe(', '.join(vip.peers))}." if vip.peers else ""
        return f"No other host was heard.{only} {_takeover(vip)}"
    if standing(vip, heard) is Input.LEAVING:
        slow = "is leaving, or advertises so seldom that it is bound to time out"
        return f"{_host(heard)} {slow}. {_takeover(vip)}"
    if heard.missing or master_of(vip) is None:
        silent = (
            f"{_host(heard)} was heard {span(heard.ago)} ago and is {heard.missing} "
            f"{'advertisement' if heard.missing == 1 else 'advertisements'} late."
        )
        return f"{silent} {_takeover(vip)}"
    return f"{_host(heard)} is master, heard {span(heard.ago)} ago. {_against(vip, heard)}"


def _against(vip: VipStatus, heard: Heard) -> str:
    """Why a live master stays master, and what would change that."""
    rank = standing(vip, heard)
    later = f"This host takes over {span(vip.master_down)} after that host falls silent"
    leaves = "or at once when it leaves in order"
    if vip.health is Health.SICK and not vip.demote_by:
        too = "That host is sick, too, but" if heard.demotion else "This host is sick, and"
        return f"{too} the address stays there. {later}, {leaves}, if no healthy host does."
    if rank is Input.PREFERRED:
        why = f"It advertises {_every(heard)}, and {_than_us(vip, heard)}: it is preferred."
        if vip.preempt:
            cure = "With a lower --advskew than that host's, this host would take over at once."
        else:
            cure = "A lower --advskew would not change that while it lives, without --preempt."
        return f"{why} {later}, {leaves}. {cure}"
    if rank is Input.EQUAL:
        return (
            f"It advertises {_every(heard)}, as often as this host would, so whoever is master "
            f"stays it. {later}, {leaves}. With a lower --advskew and --preempt it would at once."
        )
    if rank is Input.DEMOTED:
        why = (
            f"It is demoted (byte 4 of its advertisements is {heard.demotion}, this host's would "
            "be 0): this host is preferred, with and without --preempt"
        )
    else:
        why = (
            f"It advertises {_every(heard)}, less often than this host would ({_ours(vip)}): this "
            "host is preferred"
        )
    if rank is Input.SLOWER and not vip.preempt:
        return f"{why}, but without --preempt it leaves a master alone. {later}, {leaves}."
    if vip.health is Health.UNKNOWN:
        unknown = "but it is not known yet whether it is fit to own the address"
        return f"{why}, {unknown}, so it does not take over. {later}, {leaves}."
    if vip.modest_left is not None:
        return (
            f"{why}, but {_modest(vip)}, so it does not take over for "
            f"another {span(vip.modest_left)}. {later}, {leaves}."
        )
    return f"{why}, and takes over when it hears it next, unless a better master lives as well."


def _modest(vip: VipStatus) -> str:
    """Why it leaves a living master alone for a while."""
    if vip.preempt_delay and not vip.mute:
        return f"leaves a living master alone at first (PREEMPT_DELAY is {vip.preempt_delay} s)"
    return "could not send an advertisement lately"


def _holding(vip: VipStatus) -> str:
    master = master_of(vip)
    if master is None:
        who = "No other host advertises, so that nobody owns the address."
    else:
        who = f"{safe(master)} is master."
    return f"{who} {_kept(vip)}"


def _kept(vip: VipStatus) -> str:
    """Why it stays backup in any case."""
    if vip.maintenance:
        return (
            "It is in maintenance and does not become master, whatever happens to the others, "
            f"until: vipctl maintenance off {safe(vip.id)}"
        )
    if vip.hold_left is not None:
        return (
            f"It was asked to stay backup, and does for another {span(vip.hold_left)}; after "
            f"that it listens for {span(vip.master_down)} before it takes over. To end that now: "
            f"vipctl maintenance off {safe(vip.id)}"
        )
    return "It holds back."


def _trying(_vip: VipStatus) -> str:
    return (
        "It would take over, and is finding out whether its advertisements can be sent at all: "
        "an address that nobody hears of would be on two hosts."
    )


def _master(vip: VipStatus) -> str:
    told = [f"It advertises {_ours(vip)}."]
    heard = vip.heard
    if heard is None:
        told.append("No other host was heard since vipd started.")
    else:
        told.append(f"The last other host that was heard is {_host(heard)}, {span(heard.ago)} ago.")
    told.append(
        "A host takes over that advertises more often, or as often from an address that wins "
        "against ours, if it preempts and is not demoted (OpenBSD); or any other when this one "
        "falls silent, or on: "
        f"vipctl demote {safe(vip.id)}."
    )
    if vip.lease_left is not None:
        told.append(
            "Were vipd frozen or killed, the kernel would take the address off within "
            f"{span(vip.lease_left)}."
        )
    elif vip.lease is None:
        told.append("LEASE is off: were vipd frozen or killed, the address would stay here too.")
    if vip.mute:
        told.append("Its last advertisement could not be sent.")
    return " ".join(told)


def _leaving(vip: VipStatus) -> str:
    kept = f" Then: {_kept(vip)}" if vip.maintenance or vip.hold_left is not None else ""
    return f"It answers until its successor is heard, 2 s at most.{kept}"


_SAID = {
    Mode.INIT: _init,
    Mode.BACKUP: _backup,
    Mode.TRYING: _trying,
    Mode.HOLDING: _holding,
    Mode.MASTER: _master,
    Mode.LEAVING: _leaving,
}


def standing(vip: VipStatus, heard: Heard) -> Input:
    """What an advertisement of that host means to this one."""
    source = ip_address(vip.source or "0.0.0.0")
    theirs = ip_address(heard.address)
    both = {source.version, theirs.version} == {4} and vip.source_ipv6 is not None
    name = in_both if both else by_address
    ours = Parameters(
        source,
        *(vip.advbase, vip.advskew, vip.deadratio, vip.preempt),
        demote_by=vip.demote_by,
        health=vip.health,
        host=name(source),
    )
    words = heard.advbase, heard.advskew, heard.demotion
    ad = Advertisement(theirs, theirs, vip.vhid, *words, 0, b"", name(theirs))
    return meaning(ad, ours)


def _takeover(vip: VipStatus) -> str:
    if vip.takeover_in is None:
        return "It does not take over as things are."
    why = f" ({vip.takeover_reason.value})" if vip.takeover_reason else ""
    return f"It takes over in {span(vip.takeover_in)} unless a master is heard{why}."


def _host(heard: Heard) -> str:
    demotion = f", demotion {heard.demotion}" if heard.demotion else ""
    return f"{safe(heard.address)} (advbase {heard.advbase}, advskew {heard.advskew}{demotion})"


def _every(heard: Heard) -> str:
    return f"every {timing.interval(heard.advbase, heard.advskew):.4g} s"


def _ours(vip: VipStatus) -> str:
    return f"every {vip.interval:.4g} s, advbase {vip.advbase}, advskew {vip.advskew}"


def _than_us(vip: VipStatus, heard: Heard) -> str:
    if timing.interval(heard.advbase, heard.advskew) < vip.interval:
        return f"this host would only {_ours(vip)}"
    return "its address wins against ours" if vip.source else "this host has no address yet"
