"""Sentences about what was found."""

from typing import Any

import pytest

from mlpsearch.search.results.wording import items, lead


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
    ("dataset", "what"),
    [("table", "rows"), ("arrays", "rows"), ("iris", "rows"), ("images", "images"), ("mnist", "images")],
)
def test_what_a_data_set_consists_of(dataset: str, what: str) -> None:
    assert items(dataset) == what
