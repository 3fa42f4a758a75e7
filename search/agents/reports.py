"""The report of a study for agents: as a document, and as a picture."""

from dataclasses import asdict
from typing import Any

from mlpsearch.search.agents.views import brief, quotable, says, status_of
from mlpsearch.search.export.versions import versions
from mlpsearch.search.report.classes import ClassAccuracy, class_accuracies
from mlpsearch.search.report.overview import overview
from mlpsearch.search.report.search_figures import SearchFigures
from mlpsearch.search.report.summary import summarize
from mlpsearch.search.results.wording import NETS
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.studies.record import StudyRecord

_MOST_CLASSES = 100


def report(record: StudyRecord) -> dict[str, Any]:
    """Return what the report of a study has, but for its charts."""
    summary = summarize(record, record.own_trials())
    tested, classes = summary.test, list[ClassAccuracy]()
    if tested is not None:
        nets = max(1, len(tested.get("seeds") or []))
        classes = class_accuracies(tested["classes"], tested["confusion"], nets)
    search = SearchFigures(OwnStudy(record), list(record.spec.search), record.metric)
    said = quotable(record)
    return {
        **said,
        "per_class": [asdict(one) for one in classes[:_MOST_CLASSES]],
        "importances": search.importances,
        **{key: value for key, value in brief(asdict(summary)).items() if key not in said},
        "openings": len(record.attributes()["tests"]),
        "specification": record.spec.to_json(),
        "versions": versions(),
    }


def picture(record: StudyRecord) -> bytes:
    """Return a PNG of a study: what may be said of it, its trials, their learning curves."""
    status = status_of(record)
    first = status.headline
    mean = first.validation if first is not None and first.confirmed else None
    about = f"{NETS[status.net]}, {status.dataset}, {status.ended} of {status.budget['trials']} trials"
    return overview(
        record.name, [*says(record, status).split("; "), about], record.own_trials(), record.metric, mean
    )
