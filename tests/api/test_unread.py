"""Errors that nobody fetches are reported once, on stderr."""

from __future__ import annotations

from tests.support import run_script

PRELUDE = """
    import gc, os, sys, time
    import pyray as ray
    from pyray import exceptions, testing

    ray.init(num_cpus=1)

    @ray.remote(max_retries=0)
    def fails(text):
        raise ValueError(text)

    @ray.remote
    def passes(value):
        return value

    @ray.remote
    def nothing():
        return None

    def done(refs):
        ray.wait(refs, num_returns=len(refs), timeout=20)
"""


def reports(source: str, **env: str) -> list[str]:
    """The lines of stderr that report an error."""
    done = run_script(PRELUDE + source, check=True, env=env)
    return [line for line in done.stderr.splitlines() if "Unhandled error" in line]


def test_error_is_reported_when_its_reference_goes() -> None:
    found = reports("""
    ray.get(nothing.remote())
    ref = fails.remote("dropped")
    done([ref])
    before = testing.store_accounts()
    del ref
    ray.get(nothing.remote())
    assert testing.store_accounts()["objects"] < before["objects"]
    sys.stderr.flush()
    sys.stderr.write("later\\n")
    ray.shutdown()
    """)
    assert len(found) == 1
    assert found[0].startswith("Unhandled error (suppress with 'RAY_IGNORE_UNHANDLED_ERRORS=1'): ")
    assert "fails()" in found[0]


def test_error_without_any_reference_is_reported_by_the_worker() -> None:
    found = reports("""
    fails.remote("forgotten")
    ray.get(nothing.remote())
    ray.shutdown()
    """)
    assert len(found) == 1
    assert found[0].startswith("(fails pid=")


def test_error_still_referred_to_at_the_end_is_reported() -> None:
    found = reports("""
    kept = [fails.remote(n) for n in range(30)]
    done(kept)
    ray.shutdown()
    """)
    assert len(found) == 20  # and no more


def test_many_dropped_at_once_are_reported_or_forgotten_without_harm() -> None:
    found = reports("""
    ray.get(nothing.remote())
    done([fails.remote("first")])
    before = testing.store_accounts()
    refs = [fails.remote(n) for n in range(500)]
    done(refs)
    del refs
    gc.collect()
    ray.get(nothing.remote())
    deadline = time.monotonic() + 20
    while testing.store_accounts() != before:
        assert time.monotonic() < deadline, (before, testing.store_accounts())
        time.sleep(0.01)
    ray.shutdown()
    """)
    assert 30 <= len(found) <= 500


def test_error_that_was_fetched_is_not_reported() -> None:
    found = reports("""
    def catch(call):
        try:
            call()
        except ValueError:
            return
        raise AssertionError

    first, second = fails.remote("one"), fails.remote("two")
    done([first, second])
    catch(lambda: ray.get(first))
    catch(lambda: ray.get([nothing.remote(), second]))
    passed = passes.remote(fails.remote("argument"))
    catch(lambda: ray.get(passed))
    future = fails.remote("future").future()
    catch(lambda: future.result(20))
    del first, second, passed, future
    gc.collect()
    ray.shutdown()
    """)
    assert found == []


def test_report_can_be_switched_off() -> None:
    found = reports(
        """
    ref = fails.remote("dropped")
    done([ref])
    del ref
    fails.remote("forgotten")
    ray.get(nothing.remote())
    ray.shutdown()
    """,
        RAY_IGNORE_UNHANDLED_ERRORS="1",
    )
    assert found == []


def test_death_of_a_worker_is_reported_too() -> None:
    found = reports("""
    ref = ray.remote(max_retries=0)(os._exit).remote(3)
    done([ref])
    del ref
    ray.shutdown()
    """)
    assert len(found) == 1
    assert "worker died unexpectedly" in found[0]


def test_the_end_of_a_stream_is_no_error() -> None:
    found = reports("""
    @ray.remote
    def numbers(count):
        yield from range(count)

    streams = [numbers.remote(2) for _ in range(3)]
    assert [[ray.get(ref) for ref in stream] for stream in streams] == [[0, 1]] * 3
    ray.shutdown()
    """)
    assert found == []
