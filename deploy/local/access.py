"""Access to the router: its orders need a secret, and no web page of a browser reaches it."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

#: Names of this machine by which clients reach the router.
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
#: Values of Sec-Fetch-Site that no page of another site can have caused (W3C «Fetch Metadata
#: Request Headers», 2.3).
TRUSTED_SITES = ("same-origin", "none")
#: Where requests for models come; every other path is an order.
OPEN = "/endpoints/"


class Guard:
    """Refuses what a stranger or a web page sends, before anything of it is read.

    Parameters
    ----------
    app : ASGIApp
        The router.
    secret : str
        What orders carry as a bearer token (RFC 6750, 2.1).
    """

    def __init__(self, app: ASGIApp, secret: str) -> None:
        self._app = app
        self._secret = secret.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or hand the request on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            why, status = page_refusal(headers), 403
            if not why and not scope["path"].startswith(OPEN) and not self._is_authorized(headers):
                why, status = "orders need the secret of the router's state folder", 401
            if why:
                answer = JSONResponse({"error": why}, status_code=status)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_authorized(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), self._secret)


def page_refusal(headers: Headers) -> str:
    """Return why a request may be a web page's; empty if it cannot be.

    A browser sends `Origin` and `Sec-Fetch-Site` with requests that a page of another site makes,
    and a page whose name was bound to the loopback (DNS rebinding) sends its own name as `Host`.
    """
    hosts = headers.getlist("host")
    if len(hosts) != 1 or _name(hosts[0].lower()) not in LOOPBACK:
        return f"the Host header {', '.join(hosts)!r} names no host of this router"
    for origin in headers.getlist("origin"):
        if urlsplit(origin).netloc.lower() != hosts[0].lower():
            return f"requests of web pages are refused, and this one has the Origin {origin!r}"
    for site in headers.getlist("sec-fetch-site"):
        if site not in TRUSTED_SITES:
            return f"requests of web pages are refused; this one has the Sec-Fetch-Site {site!r}"
    return ""


def _name(host: str) -> str:
    """Return a Host header's name without its port (RFC 9110, 7.2)."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
