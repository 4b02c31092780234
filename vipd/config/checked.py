"""Checks settings with pydantic: types, ranges and lengths, as the models have them. Nothing else
imports pydantic, because that takes a long time and much memory."""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

# It looks through all installed packages for plugins to itself: 15 ms. This says that it has none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from vipd.config.field import Model
from vipd.config.model import Settings, VipConfig

M = TypeVar("M", bound=Model)

__all__ = ["ValidationError", "checked", "plain"]

_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {
    model: TypeAdapter(model) for model in (VipConfig, Settings)
}


def checked(model: type[M], settings: Mapping[str, Any]) -> M:
    """A model with these settings. Raises ValidationError."""
    # As pydantic's own __init__ of a dataclass does: where nothing is converted, other calls accept
    # nothing but a finished model.
    empty = object.__new__(model)
    words = ArgsKwargs((), dict(settings))
    found: M = _ADAPTERS[model].validator.validate_python(words, self_instance=empty)
    return found


def plain(settings: Model, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The settings as JSON has them, except those named ``without``."""
    adapter = _ADAPTERS[type(settings)]
    found: dict[str, Any] = adapter.dump_python(settings, mode="json", exclude=set(without))
    return found
