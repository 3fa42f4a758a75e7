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
        return [_searching(record, status)]
    if attributes.get("ending"):
        return [_confirming(record, status)]
    if status.trouble:
        return [_step(status.trouble)]
    return [*_missing(record, status), *_results(record)]


def _step(why: str, command: str | None = None, tool: str | None = None) -> dict[str, Any]:
    return {"why": why, "command": command, "tool": tool}


def _searching(record: StudyRecord, status: StudyStatus) -> dict[str, Any]:
    left = status.budget["trials"] - status.ended
    if status.state == "open":
        return _step(f"{left} trials are left, and no worker is alive", record.command("worker"))
    time = "" if status.seconds_left is None else f", about {duration(status.seconds_left)}"
    return _step(f"wait: workers search, {left} trials are left{time}", record.command("status"), "study_status")


def _confirming(record: StudyRecord, status: StudyStatus) -> dict[str, Any]:
    runs = status.confirming or {"done": 0, "planned": 0}
    done = f"{runs['done']} of {runs['planned']} runs planned so far are done"
    confirmation = confirmation_of(record)
    alive = confirmation is not None and any(alive for _, alive in Ledger(confirmation).running())
    if alive:
        return _step(f"wait: workers confirm it, {done}", record.command("status"), "study_status")
    why = f"the search is over; a worker has yet to confirm and test it, {done}"
    return _step(why, record.command("worker"))


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


def _results(record: StudyRecord) -> list[dict[str, Any]]:
    return [
        _step("all about it in one page", record.command("report"), "study_report"),
        _step(
            "takes the net away: configuration, weights, ONNX", record.command("export", "-o", "best", "--onnx")
        ),
    ]
