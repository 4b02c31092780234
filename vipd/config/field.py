"""How the fields of a model are written, for pydantic to check (`vipd.config.checked`).

The models are the standard library's dataclasses, which pydantic checks as it checks its own. A
process that only uses settings that another one has checked does without pydantic: 16 MB of the
daemon's memory.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform

T = TypeVar("T")


def Field(  # noqa: N802  # as pydantic calls it
    *,
    default: Any = dataclasses.MISSING,
    description: str = "",
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
) -> Any:
    """A field; without ``default`` it must be given. ``description`` becomes the manual; the other
    words bound a number, or the length of a text, as in pydantic."""
    bounds = {"ge": ge, "le": le, "min_length": min_length, "max_length": max_length}
    said = {"description": description} if description else {}
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    return dataclasses.field(default=default, metadata={**said, **given})


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number within a type: ``Annotated[int, Range(0, 255)]``."""

    ge: float
    le: float

    def __get_pydantic_core_schema__(
        self, source: object, handler: Callable[[object], Mapping[str, object]]
    ) -> dict[str, object]:
        return {**handler(source), "ge": self.ge, "le": self.le}


class Model:
    """What the models have in common: no value is converted, and no other field is accepted."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    __pydantic_config__: ClassVar[Mapping[str, object]] = {"strict": True, "extra": "forbid"}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(model: type[T]) -> type[T]:
    """Make a model of a class with fields. Its objects are equal when all fields are, and do not
    change."""
    return dataclasses.dataclass(frozen=True, kw_only=True, slots=True)(model)
