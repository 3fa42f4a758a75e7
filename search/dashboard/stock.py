"""optuna-dashboard's pages as they are shown here: without buttons that must fail, and each study once.

Its files stay as they are: its answers are changed as they are sent. A style sheet of ours in its page hides what
its script draws, and the guard refuses what the buttons would ask for, whether they are seen or not.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mlpsearch.studies.storage.opening import Storage
from mlpsearch.studies.storage.own_studies import own_studies

_ALWAYS = ("DriveFileRenameOutline",)  # a study keeps its name
_CHANGING = ("AddBox", "Delete", "Edit", "ModeEdit", "UploadFile")
_UPLOAD = '.MuiCard-root:has(>.MuiCardActionArea-root svg[data-testid="UploadFileIcon"])'  # the button's frame
# Our figures were made for a white page; the page's colour of text fits light and dark.
_OURS = ':is([id="user-defined-plot:time-against-accuracy"],[id="user-defined-plot:confusion-matrix"])'
_FIGURES = (
    f"{_OURS} .main-svg{{background:none!important}}"
    f"{_OURS} .bg{{fill:none!important}}"
    f"{_OURS} :is(.xtick text,.ytick text,.xtitle,.ytitle,.gtitle,.legendtext){{fill:currentColor!important}}"
    f"{_OURS} :is(.gridlayer,.zerolinelayer) path{{stroke:currentColor!important;stroke-opacity:0.15!important}}"
)

_Change = Callable[[bytes], bytes]


def as_shown_here(app: WSGIApplication, storage: Storage, *, allow_writes: bool) -> WSGIApplication:
    """Return an application whose pages (/dashboard…) and list of studies (/api/studies) are changed like that."""
    style = _style(allow_writes).encode()

    def change_of(environ: WSGIEnvironment) -> _Change | None:
        path = environ["PATH_INFO"]
        if path == "/dashboard" or path.startswith("/dashboard/"):
            return lambda page: page.replace(b"</head>", style + b"</head>", 1)
        if path == "/api/studies" and environ["REQUEST_METHOD"] == "GET":
            return lambda listed: _without_confirmations(listed, storage)
        return None

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        change = change_of(environ)
        return app(environ, start_response) if change is None else _changed(app, environ, start_response, change)

    return run


def _style(allow_writes: bool) -> str:
    icons = _ALWAYS if allow_writes else (*_ALWAYS, *_CHANGING)
    hidden = [f'button:has(svg[data-testid="{icon}Icon"])' for icon in icons]
    hidden += [] if allow_writes else [_UPLOAD]
    return f"<style>{','.join(hidden)}{{display:none!important}}{_FIGURES}</style>"


def _without_confirmations(listed: bytes, storage: Storage) -> bytes:
    """The list of studies without those that hold a confirmation's runs, while their study is there."""
    own = own_studies(storage)
    there = [study.user_attrs["id"] for study in own]
    parts = {study._study_id for study in own if study.user_attrs.get("confirms") in there}
    document = json.loads(listed)
    return json.dumps(
        {key: [study for study in studies if study["study_id"] not in parts] for key, studies in document.items()}
    ).encode()


def _changed(
    app: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse, change: _Change
) -> list[bytes]:
    started: list[Any] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        started[:] = status, headers

    # Not only if it has changed: what a browser has kept may be the page of a dashboard that may write.
    for condition in ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"):
        environ.pop(condition, None)
    chunks = app(environ, start)
    try:
        body = change(b"".join(chunks))
    finally:
        getattr(chunks, "close", lambda: None)()
    status, headers = started
    dropped = ("content-length", "last-modified", "etag", "accept-ranges")
    kept = [(name, value) for name, value in headers if name.lower() not in dropped]
    is_head = environ["REQUEST_METHOD"] == "HEAD"
    start_response(status, kept if is_head else [*kept, ("Content-Length", str(len(body)))])
    return [] if is_head else [body]
