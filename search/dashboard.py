"""optuna-dashboard on the storage, served by a threaded WSGI server on this machine's loopback address."""

from collections.abc import Callable

from optuna.storages import BaseStorage

from models.errors import StudyError

HOST = "127.0.0.1"


def serve(storage: BaseStorage, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted. port: 0 for any free one.  announce: is told the address."""
    from optuna_dashboard import wsgi
    from waitress.server import create_server

    try:
        server = create_server(wsgi(storage), host=HOST, port=port)
    except OSError as error:
        raise StudyError(f"port {port}: cannot be used ({error.strerror}); name another with --port") from error
    announce(f"http://{HOST}:{server.effective_port}/dashboard/")
    try:
        server.run()
    finally:
        server.close()
