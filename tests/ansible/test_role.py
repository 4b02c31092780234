"""The Ansible role of `packaging/ansible`, played by the real Ansible over a real sshd."""

import re
import stat
from typing import Any

import pytest
from helpers.configured import VIP, WEB01, WEB02
from helpers.rollout import Done, Rollout

from vipd.config.load import load

#: Each play starts some fifty Pythons.
pytestmark = [pytest.mark.lab, pytest.mark.alone]

SECRET = "s3cret-of-all"
GOOD: dict[str, Any] = {
    "vipd_password": SECRET,
    "vipd_common": {"BIND_INTERFACE": "eth1", "SOURCE_ADDRESS": "{{ source }}"},
    "vipd_vips": {
        "001": {
            "VIP_ADDRESS": [VIP],
            "OPTIONS": "--preempt --shutdown --deadratio=2 --advskew={{ advskew }}",
            "MANAGE_ADDRESS": True,
        }
    },
}
ONE = ("--limit", "web01")


def changed(done: Done) -> dict[str, int]:
    """How many tasks changed something, on each host that the play came to."""
    found = re.findall(r"^(\w+) +: ok=.*changed=(\d+)", done.stdout, re.MULTILINE)
    return {host: int(count) for host, count in found}


def fine(done: Done) -> Done:
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done


def test_a_pair_is_set_up_changed_and_restarted_one_host_at_a_time(rollout: Rollout) -> None:
    """One story, because each play builds upon the one before."""
    # With --check, nothing is written, and it works where vipd is not installed yet.
    nowhere = {**GOOD, "vipd_vipctl": "/nowhere/vipctl", "vipd_ask": f"{rollout.vipctl} cluster"}
    fine(rollout.play(nowhere, *ONE, "--check", "--diff"))
    assert rollout.read("web01") == {}

    fine(rollout.play(GOOD))
    rollout.lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)
    for name, skew, source in (("web01", 0, WEB01), ("web02", 100, WEB02)):
        files = rollout.files[name]
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files.iterdir()}
        assert set(modes) == {"vip-common.conf", "vip-common.pwd", "vip-001.conf"}
        assert set(modes.values()) == {0o600}
        assert not any(SECRET in text for file, text in rollout.read(name).items()
                       if file.endswith(".conf"))  # fmt: skip
        assert (files / "vip-common.pwd").read_text() == f"{SECRET}\n"
        status = rollout.cluster()
        assert (status.returncode, status.stdout.startswith("OK: 2 hosts, 1 VIP\n")) == (0, True)
        text = (files / "vip-001.conf").read_text()
        assert f"--advskew={skew}'" in text
        assert "MANAGE_ADDRESS=yes" in text
        assert f"SOURCE_ADDRESS={source}" in (files / "vip-common.conf").read_text()

    assert changed(fine(rollout.play(GOOD, *ONE))) == {"web01": 0}

    # An upgrade restarts vipd; web02 is not touched before web01 has its address again.
    rollout.publish("2")
    done = fine(rollout.play({**GOOD, "vipd_package_state": "latest"}))
    # The task that looks whether there is a newer one counts, too.
    assert changed(done) == {"web01": 2, "web02": 2}
    assert [rollout.starts(name) for name in ("web01", "web02")] == [2, 2]
    rollout.lab.wait_owner(VIP, "web01", timeout=60, stable=0.5)

    # The files of `vipctl plan`, instead of those that the role writes.
    plan = {"vipd_plan": str(rollout.plan(SECRET, VIP)), "vipd_remove_others": True}
    fine(rollout.play(plan, *ONE))
    assert set(rollout.read("web01")) == {"vip-common.conf", "vip-001.conf"}
    (vip,) = load(rollout.files["web01"]).vips
    assert vip.password.get_secret_value() == SECRET.encode()
    assert rollout.cluster().returncode == 0

    # A new password without the second one of docs/passwords.md would part the hosts. They remember
    # that for minutes, and do not count as fine: so this comes late.
    before = rollout.read("web02")
    done = rollout.play({**GOOD, "vipd_password": "another-one", "vipd_wait": 4})
    assert done.returncode == 2
    assert "another-one" not in done.stdout + done.stderr
    assert list(changed(done)) == ["web01"]
    assert f"two hosts own {VIP}" in done.stdout or "CRITICAL" in done.stdout, done.stdout
    assert rollout.read("web02") == before

    # A file that is wrong never gets into its place.
    wrong = {"001": {**GOOD["vipd_vips"]["001"], "LEASE": "soon"}}
    now = rollout.read("web01")["vip-001.conf"]
    done = rollout.play({**GOOD, "vipd_vips": wrong}, *ONE)
    assert done.returncode == 2
    assert "failed to validate" in done.stdout
    assert "LEASE" in done.stdout
    assert rollout.read("web01")["vip-001.conf"] == now


def test_all_hosts_at_once_are_refused(rollout: Rollout) -> None:
    done = rollout.play(GOOD, playbook=rollout.at_once())
    assert done.returncode == 2
    assert "the play needs `serial: 1`" in done.stdout
