"""A plain webhook: the document of a notice, as JSON, in a POST request."""

import base64
import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlpsearch.models.errors import NoticeError
from mlpsearch.search.notices.channel import NotDelivered
from mlpsearch.search.notices.message import Notice

SCHEMES = ("http", "https")
_ANSWER_SECONDS = 10.0
_URL_CHARACTERS = "/%:@!$&'()*+,;=~?-._"  # that stay as they are; what is percent-encoded stays so, too


class Webhook:
    """An HTTP address that takes JSON.

    url: with user and password where it needs them. Raises NoticeError for one that cannot be used.
    """

    def __init__(self, url: str):
        try:
            parts = urlsplit(url)
            port = "" if parts.port is None else f":{parts.port}"
            host = (parts.hostname or "").encode("idna").decode()
        except ValueError:  # whose text holds the address
            host = ""
        if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-f:.]+", host):
            raise NoticeError("--notify http(s)://…: must name a host, and a port of 0 to 65535 if any")
        bare = f"[{host}]" if ":" in host else host
        self.name = f"{parts.scheme}://{bare}{port}"
        path, query = quote(parts.path, _URL_CHARACTERS), quote(parts.query, _URL_CHARACTERS)
        self._url = urlunsplit((parts.scheme, bare + port, path or "/", query, ""))
        self._headers = {"Content-Type": "application/json", "User-Agent": "mlpsearch"}
        if parts.username is not None:
            known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(known.encode()).decode()}"

    def send(self, notice: Notice) -> None:
        """Deliver the notice's document, without redirects. Raises NotDelivered for another answer than 2xx."""
        body = json.dumps(notice.document).encode()
        request = urllib.request.Request(self._url, body, self._headers, method="POST")  # noqa: S310 - SCHEMES
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=_ANSWER_SECONDS):
                pass
        except urllib.error.HTTPError as error:
            with error:
                moved = ", a redirect, which is not followed" if 300 <= error.code < 400 else ""
                raise NotDelivered(f"it answered {error.code}{moved}") from None
        except (OSError, http.client.HTTPException) as error:
            raise NotDelivered(_why(error)) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects alone: they would take the document, and the password, to where nobody said."""

    def redirect_request(self, *_: Any) -> None:
        """Return no request to follow."""
        return


def _why(error: BaseException) -> str:
    """Why there was no answer, without the address."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer within {_ANSWER_SECONDS:g} s"
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__
