"""While the password of a VIP changes, people see who signs with which."""

from dataclasses import replace

import pytest

from cli.samples import BACKUP, NOW
from vipd.api.io_vipd import Signer, SignsWith, VipStatus
from vipd.cli import status
from vipd.cli.status import Report
from vipd.cli.two_passwords import old_ones, sentence
from vipd.cli.why import sentences


def changing(*signers: Signer) -> VipStatus:
    return replace(BACKUP, password_also=True, signers=list(signers))


def signer(how: SignsWith) -> Signer:
    return Signer("198.51.100.180", how, 0.4)


@pytest.mark.parametrize(
    ("how", "told"),
    [("PASSWORD", "PASSWORD only"), ("PASSWORD_ALSO", "PASSWORD_ALSO only"), ("both", "both")],
)
def test_status_and_why_tell_who_signs_with_which(how: SignsWith, told: str) -> None:
    vip = changing(signer(how))
    text = f"This host signs with both, 198.51.100.180 with {told} (0.4 s ago)."
    assert text in "\n".join(status.lines(Report((vip,), (), NOW), colours=False))
    assert text in "\n".join(sentences(vip, NOW))


def test_nothing_is_said_of_one_password() -> None:
    assert sentence(BACKUP) == ""
    shown = "\n".join([*status.lines(Report((BACKUP,), (), NOW), colours=False)])
    assert "password" not in shown + "\n".join(sentences(BACKUP, NOW))


def test_a_change_alone_needs_no_attention() -> None:
    report = Report((changing(signer("both")),), (), NOW)
    assert report.status == 0
    assert "no other was heard" in sentence(changing())


def test_doctor_names_the_hosts_that_would_be_cut_off() -> None:
    (found,) = old_ones([BACKUP, changing(signer("PASSWORD"))])
    assert (found.who, "198.51.100.180 signs with PASSWORD only" in found.what) == ("001", True)
    assert "PASSWORD_ALSO" in found.cure
    assert not [*old_ones([changing(signer("both")), changing(signer("PASSWORD_ALSO"))])]


def test_a_hostile_name_is_printed_safely() -> None:
    assert "\x1b" not in sentence(changing(Signer("\x1b[31m", "both", 1.0)))
