"""`ObjectLostError` and its kinds. Users find them in `pyray.exceptions`."""

from typing import ClassVar

from pyray.errors.task_error import RayError


class ObjectLostError(RayError):
    """The value behind a reference is gone.

    Args:
        object_ref_hex: The reference's id in hex.
        owner_address: Accepted as in Ray; not used on one machine.
        call_site: Where the reference was made, if recorded.
        reason: What is known of how it was lost, a sentence.
    """

    _why: ClassVar[str] = "Its only copy was lost with the process or file that held it."

    def __init__(
        self,
        object_ref_hex: str,
        owner_address: object = None,
        call_site: str = "",
        *,
        reason: str = "",
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.object_ref_hex = object_ref_hex
        self.owner_address = owner_address
        self.call_site = call_site
        self.reason_lost = reason

    def __str__(self) -> str:
        made = f" The reference was made at: {self.call_site}." if self.call_site else ""
        why = self.reason_lost or self._why
        return f"Failed to retrieve object {self.object_ref_hex}. {why}{made}"


class ObjectFetchTimedOutError(ObjectLostError):
    """An object did not arrive from another machine. Never raised: there is none."""

    _why = "No copy of it could be found in time."


class ReferenceCountingAssertionError(ObjectLostError, AssertionError):
    """An object was deleted although a reference to it exists: a fault in pyray."""

    _why = "It was deleted although a reference to it exists; please report this."


class ObjectFreedError(ObjectLostError):
    """An object was freed by hand while a reference to it exists."""

    _why = "It was freed by an explicit call; free objects only when nobody needs them any more."


class OwnerDiedError(ObjectLostError):
    """The process that made the reference died before the value existed."""

    _why = "The process that made the reference by `.remote()` or `ray.put()` has died."


class ObjectReconstructionFailedError(ObjectLostError):
    """An object was lost and running its task again did not bring it back.

    Args:
        object_ref_hex: The reference's id in hex.
        reason: A short code of the reason.
        reason_message: The reason in words.
        owner_address: Accepted as in Ray; not used on one machine.
        call_site: Where the reference was made, if recorded.
    """

    def __init__(
        self,
        object_ref_hex: str,
        reason: object = None,
        reason_message: str | None = None,
        owner_address: object = None,
        call_site: str = "",
    ) -> None:
        super().__init__(object_ref_hex, owner_address, call_site)
        self.reason = reason
        self.reason_message = reason_message or "The reason is not known."

    def __str__(self) -> str:
        return f"{super().__str__()} It could not be computed again: {self.reason_message}"


for _class in (ObjectLostError, *ObjectLostError.__subclasses__()):
    _class.__module__ = "pyray.exceptions"
