"""The ways by which a notice goes out: one method, and a name that gives no secret away."""

import threading
from collections.abc import Callable
from typing import Protocol

from mlpsearch.search.notices.message import Notice

SEND_SECONDS = 30.0  # what takes longer counts as failed


class NotDelivered(Exception):  # noqa: N818 - it ends no command
    """A notice could not be delivered, or nobody knows. The text says why, and has no secret of the address."""


class Channel(Protocol):
    """Where notices are sent."""

    @property
    def name(self) -> str:
        """What of its address may be printed."""

    def send(self, notice: Notice) -> None:
        """Deliver a notice. Raises NotDelivered."""


def send_in_time(channel: Channel, notice: Notice) -> None:
    """Deliver a notice, or raise NotDelivered, within SEND_SECONDS: no server and no library may hold us up."""
    found: list[NotDelivered | None] = []
    thread = threading.Thread(target=lambda: found.append(_attempt(channel.send, notice)), daemon=True)
    thread.start()
    thread.join(SEND_SECONDS)
    error = found[0] if found else NotDelivered(f"no end within {SEND_SECONDS:g} s")
    if error is not None:
        raise error


def _attempt(send: Callable[[Notice], None], notice: Notice) -> NotDelivered | None:
    try:
        send(notice)
    except NotDelivered as error:
        return error
    except Exception as error:  # of a library; its text may hold the address
        return NotDelivered(type(error).__name__)
    return None
