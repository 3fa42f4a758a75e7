"""What agents are told of studies: as status and reports have it, but what may be quoted comes first.

What people wrote, and what is in their data, is a value in these documents, and in no sentence.
"""

from dataclasses import asdict
from typing import Any

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.agents.next_steps import next_steps
from mlpsearch.search.documents.base import VERSION
from mlpsearch.search.documents.study import study_document
from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.results.wording import (
    averaged_score,
    bias,
    interval,
    known_images,
    lead,
    mean_and_deviation,
    tested_score,
)
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord, load_study, study_names
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.storage.opening import Storage, exists, open_storage, without_password

_LARGE = ("classes", "confusion", "hits")  # of an opening; per_class of a report says it in short


def listing(url: str) -> dict[str, Any]:
    """Return all studies of a storage, each with what may be said of it, and the names of the ready ones."""
    storage = open_storage(url, read_only=True) if exists(url) else None
    studies = [] if storage is None else [_row(storage, name) for name in study_names(storage)]
    return {
        "schema_version": VERSION,
        "storage": without_password(url),
        "studies": studies,
        "ready": [*catalog.names()],
    }


def _row(storage: Storage, name: str) -> dict[str, Any]:
    try:
        record = load_study(storage, name)
        status = status_of(record)
    except (MlpsearchError, KeyError) as error:  # deleted meanwhile, or of another version
        return {"name": name, "trouble": str(error)}
    return {
        "name": name,
        "confirmed": _is_confirmed(status),
        "says": says(record, status),
        "state": status.state,
        "net": status.net,
        "dataset": status.dataset,
        "metric": status.metric,
        "ended": status.ended,
        "budget": status.budget["trials"],
    }


def standing(record: StudyRecord) -> dict[str, Any]:
    """Return how a study stands: the document of `status --json`, in another order and without long lists."""
    document = brief(study_document(record))
    foremost = ("schema_version", "name", "state", "headline", "confirmation")
    first = {key: document.pop(key) for key in foremost}
    return {**first, "next": next_steps(record), **document}


def quotable(record: StudyRecord) -> dict[str, Any]:
    """Return what may be said of a study: its winner with its own figures, and what these lack."""
    status = status_of(record)
    first = status.headline
    return {
        **_foremost(record, status),
        "headline": None if first is None else brief(asdict(first)),
        "selection_bias": _bias(status),
        "beware": _beware(status),
        "state": status.state,
    }


def confirmed(record: StudyRecord) -> dict[str, Any]:
    """Return what a study's confirmation said, and how far its runs are."""
    status = status_of(record)
    last = status.confirmation
    return {
        **_foremost(record, status),
        "how_sure": lead(last) if last and len(last["candidates"]) > 1 else "",
        "selection_bias": _bias(status),
        "confirmation": last,
        "runs": status.confirming,
    }


def _foremost(record: StudyRecord, status: StudyStatus) -> dict[str, Any]:
    return {
        "schema_version": VERSION,
        "study": record.name,
        "confirmed": _is_confirmed(status),
        "says": says(record, status),
    }


def status_of(record: StudyRecord) -> StudyStatus:
    """Return how a study stands now."""
    return study_status(record, Ledger(record))


def _is_confirmed(status: StudyStatus) -> bool:
    return status.headline is not None and status.headline.confirmed


def brief(value: Any) -> Any:
    """Return a document without the long lists of openings."""
    if isinstance(value, dict):
        return {key: brief(item) for key, item in value.items() if key not in _LARGE}
    return [brief(item) for item in value] if isinstance(value, list) else value


def says(record: StudyRecord, status: StudyStatus) -> str:
    """Return the sentence to quote. It holds numbers alone, and what mlpsearch says of them."""
    first, metric = status.headline, record.metric
    if first is None:
        return "no winner" if status.trouble else "no trial is finished yet"
    value = mean_and_deviation(first.validation, first.deviation, metric)
    if first.confirmed:
        parts = [
            f"trial {first.trial}, confirmed over {len(first.seeds)} fresh seeds",
            f"validation {metric.title} {value}",
        ]
    else:
        over = "has the best score" if status.state == "complete" else "has the best score so far"
        parts = [
            f"not confirmed: trial {first.trial} {over} of {status.ended} trials",
            f"validation {metric.title} {value}, which flatters it",
        ]
    if first.test is None:
        parts.append("not tested")
    else:
        ends = interval(first.test["score_interval"], metric)
        average = first.test["average"]
        whose = " of one net" if average else ""
        parts.append(f"test {metric.title}{whose} {tested_score(first.test)} (95% interval {ends})")
        if average:
            parts.append(f"test {metric.title} of the nets' average {averaged_score(average, metric)}")
    return "; ".join(parts)


def _bias(status: StudyStatus) -> str:
    return bias(status.confirmation) if status.confirmation else ""


def _beware(status: StudyStatus) -> list[str]:
    first = status.headline
    if first is None:
        return [status.trouble] if status.trouble else []
    known = known_images(first.test, status.dataset) if first.test else ""
    found = [first.remark, known]
    if not first.confirmed:
        found.append(
            "the best of many trials is the luckiest as well as a good one: quote no unconfirmed score as a result"
        )
    return [one for one in found if one]
