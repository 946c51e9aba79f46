import datetime
import decimal
import fractions
import pathlib
import re
import uuid

import ray


@ray.remote
def echo(x):
    return x


for value in (
    None, True, 0, -1, 2**63, -(2**200), 0.0, -0.0, 1e308, float("inf"), 1 + 2j, "", "ü€😀", "\udc80", b"", b"\x00\xff",
    bytearray(b"ab"), (), (1,), [], {}, set(), frozenset({1}), range(3), slice(1, 2), Ellipsis, NotImplemented, int, len,
    decimal.Decimal("1.10"), fractions.Fraction(1, 3), datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=1), uuid.UUID(int=5), pathlib.PurePosixPath("a/b"), re.compile("a+"), {1: {2: [3, (4, {5})]}},
):
    got = ray.get(echo.remote(value))
    print(type(got).__name__, repr(got) == repr(value), repr(got)[:60])
nan = ray.get(echo.remote(float("nan")))
print(nan != nan)
print(ray.get(echo.remote(None)) is None, ray.get(echo.remote(Ellipsis)) is Ellipsis)
