"""What nets do on a GPU: whether they are right, how fast they train, what a search and the best net come to.

    python -m benchmarks.device [--data cifar10-images.tar.gz] [--output device.json]

It ends within six minutes on one CUDA device. Each part has its own time, and what does not fit into that is left
out. Tables go to the terminal and everything into the file, also when a part fails.

    correctness  tests that need a CUDA device; nets beside those on the CPU, over a pause and from the CPU on
    speed        images a second, beside what people write and the products alone (device_speed.py)
    search       64 trials side by side on CIFAR-10 until one is as good as the CPU's search (device_search.py)
    accuracy     five nets of cifar10-torch-best side by side, validation on 5,000 images

The last two need --data: images of CIFAR-10, as for `mlpsearch run cifar10-numpy`. Nets side by side are no part
of mlpsearch (device_group.py). --small goes through all of it in a tiny form, without a CUDA device too.
"""

import argparse
import json
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.device_checks import check_device
from benchmarks.device_speed import SMALL, Sizes, measure_speed

Row = dict[str, Any]

NO_DEVICE = "no CUDA device: not measured"
# Of each part; together under six minutes. In the tiny form nothing is left out, however slow the machine is.
SECONDS = {"correctness": 80, "speed": 135, "search": 60, "accuracy": 70}
SMALL_SECONDS = 3_600


class TimeIsUpError(BaseException):
    """The time of a part is used up. No Exception: what a part catches is not this."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeIsUpError in the body after so many seconds."""

    def ring(*_: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- the parts -------------------------------------------------------------------------------------------------


def correctness(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row a check."""
    yield from check_device(device, small=given.small)


def speed(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row a way to train."""
    yield from measure_speed(device, SMALL if given.small else Sizes())


def search(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row an epoch of all trials."""
    from benchmarks import device_search as parts  # with what reads studies

    data = parts.load(parts.SEARCHED, given.data)
    configs = parts.trials_of(parts.study_of(parts.SEARCHED), 3 if given.small else parts.TRIALS)
    if given.small:
        configs = [replace(config, hidden_size=8, epochs=2) for config in configs]
    yield from parts.search(data, configs, device, parts.GOAL)


def accuracy(device: torch.device, given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row a length of the training."""
    from benchmarks import device_search as parts

    started, study = time.perf_counter(), parts.study_of(parts.BEST)
    data = parts.load(parts.BEST, given.data)
    base, left = parts.best_of(study), SECONDS["accuracy"] - (time.perf_counter() - started)
    if given.small:
        base, left = replace(base, hidden_size=8, components=6, epochs=1), 0.0
    yield from parts.train_best(data, base, device, left)


PARTS: dict[str, Callable[[torch.device, argparse.Namespace], Iterator[Row]]] = {
    "correctness": correctness,
    "speed": speed,
    "search": search,
    "accuracy": accuracy,
}


def run_part(name: str, device: torch.device, given: argparse.Namespace) -> Row:
    """Run a part, print its rows, and return them; also those of one that failed or had no time left."""
    if name in ("search", "accuracy") and given.data is None:
        print(f"\n{name}: left out, for there is no --data")
        return {"ended": "left out", "rows": []}
    rows: list[Row] = []
    started, ended = time.perf_counter(), "done"
    try:
        with limited(SMALL_SECONDS if given.small else SECONDS[name]):
            for row in PARTS[name](device, given):
                print_row(name, row, is_first=not rows)
                rows.append(row)
    except TimeIsUpError:
        ended = "time is up"
        print(f"{name}: its {SECONDS[name]} s are used up; what comes after that is left out")
    except Exception:  # the next part may still go
        ended = traceback.format_exc()
        print(f"{name}: failed\n{ended}")
    return {"ended": ended, "seconds": time.perf_counter() - started, "rows": rows}


# ---- what is printed -------------------------------------------------------------------------------------------


# Of columns of words, of which the last of a table needs none; of others 8, or what the heading takes.
_WIDTHS = {"check": 38, "way": 24, "found": 0, "failed": 0}


def print_row(part: str, row: Row, *, is_first: bool) -> None:
    """Print a row of a part's table, before the first its headings."""
    if is_first:
        print(f"\n{part}\n{_line({heading: heading for heading in row})}")
    print(_line(row), flush=True)


def _line(row: Row) -> str:
    cells = []
    for heading, value in row.items():
        width = _WIDTHS.get(heading, max(len(heading), 8))
        cells.append(f"{_text(value):{'<' if heading in _WIDTHS else '>'}{width}}")
    return "  ".join(cells).rstrip()


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
    return str(value)


def main() -> None:
    """Run all parts; print, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="images of CIFAR-10")
    parser.add_argument("--output", type=Path, default=Path("device.json"), help="the JSON document")
    parser.add_argument("--small", action="store_true", help="everything in a tiny form, on the CPU if need be")
    given = parser.parse_args()
    if not torch.cuda.is_available() and not given.small:
        print(NO_DEVICE)
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU: {NO_DEVICE}"
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "python": platform.python_version()}
    document: Row = {"device": name, "small": given.small, "versions": versions, "parts": {}}
    print(f"{name}, torch {torch.__version__}")
    for part in PARTS:
        document["parts"][part] = run_part(part, device, given)
        given.output.write_text(json.dumps(document, indent=2), "utf-8")
    print(f"\nwritten to {given.output}")
    parts = document["parts"].values()
    if not all(row["passed"] for row in document["parts"]["correctness"]["rows"]) or any(
        "Traceback" in part["ended"] for part in parts
    ):
        sys.exit(1)


if __name__ == "__main__":
    main()
