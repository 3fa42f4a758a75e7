"""The landscape of configurations, and what is learnt from it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.pruners import MedianPruner, NopPruner

from benchmarks import landscape
from benchmarks.landscape import EPOCHS, Landscape, configurations, load_landscape, read_work, train_config
from benchmarks.landscape_data import SOURCES
from benchmarks.landscape_ranks import kept_by_halving, rank_correlations
from benchmarks.learn import (
    FAMILIES,
    KINDS,
    Sources,
    document,
    expected_best,
    learn,
    random_trials,
    shipped_points,
    sources_for,
    study_kinds,
    worth,
)
from benchmarks.whole_search import epochs_needed, space
from mlpsearch.models.training import EpochResult


def drawn(count: int = 60) -> Landscape:
    """A landscape of random accuracies on all data sets; dear configurations are a little better."""
    random = np.random.default_rng(3)
    points = configurations(count)
    seconds = random.uniform(1, 100, (count, len(SOURCES), 2))
    curves = np.sort(random.uniform(0.3, 0.9, (count, len(SOURCES), 2, EPOCHS)), axis=-1)
    curves += seconds[..., None] / 10_000
    names, kinds = [source.name for source in SOURCES], [source.kind for source in SOURCES]
    rows = {"iris", "wine", "breast-cancer", "penguins", "vowel"}
    sizes = [{"training": 90 if name in rows else 2_000, "validation": 10} for name in names]
    return Landscape(
        points, names, kinds, curves, seconds, {"made": "2026-11-28", "seeds": [1, 2], "datasets": sizes}
    )


# ---- configurations --------------------------------------------------------------------------------------------


def test_more_configurations_begin_with_the_same_ones() -> None:
    assert configurations(30)[:20] == configurations(20)


def test_every_configuration_can_be_trained_on_images_and_tables() -> None:
    for point in configurations(50):
        assert train_config(point, "images", 1).preprocessing == point["image_preprocessing"]
        assert train_config(point, "table", 1).preprocessing == point["preprocessing"]


def test_every_family_that_is_shipped_has_its_share_of_ten() -> None:
    land = drawn(40)
    assert [len(family.rows(land)) >= 4 for family in FAMILIES] == [True] * len(FAMILIES)


# ---- the work --------------------------------------------------------------------------------------------------


def test_what_was_trained_is_kept_and_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, packed = tmp_path / "rows.jsonl", tmp_path / "packed.npz"
    words = ["--datasets", "digits,iris", "--seeds", "1", "--work", str(rows), "-o", str(packed)]

    def run(count: int) -> None:
        monkeypatch.setattr(sys, "argv", ["landscape", "--configurations", str(count), *words])
        landscape.main()

    run(1)
    before = rows.read_text()
    rows.write_text(before + '{"configuration": 1, "datas')  # cut off
    run(2)
    assert rows.read_text().startswith(before)
    found = read_work(rows)
    assert [(row["configuration"], row["dataset"]) for row in found] == [
        *((0, "digits"), (0, "iris")),
        *((1, "digits"), (1, "iris")),
    ]
    land = load_landscape(packed)
    assert land.points == configurations(2)
    assert (land.datasets, land.kinds, land.accuracy.shape) == (
        ["digits", "iris"],
        ["images", "table"],
        (2, 2, 1, EPOCHS),
    )
    last = [row["accuracy"][-1] for row in found]
    assert land.accuracy[..., -1].ravel() == pytest.approx(last)  # that of one that diverged goes on
    assert np.all(land.seconds > 0)


# ---- ranks -----------------------------------------------------------------------------------------------------


def test_an_epoch_in_reverse_order_ranks_the_wrong_way_round() -> None:
    last = np.arange(20.0)
    curves = np.stack([-last, np.zeros(20), last, last], axis=1)
    assert rank_correlations(curves) == pytest.approx([-1, 0, 1, 1])
    assert kept_by_halving(curves) == pytest.approx([0, 0.5, 1, 1])


# ---- learning --------------------------------------------------------------------------------------------------


def test_as_many_random_trials_are_expected_to_find_what_they_find() -> None:
    values = np.random.default_rng(0).normal(size=200)
    assert expected_best(values, 1) == pytest.approx(values.mean())
    for trials in (1.0, 5.0, 50.0):
        assert random_trials(values, expected_best(values, trials)) == pytest.approx(trials)
    assert random_trials(values, values.max() + 1) == len(values)


def test_points_for_a_data_set_are_not_learnt_from_it() -> None:
    land = drawn()
    rows, others = FAMILIES[0].rows(land), sources_for(land, "small table", without=5)
    before = learn(land, rows, others, 5).tolist()
    land.accuracy[:, 5] = 1 - land.accuracy[:, 5]
    land.seconds[:, 5] = 1 / land.seconds[:, 5]
    assert learn(land, rows, others, 5).tolist() == before


def test_images_weigh_as_much_as_tables_where_points_are_for_images() -> None:
    land = drawn()
    kinds = [study_kinds(land)[place] for place in sources_for(land, "images", without=0).places]
    assert (kinds.count("images"), kinds.count("table"), len(kinds)) == (4, 5, 9)  # two and five data sets
    assert 0 not in sources_for(land, "images", without=0).places


def test_what_fails_on_images_is_no_point_for_images_however_good_it_is_on_tables() -> None:
    land = drawn()
    land.accuracy[9] = 1.0
    rows, sources = np.arange(len(land.points)), sources_for(land, "images")
    assert learn(land, rows, sources, 1).tolist() == [9]
    land.accuracy[9, 1] = 0.0
    assert 9 not in learn(land, rows, sources, 5)


def test_a_seed_that_only_some_were_trained_with_favours_none_of_them() -> None:
    land = drawn()
    land.accuracy[:, :, 1] = land.accuracy[:, :, 0] - 0.1  # a harder split, and the same ranks
    rows = np.arange(len(land.points))
    land.seconds[:, :, 1] = land.seconds[:, :, 0]
    whole = learn(land, rows, Sources([3, 4, 5], []), 5).tolist()
    land.accuracy[30:, :, 1] = land.seconds[30:, :, 1] = np.nan
    assert learn(land, rows, Sources([3, 4, 5], []), 5).tolist() == whole


def test_points_are_worth_what_they_find_in_random_trials() -> None:
    land = drawn()
    rows = np.arange(len(land.points))
    land.accuracy[7, :, :, -1] = 1.0
    land.seconds[:] = 1.0
    equal, costs = worth(land, rows, "table", 1)
    assert equal == pytest.approx([len(rows)] * study_kinds(land).count("table"))
    assert costs == pytest.approx([1.0] * len(equal))


@pytest.mark.parametrize(("name", "priced"), [("points", False), ("quick_points", True)])
def test_the_file_of_points_has_some_of_each_family_for_both_kinds(name: str, priced: bool) -> None:
    land = drawn()
    written = json.loads(document(land))
    points = written[name]
    assert points == shipped_points(land, priced=priced)
    assert "digits" in written["provenance"]
    found = {(point["kind"], point["params"]["optimizer"], point["params"]["schedule"]) for point in points}
    assert found == {(kind, family.optimizer, family.schedule) for kind in KINDS for family in FAMILIES}
    assert not any("image_preprocessing" in point["params"] for point in points)


# ---- the whole search ------------------------------------------------------------------------------------------


def curve(scores: list[float]) -> Iterator[EpochResult]:
    """What training yields."""
    for epoch, score in enumerate(scores, start=1):
        yield EpochResult(epoch, 1.0, score, score, 0.0, diverged=False)


def test_a_search_costs_the_epochs_until_a_full_trial_reaches_the_goal() -> None:
    point: dict[str, Any] = {"depth": 3, "learning_rate": 0.01}

    def run(config: Any) -> Iterator[EpochResult]:
        assert config.depth == 3
        assert config.learning_rate == 0.01
        return curve([0.9] * EPOCHS)

    assert epochs_needed(space("images", 1), NopPruner(), [point], run, goal=0.8, most=3) == EPOCHS


def test_a_search_that_does_not_get_there_costs_all_that_it_may() -> None:
    spec = space("table", 1)
    assert epochs_needed(spec, MedianPruner(), [], lambda _: curve([0.1] * EPOCHS), goal=0.8, most=2) == 2 * EPOCHS


def test_a_trial_that_is_ended_costs_its_epochs_and_reaches_nothing() -> None:
    runs: list[Any] = []

    def run(config: Any) -> Iterator[EpochResult]:
        runs.append(config)
        return curve([0.9, 0.9] if len(runs) < 3 else [0.9] * EPOCHS)

    class TwoEpochs(NopPruner):
        def prune(self, study: Any, trial: Any) -> bool:
            return len(runs) < 3 and trial.last_step == 2

    assert epochs_needed(space("images", 1), TwoEpochs(), [], run, goal=0.8, most=9) == 2 + 2 + EPOCHS
