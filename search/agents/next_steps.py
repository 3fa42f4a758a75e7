"""What to do next with a study: what it lacks, and the command or the tool for that."""

from typing import Any

from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.results.wording import duration
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord, confirmation_of


def next_steps(record: StudyRecord) -> list[dict[str, Any]]:
    """Return what may be done, the first that is due first: why, the command, and the tool that does it, if any.

    A tool that changes something is there only where runs are allowed; a command is for a person.
    """
    status, attributes = study_status(record, Ledger(record)), record.attributes()
    if attributes["stopped"] and (status.state != "complete" or attributes.get("ending")):
        why = f"it was stopped, with {status.ended} of {status.budget['trials']} trials"
        return [_step(why, record.command("resume"), "resume_study")]
    if status.state in ("open", "running"):
        return [_going_on(record, _searching(status), status.state == "running")]
    if attributes.get("ending"):
        return [_going_on(record, _confirming(status), _is_confirming(record))]
    if status.trouble:
        return [_step(status.trouble)]
    return [*_missing(record, status), *_results(record, status)]


def _step(why: str, command: str | None = None, tool: str | None = None) -> dict[str, Any]:
    return {"why": why, "command": command, "tool": tool}


def _going_on(record: StudyRecord, what: str, goes_on: bool) -> dict[str, Any]:
    if goes_on:
        return _step(f"wait: {what}", record.command("status"), "study_status")
    return _step(f"{what}, and no worker is at it now", record.command("worker"))


def _searching(status: StudyStatus) -> str:
    left = status.budget["trials"] - status.ended
    time = "" if status.seconds_left is None else f", about {duration(status.seconds_left)}"
    return f"{left} trials are left{time}"


def _confirming(status: StudyStatus) -> str:
    if status.confirming is None:
        return "the search is over, and is to be confirmed and tested as its file asks"
    return (
        f"the search is over, {status.confirming['done']} of {status.confirming['planned']} runs of its "
        "confirmation are done, and its test comes last"
    )


def _is_confirming(record: StudyRecord) -> bool:
    """Whether a live worker has a run of its confirmation."""
    runs = confirmation_of(record)
    return runs is not None and any(alive for _, alive in Ledger(runs).running())


def _missing(record: StudyRecord, status: StudyStatus) -> list[dict[str, Any]]:
    first, tested = status.headline, bool(record.attributes()["tests"])
    if first is None or not record.spec.has_test:
        return []
    if first.test is None and not first.confirmed and record.spec.confirm is None and not tested:
        return [
            _step(
                "neither confirmed nor tested: confirming trains the best trials again over fresh seeds, "
                "and opens the test split for the winner",
                record.command("confirm"),
                "confirm_study",
            )
        ]
    if not first.remark and first.test is not None:
        return []
    tool = None if tested else "confirm_study"  # to open a test split once more is for a person to decide
    return [_step(first.remark.partition(": `")[0] or "not tested", record.command("confirm"), tool)]


def _results(record: StudyRecord, status: StudyStatus) -> list[dict[str, Any]]:
    nets = len(status.headline.seeds) if status.headline else 0
    averaged = _step(
        f"takes all {nets} reported nets away, averaged: as a rule better than one, and {nets} times as large",
        record.command("export", "-o", "best", "--ensemble", "--onnx"),
    )
    return [
        _step("all about it in one page", record.command("report"), "study_report"),
        _step(
            "takes the net away: configuration, weights, ONNX", record.command("export", "-o", "best", "--onnx")
        ),
        *([averaged] if nets > 1 else []),
    ]
