"""Arrays as people write them, small."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 40


def images(count: int = ROWS, *shape: int, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Images of 4×5 pixels, or of another shape, in three classes."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *(shape or (4, 5))), np.uint8)
    return {"X": pixels, "y": np.arange(count) % 3}


def table(count: int = ROWS, *, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Three columns of numbers, in two classes."""
    rows = np.random.default_rng(seed).normal(size=(count, 3)).round(3)
    return {"X": rows, "y": (np.arange(count) % 4 == 0).astype(np.int64)}


def with_test(training: dict[str, NDArray[Any]], test: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Both, by the names that Keras gives them."""
    named = {f"{name.lower()}_train": array for name, array in training.items()}
    return named | {f"{name.lower()}_test": array for name, array in test.items()}


def write(path: Path, arrays: dict[str, NDArray[Any]], *, packed: bool = False) -> Path:
    """A .npz file, or a folder of .npy files."""
    if path.suffix == ".npz":
        (np.savez_compressed if packed else np.savez)(path, **arrays)  # type: ignore[arg-type]
        return path
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path
