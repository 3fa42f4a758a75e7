"""What a worker makes of the lines of its standard input."""

import io
from collections.abc import Iterator
from queue import SimpleQueue

from mlpsearch.search.workers.orders import Orders


def lines_of(queue: "SimpleQueue[str | None]") -> Iterator[str]:
    """Each line as it comes; None is the end."""
    while (line := queue.get()) is not None:
        yield line


def test_studies_come_one_after_the_other_until_it_shall_end() -> None:
    queue: SimpleQueue[str | None] = SimpleQueue()
    orders = Orders(lines_of(queue))
    studies = orders.studies()
    for study in ("one", "two (confirmation)"):
        queue.put(f"{study}\n")
        assert next(studies) == study
        assert not orders.stopping()
    queue.put(None)
    assert next(studies, "none") == "none"
    assert orders.ended.is_set()
    assert orders.stopping()


def test_it_leaves_a_study_and_works_on_the_next() -> None:
    queue: SimpleQueue[str | None] = SimpleQueue()
    orders = Orders(lines_of(queue))
    studies = orders.studies()
    queue.put("one\n")
    assert next(studies) == "one"
    for _ in range(2):  # said again while it checkpoints
        queue.put("\n")
    queue.put("two\n")
    assert next(studies) == "two"
    assert not orders.stopping()
    queue.put("\n")
    queue.put(None)
    assert next(studies, "none") == "none"


def test_a_starter_that_is_gone_ends_it_whatever_it_had_ordered() -> None:
    orders = Orders(io.StringIO("one\ntwo\n"))
    assert orders.ended.wait(60)
    assert orders.stopping()
    assert [*orders.studies()] == []


def test_a_signal_ends_it_while_it_waits() -> None:
    queue: SimpleQueue[str | None] = SimpleQueue()
    orders = Orders(lines_of(queue))
    orders.ended.set()
    assert [*orders.studies()] == []
    queue.put(None)
