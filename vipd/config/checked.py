"""Checks settings with pydantic: types, ranges and lengths, as the models have them. Nothing else
imports pydantic, because that takes a long time and much memory."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any, TypeVar

# pydantic looks through all installed packages for plugins to itself. What it imports for that is a
# sixth of its time, and there are none.
_no_plugins = ModuleType("pydantic.plugin._loader")
vars(_no_plugins)["get_plugins"] = tuple
sys.modules.setdefault(_no_plugins.__name__, _no_plugins)

from pydantic import TypeAdapter, ValidationError  # noqa: E402
from pydantic_core import ArgsKwargs  # noqa: E402

from vipd.config.field import Model  # noqa: E402
from vipd.config.model import Settings, VipConfig  # noqa: E402

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
