"""Answers of our own, and one of the dashboard's that its page cannot read."""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    line: str,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """Answer with one plain line; under /api as {"reason": line}, which the page shows to its user."""
    if environ["PATH_INFO"].startswith("/api/"):
        return json_answer(environ, start_response, status, {"reason": line}, headers)
    return _send(environ, start_response, status, line, [("Content-Type", "text/plain; charset=utf-8"), *headers])


def json_answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    document: Any,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """Answer with a JSON document in one line."""
    kind = ("Content-Type", "application/json")
    return _send(environ, start_response, status, json.dumps(document), [kind, *headers])


def _send(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: HTTPStatus,
    line: str,
    headers: Iterable[tuple[str, str]],
) -> list[bytes]:
    body = f"{line}\n".encode("utf-8", "replace")  # a name from elsewhere may hold what no text does
    start_response(f"{status.value} {status.phrase}", [("Content-Length", str(len(body))), *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def body_answer(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    kind: str,
    body: bytes,
    headers: Iterable[tuple[str, str]] = (),
) -> list[bytes]:
    """Answer with a page or a file. kind: its Content-Type."""
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def filled(app: WSGIApplication) -> WSGIApplication:
    """Return an application that answers {} where this one answers nothing (204).

    optuna-dashboard 0.21 answers so to most writes, but its page reads JSON out of every answer: it would call
    each of them a failure.
    """

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        empty = False

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal empty
            empty = status.startswith("204")
            if empty:
                status, headers = "200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")]
            return start_response(status, headers, exc_info)

        body = app(environ, start)
        return [b"{}"] if empty else body

    return run
