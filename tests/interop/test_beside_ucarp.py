"""vipd and the real ucarp share an address: at the end exactly one of them has it, every time."""

from collections.abc import Callable
from pathlib import Path
from signal import SIGUSR2

import pytest
from helpers.configured import VIP

from interop.pair import BEHIND, PATIENCE, Pair
from vipd.lab import Host, Lab

pytestmark = pytest.mark.lab

MakePair = Callable[..., Pair]
EXAMPLES = Path(__file__).parents[2] / "conf.d.example"

FIREWALL = """
table inet closed {
    chain in { type filter hook input priority 0; ip protocol 112 drop; }
    chain out { type filter hook output priority 0; ip protocol 112 drop; }
}
"""


def test_at_start_up_the_preferred_host_gets_the_address(pair: Pair) -> None:
    pair.start_both()


def test_the_other_host_takes_over_when_the_cable_is_cut_and_gives_back(pair: Pair) -> None:
    pair.start_both(preempt=True)
    pair.web01.cut()
    pair.belongs_to(pair.web02)
    pair.web01.join()
    pair.belongs_to(pair.web01)


def test_the_other_host_takes_over_from_a_crashed_one(pair: Pair) -> None:
    pair.start_both()
    pair.web01.crash()
    pair.belongs_to(pair.web02)


def test_the_other_host_takes_over_from_a_stopped_one(pair: Pair) -> None:
    pair.common = ("--shutdown",)
    first, _ = pair.start_both()
    assert first.stop() == 0
    pair.belongs_to(pair.web02)


def test_stopping_the_backup_changes_nothing(pair: Pair) -> None:
    pair.common = ("--shutdown",)
    _, second = pair.start_both()
    second.stop()
    pair.belongs_to(pair.web01)
    assert len(pair.lab.ownership(VIP).changes) == 1


def test_a_preferred_host_that_preempts_takes_the_address_from_a_running_master(pair: Pair) -> None:
    pair.start(pair.web02, BEHIND)
    pair.belongs_to(pair.web02)
    pair.start(pair.web01, "--preempt")
    pair.belongs_to(pair.web01)


def test_a_preferred_host_that_does_not_preempt_lets_a_running_master_be(pair: Pair) -> None:
    pair.start(pair.web02, BEHIND)
    pair.belongs_to(pair.web02)
    pair.start(pair.web01)
    pair.belongs_to(pair.web02, lasting=6)  # twice master-down


@pytest.mark.parametrize(
    "sources",
    [
        ("198.51.100.179", "198.51.100.180"),
        # ucarp compares addresses as a little-endian machine loads them: the last octet counts
        ("198.51.100.5", "192.0.2.10"),
        ("203.0.113.5", "198.51.100.133"),
    ],
    ids=" before ".join,
)
def test_between_equals_the_address_decides(make_pair: MakePair, sources: tuple[str, str]) -> None:
    pair = make_pair(sources=sources)
    pair.web01.isolate()
    pair.start(pair.web01)
    pair.start(pair.web02)
    pair.both_claim_it()
    pair.web01.rejoin()
    pair.belongs_to(pair.web01)


def test_a_healed_partition_has_one_master_the_preferred_one(pair: Pair) -> None:
    pair.start_both()
    pair.web02.isolate()
    pair.both_claim_it()
    pair.web02.rejoin()
    pair.belongs_to(pair.web01)


def test_a_master_steps_down_on_sigusr2(pair: Pair) -> None:
    first, _ = pair.start_both()
    first.signal(SIGUSR2)
    pair.belongs_to(pair.web02)


def test_a_preempting_master_that_stepped_down_comes_back_after_a_while(pair: Pair) -> None:
    first, second = pair.start_both(preempt=True)
    first.signal(SIGUSR2)
    second.wait_for("Switching to state: MASTER", timeout=PATIENCE)
    pair.belongs_to(pair.web01)


@pytest.mark.parametrize("written", ["010", "0xff"])
def test_an_id_is_the_number_that_ucarp_reads(make_pair: MakePair, written: str) -> None:
    make_pair(vhid=written).start_both()


@pytest.mark.parametrize("option", ["--nomcast", "--mcast=239.192.0.5"])
def test_advertisements_may_go_elsewhere_than_to_the_usual_group(
    make_pair: MakePair, option: str
) -> None:
    make_pair(common=(option,)).start_both()


def test_a_password_may_have_19_bytes(make_pair: MakePair) -> None:
    make_pair(password="nineteen-bytes-pass").start_both()


@pytest.mark.parametrize("text", ["love\n", "pa$$ w0rd"])
def test_a_password_may_stand_in_a_file(make_pair: MakePair, tmp_path: Path, text: str) -> None:
    passfile = tmp_path / "vip-001.pwd"
    passfile.write_text(text)
    passfile.chmod(0o600)
    pair = make_pair(keys={"PASSFILE": str(passfile), "PASSWORD": None})
    options = {pair.vipd_on: ()}
    pair.start(pair.web01, *options.get("web01", (f"--passfile={passfile}",)))
    pair.start(pair.web02, BEHIND, *options.get("web02", (f"--passfile={passfile}",)))
    pair.belongs_to(pair.web01)


@pytest.mark.parametrize(
    "spelling",
    ["-zPk10", "--preem --advskew 10", "--advs=0x0a -P"],
)
def test_an_option_means_the_same_in_every_spelling(pair: Pair, spelling: str) -> None:
    pair.start(pair.web02, BEHIND)
    pair.belongs_to(pair.web02)
    pair.start(pair.web01, *spelling.split())  # all say: preempt, with advskew 10
    pair.belongs_to(pair.web01)


def test_slower_hosts_and_longer_patience_go_together(make_pair: MakePair) -> None:
    make_pair(common=("--advbase=2", "--deadratio=2")).start_both()


def test_a_firewall_that_drops_carp_does_not_make_two_masters(pair: Pair) -> None:
    for host in (pair.web01, pair.web02):
        done = host.run(["nft", "-f", "-"], text=FIREWALL)
        assert done.returncode == 0, done.stderr
    pair.start_both(preempt=True)
    pair.web01.isolate()
    pair.both_claim_it()
    pair.web01.rejoin()
    pair.belongs_to(pair.web01)


@pytest.mark.parametrize("vipd_on", ["web01", "web02"])
def test_the_published_pair_with_ucarp_on_one_of_the_hosts(lab: Lab, vipd_on: str) -> None:
    """Two addresses, each preferred on another host, and each comes home again."""
    web01 = lab.host("web01", "198.51.100.179/24")
    web02 = lab.host("web02", "198.51.100.180/24")
    home = {"198.51.100.154": web01, "198.51.100.155": web02}

    def run(host: Host) -> None:
        if host.name == vipd_on:
            host.vipd(EXAMPLES / host.name)
            return
        for vhid, (address, preferred) in enumerate(home.items(), 1):
            skew = () if preferred is host else ("--advskew=10",)
            host.ucarp(vhid=vhid, address=address, options=["--shutdown", "--preempt", *skew])

    def belong_to(*owners: Host) -> None:
        for address, owner in zip(home, owners, strict=True):
            lab.wait_owner(address, owner.name, timeout=PATIENCE, stable=2)
        assert "Bad digest" not in lab.tails()

    run(web01)
    run(web02)
    belong_to(web01, web02)
    web01.isolate()
    web01.cut()
    belong_to(web02, web02)
    web01.rejoin()
    web01.join()
    belong_to(web01, web02)
    web02.crash()
    belong_to(web01, web01)
