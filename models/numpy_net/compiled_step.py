"""What step.c and Python hand each other, and whether this machine has all that it needs."""

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from mlpsearch.models.numpy_net.compiler import library
from mlpsearch.models.numpy_net.numpy_functions import Loop, blas, inner_loop

SGD, MOMENTUM, NESTEROV, ADAM = range(4)
SCALARS = 6  # of a step: the struct of that name, float32 each


class Step(ctypes.Structure):
    """The struct `step` of step.c, which says what each field is."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("product", "dot")),
        *((name, Loop) for name in ("exp", "log", "add", "add_double")),
        *((name, ctypes.c_int64) for name in ("layers", "inputs", "units", "classes")),
        *((name, ctypes.c_void_p) for name in ("parameters", "gradients")),
        *((name, ctypes.c_void_p) for name in ("first_moments", "second_moments", "averages")),
        ("penalty", ctypes.c_double),
        *((name, ctypes.c_float) for name in ("penalty_slope", "smoothing", "kept", "spread")),
        ("class_weights", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("weighted_classes", "normalized")),
        *((name, ctypes.c_float) for name in ("epsilon", "dropout_scale")),
        ("optimizer", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("momentum", "beta1", "rest1", "beta2", "rest2", "adam_epsilon")),
        ("rows", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("images", "labels", "masks", "scratch")),
        ("places", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("left", "batch_size")),
        *((name, ctypes.c_void_p) for name in ("stored_rows", "stored_labels", "pixels", "offset")),
        ("scale", ctypes.c_float),
        ("numbers", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in ("scalars", "losses")),
        ("now", ctypes.c_float * SCALARS),
    ]


@dataclass(frozen=True, slots=True)
class Functions:
    """The compiled step's functions, and those of NumPy that it calls."""

    library: ctypes.CDLL
    product: int
    dot: int
    loops: dict[str, Loop]


@cache
def functions() -> Functions | None:
    """Return all that compiled steps need; None where this machine has not all of it."""
    found = {
        "exp": inner_loop(np.exp, "f->f"),
        "log": inner_loop(np.log, "f->f"),
        "add": inner_loop(np.add, "ff->f"),
        "add_double": inner_loop(np.add, "dd->d"),
    }
    loops = {name: loop for name, loop in found.items() if loop is not None}
    products = blas()
    compiled = library() if products is not None and len(loops) == len(found) else None
    if products is None or compiled is None:
        return None
    compiled.take_steps.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    compiled.take_steps.restype = ctypes.c_int64
    compiled.scratch_size.argtypes = [ctypes.c_int64] * 5
    compiled.scratch_size.restype = ctypes.c_int64
    return Functions(compiled, *products, loops)
