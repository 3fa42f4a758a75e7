"""Ctrl-C and SIGTERM while work is shown in a terminal, and as it ends."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlpsearch.search.cli.terminal import TerminalDisplay
from mlpsearch.search.results.status import StudyStatus
from mlpsearch.search.running import run_to_the_end
from mlpsearch.search.workers.placement import Placement
from mlpsearch.search.workers.supervisor import Supervisor
from tests.studies.stores import new_study, spec


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Give signals back the handlers that they had."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _asked_during(display: TerminalDisplay) -> list[str]:
    asked: list[str] = []
    with display.working("searching", lambda: asked.append("stop")):
        signal.raise_signal(signal.SIGINT)
    return asked


def test_a_process_that_ends_with_its_work_is_not_kept_from_saying_so() -> None:
    asked = _asked_during(TerminalDisplay(ends=True))
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)
    assert asked == ["stop"] * 3


def test_in_a_process_that_goes_on_ctrl_c_is_its_own_again() -> None:
    asked = _asked_during(TerminalDisplay())
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert asked == ["stop"]


def test_work_that_nobody_ended_leaves_ctrl_c_alone() -> None:
    with TerminalDisplay(ends=True).working("searching", lambda: None):
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_who_asks_for_an_end_as_the_last_trial_ends_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete(_: Supervisor) -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    monkeypatch.setattr(Supervisor, "run", complete)
    record = new_study(tmp_path, spec(trials=3))
    left = run_to_the_end(record, Placement(workers=1), TerminalDisplay(ends=True))
    assert left is not None
    assert (left.interrupted, left.total, left.command) == (True, 3, record.command("resume"))


def test_who_asks_for_an_end_as_soon_as_that_can_be_heard_gets_one(tmp_path: Path) -> None:
    class AtOnce(TerminalDisplay):
        @contextmanager
        def working(self, what: str, stop: Callable[[], None]) -> Iterator[Callable[[StudyStatus], None]]:
            with super().working(what, stop) as show:
                signal.raise_signal(signal.SIGINT)
                yield show

    left = run_to_the_end(new_study(tmp_path, spec(trials=3)), Placement(workers=1), AtOnce(ends=True))
    assert left is not None
    assert (left.interrupted, left.ended, left.total) == (True, 0, 3)


def test_signals_that_are_not_pythons_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a program in C runs Python, and handles them itself: nothing here could give them back."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(signal, "getsignal", lambda _: None)
        elsewhere.setattr(signal, "signal", lambda *_: pytest.fail("took a signal"))
        with TerminalDisplay().working("searching", lambda: None):
            pass
