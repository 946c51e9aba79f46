"""Jobs: commands that a session runs while nobody waits for them. As in Ray."""

from pyray.job_submission.client import JobSubmissionClient
from pyray.job_submission.types import (
    DriverInfo,
    JobDetails,
    JobErrorType,
    JobInfo,
    JobStatus,
    JobType,
)

__all__ = [
    "DriverInfo",
    "JobDetails",
    "JobErrorType",
    "JobInfo",
    "JobStatus",
    "JobSubmissionClient",
    "JobType",
]
