"""The benchmarks that run whole commands, in their smallest form."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import headline, side_by_side
from benchmarks.around import measure_trials
from benchmarks.commands import timed
from benchmarks.headline import Reached, Size, ended_trials, when_reached
from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data


def test_what_is_around_a_trial_is_measured_without_its_training() -> None:
    milliseconds, epochs = measure_trials("numpy", "none", trials=2, epochs=3)
    assert epochs == 3
    assert milliseconds > 0


def test_a_command_that_fails_ends_the_benchmark(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no luck"):
        timed([sys.executable, "-c", "raise SystemExit('no luck')"], tmp_path)


@pytest.mark.stress  # whole commands, one after the other
def test_scikit_learn_trains_what_a_search_tried(tmp_path: Path) -> None:
    runner, size = side_by_side.Runner(tmp_path, sys.executable), side_by_side.Size(2, 1)
    runner.search("new", "numpy", side_by_side.digits(), size, "small")
    trials = runner.trials("small")
    assert [number for number, _, _ in trials] == [0, 1]
    assert all(0 <= value <= 1 and {"hidden_size", "depth"} <= fields.keys() for _, fields, value in trials)
    for way in side_by_side.ALONE:
        assert runner.alone(way, side_by_side.digits(), size, "small").processor > 0


def test_a_table_has_the_same_rows_as_images(tmp_path: Path) -> None:
    lines = [f"{'ab'[row % 2]},{row % 9},{row % 7}" for row in range(40)]
    (tmp_path / "table.csv").write_text("\n".join(["kind,x,y", *lines]), "utf-8")
    data = side_by_side.table(tmp_path / "table.csv", "kind", tmp_path)
    found = []
    for keys in (data.new, data.old):
        spec = StudySpec.from_json(side_by_side.document("numpy", side_by_side.Size(1, 1), keys))
        loaded = load_spec_data(spec, spec.data)
        found.append(sorted([*rows(loaded.training), *rows(loaded.validation)]))
        assert len(loaded.validation) == 8
    assert found[0] == found[1] == sorted([row % 9, row % 7] for row in range(40))


def rows(split: Split) -> list[list[int]]:
    """The rows of a split, as whole numbers."""
    return np.asarray(split.images[split.rows]).reshape(len(split.rows), -1).astype(int).tolist()


@pytest.mark.stress  # whole commands, one after the other
def test_the_script_and_a_search_are_measured_until_an_accuracy(tmp_path: Path) -> None:
    given = argparse.Namespace(nets=["numpy"])
    (row,) = headline.measure("digits", 1, Size(trials=2, epochs=1, most=30), given, tmp_path)
    assert 0 < row["accuracy"] <= 1
    assert row["its best"].seconds <= row["script"].seconds
    assert row["numpy"].seconds > 0


def test_the_first_trial_that_is_good_enough_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(ended_trials(tmp_path / "none.db")) == []
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    monkeypatch.setattr(headline, "ended_trials", lambda _: [(0.5, noon + 3), (0.9, noon + 5), (0.95, noon + 9)])
    assert when_reached(tmp_path, 0.8, noon) == Reached(5.0)
    assert when_reached(tmp_path, 0.99, noon) is None
