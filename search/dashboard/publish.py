"""What the dashboard shows of a study besides its trials: a note, two figures and three files.

note                what it is about, what it found, what to do next
figures             time against the study's metric, confusion matrix
first-layer.png     what the hidden units of the winner look for
best.toml           its configuration, as `mlpsearch export` writes it
metrics.json        its winner, every opening of its test split, and its confirmation
"""

import hashlib
import json
import mimetypes
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mlpsearch.models.errors import MlpsearchError, StorageError, innermost
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.dashboard.stored import read_note, save_figure, save_note
from mlpsearch.search.results.confirmation import last_confirmation, to_json
from mlpsearch.search.results.headline import headline
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.winner import Winner, load_winner
from mlpsearch.search.results.wording import MOST_CLASSES
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.files.artifacts import PREFIX, dashboard_files
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import exclusive, is_storage_failure

# As the dashboard's own figures look.
_LOOK = {"template": "none", "legend": {"orientation": "h", "x": 0, "y": -0.25, "yanchor": "top"}}


def write_note(record: StudyRecord) -> None:
    """Write the note of a study that is not tested yet; `publish` writes that of others."""
    if not record.attributes()["tests"]:
        with exclusive(record.url):
            _write_note(record, note(record))


def publish(record: StudyRecord) -> None:
    """Publish a tested study, in the place of what was published of it before; nothing where that is up to date.

    Raises StorageError where that fails; it says that the test result is kept.
    """
    text = note(record)
    if record.attributes().get("published") == _digest(text):
        return
    try:
        files, figures = _files(record), _figures(record)
        with exclusive(record.url):
            for name, content in files.items():
                _write_file(record, name, content)
            for name, figure in figures.items():
                save_figure(record, name, figure)
            _write_note(record, text)  # last: it says that the rest is done
    except Exception as error:
        if not (isinstance(error, OSError | StorageError) or is_storage_failure(error)):
            raise
        raise StorageError(
            f"study {record.name}: its test result is kept, but what the dashboard shows of it cannot be written "
            f"({innermost(error)}); `{record.command('evaluate')}` tries again",
            study=record.name,
        ) from error


def _files(record: StudyRecord) -> dict[str, bytes]:
    first, confirmation = headline(record, Ledger(record)), last_confirmation(record)
    metrics = {
        "study": record.name,
        "winner": first and asdict(first),
        "tests": openings_of(record),
        "confirmation": confirmation and to_json(confirmation),
    }
    files = {"metrics.json": json.dumps(metrics, indent=2, ensure_ascii=False).encode()}
    try:
        winner = load_winner(record)
    except MlpsearchError:  # its weights or its images are gone; all the rest can be shown
        return files
    return files | _files_of_winner(record, winner)


def _files_of_winner(record: StudyRecord, winner: Winner) -> dict[str, bytes]:
    from mlpsearch.search.export.document import export_text
    from mlpsearch.search.export.exporting import export_winner
    from mlpsearch.search.report.pictures import first_layer_picture

    document = export_winner(record, winner, Path("best.toml"))
    files = {"best.toml": export_text(document, ".toml").encode()}
    if winner.first_layer is None:
        return files
    return files | {"first-layer.png": first_layer_picture(winner.first_layer, winner.data.shape)}


def _figures(record: StudyRecord) -> dict[str, Any]:
    from mlpsearch.search.dashboard.figures import confusion, time_against_score

    winner = headline(record, Ledger(record))
    test = winner.test if winner else None
    timed = time_against_score(record.own_trials(), record.metric)
    titled = {"time-against-accuracy": (f"Time against {record.metric.title}", timed)}
    if test is not None and len(test["classes"]) <= MOST_CLASSES:
        titled["confusion-matrix"] = ("Confusion matrix", confusion(test))
    return {name: figure.update_layout(title=title, **_LOOK) for name, (title, figure) in titled.items()}


def _write_file(record: StudyRecord, name: str, content: bytes) -> None:
    """Put a file among the study's artifacts, in the place of our earlier one of that name.

    Optuna's upload_artifact would add one more each time.
    """
    artifact = _artifact_id(record, name)
    known = {
        "artifact_id": artifact,
        "filename": name,
        "mimetype": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "encoding": None,
    }
    dashboard_files(record.file_store).write(artifact, content)
    record.storage.optuna.set_study_system_attr(record.study_id, PREFIX + artifact, json.dumps(known))


def _artifact_id(record: StudyRecord, name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(record.id), name))


def _write_note(record: StudyRecord, text: str) -> None:
    """Write the note, unless there is another than ours: then a user has written it."""
    digest, before = _digest(text), record.attributes().get("published")
    if before == digest:
        return
    there = read_note(record)
    if there == "" or _digest(there) in (before, digest):
        save_note(record, text)
    record.set("published", digest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
