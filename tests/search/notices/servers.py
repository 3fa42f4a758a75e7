"""Servers of this machine that notices are sent to: one that takes mail, one that takes requests."""

import base64
import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USER, PASSWORD = "somebody", "correct-horse"


@dataclass
class Hook:
    """A web server. answer: its status.  headers: further ones of its answers.  requests: what it got."""

    port: int = 0
    answer: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=s3cret"

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [document for *_, document in self.requests]

    @property
    def events(self) -> list[str]:
        return [document["event"] for document in self.documents]


@contextmanager
def web_server() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests.append((self.command, self.path, dict(self.headers), json.loads(body)))
            self.send_response(hook.answer)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def do_GET(self) -> None:
            hook.requests.append((self.command, self.path, dict(self.headers), {}))
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hook.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Mailbox:
    """A mail server, for one user. refuses: it takes no message.  mails: what it got."""

    port: int = 0
    refuses: bool = False
    mails: list[EmailMessage] = field(default_factory=list)

    @property
    def url(self) -> str:
        return (
            f"mailto://{USER}:{PASSWORD}@127.0.0.1:{self.port}/?mode=insecure"
            "&smtp=127.0.0.1&from=searches@example.org&to=people@example.org"
        )


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        box.port = listener.getsockname()[1]
        thread = threading.Thread(target=_take_all, args=(listener, box))
        thread.start()
        try:
            yield box
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _take_all(listener: socket.socket, box: Mailbox) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                _take(stream, box)


def _take(stream: Any, box: Mailbox) -> None:
    """What of RFC 5321 smtplib needs."""

    def answer(line: str) -> None:
        stream.write(line.encode() + b"\r\n")
        stream.flush()

    answer("220 here")
    while line := stream.readline().decode().strip():
        verb = line.split()[0].upper()
        if verb == "EHLO":
            answer("250-here\r\n250 AUTH PLAIN")
        elif verb == "AUTH":
            known = base64.b64decode(line.split()[2]).decode()
            answer("235 welcome" if known == f"\0{USER}\0{PASSWORD}" else "535 no")
        elif verb == "RCPT" and box.refuses:
            answer(f"550 {USER} may not write to {line}")
        elif verb == "DATA":
            answer("354 go on")
            lines = iter(stream.readline, b".\r\n")
            text = b"".join(line.removeprefix(b".") for line in lines)
            box.mails.append(email.message_from_bytes(text, policy=email.policy.default))
            answer("250 taken")
        elif verb == "QUIT":
            answer("221 bye")
            return
        else:
            answer("250 well")
