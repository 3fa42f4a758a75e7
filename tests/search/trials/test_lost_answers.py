"""A server that goes right after a commit: what was done is known for done, and is not done again."""

from pathlib import Path

import pytest

from mlpsearch.search.trials.queue import Claim, TrialQueue
from tests.postgres import Server, lose_answers
from tests.search.makers import facts, states
from tests.studies.stores import new_study, on, spec


def claimed(queue: TrialQueue) -> Claim:
    """The next trial; one that was just added may be had only when it is asked for again."""
    return next(claim for _ in range(3) if (claim := queue.claim("w")) is not None)


def test_a_worker_keeps_and_ends_its_trials_whose_answers_are_lost(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on(server):
        record = new_study(tmp_path, spec(trials=2))
        queue = TrialQueue(record)
        losses = lose_answers(monkeypatch)
        first, second = claimed(queue), claimed(queue)
        assert (first.number, second.number) == (0, 1)
        assert states(record) == {"RUNNING": 2}
        for _ in range(2):
            assert queue.beat(first)
        queue.fail(second, "no")
        assert (states(record), facts(record, 1)["failures"]) == ({"RUNNING": 1, "WAITING": 1}, 1)
        queue.finish(claimed(queue), 0.5, {"epochs": 3})
        queue.prune(first, 0.25)
        assert states(record) == {"COMPLETE": 1, "PRUNED": 1}
        assert queue.ledger.is_complete()
        assert len(losses) > 5
