"""What is known of a job. Names and fields are Ray's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class JobStatus(StrEnum):
    """How far a job is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"

    def is_terminal(self) -> bool:
        """Return whether it has ended: it was stopped, succeeded or failed."""
        return self not in {JobStatus.PENDING, JobStatus.RUNNING}


class JobErrorType(StrEnum):
    """Why a job failed."""

    RUNTIME_ENV_SETUP_FAILURE = "RUNTIME_ENV_SETUP_FAILURE"
    JOB_SUPERVISOR_ACTOR_START_TIMEOUT = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
    JOB_SUPERVISOR_ACTOR_START_FAILURE = "JOB_SUPERVISOR_ACTOR_START_FAILURE"
    JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE = "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE"
    JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE = "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"
    JOB_SUPERVISOR_ACTOR_DIED = "JOB_SUPERVISOR_ACTOR_DIED"
    JOB_ENTRYPOINT_COMMAND_START_ERROR = "JOB_ENTRYPOINT_COMMAND_START_ERROR"
    JOB_ENTRYPOINT_COMMAND_ERROR = "JOB_ENTRYPOINT_COMMAND_ERROR"


class JobType(StrEnum):
    """Whether a job was submitted, or is a program that called `init`."""

    SUBMISSION = "SUBMISSION"
    DRIVER = "DRIVER"


@dataclass(slots=True)
class DriverInfo:
    """The program of a job that called `init`.

    Args:
        id: The id of its job, in the sense of `get_runtime_context().get_job_id()`.
        node_ip_address: Where it runs.
        pid: Its process id.
    """

    id: str
    node_ip_address: str
    pid: str


@dataclass(slots=True)
class JobRecord:
    """What is recorded of every job.

    Args:
        status: How far it is.
        entrypoint: The command.
        message: The status in more words.
        error_type: Why it failed; see `JobErrorType`.
        start_time: When it started, in milliseconds since 1970.
        end_time: When it ended.
        metadata: What its submitter said about it.
        runtime_env: What it and its workers are set up with.
        driver_agent_http_address: The server that runs it.
        driver_node_id: The node that it runs on.
        driver_exit_code: The command's exit code; negative: the signal that ended it.
    """

    status: JobStatus
    entrypoint: str
    message: str | None = None
    error_type: str | None = None
    start_time: int | None = None
    end_time: int | None = None
    metadata: dict[str, str] | None = None
    runtime_env: dict[str, Any] | None = None
    driver_agent_http_address: str | None = None
    driver_node_id: str | None = None
    driver_exit_code: int | None = None


@dataclass(slots=True)
class JobInfo(JobRecord):
    """What is recorded of a job that was submitted.

    Args:
        entrypoint_num_cpus: CPUs that are kept for the command itself.
        entrypoint_num_gpus: GPUs, likewise.
        entrypoint_memory: Bytes of the resource `memory`, likewise.
        entrypoint_resources: Further resources, likewise.
    """

    entrypoint_num_cpus: float | None = None
    entrypoint_num_gpus: float | None = None
    entrypoint_memory: int | None = None
    entrypoint_resources: dict[str, float] | None = None


@dataclass(slots=True, kw_only=True)
class JobDetails(JobRecord):
    """What `JobSubmissionClient` returns.

    Args:
        type: Whether it was submitted.
        submission_id: The id that it was submitted under.
        job_id: The id of the driver that it started, if that is known.
        driver_info: That driver.
    """

    type: JobType
    job_id: str | None = None
    submission_id: str | None = None
    driver_info: DriverInfo | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the details that a server sent; what is unknown is passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        details = cls(**{name: value for name, value in values.items() if name in known})
        details.type, details.status = JobType(details.type), JobStatus(details.status)
        if isinstance(values.get("driver_info"), Mapping):
            details.driver_info = DriverInfo(**values["driver_info"])
        return details

    def dict(self) -> dict[str, Any]:
        """Return all fields by name."""
        return dataclasses.asdict(self)
