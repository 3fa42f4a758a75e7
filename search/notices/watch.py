"""Looks at all studies of a storage now and then, and tells what has happened, on other machines as well."""

import threading
import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from types import TracebackType
from typing import Any

from mlpsearch.models.errors import innermost
from mlpsearch.search.notices.event import Event, event_of, progress
from mlpsearch.search.notices.notifier import Notifier
from mlpsearch.search.notices.told import begin
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord, load_study
from mlpsearch.studies.storage.opening import Storage, open_storage
from mlpsearch.studies.storage.own_studies import own_studies

LOOK_SECONDS = 5.0
STALLED_SECONDS = 600.0  # images are decoded and winners tested meanwhile, which is no trial
_END_SECONDS = 5.0


class Still:
    """Finds studies that stand still: nothing has happened to them for a while, though somebody could work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._since: dict[str, tuple[str, float]] = {}  # of a study's id: how far it was, and since when

    def look(self, records: Sequence[StudyRecord], is_worked_on: bool) -> Event | None:
        """Return the event that an open study stands still, if it does by now.

        records: its own and that of its confirmation, if there is one.
        is_worked_on: whether a worker has a trial of it, or will have one once its other work is done.
        """
        now, done, uid = self._clock(), progress(*records), records[0].id
        before, since = self._since.get(uid, ("", now))
        if is_worked_on or done != before:
            since = now
        self._since[uid] = done, since
        if now - since < STALLED_SECONDS:
            return None
        minutes = round((now - since) / 60)
        return Event("stalled", f"stalled {done}", f"no worker has had a trial of it for {minutes} minutes")

    def forget(self, record: StudyRecord) -> None:
        """Begin anew with a study that is over, stopped or has failed."""
        self._since.pop(record.id, None)


class Watch:
    """Tells of all studies of a storage, in a thread, while its body runs.

    own: names of the live workers of this process, which serve every study.
    """

    def __init__(self, url: str, notifier: Notifier, say: Callable[[str], None], own: Callable[[], Set[str]]):
        self._url = url
        self._notifier = notifier
        self._say = say
        self._own = own
        self._still = Still()
        self._settled: dict[str, dict[str, Any]] = {}  # attributes of studies that were over as they had these
        self._said: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)  # nobody waits for a storage that hangs

    def __enter__(self) -> "Watch":
        if self._notifier.has_targets:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        storage: Storage | None = None
        is_first = True
        while not self._over.is_set():
            try:
                storage = storage or open_storage(self._url)
                self.look(storage, is_first=is_first)
                is_first = False
            except Exception as error:  # whatever it is, the work goes on
                self._say_once(f"notices: the studies could not be looked at: {innermost(error)}")
            self._over.wait(LOOK_SECONDS)

    def look(self, storage: Storage, *, is_first: bool = False) -> None:
        """Look at every study once. is_first: what is over already is not told, unless somebody was to be told."""
        listed = own_studies(storage)  # once, for it reads all of them
        runs = {study.user_attrs.get("confirms"): study for study in listed if "plan" in study.user_attrs}
        found: dict[str, list[StudyRecord]] = {}
        for study in listed:
            uid = study.user_attrs["id"]
            # What is over goes on only after one of its attributes has changed.
            if "plan" in study.user_attrs or self._settled.get(uid) == study.user_attrs:
                continue
            self._settled.pop(uid, None)
            with suppress(KeyError):  # deleted meanwhile
                found[uid] = [load_study(storage, one.study_name) for one in (study, runs.get(uid)) if one]
        workers = {uid: _workers_of(records) for uid, records in found.items()}
        for study in listed:
            uid = study.user_attrs["id"]
            if uid not in found:
                continue
            others = set[str]().union(*(names for one, names in workers.items() if one != uid))
            own = self._own()
            is_busy = bool(own) and own <= others
            try:
                if self._look_at(found[uid], is_busy or bool(workers[uid]), is_first):
                    self._settled[uid] = study.user_attrs
            except Exception as error:
                self._say_once(f"{study.study_name}: no notice: {innermost(error)}")

    def _look_at(self, records: Sequence[StudyRecord], is_worked_on: bool, is_first: bool) -> bool:
        """Look at a study, and tell what there is to tell; return whether it is over."""
        record = records[0]
        event, ledger = event_of(record), Ledger(record)
        if event is None and not ledger.is_stopped():
            event = self._still.look(records, is_worked_on)
        else:
            self._still.forget(record)
        if is_first or event is None:
            begin(record, event)
        if event is not None:
            self._notifier.tell(record, event)
        return event is not None and event.is_end

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._say(message)


def _workers_of(records: Sequence[StudyRecord]) -> set[str]:
    """The names of live workers that have a trial of one of these."""
    running = (trial for record in records for trial in Ledger(record).running())
    return {trial.user_attrs.get("worker", "") for trial, alive in running if alive}
