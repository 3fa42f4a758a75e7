"""Where the dashboard listens, and the names it has for a browser.

A page of somebody else's can have its own name point to 127.0.0.1 (DNS rebinding), and then read our answers as
its own; it cannot make the browser send another Host header than that name. So only known names are answered.
"""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from mlpsearch.models.errors import StudyError

_LOCAL = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class Address:
    """An address and port that are listened on.

    names: what the Host header of a request may be, without port, in lower case.
    public: host and port to tell people.
    loopback: only this machine reaches it.  everywhere: it listens on all addresses of this machine.
    """

    names: frozenset[str]
    public: str
    port: int
    loopback: bool
    everywhere: bool

    @classmethod
    def of(cls, host: str, listener: socket.socket) -> "Address":
        """Return the address of a listening socket, which the user asked for as `host`."""
        number, port = listener.getsockname()[:2]
        ip = ipaddress.ip_address(number)
        name = socket.gethostname().lower() if ip.is_unspecified else _in_url(host)
        names = frozenset({*_LOCAL, name, _in_url(host), _in_url(number)})
        return cls(names, f"{name}:{port}", port, ip.is_loopback, ip.is_unspecified)

    def knows(self, host: str) -> bool:
        """Whether a Host header names this server, with its port."""
        name, port = _split(host.lower())
        if port != self.port:
            return False
        # Rebinding needs a name, so where all addresses are served, any number is as good as another.
        return name in self.names or (self.everywhere and _is_number(name))


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. port: 0 for any free one. Raises StudyError where that cannot be."""
    bare = _bare(host)
    try:
        found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM) if bare else []
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise StudyError(f"host {host!r}: must be a name or an address of this machine")
    # A name may have several addresses; browsers try the older kind too.
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise StudyError(
            f"{_in_url(host)}, port {port}: cannot be used ({why}); name another with --port or --host"
        ) from error


def _in_url(host: str) -> str:
    bare = _bare(host).lower()
    return f"[{bare}]" if ":" in bare else bare


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _split(host: str) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", host)
    return (match[1], int(match[2] or 80)) if match else ("", 0)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(_bare(name))
    except ValueError:
        return False
    return True
