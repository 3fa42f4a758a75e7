"""Notes and figures as optuna-dashboard 0.21 keeps them: in attributes of a study, cut into pieces.

It has functions that do the same. Who imports them imports all of it, and scikit-learn, which takes longer than
all else that a command does to make a study.
"""

from typing import Any

from mlpsearch.studies.record import StudyRecord

_VERSION, _NOTE, _FIGURE = "dashboard:note_ver", "dashboard:note_str:", "dashboard:plot_data:"
_PIECE = 2045  # characters of a piece, at most


def read_note(record: StudyRecord) -> str:
    """Return the note of a study, "" where it has none."""
    attributes = _attributes(record)
    count = sum(key.startswith(_NOTE) for key in attributes)
    return "".join(attributes[f"{_NOTE}{number}"] for number in range(count))


def save_note(record: StudyRecord, text: str) -> None:
    """Put a note in the place of a study's note."""
    version = _attributes(record).get(_VERSION, 0) + 1  # by it the dashboard sees that a page shows an older note
    record.storage.optuna.set_study_system_attr(record.study_id, _VERSION, version)
    _save(record, _NOTE, text)


def save_figure(record: StudyRecord, name: str, figure: Any) -> None:
    """Put a Plotly figure in the place of a study's figure of that name."""
    _save(record, f"{_FIGURE}{name}:", figure.to_json())


def _save(record: StudyRecord, prefix: str, text: str) -> None:
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    before = sum(key.startswith(prefix) for key in _attributes(record))
    pieces += [""] * (before - len(pieces))
    for number, piece in enumerate(pieces):
        record.storage.optuna.set_study_system_attr(record.study_id, f"{prefix}{number}", piece)


def _attributes(record: StudyRecord) -> dict[str, Any]:
    return record.storage.optuna.get_study_system_attrs(record.study_id)
