"""What befalls the addresses that a host's kernel has."""

from chaos import groups
from chaos.files import Files
from chaos.groups import ELSEWHERE, HERE, HOSTS, HOSTS_IPV6
from chaos.plan import Fault, Kind
from chaos.record import Condition
from chaos.scene import Act, Players, Scene, Until
from vipd.lab import Host


class Kernel:
    def __init__(self, scene: Scene, files: Files) -> None:
        self._scene = scene
        self._files = files
        self.players: Players = {
            Kind.DELETE: self._delete,
            Kind.FLUSH: self._flush,
            Kind.RENUMBER: self._renumber,
            Kind.PROMOTE: self._promote,
        }

    def _delete(self, fault: Fault, _host: Host) -> Act:
        group = self._scene.groups[fault.vhid]
        place = group.places[fault.dice % len(group.places)]
        for name in self._scene.owners(place.address):
            if self._scene.hosts[name].alive:
                self._scene.tell(fault, f"{name} loses {place.address}", group)
                host = self._scene.hosts[name]
                self._scene.sh(host, f"ip addr del {place} dev {place.interface}")
        yield from ()

    def _flush(self, fault: Fault, host: Host) -> Act:
        if host.alive:
            self._scene.tell(fault, f"{host.name} loses all")
            for interface in (HERE, ELSEWHERE):
                for network in groups.NETWORKS:
                    self._scene.sh(host, f"ip addr flush dev {interface} to {network}")
        yield from ()

    def _renumber(self, fault: Fault, host: Host) -> Act:
        """As a restart of the network does it."""
        if not host.alive:
            return
        own = f"{HOSTS[host.name]}/24 dev {HERE}"
        own_ipv6 = f"{HOSTS_IPV6[host.name]}/64 dev {HERE}"
        both = [f"ip addr {{}} {address}" for address in (own, own_ipv6)]
        away, back = ("; ".join(both).replace("{}", verb) for verb in ("del", "add"))
        with (
            self._scene.told(fault, f"{host.name} loses its own address", "own address back"),
            self._scene.during(host, Condition.ADDRESSLESS),
            self._files.hindering(host),
        ):
            if fault.dice % 2:
                self._scene.sh(host, f"{away}; {back}")
                return
            self._scene.sh(host, away)
            yield Until.END
            if host.alive:
                self._scene.sh(host, back)

    def _promote(self, fault: Fault, host: Host) -> Act:
        if host.alive:
            promotes = self._scene.promotes[host.name] = not self._scene.promotes[host.name]
            self._scene.tell(fault, f"{host.name} promote_secondaries {promotes:d}")
            self._scene.set_promotes(host)
        yield from ()
