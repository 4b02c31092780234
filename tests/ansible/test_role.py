"""The Ansible role of `packaging/ansible`, played by the real Ansible over a real sshd."""

import re
import stat
from typing import Any

import pytest
from helpers.configured import VIP
from helpers.rollout import SECOND, Rollout

pytestmark = pytest.mark.lab

SECRET = "s3cret-of-all"
OPTIONS = "--preempt --shutdown --deadratio=2 --advskew={{ 0 if first == '%s' else 100 }}"
GOOD: dict[str, Any] = {
    "vipd_password": SECRET,
    "vipd_common": {"BIND_INTERFACE": "eth1", "SOURCE_ADDRESS": "{{ source }}"},
    "vipd_vips": {
        "001": {"VIP_ADDRESS": VIP, "OPTIONS": OPTIONS % "001"},
        "002": {"VIP_ADDRESS": [SECOND], "OPTIONS": OPTIONS % "002"},
    },
}


def changed(output: str) -> dict[str, int]:
    """How many tasks changed something on each host that the play came to."""
    return {host: int(count) for host, count in re.findall(r"^(\w+) +: ok=.*changed=(\d+)", output, re.M)}


def test_the_role(rollout: Rollout) -> None:
    done = rollout.play(GOOD, "--check", "-e", "vipd_vipctl=/nowhere/vipctl")
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    done = rollout.play(GOOD)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    done = rollout.play(GOOD)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert changed(done.stdout) == {"web01": 0, "web02": 0}
