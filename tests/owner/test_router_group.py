"""GROUP: a router with a virtual IP on either side, on two hosts."""

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP

import pytest
from helpers.asking import Client
from helpers.configured import write_script, write_vip
from helpers.hosts import transitions, until

from owner.group import PATIENCE
from vipd.lab import Host, Lab, Process

pytestmark = pytest.mark.lab

INSIDE, OUTSIDE = "198.51.100.154", "203.0.113.154"
SIDES = {"001": ("eth1", INSIDE), "002": ("eth2", OUTSIDE)}
OPTIONS = {"r1": "--preempt", "r2": "--preempt --advskew=10"}
KEYS = {"GROUP": "router", "TRACK_UP": "0.5"}


@dataclass
class Router:
    """r1 and r2, each with 001 inside (eth1) and 002 outside (eth2). r1 is preferred for both."""

    lab: Lab
    directory: Path
    daemons: dict[str, Process] = field(default_factory=dict)

    def host(self, name: str) -> Host:
        if name not in self.lab.hosts:
            own = [f"198.51.100.{name[1:]}/24"], [f"203.0.113.{name[1:]}/24"]
            interfaces = {"eth1": own[0], "eth2": own[1]}
            self.lab.host(name, interfaces=interfaces, bridge={"eth2": "outside"})
        return self.lab.hosts[name]

    def write(self, name: str, vip: str, **keys: str | None) -> None:
        interface, address = SIDES[vip]
        own = {"VIP_ADDRESS": address, "BIND_INTERFACE": interface, "OPTIONS": OPTIONS[name]}
        write_vip(self.directory / name, vip, **{**own, **KEYS, **keys})

    def start(self, name: str) -> Process:
        """Start vipd on what was written."""
        for vip in SIDES:
            if not (self.directory / name / f"vip-{vip}.conf").exists():
                self.write(name, vip)
        self.daemons[name] = self.host(name).vipd(self.directory / name)
        for vip in SIDES:
            self.daemons[name].wait_for(f"{vip}: Switching to state: BACKUP", timeout=PATIENCE)
        return self.daemons[name]

    def pair(self) -> tuple[Process, Process]:
        """Both hosts; r1 owns both addresses."""
        daemons = self.start("r1"), self.start("r2")
        self.belong_to("r1")
        return daemons

    def belong_to(self, inside: str, outside: str = "", *, lasting: float = 0.5) -> None:
        """Exactly these hosts own the addresses."""
        for address, owner in ((INSIDE, inside), (OUTSIDE, outside or inside)):
            self.lab.wait_owner(address, owner, timeout=PATIENCE, stable=lasting)

    def reasons(self, name: str) -> dict[str, list[str]]:
        """By VIP: what makes it sick on this host."""
        with Client(self.daemons[name]) as client:
            return {
                identifier: [each["name"] for each in vip["findings"] if each["well"] is False]
                for identifier, vip in client.vips().items()
            }

    def wait_for_reasons(self, name: str, **reasons: list[str]) -> None:
        wanted = {identifier.removeprefix("vip"): those for identifier, those in reasons.items()}
        until(
            lambda: self.reasons(name) == wanted,
            lambda: f"{self.reasons(name)}, not {wanted}{self.lab.tails()}",
            PATIENCE,
        )


@pytest.fixture
def router(lab: Lab, tmp_path: Path) -> Router:
    """Nothing is started yet."""
    return Router(lab, tmp_path)


@pytest.mark.parametrize(
    ("cut", "cut_off", "other"), [("eth1", "001", "002"), ("eth2", "002", "001")]
)
def test_either_cable_moves_both_sides_and_both_come_home(
    router: Router, cut: str, cut_off: str, other: str
) -> None:
    first, _ = router.pair()
    moved = len(transitions(first, other))
    router.host("r1").cut(cut)
    router.belong_to("r2")
    first.wait_for(f"{other}: sick: group:router: {cut_off}: waits: {cut} has no carrier")
    router.wait_for_reasons(
        "r1", **{f"vip{cut_off}": [f"track:{cut}"], f"vip{other}": ["group:router"]}
    )
    router.host("r1").join(cut)
    router.belong_to("r1", lasting=1)
    router.wait_for_reasons("r1", vip001=[], vip002=[])
    # One way there and one way back.
    assert transitions(first, other)[moved:] == ["BACKUP", "MASTER"]


def test_two_half_dead_hosts_serve_what_each_can(router: Router) -> None:
    router.pair()
    router.host("r1").cut("eth1")
    router.belong_to("r2")
    router.host("r2").cut("eth2")
    router.belong_to("r2", "r1", lasting=2)
    router.wait_for_reasons("r1", vip001=["track:eth1"], vip002=["group:router"])
    router.wait_for_reasons("r2", vip001=["group:router"], vip002=["track:eth2"])
    router.host("r1").join("eth1")
    router.belong_to("r1", lasting=1)
    router.host("r2").join("eth2")
    router.belong_to("r1", lasting=1)


def test_a_link_that_bounces_moves_both_once(router: Router) -> None:
    for vip in SIDES:
        router.write("r1", vip, TRACK_UP="3")
    first, _ = router.pair()
    before = len(transitions(first, "002"))
    for _ in range(4):
        router.host("r1").cut("eth1")
        time.sleep(0.3)
        router.host("r1").join("eth1")
        time.sleep(0.3)
    router.belong_to("r2")
    router.belong_to("r1")
    assert transitions(first, "002")[before:] == ["BACKUP", "MASTER"]


