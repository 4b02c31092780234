"""What the files of several hosts disagree about, from what their vipctl check says."""

from typing import Any

import pytest

from vipd.cli.remote.ask import Answer
from vipd.cli.remote.disagreements import differences
from vipd.cli.remote.files import HostFiles, files_of


def vip(host: int, **changes: object) -> dict[str, Any]:
    """A VIP of this host that fits those of the others."""
    return {
        "id": "001", "vhid": 1, "addresses": ["198.51.100.1/32"], "signatures": ["aa"],
        "advbase": 1, "advskew": host, "deadratio": 3, "preempt": True, "mcast": "224.0.0.18",
        "peers": None, "source": f"192.0.2.{host}", "source_ipv6": f"fe80::{host}", **changes,
    }  # fmt: skip


def host(number: int, *vips: dict[str, Any], version: str = "1.0", **more: object) -> HostFiles:
    found = {"vips": list(vips), "problems": [], "version": version, **more}
    return files_of(Answer(f"web0{number}", found, "", 0.1))


def told(*hosts: HostFiles) -> list[str]:
    found = differences(hosts)
    return [f"{','.join(each.about)}: {each.text}" for each in found]


def three(**changes: object) -> list[str]:
    """Three hosts, the second with changes."""
    return told(host(1, vip(1)), host(2, vip(2, **changes)), host(3, vip(3)))


