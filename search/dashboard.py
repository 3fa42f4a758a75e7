"""optuna-dashboard on the storage, served by a threaded WSGI server on this machine's loopback address."""

from dataclasses import dataclass
from typing import Any

from optuna.storages import BaseStorage

from models.errors import StudyError

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens but does not answer yet.

    address: of its first page.
    """

    address: str
    _server: Any

    def run(self) -> None:
        """Answer until interrupted."""
        try:
            self._server.run()
        finally:
            self._server.close()


def serve(storage: BaseStorage, port: int) -> Server:
    """Return a server of the dashboard. port: 0 for any free one. Raises StudyError for one that is in use."""
    from optuna_dashboard import wsgi
    from waitress.server import create_server

    try:
        server = create_server(wsgi(storage), host=HOST, port=port)
    except OSError as error:
        raise StudyError(f"port {port}: cannot be used ({error.strerror}); name another with --port") from error
    return Server(f"http://{HOST}:{server.effective_port}/dashboard/", server)
