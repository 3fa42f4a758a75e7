"""What the front page says of each study: the numbers of `status`, in words, and where to go from there."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.dashboard.made import StudyFile, files_of
from mlpsearch.search.dashboard.reading import Seen, Unreadable
from mlpsearch.search.results.no_winner import no_winner
from mlpsearch.search.results.status import StudyStatus
from mlpsearch.search.results.wording import (
    NETS,
    bias,
    data_name,
    difference,
    duration,
    ending,
    interval,
    known_images,
    mean_and_deviation,
    score,
    tested_score,
)
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and what it is. main: whether it is the one to quote."""

    value: str
    what: str
    main: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A study on a page.

    address: of its own page, "" where its name can stand in none.  number: optuna-dashboard's for it.
    state: "complete", "confirming", "stopped", "running" or "open".
    done, planned: trials of the budget.  progress, left: in words; left "" where nothing is known.
    winner: the trial of the headline.  title: says which it is.  params: its own.
    missing: sentences on what the headline lacks, and the commands for it between `backticks`.
    workers: that are alive, those of the confirmation too.
    trouble: why nothing is known of the study; all else is empty then.
    """

    name: str
    address: str = ""
    number: int = 0
    state: str = ""
    net: str = ""
    data: str = ""
    done: int = 0
    planned: int = 0
    progress: str = ""
    left: str = ""
    winner: int | None = None
    title: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    workers: list[str] = field(default_factory=list)
    files: list[StudyFile] = field(default_factory=list)
    trouble: str = ""

    @property
    def id(self) -> str:
        """What its part of the page is called."""
        return "study-" + quote(self.name.encode("utf-8", "replace"), safe="")


def address_of(name: str) -> str:
    """Return the address of a study's page; "" for a name that mlpsearch gives to none."""
    return f"/studies/{name}" if _NAME.fullmatch(name) else ""


def card_of(one: Seen | Unreadable) -> Card:
    """Return the card of a study; of one that cannot be read, why."""
    return Card(one.name, trouble=one.trouble) if isinstance(one, Unreadable) else _card(one)


def _card(one: Seen) -> Card:
    record, status = one.record, one.status
    first, confirming = status.headline, _is_confirming(status)
    return Card(
        name=record.name,
        address=address_of(record.name),
        number=record.study_id,
        state="confirming" if confirming else status.state,
        net=NETS[status.net],
        data=data_name(status.dataset, record.attributes()["source"]["data"]),
        done=status.ended,
        planned=status.budget["trials"],
        progress=_progress(status),
        left=_left(status, confirming),
        winner=first.trial if first else None,
        title=_title(status),
        params=first.params if first else {},
        figures=_figures(record, status),
        missing=_missing(one),
        workers=_workers(one),
        files=files_of(has_winner=first is not None and one.has_data(), has_weights=one.has_weights()),
    )


def _is_confirming(status: StudyStatus) -> bool:
    runs = status.confirming
    return status.state == "complete" and runs is not None and runs["done"] < runs["planned"]


def _progress(status: StudyStatus) -> str:
    counts = ((status.trials[state], state) for state in ("finished", "pruned", "failed", "running", "waiting"))
    return ", ".join(f"{count:,} {state}" for count, state in counts if count)


def _left(status: StudyStatus, confirming: bool) -> str:
    if confirming and status.confirming is not None:
        return f"{status.confirming['done']} of {status.confirming['planned']} runs of its confirmation are done"
    if status.ended_by == "space":
        return "each point of its space was tried"
    if status.ended_by not in (None, "trials"):
        return f"ended: {ending(status.ended_by, status.budget)}"
    if status.state == "complete":
        return f"{duration(status.seconds)} of search"
    if status.seconds_left is None:
        return ""
    going = "left" if status.state == "running" else "left, once it goes on"
    return f"about {duration(status.seconds_left)} {going}"


def _title(status: StudyStatus) -> str:
    first = status.headline
    if first is None:
        return ""
    if first.confirmed:
        return f"Winner: trial {first.trial}, confirmed"
    is_over = status.state == "complete"
    return f"Winner: trial {first.trial}, not confirmed" if is_over else f"Best so far: trial {first.trial}"


def _figures(record: StudyRecord, status: StudyStatus) -> list[Figure]:
    first, metric = status.headline, record.metric
    if first is None:
        return []
    found = [] if first.test is None else _test_figures(first.test, metric)
    over = "mean ± sd over {} fresh seeds" if first.confirmed else "in the search, the best of {} trials"
    over = over.format(len(first.seeds) if first.confirmed else status.ended)
    value = mean_and_deviation(first.validation, first.deviation, metric)
    found.append(Figure(value, f"validation {metric.title}, {over}"))
    if (last := status.confirmation) is not None:
        found.append(Figure(difference(last["selection_bias"], metric), f"selection bias: {bias(last)}"))
    return found


def _test_figures(test: dict[str, Any], metric: Metric) -> list[Figure]:
    over = f", mean ± sd over {len(test['seeds'])} seeds" if test.get("seeds") else ""
    average = test["average"]
    whose = " of one net" if average else ""
    what = f"test {metric.title}{whose}{over}, 95% interval {interval(test['score_interval'], metric)}"
    found = [Figure(tested_score(test), what, main=True)]
    if average:
        what = (
            f"test {metric.title} of the nets' average, 95% interval {interval(average['score_interval'], metric)}"
        )
        found.append(Figure(score(average["score"], metric), what))
    if metric is not ACCURACY:
        accuracy = mean_and_deviation(test["accuracy"], test.get("deviation"))
        found.append(Figure(accuracy, f"test accuracy{whose}, 95% interval {interval(test['interval'])}"))
    return found


def _missing(one: Seen) -> list[str]:
    record, status, first = one.record, one.status, one.status.headline
    if first is None and status.state == "running":  # no command is needed: a worker is at it
        return ["no trial is finished yet"]
    if first is None:
        return [status.trouble or str(no_winner(record, Ledger(record))).removeprefix(f"study {record.name}: ")]
    found = [first.remark] if first.remark else []
    if one.confirming and not first.confirmed:  # by a live worker: nobody has to give a command for it
        found = ["its confirmation goes on: what to quote comes with the end"]
    if status.state in ("open", "stopped"):
        left = status.budget["trials"] - status.ended
        found.append(f"the search is not over, {left} trials are left: `{record.command('run')}` goes on")
    elif status.state == "running":
        found.append("the search is not over: the best of many flatters itself, what to quote comes with the end")
    if not one.has_data():
        found.append(f"its data are not at {one.data} any more: without them its net cannot be taken away")
    if first.test and (known := known_images(first.test, status.dataset)):
        found.append(f"beware: {known}")
    return found


def _workers(one: Seen) -> list[str]:
    epochs = one.record.spec.budget.epochs
    found = [(trial, f"trial {trial.number}") for trial in one.workers]
    found += [(trial, f"run {trial.number} of the confirmation") for trial in one.confirming]
    return [f"{trial.worker}: {what}, epoch {trial.epoch} of {epochs}" for trial, what in found]
