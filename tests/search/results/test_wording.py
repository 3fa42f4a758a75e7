"""Sentences about what was found."""

from typing import Any

import pytest

from mlpsearch.search.results.wording import bias, data_name, items, lead


def confirmation(chance: float | None, candidates: int = 2, seeds: int = 5) -> dict[str, Any]:
    return {
        "seeds": [*range(seeds)],
        "candidates": [{"trial": 7 - place} for place in range(candidates)],
        "winner": 7,
        "chance": chance,
    }


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (confirmation(None, seeds=2), "2 seeds are too few to say whether the lead of trial 7 is luck."),
        (confirmation(0.05), "The lead of trial 7 may be luck with its seeds (5 seeds, p ≤ 0.05)."),
        (
            confirmation(0.0123),
            "Trial 7 leads trial 6 by more than luck with its seeds explains (5 seeds, p ≤ 0.012).",
        ),
        (
            confirmation(0.0123, candidates=5),
            "Trial 7 leads all 4 other candidates by more than luck with its seeds explains (5 seeds, p ≤ 0.012).",
        ),
    ],
)
def test_how_sure_a_winner_is(found: dict[str, Any], said: str) -> None:
    assert lead(found) == said


@pytest.mark.parametrize(
    ("metric", "gain", "said"),
    [
        ("accuracy", 0.0125, "accuracy, 90.00%, is 1.25 points above"),
        ("accuracy", -0.0125, "accuracy, 90.00%, is 1.25 points below"),
        ("log-loss", 0.0125, "log loss, 0.7000, is 0.0125 below"),
        ("log-loss", -0.0125, "log loss, 0.7000, is 0.0125 above"),
    ],
)
def test_how_far_a_search_flatters_its_winner(metric: str, gain: float, said: str) -> None:
    found = confirmation(None) | {"metric": metric, "selection_bias": gain, "reported": {"seeds": [*range(9)]}}
    found["candidates"] = [{"search_score": one} for one in (0.8, 0.9, 0.7)]
    sentence = f"the search's best validation {said} the mean of trial 7 over its {{}} reported runs"
    assert bias(found) == sentence.format(9)
    assert bias(found | {"reported": None}) == sentence.format(5)  # as version 0.1.0 kept it


@pytest.mark.parametrize(
    ("dataset", "source", "name"),
    [
        ("table", "data/churn.csv", "churn.csv"),
        ("images", "/home/me/pets", "pets"),
        ("mnist", "copies/mnist", "mnist"),
        ("digits", None, "digits"),
    ],
)
def test_what_the_data_of_a_study_are_called(dataset: str, source: str | None, name: str) -> None:
    assert data_name(dataset, source) == name


@pytest.mark.parametrize(
    ("dataset", "what"),
    [("table", "rows"), ("arrays", "rows"), ("iris", "rows"), ("images", "images"), ("mnist", "images")],
)
def test_what_a_data_set_consists_of(dataset: str, what: str) -> None:
    assert items(dataset) == what
