"""pydantic checks the models: what the readers of the keys would let through by mistake."""

from dataclasses import fields
from ipaddress import IPv4Interface
from typing import Any

import pytest
from helpers.configured import model

from vipd.config.checked import ValidationError, checked, plain
from vipd.config.health_fields import Gateway
from vipd.config.model import Settings, VipConfig
from vipd.config.secret import SecretBytes


def flawless(**settings: Any) -> dict[str, Any]:
    vip = model()
    return {**{field.name: getattr(vip, field.name) for field in fields(vip)}, **settings}


def test_what_is_right_is_the_model_itself() -> None:
    assert checked(VipConfig, flawless()) == model()
    assert checked(Settings, {}) == Settings()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vhid", 0),
        ("vhid", 256),
        ("vhid", "1"),
        ("vhid", True),
        ("interface", ""),
        ("interface", "x" * 16),
        ("source", "192.0.2.1"),
        ("addresses", ()),
        ("addresses", [IPv4Interface("192.0.2.1")]),
        ("password", b"love"),
        ("password", SecretBytes(b"")),
        ("password", SecretBytes(b"x" * 21)),
        ("password_also", SecretBytes(b"x" * 21)),
        ("advbase", -1),
        ("advskew", 256),
        ("deadratio", 0),
        ("preempt", 1),
        ("manage_address", "perhaps"),
        ("lease", 0),
        ("lease", "on"),
        ("script_timeout", 3601),
        ("announce_every", 3601),
        ("announce_to", ("router",)),
        ("checks", ("true",)),
        ("track_down", 0.05),
        ("track_gateway", ("192.0.2.1",)),
        ("listen_first", 61),
        ("demote_by", 241),
        ("colour", "red"),
    ],
)
def test_what_is_wrong_is_refused_by_the_name_of_its_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        checked(VipConfig, flawless(**{field: value}))
    assert {each["loc"][0] for each in refused.value.errors()} == {field}


def test_a_field_that_is_missing_is_named() -> None:
    settings = flawless()
    del settings["password"]
    with pytest.raises(ValidationError) as refused:
        checked(VipConfig, settings)
    assert [each["loc"] for each in refused.value.errors()] == [("password",)]


def test_every_setting_is_plain_and_no_password_is_legible() -> None:
    gateway = Gateway(address=IPv4Interface("192.0.2.1").ip)
    found = plain(model(track_gateway=(gateway,), password_also=SecretBytes(b"secret")))
    assert found["addresses"] == ["198.51.100.154/32"]
    assert found["track_gateway"][0]["address"] == "192.0.2.1"
    assert "love" not in str(found)
    assert "secret" not in str(found)
    assert "password" not in plain(model(), without=frozenset({"password"}))
