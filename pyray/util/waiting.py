"""Results as they come: `as_completed` and `map_unordered`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from pyray.calls import get, wait

if TYPE_CHECKING:
    from pyray import ObjectRef

CHUNK = 10
BACKPRESSURE = 100


def as_completed(
    refs: Sequence[ObjectRef],
    *,
    chunk_size: int = CHUNK,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """Yield results in the order in which chunks of them become ready.

    Args:
        refs: References.
        chunk_size: So many results are waited for at a time.
        yield_obj_refs: Yield the references instead of the values.
        **kwargs: Further arguments of `ray.wait`, such as `timeout` in seconds.

    Raises:
        ValueError: If `chunk_size` is below 1.

    Example:
        >>> import pyray as ray
        >>> from pyray.util import as_completed
        >>> sorted(as_completed([ray.put(n) for n in range(3)], chunk_size=1))
        [0, 1, 2]
    """
    if chunk_size < 1:
        raise ValueError("`chunk_size` must be >= 1")
    if "num_returns" in kwargs:
        raise ValueError("Use the `chunk_size` argument instead of `num_returns`.")
    return _as_completed(list(refs), chunk_size, yield_obj_refs, kwargs)


def _as_completed(
    pending: list[ObjectRef],
    chunk_size: int,
    yield_obj_refs: bool,  # noqa: FBT001  (handed on)
    options: dict[str, Any],
) -> Iterator[Any]:
    while pending:
        ready, pending = wait(pending, num_returns=min(chunk_size, len(pending)), **options)
        yield from ready if yield_obj_refs else get(ready)


def map_unordered(
    fn: Any,
    items: Iterable[Any],
    *,
    backpressure_size: int | None = BACKPRESSURE,
    chunk_size: int = CHUNK,
    yield_obj_refs: bool = False,
    **kwargs: Any,
) -> Iterator[Any]:
    """Apply a remote function to many items; yield results as they become ready.

    Args:
        fn: A remote function, or an actor's method.
        items: Its argument, one after the other; taken only as results are consumed.
        backpressure_size: So many calls are under way at most; None: all at once.
        chunk_size: So many results are waited for at a time.
        yield_obj_refs: Yield the references instead of the values.
        **kwargs: Further arguments of `ray.wait`.

    Raises:
        ValueError: If a size is below 1.
        TypeError: If `fn` is no remote function.

    Example:
        >>> import pyray as ray
        >>> from pyray.util import map_unordered
        >>> @ray.remote
        ... def square(x):
        ...     return x * x
        >>> sorted(map_unordered(square, range(4)))
        [0, 1, 4, 9]
    """
    if not callable(getattr(fn, "remote", None)):
        raise TypeError(f"map_unordered: expected a remote function, got {type(fn)}")
    if chunk_size < 1:
        raise ValueError("`chunk_size` must be >= 1")
    if backpressure_size is not None and backpressure_size < 1:
        raise ValueError("backpressure_size must be positive.")
    if "num_returns" in kwargs:
        raise ValueError("Use the `chunk_size` argument instead of `num_returns`.")
    return _map_unordered(
        fn.remote, iter(items), backpressure_size, chunk_size, yield_obj_refs, kwargs
    )


def _map_unordered(  # noqa: PLR0913, PLR0917  (those of map_unordered)
    submit: Callable[[Any], ObjectRef],
    items: Iterator[Any],
    most: int | None,
    chunk_size: int,
    yield_obj_refs: bool,  # noqa: FBT001  (handed on)
    options: dict[str, Any],
) -> Iterator[Any]:
    pending = [submit(item) for item in islice(items, most)]
    while pending:
        ready, pending = wait(pending, num_returns=min(chunk_size, len(pending)), **options)
        pending.extend(submit(item) for item in islice(items, len(ready)))
        yield from ready if yield_obj_refs else get(ready)
