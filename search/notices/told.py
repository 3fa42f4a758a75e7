"""Of which events of a study people were told: kept on the study, so that all who work on it tell each once.

Whoever tells of an event claims it first, in one transaction. So it is told once at most, whoever works on the
study, and however often it is gone on with. Who is killed between claiming and telling leaves it untold.
"""

import secrets
from collections.abc import Callable
from typing import Any

from mlpsearch.search.notices.event import Event
from mlpsearch.studies.record import StudyRecord

ATTRIBUTE = "told"  # {"events": [{"key": of the event, "by": who claimed it}], the newest last}
_MOST_KEPT = 20
_FAILURES = ("failed ", "stalled ")  # how keys begin of events after which a study may still go on


def begin(record: StudyRecord, event: Event | None) -> None:
    """From now on events of the study are told, but not that of now, if this is the first time.

    event: that of now.
    """
    if record.attributes().get(ATTRIBUTE) is None:
        seen = [] if event is None else [{"key": event.key, "by": ""}]
        _change(record, lambda events: events or seen)


def go_on(record: StudyRecord) -> None:
    """Let a failure be told anew: a person goes on with the study."""
    _change(record, lambda events: [one for one in events if not one["key"].startswith(_FAILURES)])


def claim(record: StudyRecord, event: Event) -> bool:
    """Return whether this caller shall tell of the event: nobody else has, and nobody else will."""
    if any(one["key"] == event.key for one in (record.attributes().get(ATTRIBUTE) or {"events": []})["events"]):
        return False  # without a write, for some ask every few seconds
    own, won = {"key": event.key, "by": secrets.token_hex(8)}, False

    def take(events: list[Any]) -> list[Any]:
        nonlocal won
        others = [one for one in events if one["key"] == event.key]
        won = not others or others == [own]  # its own where the answer to the first attempt got lost
        return events if others else [*events, own][-_MOST_KEPT:]

    _change(record, take)
    return won


def _change(record: StudyRecord, change: Callable[[list[Any]], list[Any]]) -> None:
    record.change(ATTRIBUTE, lambda kept: {"events": change(kept["events"])}, missing={"events": []})
