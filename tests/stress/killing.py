"""Killing workers so that it can be told afterwards whether their trials went on from their checkpoints."""

import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlpsearch.models.weights import load_arrays, save_arrays
from tests.stress.driver import LOOK_SECONDS, Command, Driver, is_of, wait_until
from tests.stress.ledger import Row

# Added to the training seconds that a killed trial's checkpoint holds. Nothing depends on them but the trial's
# attribute `seconds`, which can have the mark only if the trial was taken up from that very checkpoint.
_MARK_SECONDS = 1e6

# So many workers die before another trial must have ended; the supervisor gives up after ten that die in a row
# with none. Only a machine that takes longer to start workers than to kill them is ever waited for.
_KILLS_A_TRIAL = 4
# So often one trial is cut off: at the tenth time it would fail for good.
_MOST_KILLS_OF_A_TRIAL = 6


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker killed in a trial.

    epoch: the last that the trial had reported.  kept: the last that its checkpoint holds, 0 for no checkpoint.
    """

    number: int
    epoch: int
    kept: int


def kill_workers(driver: Driver, command: Command, count: int, *, every: float) -> list[Kill]:
    """Kill random workers that are in a trial, one every so many seconds; the first once there is a checkpoint."""
    generator = random.Random(0)
    kills: list[Kill] = []
    ended = driver.ledger.ended()
    while len(kills) < count:
        assert command.popen.poll() is None, f"over after {len(kills)} kills: {command.errors()}"
        often = {
            number
            for number, count in Counter(kill.number for kill in kills).items()
            if count >= _MOST_KILLS_OF_A_TRIAL
        }
        running = [row for row in driver.ledger.in_state("RUNNING") if row.number not in often]
        workers = [process for process in command.workers() if any(_runs(process, row) for row in running)]
        kill = _kill_in_trial(driver, generator.choice(workers), any_time=bool(kills)) if workers else None
        if kill is None:
            time.sleep(LOOK_SECONDS)
            continue
        kills.append(kill)
        time.sleep(every)
        if len(kills) % _KILLS_A_TRIAL == 0:
            ended = _wait_for_another(driver, ended)
    return kills


def assert_resumed(rows: Sequence[Row], kills: Sequence[Kill]) -> None:
    """Check that each trial died as often as it was killed, and went on from every checkpoint it then had."""
    killed = Counter(kill.number for kill in kills)
    marked = Counter(kill.number for kill in kills if kill.kept)
    assert {row.number: row.attributes["deaths"] for row in rows if "deaths" in row.attributes} == dict(killed)
    assert {row.number: _marks(row) for row in rows if _marks(row)} == dict(marked)
    assert not [row.number for row in rows if "failures" in row.attributes]


def figures(kills: Sequence[Kill]) -> str:
    """What the kills came to, in a line."""
    resumed = [kill for kill in kills if kill.kept]
    lost = sum(kill.epoch - kill.kept for kill in kills)
    return (
        f"{len(kills)} workers killed in {len({kill.number for kill in kills})} trials; {len(resumed)} had a "
        f"checkpoint and all went on from it; {lost} of {sum(kill.epoch for kill in kills)} epochs trained again"
    )


def _wait_for_another(driver: Driver, ended: int) -> int:
    """Wait until more trials ended; return how many by now."""
    return wait_until(lambda: now if (now := driver.ledger.ended()) > ended else None, f"trial {ended + 1} to end")


def _marks(row: Row) -> int:
    return int(row.attributes["seconds"] // _MARK_SECONDS)


def _kill_in_trial(driver: Driver, process: psutil.Process, *, any_time: bool) -> Kill | None:
    """Kill a worker that is in a trial, and mark the trial's checkpoint; leave one alone that is in none.

    any_time: whether also one whose trial has no checkpoint yet.
    """
    try:
        process.suspend()  # what is looked at now does not change until it is dead
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED or None, "a worker to stand still")
        row = next((row for row in driver.ledger.in_state("RUNNING") if _runs(process, row)), None)
        kept = _mark(driver, row.number) if row is not None else 0
        if row is None or not (kept or any_time):
            process.resume()
            return None
        process.kill()
        process.wait()
    except psutil.NoSuchProcess:
        return None
    return Kill(row.number, len(row.reports), kept)


def _runs(process: psutil.Process, row: Row) -> bool:
    return is_of(row, process.pid)


def _mark(driver: Driver, number: int) -> int:
    """Mark a trial's checkpoint; return the last epoch that it holds, 0 where there is none."""
    paths = list(driver.artifacts.glob(f"*/checkpoints/{number}.safetensors"))
    return _mark_file(paths[0]) if paths else 0


def _mark_file(path: Path) -> int:
    arrays, metadata = load_arrays(path)
    progress = json.loads(metadata["progress"])
    progress["seconds"] += _MARK_SECONDS
    save_arrays(path, arrays, metadata | {"progress": json.dumps(progress)})
    return len(progress["accuracies"])
