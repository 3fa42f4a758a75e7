"""Notes and figures are kept as optuna-dashboard's own functions keep them, so that it shows them."""

from pathlib import Path
from typing import Any

import optuna_dashboard
import plotly.graph_objects as go
import pytest

from mlpsearch.search.dashboard.stored import read_note, save_figure, save_note
from mlpsearch.studies.record import StudyRecord
from tests.studies.stores import new_study

# Of three pieces, of fewer, of exactly one, of none, and of one again.
TEXTS = ["a" * 5000 + "ü\n", "b" * 2046, "c" * 2045, "", "d"]


@pytest.fixture
def theirs(tmp_path: Path) -> StudyRecord:
    """A second study, which optuna-dashboard's functions write to."""
    return new_study(tmp_path / "theirs")


def kept(record: StudyRecord) -> dict[str, Any]:
    return record.storage.optuna.get_study_system_attrs(record.study_id)


def test_notes_are_kept_as_the_dashboard_keeps_them(record: StudyRecord, theirs: StudyRecord) -> None:
    assert read_note(record) == ""
    for text in TEXTS:
        save_note(record, text)
        optuna_dashboard.save_note(theirs.optuna_study(), text)
        assert kept(record) == kept(theirs)
        assert read_note(record) == optuna_dashboard.get_note(record.optuna_study()) == text


def test_figures_are_kept_as_the_dashboard_keeps_them(record: StudyRecord, theirs: StudyRecord) -> None:
    for length in (1000, 10):
        figure = go.Figure(go.Scatter(y=list(range(length))))
        save_figure(record, "curve", figure)
        optuna_dashboard.save_plotly_graph_object(theirs.optuna_study(), figure, graph_object_id="curve")
        assert kept(record) == kept(theirs) != {}