def test_files_that_fit() -> None:
    assert three() == []


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("signatures", ["bb"],
         "PASSWORD differs: password 1 on web01 and web03; password 2 on web02"),
        ("signatures", ["bb", "cc"],
         "PASSWORD differs: password 1 on web01 and web03; passwords 2 and 3 on web02"),
        ("signatures", ["bb", "aa"],
         "PASSWORD is being changed: password 1 on web01 and web03; passwords 1 and 2 on web02"),
        ("vhid", 2, "VHID differs: 1 on web01 and web03; 2 on web02"),
        ("advbase", 2, "advbase differs: 1 on web01 and web03; 2 on web02"),
        ("deadratio", 2, "deadratio differs: 3 on web01 and web03; 2 on web02"),
        ("mcast", "224.0.0.19",
         "--mcast differs: 224.0.0.18 on web01 and web03; 224.0.0.19 on web02"),
        ("group", "router", "GROUP differs: left out on web01 and web03; router on web02"),
        ("peers", ["192.0.2.1"], "PEERS differs: left out on web01 and web03; set on web02"),
        ("addresses", ["198.51.100.1/32", "2001:DB8::1/64"],
         "VIP_ADDRESS differs: 198.51.100.1 on web01 and web03; 198.51.100.1 2001:db8::1 on web02"),
        ("source", "192.0.2.3",
         "SOURCE_ADDRESS is 192.0.2.3 on web02 and web03: each needs its own"),
        ("source_ipv6", "fe80::1",
         "SOURCE_ADDRESS is fe80::1 on web01 and web02: each needs its own"),
        ("advskew", 1,
         "advskew is 1 on web01 and web02: give each host its own place in the order"),
        ("preempt", False, "--preempt is missing on web02, and is there on web01 and web03"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit(name: str, value: object, text: str) -> None:
    assert three(**{name: value}) == [f"001: {text}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("addresses", ["198.51.100.1/24"]), ("source", None), ("id", "web"), ("interface", "bond0")],
)
def test_what_may_differ(name: str, value: object) -> None:
    assert three(**{name: value}) == []


def test_two_passwords_on_all_hosts_are_no_difference_in_any_order() -> None:
    assert told(
        host(1, vip(1, signatures=["aa", "bb"])), host(2, vip(2, signatures=["bb", "aa"]))
    ) == []  # fmt: skip
    assert told(
        host(1, vip(1, signatures=["aa"])),
        host(2, vip(2, signatures=["aa", "bb"])),
        host(3, vip(3, signatures=["bb"])),
    ) == ["001: PASSWORD differs: password 1 on web01; passwords 1 and 2 on web02; "
          "password 2 on web03"]  # fmt: skip


def test_each_two_hosts_may_have_another_password_in_common() -> None:
    pairs = (["aa", "bb"], ["bb", "cc"], ["cc", "aa"])
    (line,) = told(*(host(n, vip(n, signatures=each)) for n, each in enumerate(pairs, 1)))
    assert line.startswith("001: PASSWORD is being changed: passwords 1 and 2 on web01; ")


def test_hosts_that_all_leave_preempt_out_agree() -> None:
    assert told(*(host(n, vip(n, preempt=False)) for n in (1, 2))) == []


def test_addresses_that_have_nothing_in_common_are_found_by_id_and_vhid() -> None:
    assert three(addresses=["198.51.100.2/32"]) == [
        "001: VIP_ADDRESS differs: 198.51.100.1 on web01 and web03; 198.51.100.2 on web02"
    ]
    assert three(addresses=["198.51.100.2/32"], id="002") == [
        "002: only web02 has it: no other host could take over"
    ]


def test_one_vip_there_may_be_two_here() -> None:
    both = vip(1, addresses=["198.51.100.1/32", "198.51.100.2/32"])
    one, two = vip(2), vip(2, id="002", vhid=2, addresses=["198.51.100.2/32"])
    assert told(host(1, both), host(2, one, two)) == [
        "001: VIP_ADDRESS differs: 198.51.100.1 198.51.100.2 on web01; "
        "198.51.100.1 on web02 (001); 198.51.100.2 on web02 (002)",
        "001: VHID differs: 1 on web01 and web02 (001); 2 on web02 (002)",
    ]


def two_sides(number: int, inside: int, outside: int, group: str = "router") -> HostFiles:
    """A router, with the advskew of either side."""
    one = vip(number, advskew=inside, group=group)
    two = vip(number, id="002", vhid=2, addresses=["203.0.113.1"], advskew=outside, group=group)
    return host(number, one, two)


def test_vips_of_a_group_want_one_order_of_the_hosts() -> None:
    assert told(two_sides(1, 0, 5), two_sides(2, 10, 20), two_sides(3, 20, 30)) == []
    assert told(two_sides(1, 0, 10), two_sides(2, 10, 0)) == [
        ": orders within GROUP router differ: web01 and web02 for 001; web02 and web01 for 002: "
        "give its VIPs one order of the hosts (vipctl plan does), or they are not on one host"
    ]
    assert told(two_sides(1, 0, 10, ""), two_sides(2, 10, 0, "")) == []


def test_a_group_is_compared_among_the_hosts_that_have_all_of_it() -> None:
    alone = host(3, vip(3, advskew=1, group="router"))
    assert told(two_sides(1, 0, 0), two_sides(2, 10, 10), alone) == []


def test_peers_list_each_other_in_every_family_that_they_use() -> None:
    def peers(number: int, *others: str) -> HostFiles:
        return host(number, vip(number, peers=list(others)))

    good = [
        peers(1, "192.0.2.2", "192.0.2.3"),
        peers(2, "192.0.2.1", "192.0.2.3", "203.0.113.9"),
        peers(3, "192.0.2.1", "192.0.2.2"),
    ]
    assert told(*good) == []
    assert told(*good[:2], peers(3, "192.0.2.1")) == ["001: PEERS on web03 lacks 192.0.2.2 (web02)"]
    assert told(*good[:2], peers(3, "192.0.2.1", "192.0.2.2", "fe80::1")) == [
        "001: PEERS on web03 lacks fe80::2 (web02)"
    ]


def test_the_same_about_many_vips_is_one_line() -> None:
    def many(number: int, **changes: object) -> HostFiles:
        return host(
            number,
            *(
                vip(number, id=f"{n:03}", vhid=n, addresses=[f"198.51.100.{n}/32"], **changes)
                for n in range(1, 256)
            ),
        )

    (line,) = differences([many(1), many(2, deadratio=5)])
    assert (len(line.about), line.text) == (255, "deadratio differs: 3 on web01; 5 on web02")


def test_versions_and_errors_and_hosts_without_an_answer() -> None:
    broken = [{"severity": "error"}, {"severity": "warning"}]
    assert told(
        host(1, vip(1)),
        host(2, vip(2), version="1.1", problems=broken),
        HostFiles("web03", "no answer in 10 s"),
    ) == [
        "web02: its files have an error, and VIPs may be missing: run vipctl check there",
        "web03: no answer in 10 s",
        ": versions differ: 1.0 on web01; 1.1 on web02",
    ]


def test_a_vip_that_another_host_may_have_is_not_alone() -> None:
    silent = HostFiles("web02", "no answer in 10 s")
    assert told(host(1, vip(1)), silent) == ["web02: no answer in 10 s"]


@pytest.mark.parametrize(
    "change",
    [{"vhid": "1"}, {"vhid": True}, {"vhid": 2**70}, {"preempt": 0}, {"peers": {}},
     {"peers": ["x"]}, {"addresses": []}, {"signatures": None}, {"signatures": []}, {"source": 7}],
)  # fmt: skip
def test_an_answer_of_another_kind_is_none(change: dict[str, object]) -> None:
    found = host(1, vip(1, **change))
    assert found.why.startswith("its answer is not that of vipctl check (")
    assert found.vips == ()


def test_what_hosts_say_is_safe_to_print() -> None:
    found = told(host(1, vip(1)), host(2, vip(2, id="\x1b[2J", mcast="\x1b]0;x\x07\ud800")))
    assert not set("".join(found)) & set("\x1b\x07\ud800")


def test_a_host_that_joins_everything_takes_no_time() -> None:
    """4096 VIPs that share an address, which a hostile host may claim."""

    def many(number: int) -> HostFiles:
        return host(
            number,
            *(
                vip(
                    number,
                    id=str(n),
                    vhid=n,
                    advskew=n,
                    signatures=[str(n)],
                    peers=["::1"],
                    group=str(n % 7),
                )
                for n in range(4096)
            ),
        )

    assert differences([many(1), many(2)])
