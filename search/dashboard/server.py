"""Our pages and optuna-dashboard on the storage, served by a threaded WSGI server behind a guard.

address.py      where it listens, and under which names a browser may ask for it
guard.py        what it refuses, and the headers of every answer
pages.py        which pages there are in front of optuna-dashboard, made of templates/
reading.py      the studies as these pages see them
cards.py        what is said of each study on them
trial_table.py  the table of a study's trials, trial_columns.py its columns, and curve.py a learning curve in it
made.py         reports and files, made when somebody asks for them
metrics.py      the studies as numbers for Prometheus, and timing.py how long requests took
stock.py        optuna-dashboard's pages without buttons that must fail, and each study once
downloads.py    the files of a study that it hands out
current.py      what optuna-dashboard must forget, and when it may not answer
answers.py      what it says by itself
publish.py      what it shows of a tested study besides its trials, and note.py its note
health.py       whether a service works, for who asks /healthz
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

from mlpsearch.search.dashboard.address import Address, listen
from mlpsearch.search.dashboard.answers import filled
from mlpsearch.search.dashboard.current import Current, unless_replaced
from mlpsearch.search.dashboard.downloads import Artifacts, artifact_store
from mlpsearch.search.dashboard.guard import HEALTH, Guard, Rules
from mlpsearch.search.dashboard.health import Health, health_page
from mlpsearch.search.dashboard.pages import Pages
from mlpsearch.search.dashboard.stock import as_shown_here
from mlpsearch.search.dashboard.timing import Timing
from mlpsearch.studies.files.file_store import file_store_of
from mlpsearch.studies.storage.opening import Storage

__all__ = ["Server", "artifact_store", "guarded", "serve"]

_THREADS = 8  # a browser keeps six connections
_READ_BYTES, _WRITE_BYTES = 1 << 20, 128 << 20  # of a request's body


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens but does not answer yet.

    address: of its first page, with the token where one is needed.  health: of its health page.
    here: what the addresses of all its pages begin with, without a token.
    """

    address: str
    health: str
    here: str
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

    @contextmanager
    def in_background(self) -> Iterator[None]:
        """Answer in a thread while the body runs."""
        from waitress.wasyncore import close_all

        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            # In that thread, which then has nothing left to wait for.
            self._server.trigger.pull_trigger(lambda: close_all(self._connections, ignore_all=True))
            thread.join()
            self._server.task_dispatcher.shutdown()


def serve(
    storage: Storage,
    *,
    host: str,
    port: int,
    allow_writes: bool = False,
    health: Callable[[], Health] | None = None,
) -> Server:
    """Return a server of the dashboard.

    host: a name or address of this machine; any but loopback needs a token.  port: 0 for any free one.
    allow_writes: let the dashboard change studies.  health: says how the service is that it is part of, if it is.
    Raises StudyError for a host or port that cannot be used, StorageError where the studies' files are not there.
    """
    from waitress.server import create_server

    # A line for each moment that all threads are busy is not worth the terminal.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    file_store_of(storage)  # refused before anybody is listened to
    listener = listen(host, port)
    address = Address.of(host, listener)
    rules = Rules(address, None if address.loopback else secrets.token_urlsafe(), allow_writes)
    connections: dict[int, Any] = {}
    server = create_server(
        guarded(storage, rules, health),
        map=connections,
        sockets=[listener],
        threads=_THREADS,
        ident=None,
        max_request_body_size=_WRITE_BYTES if allow_writes else _READ_BYTES,
    )
    query = f"?token={rules.token}" if rules.token else ""
    here = f"http://{address.public}"
    return Server(f"{here}/{query}", f"{here}{HEALTH}", here, server, connections)


def guarded(storage: Storage, rules: Rules, health: Callable[[], Health] | None = None) -> WSGIApplication:
    """Return the application: our pages, and optuna-dashboard's, behind a guard with these rules."""
    from optuna_dashboard import wsgi

    store = artifact_store(storage)
    app = wsgi(storage.optuna, artifact_store=store)  # the storage itself: given a URL, it would not be cached
    page = None if health is None else health_page(health)
    stock = as_shown_here(filled(Current(app, storage)), storage, allow_writes=rules.allow_writes)
    timing = Timing()
    pages = Pages(storage, stock, timing)
    artifacts = unless_replaced(Artifacts(storage.optuna, store.files), storage)
    return timing.timed(Guard(unless_replaced(pages, storage), artifacts, rules, page))
