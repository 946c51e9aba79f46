"""Which rows are wanted, and how many of them: filters come before limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyray.observability.schemas import RayStateApiException, StateSchema

Filter = tuple[str, str, Any]
"""Column, "=" or "!=", value."""
Test = tuple[str, Callable[[Any], bool]]
"""Column, and whether what is found there passes."""


@dataclass(slots=True)
class Answer:
    """What there is.

    Args:
        total: How many rows there are.
        num_filtered: How many of them the filters leave.
        rows: The first of these.
        warnings: What the reader should know.
    """

    total: int = 0
    num_filtered: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def tests_of(schema: type[StateSchema], filters: Sequence[Filter]) -> list[Test]:
    """Return what rows must pass.

    Raises:
        ValueError: If a predicate is neither "=" nor "!=".
        RayStateApiException: If a column cannot be filtered by.
    """
    made: list[Test] = []
    for column, predicate, value in filters:
        if predicate not in {"=", "!="}:
            raise ValueError(
                f"Unsupported filter predicate {predicate} is given. Available predicates: =, !=."
            )
        if column not in schema.filterable_columns():
            raise RayStateApiException(
                f"The given filter column {column} is not supported. "
                f"Supported filter columns: {sorted(schema.filterable_columns())}"
            )
        made.append((column, _test(value, is_wanted=predicate == "=")))
    return made


def _test(value: Any, *, is_wanted: bool) -> Callable[[Any], bool]:
    """Compare texts whatever their case, numbers and truths also with their texts."""
    text = str(value).lower()

    def test(found: Any) -> bool:
        return (found is not None and str(found).lower() == text) == is_wanted

    return test


def passes(row: dict[str, Any], tests: Iterable[Test]) -> bool:
    """Return whether a row passes all tests."""
    return all(test(row.get(column)) for column, test in tests)


def choose(rows: Iterable[dict[str, Any]], tests: Sequence[Test], limit: int) -> Answer:
    """Return the first rows that pass all tests, and count the others."""
    answer = Answer()
    for row in rows:
        answer.total += 1
        if passes(row, tests):
            answer.num_filtered += 1
            if len(answer.rows) < limit:
                answer.rows.append(row)
    return answer
