"""Whether nets on a device are right, for benchmarks/device.py: beside the CPU, step by step, and over a pause."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import numpy as np
import torch

from benchmarks.device_draws import Draws
from benchmarks.device_graphs import first_line
from benchmarks.device_group import Group
from mlpsearch.models import build_net
from mlpsearch.models.class_weights import class_weights
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.gradient_check import OPTIONS, relative_error
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.models.training import train
from mlpsearch.search.trials.checkpoints import Checkpoint, Progress
from mlpsearch.studies.files.base import FolderFiles

Row = dict[str, Any]
Found = tuple[bool, str]  # whether a check passed, and what it found

ROOT = Path(__file__).parents[1]
_BATCHES = "tests/models/torch_net/test_device_batches.py"
TESTS = (_BATCHES, "tests/models/test_precision.py", "tests/models/test_options.py")
FEW_TESTS = (_BATCHES, "-k", "cuda or wait")
# The most that losses and arrays may differ by, as a share of the largest, after some steps.
TOLERANCES = {"float64": 1e-9, "float32": 1e-3, "bfloat16": 0.04}
_INPUTS, _CLASSES, _SHAPE = 48, 5, (4, 4, 3)
_EVERYTHING = OPTIONS["all"] | {
    "averaging": 0.9,
    "flip": True,
    "shift": 1,
    "flip_averaging": True,
    "shift_averaging": 1,
    "preprocessing": "whiten",
    "components": 20,
    "schedule": "one-cycle",
    "warmup": 0.2,
}
# What runs over a pause, and what nets side by side have of it.
_RUNS: dict[str, Row] = {"plain": {}, "all options": _EVERYTHING, "bfloat16": {"precision": "bfloat16"}}
_NOT_OF_GROUPS = ("averaging", "class_weights", "preprocessing")  # which last is in float32, whatever nets are in
_OF_GROUPS = {name: value for name, value in _EVERYTHING.items() if name not in _NOT_OF_GROUPS}


def check_device(device: torch.device, *, small: bool) -> Iterator[Row]:
    """Yield a row a check: what it is, whether it passed, and what was found."""
    steps = 3 if small else 20
    checks: dict[str, Callable[[], Found]] = {
        "tests": lambda: run_tests(FEW_TESTS if small else TESTS),
        **{f"steps in {name} beside the CPU": partial(check_steps, name, steps) for name in TOLERANCES},
        **{f"going on on the device, {name}": partial(check_resuming, name) for name in _RUNS},
        "from the CPU to the device": check_moving,
        "draws of the device": partial(check_draws, device),
        "side by side, beside the CPU": partial(check_group, device),
        "side by side, replayed": partial(check_replaying, device),
    }
    for name, check in checks.items():
        try:
            passed, found = check()
        except Exception as error:  # the next check may still pass
            passed, found = False, first_line(error)
        yield {"check": name, "passed": passed, "found": found}


# ---- tests -----------------------------------------------------------------------------------------------------


def run_tests(words: tuple[str, ...]) -> Found:
    """Run tests in a process of their own. On a CUDA device none of them should skip."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if not report.exists():
            end = (done.stderr or done.stdout)[-300:]
            return False, (f"pytest ended with {done.returncode}: {end}")
        counts = ElementTree.parse(report).getroot()[0].attrib
    total, skipped = int(counts["tests"]), int(counts["skipped"])
    failed = int(counts["failures"]) + int(counts["errors"])
    passed = total > 0 and not failed and not (skipped and torch.cuda.is_available())
    return passed, (f"{total - failed - skipped} passed, {failed} failed, {skipped} skipped")


# ---- beside the CPU --------------------------------------------------------------------------------------------


@contextmanager
def on_cpu() -> Iterator[None]:
    """Make nets that are built here stay on the CPU."""
    with mock.patch.object(torch.cuda, "is_available", return_value=False):
        yield


def check_steps(precision: str, steps: int) -> Found:
    """Compare nets on the device with nets on the CPU, step by step, with each option of a step.

    Those on the CPU are the NumPy net's, and for bfloat16, which that has not, the PyTorch net's.
    """
    errors = {name: _steps_apart(precision, options, steps) for name, options in {"plain": {}, **OPTIONS}.items()}
    worst = max(errors, key=lambda name: errors[name])
    passed = errors[worst] < TOLERANCES[precision]  # NaN is not
    found = f"{len(errors)} configurations, {steps} steps: at most {errors[worst]:.1e} apart ({worst})"
    return passed, found


def _steps_apart(precision: str, options: Row, steps: int) -> float:
    base: Row = {"hidden_size": 40, "depth": 3, "regularization": 1e-3}
    config = TrainConfig(**(base | options))
    dtype = np.float64 if precision == "float64" else np.float32
    sizes: Row = {"inputs": _INPUTS, "classes": _CLASSES, "dtype": dtype}
    if precision == "bfloat16":
        config = replace(config, precision=precision)
    build: Callable[..., Net] = TorchNet if precision == "bfloat16" else NumpyNet
    with on_cpu():
        here = build(**sizes, config=config)
    there = TorchNet(**sizes, config=config)
    random = np.random.default_rng(0)
    labels = random.integers(0, _CLASSES, (steps, 64))
    here.class_weights = there.class_weights = class_weights(labels.ravel(), config)
    images = random.standard_normal((steps, 64, _INPUTS)).astype(dtype)
    losses = np.array(
        [[float(net.train_batch(*shown)) for net in (here, there)] for shown in zip(images, labels, strict=True)]
    )
    arrays, others = here.parameters(), there.parameters()
    return max(
        relative_error(losses[:, 0], losses[:, 1]),
        *(relative_error(arrays[name], others[name]) for name in arrays),
    )


