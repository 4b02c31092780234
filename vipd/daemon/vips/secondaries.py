"""Keeps the kernel from deleting other addresses of a subnet together with one of ours
(`vipd.linux.secondaries`)."""

from vipd.daemon.log.logger import log
from vipd.linux.addresses import AnyInterface
from vipd.linux.netlink import Netlink
from vipd.linux.secondaries import promote


class Secondaries:
    """For all VIPs of a daemon. Success and failure are logged once for each interface."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._told: set[tuple[int, bool]] = set()

    def keep(self, index: int, interface: str, address: AnyInterface) -> None:
        """Call this before ``address`` is added to an interface, and before it is deleted. If the
        kernel refuses the setting, vipd adds its own addresses again when they are deleted; it
        cannot do that for the host's other addresses."""
        try:
            changed = promote(self._netlink, index)
        except OSError as error:
            if (index, False) not in self._told:
                self._told.add((index, False))
                log.error(
                    "%s: cannot set promote_secondaries: %s; when %s goes, it may take the other "
                    "addresses of its subnet along: "
                    "sysctl -w net.ipv4.conf.all.promote_secondaries=1",
                    interface,
                    error,
                    address,
                    extra={"interface": interface, "reason": "promote_secondaries"},
                )
            return
        if changed and (index, True) not in self._told:
            self._told.add((index, True))
            log.info(
                "%s: promote_secondaries set to 1, so that the other addresses of its subnet stay "
                "when %s goes",
                interface,
                address,
                extra={"interface": interface, "reason": "promote_secondaries"},
            )
