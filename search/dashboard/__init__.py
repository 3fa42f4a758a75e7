"""optuna-dashboard on the storage, served by a threaded WSGI server behind a guard.

address.py      where it listens, and under which names a browser may ask for it
guard.py        what it refuses, and the headers of every answer
artifacts.py    the files of a study that it hands out
answers.py      what it says by itself
"""

import logging
import secrets
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from search.dashboard.address import Address, listen
from search.dashboard.answers import filled
from search.dashboard.artifacts import Artifacts, artifact_store
from search.dashboard.guard import Guard, Rules
from studies.storage import Storage

__all__ = ["Server", "artifact_store", "guarded", "serve"]

_THREADS = 8  # a browser keeps six connections
_READ_BYTES, _WRITE_BYTES = 1 << 20, 128 << 20  # of a request's body


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens but does not answer yet.

    address: of its first page, with the token where one is needed.
    """

    address: str
    _server: Any
    _connections: dict[int, Any]

    def run(self) -> None:
        """Answer until interrupted."""
        from waitress.wasyncore import close_all

        try:
            self._server.run()
        finally:
            self._server.close()
            close_all(self._connections, ignore_all=True)  # those that a browser keeps open


def serve(storage: Storage, *, host: str, port: int, allow_writes: bool = False) -> Server:
    """Return a server of the dashboard.

    host: a name or address of this machine; any but loopback needs a token.  port: 0 for any free one.
    allow_writes: let the dashboard change studies.
    Raises StudyError for a host or port that cannot be used.
    """
    from waitress.server import create_server

    # A line for each moment that all threads are busy is not worth the terminal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    listener = listen(host, port)
    address = Address.of(host, listener)
    rules = Rules(address, None if address.loopback else secrets.token_urlsafe(), allow_writes)
    connections: dict[int, Any] = {}
    server = create_server(
        guarded(storage, rules),
        map=connections,
        sockets=[listener],
        threads=_THREADS,
        ident=None,
        max_request_body_size=_WRITE_BYTES if allow_writes else _READ_BYTES,
    )
    query = f"?token={rules.token}" if rules.token else ""
    return Server(f"http://{address.public}/dashboard/{query}", server, connections)


def guarded(storage: Storage, rules: Rules) -> WSGIApplication:
    """Return optuna-dashboard's application behind a guard with these rules."""
    from optuna_dashboard import wsgi

    store = artifact_store(storage.url)
    app = wsgi(storage.optuna, artifact_store=store)  # the storage itself: given a URL, it would not be cached
    return Guard(filled(app), Artifacts(storage.optuna, store), rules)
