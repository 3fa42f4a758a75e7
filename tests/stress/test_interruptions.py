"""Ctrl-C once or twice, and SIGTERM: the study is kept, and goes on to what it would have been."""

import json
import signal
from pathlib import Path

import pytest

from mlpsearch.models.weights import load_arrays
from tests.patience import PATIENCE_SECONDS
from tests.stress.conftest import NewDriver
from tests.stress.driver import Command, Driver, wait_until
from tests.stress.exact import assert_exact, assert_same

stress = pytest.mark.stress
WAYS = ((signal.SIGINT,), (signal.SIGTERM,), (signal.SIGINT, signal.SIGINT))


@pytest.mark.parametrize(
    ("trials", "interruptions"), [(24, 3), pytest.param(96, 12, marks=stress)], ids=["short", "long"]
)
def test_one_worker_and_one_seed_give_one_study(new_driver: NewDriver, trials: int, interruptions: int) -> None:
    whole, driver = (new_driver(trials, sampler="tpe", pruner="median") for _ in range(2))
    undisturbed = whole.run()
    command = driver.run()
    for count in range(1, interruptions + 1):
        # The last is where the sampler has learned from the trials before; many more are left to be interrupted.
        driver.wait_for_trials(4 * count)
        way = WAYS[(count - 1) % len(WAYS)]
        _interrupt(driver, command, way)
        command = driver.resume()
    assert command.wait() == 0, command.errors()
    assert undisturbed.wait() == 0, undisturbed.errors()
    rows = assert_exact(driver)
    assert_same(rows, assert_exact(whole))
    pruned = sum(row.state == "PRUNED" for row in rows)
    print(f"\n{interruptions} interruptions: the same {trials} trials, {pruned} of them pruned")


def _interrupt(driver: Driver, command: Command, way: tuple[signal.Signals, ...]) -> None:
    for number in way:
        command.signal(number)
        if len(way) > 1:
            wait_until(lambda: "once more ends now" in command.errors() or None, "an answer to the first signal")
    assert command.wait(PATIENCE_SECONDS) == 130, command.errors()
    assert "Traceback" not in command.errors()
    assert f"`mlpsearch resume {driver.name} --no-evaluate` goes on" in command.errors().splitlines()[-1]
    assert not driver.ledger.in_state("RUNNING"), "the trial was given back"
    if len(way) == 1:
        for row in driver.ledger.in_state("WAITING"):
            assert _kept(driver, row.number) == len(row.reports), "nothing is trained again"


def _kept(driver: Driver, number: int) -> int:
    """The epochs that a trial's checkpoint holds."""
    path: Path
    (path,) = driver.artifacts.glob(f"*/checkpoints/{number}.safetensors")
    return len(json.loads(load_arrays(path)[1]["progress"])["accuracies"])
