"""The compiled step of step.c as a library: made by this machine's C compiler at first use, then kept.

    ~/.cache/mlpsearch/compiled/step-<key>.so        or where this system keeps a user's own cache

Not in MLPSEARCH_CACHE, which may be shared: what others write is no code of ours. The key is a SHA-256 over the
source, the command that compiles it, and the processor, whose own instructions the library may use.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import subprocess
from functools import cache
from pathlib import Path

from mlpsearch.models.paths import write_atomically

_SOURCE = Path(__file__).with_name("step.c")
# No multiplication and addition become one; and what would be an error's number or a trap in C is none in NumPy.
_OPTIONS = (
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
)
_MOST_SECONDS = 120  # of compiling, on a machine that is busy


@cache
def library() -> ctypes.CDLL | None:
    """Return the library, made first where none can be loaded; None where it cannot be made or kept here."""
    import platformdirs

    try:
        command = [*shlex.split(os.environ.get("CC") or "cc"), *_OPTIONS]
        key = hashlib.sha256(b"\0".join([_SOURCE.read_bytes(), *map(os.fsencode, command), _processor()]))
        folder = Path(platformdirs.user_cache_dir("mlpsearch")) / "compiled"
        path = folder / f"step-{key.hexdigest()[:32]}.so"
        if path.exists() and path.stat().st_uid not in (0, os.geteuid()):
            return None
        return _loaded(path) or _made(path, command)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _loaded(path: Path) -> ctypes.CDLL | None:
    """Return the library that is kept there; None where none is, or a damaged one."""
    try:
        return ctypes.CDLL(str(path)) if path.exists() else None
    except OSError:
        return None


def _made(path: Path, command: list[str]) -> ctypes.CDLL:
    """Compile the library, in place of what is there, and return it."""
    write_atomically(path, _compiled(command))
    return ctypes.CDLL(str(path))


def _compiled(command: list[str]) -> bytes:
    """Return the bytes of the library."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "step.so"
        subprocess.run(  # noqa: S603 - the compiler that this user would run
            [*command, "-o", made, _SOURCE, "-lm"],
            check=True,
            capture_output=True,
            timeout=_MOST_SECONDS,
        )
        return made.read_bytes()


def _processor() -> bytes:
    """Return what tells processors apart that have other instructions; a home may be that of several machines."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            lines = file.read(1 << 14).splitlines()  # the first core's; all others' may take long
    except OSError:
        lines = []
    kinds = [line for line in lines if line.lower().startswith((b"flags", b"features", b"model name"))]
    return b"".join(kinds[:2]) or f"{platform.machine()} {platform.processor()}".encode()
