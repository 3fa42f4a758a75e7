"""Mail, chats and push services, by the package apprise. The only module that uses it."""

import logging
import re
import warnings
from urllib.parse import unquote

from mlpsearch.models.errors import NoticeError
from mlpsearch.search.notices.channel import NotDelivered
from mlpsearch.search.notices.event import Kind
from mlpsearch.search.notices.message import Notice

_SHORTEST_SECRET = 3  # shorter parts of an address may stand in any sentence
_TYPES: dict[Kind, str] = {
    "confirmed": "success",
    "tested": "success",
    "searched": "success",
    "failed": "failure",
    "stalled": "warning",
}


class AppriseChannel:
    """One address of Apprise's kind. Raises NoticeError for one that it refuses, and where it is not installed."""

    def __init__(self, url: str):
        scheme, colon, rest = url.partition("://")
        self.name = f"{scheme}://…" if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme) else "…"
        self._secrets = _parts(rest)
        try:
            import apprise
        except ImportError as error:
            raise NoticeError(
                f"--notify {self.name} needs the package apprise: pip install 'mlpsearch[notify]'"
            ) from error
        self._apprise = apprise.Apprise()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of what its services import
            added = self._apprise.add(url)
        # What it refused it would pass over later, and call that a success.
        if not added or len(self._apprise) != 1:
            raise NoticeError(
                f"--notify {self.name}: must be an address that Apprise takes, or http(s)://… of a webhook"
            )

    def send(self, notice: Notice) -> None:
        """Deliver title and text. Raises NotDelivered."""
        import apprise

        capture = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
        with capture as said:
            # An object since 2.0, true where all were delivered, and never `False` itself.
            delivered = self._apprise.notify(
                title=notice.title, body=notice.text, notify_type=_TYPES[notice.kind], body_format="text"
            )
            lines = said.getvalue().strip().splitlines()
        if not delivered:
            raise NotDelivered(self._without_secrets(lines[-1]) if lines else "it was refused")

    def _without_secrets(self, line: str) -> str:
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return " ".join(line.split())


def _parts(rest: str) -> list[str]:
    """What may be secret in an address: which part of it is differs from service to service."""
    raw = re.split(r"[/:@?&=,;\s]+", rest)
    texts = [rest, *raw, *map(unquote, raw)]
    return sorted({one for one in texts if len(one) >= _SHORTEST_SECRET}, key=len, reverse=True)
