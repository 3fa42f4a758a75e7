"""What must hold of a study once its budget is spent, whatever happened to it before."""

from tests.stress.driver import EPOCHS, PARAMETERS, Command, Driver
from tests.stress.ledger import Row

# Set on a trial when something went wrong with a worker that ran it.
_TROUBLE = ("deaths", "failures", "error")


def assert_exact(driver: Driver) -> list[Row]:
    """Check that exactly the budget's trials ended, each once and whole, in a sound file; return them."""
    rows = driver.ledger.rows()
    assert [row.number for row in rows] == list(range(driver.trials))
    for row in rows:
        assert row.state in ("COMPLETE", "PRUNED")
        assert set(row.params) == PARAMETERS
        assert sorted(row.reports) == list(range(1, len(row.reports) + 1))
        assert row.value == row.reports[len(row.reports)]
        assert row.attributes["epochs"] == len(row.reports)
        if driver.pruner == "none":
            assert (row.state, len(row.reports)) == ("COMPLETE", EPOCHS)
    assert driver.ledger.integrity() == "ok"
    assert files(driver) == ["weights"], "checkpoints go when their trials end, and so do all weights but the best"
    return rows


def files(driver: Driver) -> list[str]:
    """The kinds of files that the study has, one entry each file: weights, checkpoints."""
    found = [path for path in driver.artifacts.rglob("*") if path.is_file()]
    return sorted(path.parent.name for path in found if path.name != "study.json")


def assert_same(rows: list[Row], reference: list[Row]) -> None:
    """Check that hyperparameters and all reported accuracies are the same, trial by trial, bit by bit."""
    for row, expected in zip(rows, reference, strict=True):
        assert row.outcome == expected.outcome


def assert_untroubled(command: Command, rows: list[Row]) -> None:
    """Check that the command ended well, and that no worker crashed, died or met an error."""
    assert command.popen.returncode == 0, command.errors()
    for text in (command.errors(), command.errors_of_workers()):
        assert "Traceback" not in text, text
        assert "rror" not in text, text
    assert not [(row.number, key) for row in rows for key in _TROUBLE if key in row.attributes]


def assert_one_clear_error(command: Command, *parts: str) -> str:
    """Check that the command ended with exit code 1 and one line that says why; return the line."""
    errors = command.errors()
    assert command.popen.returncode == 1, errors
    assert "Traceback" not in errors, errors
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, errors
    assert errors.splitlines()[-1] == lines[0], errors
    for part in parts:
        assert part in lines[0]
    return lines[0]