def test_a_failed_check_of_one_moves_both(router: Router, tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    router.write("r1", "001", TRACK_FILE=str(drain))
    first, _ = router.pair()
    drain.write_text("1")
    router.belong_to("r2")
    first.wait_for(f"002: sick: group:router: 001: track:{drain}: {drain} says “1”$")
    drain.unlink()
    first.wait_for("002: well again: group:router$")
    router.belong_to("r1")


def test_an_upscript_that_fails_moves_both(router: Router, tmp_path: Path) -> None:
    flag = tmp_path / "fails"
    script = write_script(tmp_path / "up", f'test ! -e {flag} && exec ip addr add "$2/32" dev "$1"')
    down = write_script(tmp_path / "down", 'exec ip addr del "$2/32" dev "$1"')
    keys = {"UPSCRIPT": str(script), "DOWNSCRIPT": str(down), "UPSCRIPT_FAILURE": "demote"}
    router.write("r1", "001", **keys)
    flag.touch()
    first = router.start("r1")
    router.start("r2")
    router.belong_to("r2")
    first.wait_for("002: sick: group:router: 001: UPSCRIPT failed")
    flag.unlink()
    with Client(first) as client:
        client.ask("Maintenance", ids=["001"], on=False)  # as a person would who has corrected it
    router.belong_to("r1")


def test_a_reload_leaves_nothing_behind(router: Router, tmp_path: Path) -> None:
    drain = tmp_path / "drain"
    router.write("r1", "001", TRACK_FILE=str(drain))
    first, _ = router.pair()
    drain.write_text("1")
    router.belong_to("r2")
    router.write("r1", "002", GROUP="another")
    first.signal(SIGHUP)
    router.belong_to("r2", "r1")
    router.write("r1", "002")
    first.signal(SIGHUP)
    router.belong_to("r2")
    router.wait_for_reasons("r1", vip001=[f"track:{drain}"], vip002=["group:router"])
    (tmp_path / "r1" / "vip-001.conf").unlink()  # and with it what ails it
    first.signal(SIGHUP)
    router.belong_to("r2", "r1")
    with Client(first) as client:
        assert client.vips()["002"]["health"] == "WELL"


def test_people_hand_a_group_over(router: Router) -> None:
    """A hold of one VIP is no reason for the others."""
    first, _ = router.pair()
    host = router.host("r1")
    vipctl = [sys.executable, "-m", "vipd.cli.main"]
    done = host.run([*vipctl, "demote", "--group", "router", "--hold=600"], timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\d+): handed over", done.stdout, re.MULTILINE) == ["001", "002"]
    router.belong_to("r2")
    done = host.run([*vipctl, "maintenance", "off", "--group", "router"], timeout=60)
    assert (done.returncode, done.stdout) == (0, "Maintenance is over: 001, 002\n")
    router.belong_to("r1")
    done = host.run([*vipctl, "maintenance", "on", "001"], timeout=60)
    router.belong_to("r2", "r1", lasting=1)
    router.wait_for_reasons("r1", vip001=[], vip002=[])
    done = host.run([*vipctl, "maintenance", "on", "--group", "nobody"], timeout=60)
    assert done.returncode == 1
    assert "no virtual IP here is of the group nobody" in done.stderr
    assert "the groups here: router" in done.stderr
    assert first.alive


def test_a_frozen_host_comes_home_with_both(router: Router) -> None:
    first, _ = router.pair()
    first.signal(SIGSTOP)
    router.belong_to("r2")
    first.signal(SIGCONT)
    router.belong_to("r1")
    router.wait_for_reasons("r1", vip001=[], vip002=[])


def test_a_side_that_cannot_send_moves_both(router: Router) -> None:
    first, _ = router.pair()
    host = router.host("r1")
    rules = (
        "table netdev cut {\nchain out {\ntype filter hook egress device eth1 priority 0\n"
        "ip protocol 112 drop\n}\n}\n"
    )
    done = host.run(["nft", "-f", "-"], text=rules)
    assert done.returncode == 0, done.stderr
    router.belong_to("r2")
    first.wait_for("002: sick: group:router: 001: ")
    assert host.run(["nft", "delete", "table", "netdev", "cut"]).returncode == 0
    router.belong_to("r1")


def test_a_vip_that_breaks_keeps_the_other_away(router: Router) -> None:
    """It fails whenever it becomes master; in between it is no reason to come home."""
    router.write("r1", "001", VIP_ADDRESS=f"{INSIDE} 2001:db8::154")
    router.write("r2", "001", VIP_ADDRESS=f"{INSIDE} 2001:db8::154")
    switch = "echo {} >/proc/sys/net/ipv6/conf/eth1/disable_ipv6"
    assert router.host("r1").run(["sh", "-c", switch.format(1)]).returncode == 0
    router.start("r2")
    router.belong_to("r2")
    first = router.start("r1")
    first.wait_for("001: failed: .*; starts again in 1 s", timeout=PATIENCE)
    first.wait_for("002: sick: group:router: 001: failed: ")
    first.wait_for("001: failed: .*; starts again in 4 s", timeout=PATIENCE)
    assert transitions(first, "002").count("MASTER") <= 1
    router.belong_to("r2")
    assert router.host("r1").run(["sh", "-c", switch.format(0)]).returncode == 0
    router.belong_to("r1")
    router.wait_for_reasons("r1", vip001=[], vip002=[])
