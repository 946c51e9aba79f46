"""The records of jobs, in SQLite: what was promised is on the disk before anybody is told.

A record goes PENDING -> RUNNING -> STOPPED, SUCCEEDED or FAILED, and never back: each change is
one statement that says from where. A manager that is killed between two of them leaves the earlier
state, and the next one looks at the job's folder (`runner`) for what happened since.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyray.job_submission import JobStatus

TEXTS = ("submission_id", "status", "entrypoint", "message", "error_type")
NUMBERS = (
    *("start_time", "end_time", "driver_exit_code", "entrypoint_num_cpus", "entrypoint_num_gpus"),
    "entrypoint_memory",
)
JSONS = ("metadata", "runtime_env", "entrypoint_resources")
COLUMNS = (*TEXTS, *NUMBERS, *JSONS, "stop_requested")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    {", ".join(f"{name} TEXT" for name in TEXTS)},
    {", ".join(f"{name} NUMERIC" for name in NUMBERS)},
    {", ".join(f"{name} TEXT" for name in JSONS)},
    stop_requested INTEGER NOT NULL DEFAULT 0,
    UNIQUE (submission_id)
)
"""
LIVING = f"status IN ('{JobStatus.PENDING}', '{JobStatus.RUNNING}')"


def now_ms() -> int:
    """Return the time as jobs have it: milliseconds since 1970."""
    return int(time.time() * 1000)


class JobRecords:
    """The table of jobs.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def add(self, job: Mapping[str, Any]) -> None:
        """Record a new job, PENDING.

        Raises:
            ValueError: If there is one of that id.
        """
        values = {name: job.get(name) for name in COLUMNS if name != "stop_requested"}
        values["status"] = JobStatus.PENDING.value
        values |= {name: json.dumps(values[name]) for name in JSONS if values[name] is not None}
        names = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        try:
            self._database.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", values)  # noqa: S608
        except sqlite3.IntegrityError as error:
            raise ValueError(
                f"Job with submission_id {job['submission_id']} already exists. "
                "Please use a different submission_id."
            ) from error

    def _change(self, submission_id: str, condition: str, **values: Any) -> bool:
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        text = f"UPDATE jobs SET {assignments} WHERE submission_id = :id AND {condition}"  # noqa: S608
        return self._database.execute(text, {**values, "id": submission_id}).rowcount > 0

    def set_running(self, submission_id: str) -> bool:
        """Note that it runs; return whether it was pending."""
        return self._change(
            submission_id,
            f"status = '{JobStatus.PENDING}'",
            status=JobStatus.RUNNING.value,
            message="Job is currently running.",
            start_time=now_ms(),
        )

    def request_stop(self, submission_id: str) -> bool:
        """Note that it is to be stopped; return whether it is still going on."""
        return self._change(submission_id, LIVING, stop_requested=1)

    def finish(self, submission_id: str, status: JobStatus, message: str, **values: Any) -> bool:
        """Note how it ended; return whether it had not ended before."""
        values.setdefault("end_time", now_ms())
        return self._change(submission_id, LIVING, status=status.value, message=message, **values)

    def get(self, submission_id: str) -> dict[str, Any] | None:
        """Return a job's record."""
        text = "SELECT * FROM jobs WHERE submission_id = ?"
        row = self._database.execute(text, (submission_id,)).fetchone()
        return _unpacked(row) if row is not None else None

    def all(self) -> list[dict[str, Any]]:
        """Return all records, the oldest first."""
        return [_unpacked(row) for row in self._database.execute("SELECT * FROM jobs ORDER BY 1")]

    def count(self) -> int:
        """Return how many records there are."""
        return int(self._database.execute("SELECT count(*) FROM jobs").fetchone()[0])

    def living(self) -> list[dict[str, Any]]:
        """Return the records of jobs that have not ended."""
        text = f"SELECT * FROM jobs WHERE {LIVING} ORDER BY 1"  # noqa: S608
        return [_unpacked(row) for row in self._database.execute(text)]

    def delete(self, submission_id: str) -> bool:
        """Delete the record of a job that has ended; return whether there was one."""
        text = f"DELETE FROM jobs WHERE submission_id = ? AND NOT {LIVING}"  # noqa: S608
        return self._database.execute(text, (submission_id,)).rowcount > 0


def _unpacked(row: sqlite3.Row) -> dict[str, Any]:
    record = dict(row)
    del record["number"]
    for name in JSONS:
        record[name] = json.loads(record[name]) if record[name] is not None else None
    return record
