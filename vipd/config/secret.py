"""A password that is not printed by mistake."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class SecretBytes:
    """Bytes that are only shown when asked for."""

    _value: bytes

    def get_secret_value(self) -> bytes:
        """The bytes themselves."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "SecretBytes(…)"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> dict[str, object]:
        return {"type": "is-instance", "cls": cls, "serialization": {"type": "to-string"}}
