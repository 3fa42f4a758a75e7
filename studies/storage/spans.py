"""When trials ran: the span of each attempt, from its start to its end.

Times are naive UTC, as in the database's tables, so the zone and the summer time of whoever looks do not matter.
On a server its own clock gives them (rows.py), so the clocks of the workers' machines do not either.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 30  # a worker that was silent this long is taken for dead

EARLIER = "earlier"  # the trial attribute with the spans of attempts that were cut off

Span = tuple[datetime, datetime]


def fell_silent(heartbeat: datetime | None, now: datetime) -> bool:
    """Whether the last heartbeat of a running trial is too long ago for its worker to have run since."""
    return heartbeat is not None and now - heartbeat > timedelta(seconds=GRACE_SECONDS)


def last_seen(start: datetime, heartbeat: datetime | None, now: datetime) -> datetime:
    """Return when an attempt that fell silent was last known to run.

    heartbeat: the trial's last, which may be of an earlier attempt. Without one only its start is known.
    """
    return min(now, max(start, heartbeat or start))


def to_json(span: Span) -> list[str]:
    """Return a span as it is kept: two ISO times with the offset +00:00."""
    return [moment.replace(tzinfo=UTC).isoformat() for moment in span]


def from_json(kept: list[str]) -> Span:
    """Return a span that was kept. Times without offset, of older versions, are taken for this machine's local."""
    start, end = (datetime.fromisoformat(moment).astimezone(UTC).replace(tzinfo=None) for moment in kept)
    return start, end


def covered(spans: Iterable[Span]) -> float:
    """Return the seconds during which at least one of the spans ran."""
    total, until = timedelta(), datetime.min
    for start, end in sorted(spans):
        total += max(timedelta(), end - max(start, until))
        until = max(until, end)
    return total.total_seconds()
