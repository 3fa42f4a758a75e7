"""The commands that take a winner's net away and use it."""

from mlpsearch.search.report.summary import StudySummary
from mlpsearch.search.results.wording import items
from mlpsearch.studies.record import StudyRecord


def commands(record: StudyRecord, study: StudySummary) -> list[tuple[str, str]]:
    """Return commands and what each does, in the order in which they are of use."""
    what = items(study.dataset)
    files = "new-rows.csv" if what == "rows" else "image.png"
    confirmation = study.confirmation
    nets = len((confirmation["reported"] or confirmation)["seeds"]) if confirmation else 1
    missing = {
        "confirm": record.spec.confirm is not None and study.confirmation is None,
        "evaluate": record.spec.confirm is None and study.test is None and record.spec.has_test,
    }
    finish = {
        "confirm": "first: chooses the winner over fresh seeds, and tests it",
        "evaluate": "first: the number to quote, on the test split",
    }
    return [
        *((record.command(verb), finish[verb]) for verb, due in missing.items() if due),
        (
            record.command("export", "-o", "best", "--onnx"),
            "the folder best: configuration, weights and an ONNX model, which needs the extra mlpsearch[onnx]",
        ),
        *([_together(record, nets)] if nets > 1 else []),
        (f"mlpsearch predict best {files}", f"classifies {what} with it; needs neither the study nor its data"),
        ("mlpsearch train best", "trains it again, and says whether the weights are the same"),
        (
            record.command("export", "-o", "best.toml", "--trials", "trials.csv"),
            "the configuration alone, and the table of trials for spreadsheets",
        ),
    ]


def _together(record: StudyRecord, nets: int) -> tuple[str, str]:
    return (
        record.command("export", "-o", "best", "--ensemble", "--onnx"),
        f"in its place all {nets} reported nets, averaged: as a rule better than one, and {nets} times as large",
    )
