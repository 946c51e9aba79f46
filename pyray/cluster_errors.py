"""Exceptions of Ray's clusters, for programs that catch them. pyray, on one machine, raises none.

Users find them in `pyray.exceptions`.
"""

from pyray.task_error import RayError


class MessageError(RayError):
    """An error whose text is its one argument, also kept as ``.message``."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message


class CrossLanguageError(RayError):
    """An error of a worker in another language. Never raised: pyray runs Python only."""


class NodeDiedError(MessageError):
    """A machine of the cluster died. Never raised: pyray runs on one machine."""


class RpcError(MessageError):
    """A remote procedure call failed. Never raised: pyray makes none.

    Args:
        message: What failed.
        rpc_code: The status code of the call.
    """

    def __init__(self, message: str = "", rpc_code: int | None = None) -> None:
        super().__init__(message)
        self.rpc_code = rpc_code


class AuthenticationError(MessageError):
    """A token was refused. Never raised: pyray's processes trust the user that started them."""


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
