"""Tells of a study's events, each once, wherever people asked to be told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from mlpsearch.models.errors import innermost
from mlpsearch.search.notices.apprise_channel import AppriseChannel
from mlpsearch.search.notices.channel import Channel, NotDelivered, send_in_time
from mlpsearch.search.notices.event import Event, event_of, failure
from mlpsearch.search.notices.message import notice_of
from mlpsearch.search.notices.told import begin, claim, go_on
from mlpsearch.search.notices.webhook import SCHEMES, Webhook
from mlpsearch.studies.record import StudyRecord


def channels(urls: Sequence[str]) -> list[Channel]:
    """Return where notices go. Raises NoticeError for an address that cannot be used."""
    return [_channel(url) for url in dict.fromkeys(urls)]


def _channel(url: str) -> Channel:
    return Webhook(url) if url.partition("://")[0].lower() in SCHEMES else AppriseChannel(url)


class Notifier:
    """Tells of events.

    say: is told of what could not be delivered.  dashboard: as for `notice_of`.
    """

    def __init__(self, targets: Sequence[Channel], say: Callable[[str], None], dashboard: str | None = None):
        self._targets = targets
        self._say = say
        self._dashboard = dashboard

    @property
    def has_targets(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._targets)

    @contextmanager
    def at_the_end_of(self, record: StudyRecord, *, person: bool) -> Iterator[None]:
        """While the body works on a study; then its end is told, or that the body has failed.

        person: whether somebody goes on with the study by this, so that a failure that was told is told again.
        """
        if not self.has_targets:
            yield
            return
        self._safely(record, lambda: self._begin(record, person))
        try:
            yield
        except Exception as error:
            found = error  # the name goes with the clause
            self._safely(record, lambda: self.tell(record, event_of(record) or failure(record, found)))
            raise
        self._safely(record, lambda: self._tell_if_any(record))

    def tell(self, record: StudyRecord, event: Event) -> None:
        """Tell of an event, if nobody has."""
        if not claim(record, event):
            return
        notice = notice_of(record, event, self._dashboard)
        for target in self._targets:
            try:
                send_in_time(target, notice)
            except NotDelivered as error:
                self._say(f"{record.name}: the notice to {target.name} was not delivered: {error}")

    def _begin(self, record: StudyRecord, person: bool) -> None:
        begin(record, event_of(record))
        if person:
            go_on(record)

    def _tell_if_any(self, record: StudyRecord) -> None:
        event = event_of(record)
        if event is not None:
            self.tell(record, event)

    def _safely(self, record: StudyRecord, act: Callable[[], None]) -> None:
        """Whatever happens to a notice, the study goes on as without it."""
        try:
            act()
        except Exception as error:
            self._say(f"{record.name}: no notice: {innermost(error)}")
