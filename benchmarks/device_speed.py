"""Images a second of training on a device: one net and many, beside others and the limit.

    eager        a net as people write it, all images on the device
    DataLoader   the same with torch's DataLoader
    graph        the same, each step replayed as a CUDA graph
    compiled     the same, by torch.compile
    mlpsearch    the net of this package, its batches made on the device
    side by side nets as one (device_group.py), step by step or replayed as CUDA graphs
    products     the matrix products of their steps alone, replayed as CUDA graphs

All in float32, with Adam and two hidden layers.
"""

import gc
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from benchmarks.device_graphs import first_line, wait_for
from benchmarks.device_ways import (
    MOST_STEPS,
    SHAPES,
    STEPS,
    Case,
    Shape,
    compiled,
    data_loader,
    eager,
    graph,
    mlpsearch,
    products,
    side_by_side,
)

os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else torch's profiler announces each of its starts

_WARM_UP = 5  # steps, in which graphs are captured
_MOST_CALLS = MOST_STEPS // 4  # in a row: all together are fewer than MOST_STEPS


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured. seconds: of each way, at least."""

    shapes: tuple[Shape, ...] = SHAPES
    hidden: tuple[int, ...] = (64, 1_024, 256)  # the last are left out first
    nets: tuple[int, ...] = (1, 16, 64, 256)
    seconds: float = 0.15


SMALL = Sizes(tuple(replace(shape, images=45, batch_size=20) for shape in SHAPES[:2]), (8,), (3,), 0.0)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train. make: returns what takes a step, or several, with so many nets.

    batches: how many steps that are.
    """

    name: str
    nets: int
    make: Callable[[Case], Callable[[], object]]
    batches: int = 1


def ways_of(nets: tuple[int, ...]) -> list[Way]:
    """Return all ways but torch.compile's, which takes long to begin; of many nets, so many."""
    alone = [
        Way("eager", 1, eager),
        Way("DataLoader", 1, data_loader),
        Way("graph", 1, graph),
        Way("mlpsearch", 1, mlpsearch, STEPS),
        Way("mlpsearch, with draws", 1, partial(mlpsearch, draws=True), STEPS),
    ]
    for count in nets:
        alone += [
            Way("products", count, partial(products, nets=count)),
            Way("side by side", count, partial(side_by_side, nets=count, graphs=False)),
            Way("side by side, replayed", count, partial(side_by_side, nets=count, graphs=True)),
        ]
    return alone


# ---- the measurement -------------------------------------------------------------------------------------------


def measure_speed(device: torch.device, sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield a row a way of each shape and hidden size.

    images_a_second: of all nets together; None where it failed, as nets do that do not fit on the device.
    beside_eager: times as many as "eager".  of_products: share of the products alone, of as many nets.
    waiting: share of the time in which the device does nothing, because the host has not asked for it yet.
    failed: why, where it did.
    """
    found: dict[tuple[Any, ...], float] = {}
    for ways in (ways_of(sizes.nets), [Way("compiled", 1, compiled)]):
        for hidden, shape in itertools.product(sizes.hidden, sizes.shapes):
            case, cell = Case.of(shape, hidden, device), (shape.name, hidden)
            for way in ways:
                rate, waiting, failed = _measured(case, way, sizes.seconds)
                if rate is not None:
                    found[*cell, way.name, way.nets] = rate
                eager_rate, limit = found.get((*cell, "eager", 1)), found.get((*cell, "products", way.nets))
                yield {
                    "shape": shape.name,
                    "hidden_size": hidden,
                    "way": way.name,
                    "nets": way.nets,
                    "images_a_second": rate,
                    "beside_eager": rate / eager_rate if rate and eager_rate else None,
                    "of_products": rate / limit if rate and limit else None,
                    "waiting": waiting,
                    "failed": failed,
                }


def _measured(case: Case, way: Way, seconds: float) -> tuple[float | None, float | None, str | None]:
    """Images a second, the share of waiting, and None; None twice, and why, where it failed."""
    try:
        step: Any = way.make(case)
        for _ in range(max(1, _WARM_UP // way.batches)):
            step()
        took, calls = _seconds_a_call(step, case.device, seconds)
        busy = _busy_seconds(step, case.device, max(1, min(calls, STEPS) // way.batches))
    except RuntimeError as error:  # as torch's are, of memory that is used up too
        return None, None, first_line(error)
    finally:
        step = None  # what it holds goes before the next is made
        if way.nets > 1:
            gc.collect()  # what holds them is a circle
            if case.device.type == "cuda":
                torch.cuda.empty_cache()
    images = way.nets * way.batches * case.shape.batch_size
    return images / took, max(0.0, 1 - busy / took), None


def _seconds_a_call(step: Callable[[], object], device: torch.device, seconds: float) -> tuple[float, int]:
    """Of so many calls in a row."""
    calls = 1
    while True:
        wait_for(device)
        started = time.perf_counter()
        for _ in range(calls):
            step()
        wait_for(device)
        took = time.perf_counter() - started
        if took >= seconds or calls >= _MOST_CALLS:
            return took / calls, calls
        calls *= 2


def _busy_seconds(step: Callable[[], object], device: torch.device, calls: int) -> float:
    """Of a call: what the device's own clock says that its work takes, on the CPU the processor's."""
    name = device.type.upper()
    with torch.profiler.profile(activities=[getattr(torch.profiler.ProfilerActivity, name)]) as profiler:
        for _ in range(calls):
            step()
        wait_for(device)
    attribute = "self_device_time_total" if name == "CUDA" else "self_cpu_time_total"
    events = [event for event in profiler.key_averages() if event.device_type.name == name]
    return float(sum(getattr(event, attribute) for event in events)) / 1e6 / calls