# ---- over a pause ----------------------------------------------------------------------------------------------


def check_resuming(name: str) -> Found:
    """Train on the device with a pause and without, and compare all bits of both nets."""
    config = _config(**_RUNS[name])
    whole, paused = _net(config), _net(config)
    _train(whole, config, epochs=4)
    _train(paused, config, epochs=2)
    resumed, done = _restored(paused, config)
    _train(resumed, config, done=done)
    mine, theirs = resumed.state(), whole.state()
    unequal = [key for key in theirs if not np.array_equal(mine[key], theirs[key])]
    found = f"{len(theirs)} arrays with the same bits" if not unequal else f"other bits: {', '.join(unequal)}"
    return done == 2 and not unequal, found


def check_moving() -> Found:
    """Begin a run on the CPU, with its compiled steps, and go on on the device; compare with one that stays."""
    config = _config()
    with on_cpu():
        net = _net(config)
    begun = "compiled" if net.compiled else "not compiled"
    _train(net, config, epochs=2)
    moved, done = _restored(net, config)
    losses = _train(moved, config, done=done)
    apart = relative_error(np.array(losses), np.array(_train(net, config, done=2)))
    found = f"losses {apart:.1e} apart; the steps on the CPU were {begun}"
    return done == 2 and apart < TOLERANCES["float32"], found


def _config(**options: Any) -> TrainConfig:
    base: Row = {"hidden_size": 32, "depth": 3, "batch_size": 50, "epochs": 4}
    base |= {"optimizer": "adam", "learning_rate": 0.01, "regularization": 1e-4, "preprocessing": "standardize"}
    return TrainConfig(**(base | options))


def _images() -> Split:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (330, _INPUTS), dtype=np.uint8)
    return Split(pixels, random.integers(0, _CLASSES, len(pixels)), np.arange(len(pixels)), _SHAPE)


def _net(config: TrainConfig) -> Net:
    inputs = PixelStatistics(_images()).preprocessing(config).inputs
    return build_net("torch", inputs=inputs, classes=_CLASSES, config=config)


def _train(net: Net, config: TrainConfig, *, epochs: int | None = None, done: int = 0) -> list[float]:
    """Train up to an epoch, or to the end; return the losses."""
    images = _images()
    preprocessing = PixelStatistics(images).preprocessing(config)
    results = train(net, images, images, config, preprocessing, epochs_done=done)
    return [result.loss for result in islice(results, None if epochs is None else epochs - done)]


def _restored(net: Net, config: TrainConfig) -> tuple[Net, int]:
    """A new net from the checkpoint of another, and how many epochs that had done."""
    with tempfile.TemporaryDirectory() as folder:
        files = FolderFiles(Path(folder))
        Checkpoint(files, 0, config).save(net, Progress(accuracies=[0.5, 0.5]))
        new = _net(config)
        return new, len(Checkpoint(files, 0, config).restore(new).accuracies)


# ---- side by side ----------------------------------------------------------------------------------------------


def check_draws(device: torch.device) -> Found:
    """Compare what the device draws with what the CPU draws, bit for bit."""
    drawn = []
    for where in (device, torch.device("cpu")):
        draws, step = Draws([0, 7, 2**62 + 9], where), torch.tensor([3], device=where)
        mask = draws.mask(step, 1, (33, 17), 0.3, torch.float32)
        drawn.append([draws.order(1_001, 2), *draws.flips_and_shifts(1_001, 3, 2), mask])
    equal = [torch.equal(here.cpu(), there) for here, there in zip(*drawn, strict=True)]
    return all(equal), f"{sum(equal)} of {len(equal)} kinds are the CPU's"


def check_group(device: torch.device) -> Found:
    """Compare nets side by side on the device with such on the CPU, in float64."""
    there, here = (_trained_group(where, torch.float64) for where in (device, torch.device("cpu")))
    apart = _apart(there, here)
    return apart < TOLERANCES["float64"], f"at most {apart:.1e} apart"


def check_replaying(device: torch.device) -> Found:
    """Compare steps that are replayed as CUDA graphs with steps that are not."""
    groups = [_trained_group(device, torch.float32, graphs=graphs) for graphs in (True, False)]
    apart = _apart(*groups)
    return apart < TOLERANCES["float32"], f"at most {apart:.1e} apart"


def _trained_group(device: torch.device, dtype: torch.dtype, *, graphs: bool = False) -> Group:
    images, config = _images(), _config(**_OF_GROUPS, epochs=5)
    configs = [replace(config, seed=seed, learning_rate=0.01 / (1 + seed)) for seed in range(3)]
    preprocessing = PixelStatistics(images).preprocessing(config)
    group = Group(configs, images, preprocessing, classes=_CLASSES, device=device, dtype=dtype, graphs=graphs)
    for _ in range(config.epochs):
        group.train_epoch()
    return group


def _apart(one: Group, other: Group) -> float:
    pairs = [(one.parameters(net), other.parameters(net)) for net in range(3)]
    return max(relative_error(mine[name], theirs[name]) for mine, theirs in pairs for name in mine)
