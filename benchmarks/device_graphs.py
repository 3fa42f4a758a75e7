"""How a CUDA device is asked for much at once: kernels made of many operations, and CUDA graphs."""

from collections.abc import Callable
from typing import Any

import torch


def compiled(function: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """Return the function with its many small operations made one on a CUDA device; as it is elsewhere.

    Where torch cannot compile it, a line says so, and it stays as it is.
    """
    if device.type != "cuda":
        return function
    chosen: Callable[..., Any] | None = None

    def call(*given: Any) -> Any:
        nonlocal chosen
        try:
            chosen = chosen or torch.compile(function, dynamic=True)
            return chosen(*given)
        except Exception as error:  # of the compiler, whatever it is: nothing was computed yet
            if chosen is function:
                raise
            print(f"{function.__name__.strip('_')} is not compiled: {first_line(error)}", flush=True)
            chosen = function
            return function(*given)

    return call


class Replayed:
    """A function of nothing, captured as a CUDA graph at its fourth call, and replayed since."""

    _WARM_UP = 3  # calls in which libraries make what they keep

    def __init__(self, function: Callable[[], object]):
        self._function = function
        self._calls = 0
        self._aside: Any = None
        self._graph: Any = None

    def __call__(self) -> None:
        """Call the function, or replay what it asked the device for."""
        self._calls += 1
        if self._calls <= self._WARM_UP:
            self._aside = self._aside or torch.cuda.Stream()  # type: ignore[no-untyped-call]
            here = torch.cuda.current_stream()
            self._aside.wait_stream(here)
            with torch.cuda.stream(self._aside):
                self._function()
            here.wait_stream(self._aside)
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._function()
        self._graph.replay()


def replayed_on(device: torch.device, function: Callable[[], object]) -> Callable[[], object]:
    """Return the function, replayed as a CUDA graph where the device has them."""
    return Replayed(function) if device.type == "cuda" else function


def wait_for(device: torch.device) -> None:
    """Return once the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def first_line(error: Exception) -> str:
    """Return what an error is, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
