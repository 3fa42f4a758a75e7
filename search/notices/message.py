"""A notice: what people read of an event, and the document for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlpsearch.models.scores import ACCURACY, METRICS, Metric
from mlpsearch.search.documents.base import VERSION
from mlpsearch.search.documents.study import part_of
from mlpsearch.search.notices.event import Event, Kind
from mlpsearch.search.results.headline import Headline
from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.results.wording import (
    averaged_score,
    bias,
    interval,
    mean_and_deviation,
    named,
    short,
    tested_score,
)
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord

_TITLES: dict[Kind, str] = {
    "confirmed": "{} is confirmed",
    "tested": "{} is tested",
    "searched": "the search of {} is over",
    "failed": "{} has failed",
    "stalled": "{} stands still",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of an event.

    title: one line.  text: some lines, the last of which is the link, or a command.
    document: of the study, as `status --json` prints it, and the event (documents.study.Notice).
    """

    kind: Kind
    title: str
    text: str
    document: dict[str, Any]


def notice_of(record: StudyRecord, event: Event, dashboard: str | None) -> Notice:
    """Return the notice of an event.

    dashboard: the address of the front page, without a token; None where this process shows none.
    """
    status = study_status(record, Ledger(record))
    link = None if dashboard is None else f"{dashboard}/studies/{record.name}"
    title = _TITLES[event.kind].format(record.name) + _score(status, event)
    text = "\n".join([*_lines(status, event), link or f"`{record.command('status')}` says more"])
    document = {
        "schema_version": VERSION,
        **part_of(status, record),
        "event": event.kind,
        "reason": event.reason,
        "title": title,
        "text": text,
        "link": link,
    }
    return Notice(event.kind, title, text, document)


def _score(status: StudyStatus, event: Event) -> str:
    test = status.headline and status.headline.test
    if not event.is_end or not test or test["score"] is None:
        return ""
    return f": test {METRICS[status.metric].title} {tested_score(test)}"


def _lines(status: StudyStatus, event: Event) -> Iterator[str]:
    if event.reason:
        yield f"{event.reason}."
    winner, metric, confirmation = status.headline, METRICS[status.metric], status.confirmation
    if winner is not None:
        yield from _winner_lines(winner, metric)
        if confirmation is not None:
            yield f"selection bias: {bias(confirmation)}"
        if winner.remark:
            yield winner.remark
    pruned, failed = status.trials["pruned"], status.trials["failed"]
    yield f"trials: {status.ended} of {status.budget['trials']} ended, {pruned} of them pruned; {failed} failed"


def _winner_lines(winner: Headline, metric: Metric) -> Iterator[str]:
    how = f"confirmed over {len(winner.seeds)} seeds" if winner.confirmed else "the best of the search"
    yield f"winner: trial {winner.trial}, {how}"
    yield f"validation: {named(winner.validation, winner.deviation, metric, winner.validation_accuracy)}"
    if (test := winner.test) is not None:
        more = f", accuracy {mean_and_deviation(test['accuracy'], test.get('deviation'))}"
        ends = interval(test["score_interval"], metric)
        whose = "one net " if test["average"] else ""
        yield f"test: {whose}{tested_score(test)} (95% interval {ends}){'' if metric is ACCURACY else more}"
        if test["average"]:
            yield f"test: the nets' average {averaged_score(test['average'], metric)}"
    if winner.params:
        yield "with: " + ", ".join(f"{name} {short(value)}" for name, value in winner.params.items())
