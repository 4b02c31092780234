"""The packets of an interface that were not taken: counted, and explained where that helps."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from vipd.carp.machine import Machine
from vipd.carp.packet import Drop, source_of
from vipd.carp.tag import sequence_of
from vipd.config.model import VipConfig
from vipd.daemon.diagnosis import explanation
from vipd.daemon.diagnosis.digest_proof import DigestProof
from vipd.daemon.diagnosis.neighbourhood import Neighbourhood
from vipd.daemon.diagnosis.problems import RateLimitedProblems
from vipd.daemon.diagnosis.sampling import MALFORMED, Sampling


class Configured(Protocol):
    """A VIP that runs."""

    config: VipConfig
    machine: Machine


class DroppedPackets:
    """``interface``: its name. ``members``: the VIPs on it now, by VHID."""

    def __init__(
        self,
        interface: str,
        complaints: RateLimitedProblems,
        proof: DigestProof,
        neighbourhood: Neighbourhood,
        members: Mapping[int, Configured],
    ) -> None:
        #: How many, by VHID (0 for those that are nobody's here) and reason.
        self.counts: Counter[tuple[int, Drop]] = Counter()
        #: The other readings of our VHIDs, which a peer that gets them wrong may use, and ours.
        self.misread: dict[int, int] = {}
        self.sampling = Sampling()
        self._sampled = MALFORMED
        self._interface = interface
        self._complaints = complaints
        self._proof = proof
        self._neighbourhood = neighbourhood
        self._members = members

    def follow(self, configs: Sequence[VipConfig]) -> None:
        """These are the VIPs on the interface now."""
        ours = {config.vhid for config in configs}
        unicast = any(config.peers is not None for config in configs)
        self._sampled = MALFORMED - {Drop.TTL} if unicast else MALFORMED
        self.misread = {
            config.other_vhid: config.vhid
            for config in configs
            if config.other_vhid and config.other_vhid not in ours
        }

    def add(self, drop: Drop, packet: bytes) -> None:
        """One that was dropped for this reason."""
        vhid = explanation.vhid_of(packet)
        times = self.sampling.count() if drop in self._sampled else 1
        self.counts[vhid if vhid in self._members else 0, drop] += times
        if drop is Drop.VHID or drop is Drop.DIGEST:
            if self._neighbourhood.surveying and (source := source_of(packet)):
                self._neighbourhood.heard(source, vhid)
            if drop is Drop.VHID and vhid not in self.misread:
                return
        kind = drop, vhid
        if self._complaints.repeated(kind):
            return
        if drop is Drop.VHID or drop is Drop.DIGEST:
            proof = self._interface, kind
            if not self._proof.wants(proof):  # not now; when it comes again
                if kind not in self._complaints:
                    self._note(drop, packet, vhid)
                return
            if search := explanation.search(
                packet, vhid, [member.config for member in self._members.values()]
            ):
                self._note(drop, packet, vhid)
                self._proof.ask(
                    proof, search, lambda found: self._explain(drop, packet, vhid, found)
                )
                return
        self._explain(drop, packet, vhid)

    def _note(self, drop: Drop, packet: bytes, vhid: int) -> None:
        if drop is not Drop.VHID:
            words = self._words(drop, packet, vhid)
            self._complaints.note((drop, vhid), words, vhid=vhid, id=self._id_of(vhid))

    def _explain(self, drop: Drop, packet: bytes, vhid: int, found: str = "") -> None:
        """Report a dropped packet; of a group that is nobody's here only what was found out."""
        member = self._members.get(vhid)
        if drop is Drop.DIGEST and member and _was_believed(packet, member.machine):
            found = explanation.SECOND_PASSWORD
        if found or drop is not Drop.VHID:
            words = self._words(drop, packet, vhid, found)
            self._complaints.tell(
                (drop, vhid), words, vhid=vhid, id=self._id_of(vhid), forgeable=True
            )

    def _words(self, drop: Drop, packet: bytes, vhid: int, found: str = "") -> Callable[[], str]:
        return lambda: f"{self._interface}: {explanation.explain(drop, packet, vhid, found)}"

    def _id_of(self, vhid: int) -> str:
        member = self._members.get(self.misread.get(vhid, vhid))
        return member.config.id if member else ""


def _was_believed(packet: bytes, machine: Machine) -> bool:
    """Whether the same advertisement came with a password of ours, too: that copy has the same
    sequence, and another tag."""
    sequence = sequence_of(explanation.counter_of(packet))
    return any(sequence_of(peer.ad.counter) == sequence for peer in machine.peers)
