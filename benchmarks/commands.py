"""What benchmarks share that run commands: a clean environment, and how long a command took."""

import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds that a command and its workers took: of the processor, and by the wall clock."""

    processor: float
    wall: float


def environment(folder: Path, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a command: one thread, its caches in the folder, compiled modules kept."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLPSEARCH_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    caches = {"XDG_CACHE_HOME": str(folder / "cache")}
    return kept | caches | {"OMP_NUM_THREADS": "1"} | dict(changes or {})


def timed(command: Sequence[str | Path], folder: Path, changes: Mapping[str, str] | None = None) -> Took:
    """Run a command in a folder, and return how long it took. What it prints is shown where it fails."""
    before, started = _children_seconds(), time.perf_counter()
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=environment(folder, changes), capture_output=True, text=True
    )
    wall = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr}")
    return Took(_children_seconds() - before, wall)


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
