"""What stands between the network and the pages, of which optuna-dashboard's check nothing by themselves.

A request passes when it names this server, shows the token where one is needed, does not write where writing is
not allowed, and, if it writes, comes from the dashboard's own pages or from no page at all.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mlpsearch.search.dashboard.address import Address
from mlpsearch.search.dashboard.answers import answer

HEALTH, METRICS = "/healthz", "/metrics"

_READING = ("GET", "HEAD", "OPTIONS")
_RENAMING = re.compile(r"/api/studies/[0-9]+/rename")

# What the page needs: its one script, which compiles code for parallel coordinates (eval), styles set by that
# script, and pictures made by it. Everything else, and everything from elsewhere, is off.
_PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# Our own pages compile nothing. A report has scripts in it, which its own policy names one by one; here it is kept
# from being one of our pages: what its scripts ask for is asked for by nobody.
_OWN_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_REPORT_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'unsafe-inline'",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "sandbox allow-scripts allow-downloads",
    )
)
_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_POLICIES = (
    (re.compile(r"/artifacts/.*|/studies/[^/]*/files/.*"), _FILE_POLICY),
    (re.compile(r"/studies/[^/]*/report"), _REPORT_POLICY),
    (re.compile(r"/|/studies/.*|/metrics"), _OWN_POLICY),
)

_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard lets through.

    token: that a visitor must know; None where everybody who can connect may look.
    """

    address: Address
    token: str | None
    allow_writes: bool


class Guard:
    """A WSGI application around the dashboard's.

    health: answers /healthz, also to who has no token; None where there is no such page.
    """

    def __init__(
        self, app: WSGIApplication, artifacts: WSGIApplication, rules: Rules, health: WSGIApplication | None = None
    ):
        self._app = app
        self._artifacts = artifacts
        self._rules = rules
        self._health = health
        self._cookie = f"mlpsearch-{rules.address.port}"  # ports of one host share their cookies

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        # The dashboard drops slashes at the end and undecodable bytes: check the path that it will see.
        environ["PATH_INFO"] = path = "/" + environ.get("PATH_INFO", "").strip("/")
        environ.setdefault("HTTP_ACCEPT_ENCODING", "")  # it takes this header for granted
        is_artifact = path.startswith("/artifacts/")
        started = _hardened(start_response, _policy(path))
        refusal = self._unknown_name(environ)
        if refusal is None and self._health is not None and path == HEALTH and _only_looks(environ):
            return self._health(environ, started)
        refusal = refusal or self._refusal(environ)
        if refusal:
            return answer(environ, started, *refusal)
        is_page = environ["REQUEST_METHOD"] == "GET" and path != METRICS  # who asks for numbers keeps no cookie
        if self._rules.token and is_page and self._shows_token(environ):
            return self._welcome(environ, started)
        app = self._artifacts if is_artifact and _only_looks(environ) else self._app
        return app(environ, started)

    def _unknown_name(self, environ: WSGIEnvironment) -> tuple[HTTPStatus, str] | None:
        """Return why a request for another server is refused."""
        address = self._rules.address
        if address.knows(environ.get("HTTP_HOST", "")):
            return None
        return HTTPStatus.FORBIDDEN, f"this server is not known by that name; it is {address.public}"

    def _refusal(self, environ: WSGIEnvironment) -> tuple[HTTPStatus, str] | None:
        """Return why a request is refused, if it is."""
        rules = self._rules
        if rules.token and not (self._has_cookie(environ) or self._shows_token(environ)):
            return HTTPStatus.UNAUTHORIZED, "open the address that `mlpsearch dashboard` printed, with its token"
        if not (environ["PATH_INFO"].isascii() and environ["PATH_INFO"].isprintable()):
            return HTTPStatus.NOT_FOUND, "no such page"
        if environ["REQUEST_METHOD"] in _READING:
            return None
        if not rules.allow_writes:
            return HTTPStatus.FORBIDDEN, "read-only; `mlpsearch dashboard --allow-writes` changes studies"
        if not _comes_from_here(environ):
            return HTTPStatus.FORBIDDEN, "only the dashboard's own pages may change studies"
        if _RENAMING.fullmatch(environ["PATH_INFO"]):
            return HTTPStatus.FORBIDDEN, "a study keeps its name, which its specification and its exports have too"
        return None

    def _has_cookie(self, environ: WSGIEnvironment) -> bool:
        cookies = (cookie.strip().partition("=") for cookie in environ.get("HTTP_COOKIE", "").split(";"))
        return any(name == self._cookie and self._is_token(value) for name, _, value in cookies)

    def _shows_token(self, environ: WSGIEnvironment) -> bool:
        return any(name == "token" and self._is_token(value) for name, value in _query(environ))

    def _is_token(self, value: str) -> bool:
        token = self._rules.token
        return token is not None and hmac.compare_digest(value.encode("utf-8", "replace"), token.encode())

    def _welcome(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Remember a visitor in a cookie, and take the token out of the address, which others may get to see."""
        rest = urlencode([(name, value) for name, value in _query(environ) if name != "token"])
        location = quote(environ["PATH_INFO"]) + (f"?{rest}" if rest else "")
        headers = [
            ("Location", location),
            ("Set-Cookie", f"{self._cookie}={self._rules.token}; Path=/; HttpOnly; SameSite=Strict"),
            ("Cache-Control", "no-store"),
        ]
        return answer(environ, start_response, HTTPStatus.SEE_OTHER, "welcome", headers)


def _policy(path: str) -> str:
    return next((policy for paths, policy in _POLICIES if paths.fullmatch(path)), _PAGE_POLICY)


def _only_looks(environ: WSGIEnvironment) -> bool:
    return environ["REQUEST_METHOD"] in ("GET", "HEAD")


def _comes_from_here(environ: WSGIEnvironment) -> bool:
    """Whether a write is from one of our pages, or from a program, which names no page."""
    if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none"):
        return False
    page = environ.get("HTTP_ORIGIN", environ.get("HTTP_REFERER"))
    return page is None or f"{page}/".startswith(f"http://{environ['HTTP_HOST']}/")


def _query(environ: WSGIEnvironment) -> list[tuple[str, str]]:
    return parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)


def _hardened(start_response: StartResponse, policy: str) -> StartResponse:
    """Return a start_response that sets our headers and drops those that open the answer to other sites."""
    ours = [*_HEADERS, ("Content-Security-Policy", policy)]
    replaced = {name.lower() for name, _ in ours}

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        kept = [
            (name, value)
            for name, value in headers
            if name.lower() not in replaced and not name.lower().startswith("access-control-")
        ]
        return start_response(status, [*kept, *ours], exc_info)

    return start
