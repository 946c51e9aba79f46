"""Who may ask: nothing gets to the routes without passing here, whatever its path and verb.

The server listens on 127.0.0.1 only, where every user of the machine and every page in the user's
browser can reach it. So a request must

    name this machine in `Host`       or a foreign name that was made to mean 127.0.0.1 would do
    have no foreign `Origin`          a page of another site cannot act for the user
    show the token                    that only this user can read
    have a query and a body of moderate size

What fails is refused and logged, and the server lives on.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("pyray.dashboard")

MOST_BODY_BYTES = 4 << 20
MOST_QUERY_BYTES = 32 << 10
NAMES = ("127.0.0.1", "localhost", "[::1]")
TOKEN_HEADERS = ("authorization", "x-ray-authorization")


class TooLarge(Exception):  # noqa: N818  (it is an answer)
    """A body has more bytes than it may."""


class Guard:
    """An ASGI application around another one.

    Args:
        app: The one that is guarded.
        token: What clients must show.
        port: Where the server listens.
        larger: Bytes that a body may have, by beginning of its path, where that is more.
    """

    def __init__(self, app: ASGIApp, token: str, port: int, larger: Mapping[str, int]) -> None:
        if not token:
            raise ValueError("a server without a token would be open to everybody")
        self.app, self.token, self.larger = app, token.encode(), larger
        self.hosts = {name for one in NAMES for name in (one, f"{one}:{port}")}
        self.origins = {f"http://{one}:{port}" for one in NAMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._most_bytes(scope["path"])
        status, words = self._verdict(headers)
        if not status:
            status, words = _verdict_of_sizes(headers, most, len(scope.get("query_string", b"")))
        if status:
            await self._refuse(status, words, scope, receive, send)
            return
        await self.app(scope, _limited(receive, most), send)

    def _most_bytes(self, path: str) -> int:
        sizes = [size for prefix, size in self.larger.items() if path.startswith(prefix)]
        return max([MOST_BODY_BYTES, *sizes])

    def _verdict(self, headers: Headers) -> tuple[int, str]:
        """Return the status and words of a refusal, 0 if there is nothing to refuse."""
        if headers.getlist("host") not in [[one] for one in self.hosts]:
            return 403, "Forbidden: the Host header does not name this machine"
        if any(one not in self.origins for one in headers.getlist("origin")):
            return 403, "Forbidden: a page of another origin asks"
        shown = next((headers[name] for name in TOKEN_HEADERS if headers.get(name)), "")
        if not shown:
            return 401, "Unauthorized: Missing authentication token"
        kind, _, token = shown.partition(" ")
        right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self.token)
        if kind.lower() != "bearer" or not right:
            return 403, "Forbidden: Invalid authentication token"
        return 0, ""

    async def _refuse(
        self, status: int, words: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        verb = scope.get("method", "websocket")
        logger.warning("refused %d: %s %.200s: %s", status, verb, scope["path"], words)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": words})
            return
        headers = {"connection": "close"}  # what is left of the body is not read
        await PlainTextResponse(words, status, headers)(scope, receive, send)


def _verdict_of_sizes(headers: Headers, most_bytes: int, query_bytes: int) -> tuple[int, str]:
    """Return the status and words of a refusal, 0 if there is nothing to refuse."""
    length = int(headers.get("content-length", "0"))  # the server has seen that it is a number
    if length > most_bytes:
        return 413, f"The body has more than {most_bytes} bytes"
    if query_bytes > MOST_QUERY_BYTES:
        return 414, f"The query has more than {MOST_QUERY_BYTES} bytes"
    return 0, ""


def _limited(receive: Receive, most: int) -> Receive:
    """Return what receives a body of at most so many bytes, whatever its header promised."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most:
                raise TooLarge(f"The body has more than {most} bytes")
        return message

    return limited
