"""optuna-dashboard's page where it only reads: without the buttons that change studies.

Its files stay as they are. A style sheet of ours goes into the page as it is sent, and hides what its script
draws. The guard refuses what the buttons would ask for, whether they are seen or not.
"""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_ICONS = ("AddBox", "Delete", "Edit", "ModeEdit", "DriveFileRenameOutline", "UploadFile")
_BUTTONS = ",".join(f'button:has(svg[data-testid="{icon}Icon"])' for icon in _ICONS)
_STYLE = f"<style>{_BUTTONS}{{display:none!important}}</style></head>".encode()


def without_buttons(app: WSGIApplication) -> WSGIApplication:
    """Return an application whose page (/dashboard…) hides them."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path != "/dashboard" and not path.startswith("/dashboard/"):
            return app(environ, start_response)
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
            started[:] = status, headers

        # Not only if it has changed: what a browser has kept may be the page of a dashboard that may write.
        for condition in ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"):
            environ.pop(condition, None)
        chunks = app(environ, start)
        try:
            body = b"".join(chunks).replace(b"</head>", _STYLE, 1)
        finally:
            getattr(chunks, "close", lambda: None)()
        status, headers = started
        dropped = ("content-length", "last-modified", "etag", "accept-ranges")
        kept = [(name, value) for name, value in headers if name.lower() not in dropped]
        is_head = environ["REQUEST_METHOD"] == "HEAD"
        start_response(status, kept if is_head else [*kept, ("Content-Length", str(len(body)))])
        return [] if is_head else [body]

    return run
