"""What clients may ask about a session's state, checked word by word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyray.observability.schemas import DEFAULT_LIMIT, RAY_MAX_LIMIT_FROM_API_SERVER

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from pyray.observability.filters import Filter

TRUE, FALSE = {"1", "true"}, {"0", "false"}
SUFFIXES = {"out", "err"}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A question for rows.

    Args:
        filters: What rows must pass.
        limit: At most so many, after filtering.
        detail: Whether to fill the fields that are shown on demand.
    """

    filters: list[Filter]
    limit: int
    detail: bool


def number(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a number of a query.

    Raises:
        ValueError: If it is none, or not between `least` and `most`.
    """
    text = given.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 20:
        raise ValueError(f"{name} must be a number, got {text[:100]!r}")
    if not least <= int(text) <= most:
        raise ValueError(f"{name} must be between {least} and {most}, got {int(text)}")
    return int(text)


def truth(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a truth value of a query.

    Raises:
        ValueError: If it is none.
    """
    text = given.get(name, str(default)).lower()
    if text not in TRUE | FALSE:
        raise ValueError(f"{name} must be true or false, got {text[:100]!r}")
    return text in TRUE


def list_query(given: QueryParams) -> ListQuery:
    """Return what a client wants to have listed.

    Raises:
        ValueError: If a word is wrong, or filters are not whole.
    """
    columns, predicates, values = (
        given.getlist(f"filter_{part}") for part in ("keys", "predicates", "values")
    )
    if not len(columns) == len(predicates) == len(values):
        raise ValueError("A filter has a key, a predicate and a value")
    return ListQuery(
        list(zip(columns, predicates, values, strict=True)),
        number(given, "limit", DEFAULT_LIMIT, 1, RAY_MAX_LIMIT_FROM_API_SERVER),
        truth(given, "detail", default=False),
    )
