"""Fields of a record with the type that is wanted, or an error that names the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LARGEST = 10**12


def need(record: Mapping[str, Any], key: str) -> Any:
    """The value of a field that must be there and not null.

    Raises:
        ValueError: it is missing.
    """
    value = record.get(key)
    if value is None:
        raise ValueError(f"{key}: is missing")
    return value


def text(record: Mapping[str, Any], key: str) -> str:
    """A field that holds a text.

    Raises:
        ValueError: it is missing or of another type.
    """
    return as_text(need(record, key), key)


def texts(record: Mapping[str, Any], key: str) -> list[str]:
    """A field that holds a list of texts.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = need(record, key)
    if not isinstance(value, list):
        raise ValueError(f"{key}: a list is needed, not {type(value).__name__}")
    return [as_text(member, key) for member in value]


def table(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A field that holds an object.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = need(record, key)
    if not isinstance(value, Mapping):
        raise ValueError(f"{key}: an object is needed, not {type(value).__name__}")
    return value


def number(record: Mapping[str, Any], key: str) -> int:
    """A field that holds a whole number.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = need(record, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{key}: a whole number is needed, not {type(value).__name__}")
    if abs(value) > _LARGEST:
        raise ValueError(f"{key}: the number is far too large")
    return value


def optional(record: Mapping[str, Any], key: str) -> str:
    """A field that may hold a text; empty where it is missing or null.

    Raises:
        ValueError: it is of another type.
    """
    return "" if record.get(key) is None else text(record, key)


def as_text(value: Any, key: str) -> str:
    """The text, or a number written out: options such as ``5`` come as numbers from some exports.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # Python writes out no number of more than 4,300 digits
            raise ValueError(f"{key}: the number has too many digits") from None
    raise ValueError(f"{key}: a text is needed, not {type(value).__name__}")
