"""A lease is as long as the kernel knows it to be, whatever becomes of a renewal."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path

import pytest
from helpers.configured import QUICK, VIP, write_vip
from helpers.faults import NO_RENEWALS, faulty
from helpers.hosts import address_of, ip, until
from linux.conftest import web01 as inside  # noqa: F401  (a fixture)

from vipd.lab import Host, Lab, Process
from vipd.linux.addresses import Address
from vipd.linux.netlink import Netlink

pytestmark = pytest.mark.lab

PATIENCE = 60.0
SECOND = "198.51.100.155"


@pytest.fixture
def netlink(inside: Host) -> Iterator[Netlink]:  # noqa: F811
    assert inside.alive
    opened = Netlink()
    yield opened
    opened.close()


def renewals(index: int, number: int) -> list[bytes]:
    every = (f"10.0.{each // 250}.{each % 250 + 1}/32" for each in range(number))
    return [Address(index, ip_interface(each), 3).renewal for each in every]


def test_thousands_of_renewals_fit_and_each_that_is_refused_is_known(netlink: Netlink) -> None:
    index = socket.if_nametoindex("eth1")
    messages = renewals(index, 4000)
    assert sum(map(len, messages)) > 212_992  # more than a socket takes at once
    wrong = dict(zip((7, 450, 3999), renewals(4711, 3), strict=True))
    for number, message in wrong.items():
        messages[number] = message
    began = time.perf_counter()
    refused = netlink.post(messages)
    print(f"4000 renewals: {1000 * (time.perf_counter() - began):.0f} ms")
    assert refused == dict.fromkeys(wrong, errno.ENODEV)
    netlink.post([])


def test_what_could_not_be_sent_was_refused_and_the_rest_is_carried_out(
    netlink: Netlink, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = socket.if_nametoindex("eth1")
    messages = renewals(index, 4000)
    sent = 0

    class Socket(socket.socket):
        def send(self, data: bytes, *_: int) -> int:  # type: ignore[override]
            nonlocal sent
            sent += 1
            if sent == 2:
                raise OSError(errno.ENOBUFS, "injected")
            return super().send(data)

    broken = Socket(socket.AF_NETLINK, socket.SOCK_RAW, 0, netlink._socket.detach())
    monkeypatch.setattr(netlink, "_socket", broken)
    refused = netlink.post(messages)
    assert sent > 2
    assert set(refused.values()) == {errno.ENOBUFS}
    assert 0 < len(refused) < len(messages)
    numbers = sorted(refused)
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert numbers[0] > 0


class Refusing:
    """A master whose renewals fail from a moment on."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.host = lab.host("web01", "198.51.100.179/24")
        self.file = directory / "errno"
        env = faulty(directory / "faults", NO_RENEWALS.format(file=str(self.file)))
        write_vip(directory / "files", OPTIONS=QUICK)
        write_vip(directory / "files", "002", VIP_ADDRESS=SECOND, LEASE="off", OPTIONS=QUICK)
        self.daemon: Process = self.host.vipd(directory / "files", env=env)
        for vip, address in (("001", VIP), ("002", SECOND)):
            lab.wait_owner(address, "web01", timeout=PATIENCE)
            self.daemon.wait_for(f"^<4>{vip}: Switching to state: MASTER", timeout=PATIENCE)

    def begin(self, code: int) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(str(code))
        new.rename(self.file)


@pytest.mark.parametrize("code", ["ENOBUFS", "ENOMEM", "EPERM", "EMSGSIZE", "EIO"])
def test_a_renewal_that_failed_is_told_and_the_vip_lapses_when_its_lease_ends(
    lab: Lab, tmp_path: Path, code: str
) -> None:
    refusing = Refusing(lab, tmp_path)
    number = getattr(errno, code)
    daemon = refusing.daemon
    mark = daemon.mark()
    refusing.begin(number)
    daemon.wait_for(
        rf"^<3>001: the kernel did not renew the lease of {VIP}/32: {os.strerror(number)}",
        timeout=PATIENCE,
    )
    daemon.wait_for(r"^<4>001: Switching to state: BACKUP \(lease", since=mark, timeout=PATIENCE)
    until(
        lambda: address_of(refusing.host, VIP) is None or "MASTER" in daemon.log(mark), daemon.tail
    )
    assert "002: Switching" not in daemon.log(mark)
    assert address_of(refusing.host, SECOND)


def test_renewals_that_fail_for_less_than_a_lease_change_nothing(lab: Lab, tmp_path: Path) -> None:
    refusing = Refusing(lab, tmp_path)
    (tmp_path / "files" / "vip-001.conf").unlink()
    write_vip(tmp_path / "files", "001", OPTIONS=QUICK, LEASE="30")

    def renewed() -> bool:
        shown = address_of(refusing.host, VIP)
        return bool(shown and shown["valid_life_time"] >= 29)

    until(renewed, refusing.daemon.tail, PATIENCE)
    refusing.begin(errno.ENOBUFS)
    refusing.daemon.wait_for("did not renew the lease", timeout=PATIENCE)
    until(lambda: not renewed(), refusing.daemon.tail, PATIENCE)
    refusing.file.unlink()
    until(renewed, refusing.daemon.tail, PATIENCE)
    assert refusing.daemon.log().count("001: Switching to state: MASTER") == 1


def test_an_address_that_cannot_be_renewed_because_its_interface_went_is_let_go(
    lab: Lab, tmp_path: Path
) -> None:
    host = lab.host("web01", "198.51.100.179/24")
    ip(host, "link add eth9 type veth peer name peer9", "link set eth9 up", "link set peer9 up")
    ip(host, "addr add 192.0.2.9/24 dev eth9")
    write_vip(tmp_path, BIND_INTERFACE="eth9", OPTIONS=QUICK)
    daemon = host.vipd(tmp_path)
    lab.wait_owner(VIP, "web01", timeout=PATIENCE)
    ip(host, "link del eth9")
    daemon.wait_for("state: INIT", timeout=PATIENCE)
    assert "Traceback" not in daemon.log()
