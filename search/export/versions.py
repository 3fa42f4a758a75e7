"""What the bits of a result depend on, besides its configuration and images: software, and the processor."""

import importlib.metadata
import platform

import numpy  # noqa: F401 - so that its library of matrix products is loaded
from threadpoolctl import threadpool_info

_PACKAGES = ("mlpsearch", "numpy", "optuna", "pillow", "scikit-learn", "torch", "torchvision")


def versions() -> dict[str, str]:
    """Return the versions of this process by name, and what it computes on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "blas": _blas(),
        **{package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def _blas() -> str:
    """NumPy's library of matrix products, and the kind of processor that it found."""
    loaded = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not loaded:
        return "unknown"
    pool = min(loaded, key=lambda pool: "numpy" not in pool["filepath"])
    return f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
