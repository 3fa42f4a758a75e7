"""Where NumPy's own compiled functions are, for compiled steps to call them: the same code gives the same bits.

Matrix products are those of the BLAS that NumPy is linked with; exp, log and sums are the inner loops of its
ufuncs, which NumPy chose for this processor.
"""

import ctypes
from functools import cache
from importlib import import_module

import numpy as np


class Loop(ctypes.Structure):
    """The inner loop of a ufunc for one type, and the pointer that NumPy hands it."""

    _fields_ = [("function", ctypes.c_void_p), ("data", ctypes.c_void_p)]


class _Ufunc(ctypes.Structure):
    """The beginning of PyUFuncObject, of NumPy's header ufuncobject.h."""

    _fields_ = [
        ("references", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
    ]


@cache
def blas() -> tuple[int, int] | None:
    """Return the addresses of sgemm and sdot in the BLAS that NumPy calls; None where it is no known one.

    Known is the OpenBLAS of NumPy's own wheels, whose whole numbers have 64 bits.
    """
    try:
        compiled = import_module("numpy._core._multiarray_umath")
        numpy_and_its_libraries = ctypes.CDLL(compiled.__file__)
        found = [getattr(numpy_and_its_libraries, f"scipy_cblas_{name}64_") for name in ("sgemm", "sdot")]
    except (AttributeError, ImportError, OSError):
        return None
    sgemm, sdot = (ctypes.cast(function, ctypes.c_void_p).value for function in found)
    return None if sgemm is None or sdot is None else (sgemm, sdot)


def inner_loop(ufunc: np.ufunc, types: str) -> Loop | None:
    """Return the inner loop for types as in ufunc.types; None where a ufunc is laid out in another way."""
    found = _Ufunc.from_address(id(ufunc))
    known = (ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes)
    if (found.nin, found.nout, found.nargs, found.ntypes) != known or types not in ufunc.types:
        return None
    place = ufunc.types.index(types)
    return Loop(found.functions[place], found.data[place])
