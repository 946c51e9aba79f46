"""Exceptions of Ray's clusters, for programs that catch them. pyray, on one machine, raises none.

Users find them in `pyray.exceptions`.
"""

from pyray.errors.task_error import RayError, text_given


class CrossLanguageError(RayError):
    """An error of a worker in another language. Never raised: pyray runs Python only."""


class NodeDiedError(RayError):
    """A machine of the cluster died. Never raised: pyray runs on one machine."""

    message = property(text_given)


class RpcError(RayError):
    """A remote procedure call failed. Never raised: pyray makes none.

    Args:
        message: What failed.
        rpc_code: The status code of the call.
    """

    def __init__(self, message: str = "", rpc_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.rpc_code = rpc_code


class AuthenticationError(RayError):
    """A token was refused. Never raised: pyray's processes trust the user that started them."""

    message = property(text_given)


class LocalRayletDiedError(RayError):
    """A machine's daemon died. pyray says `SessionCorruptedError` or `WorkerCrashedError`."""


for _class in (
    AuthenticationError,
    CrossLanguageError,
    LocalRayletDiedError,
    NodeDiedError,
    RpcError,
):
    _class.__module__ = "pyray.exceptions"
