#!/usr/bin/env bash
# While rich shows a live display, sys.stdout has no encoding, and says that it cannot be written to.
#
# Versions: rich 15.0.0, Python 3.11.
#
# What one would guess: rich redirects sys.stdout so that what other code prints lands above the display; the stand-in answers
# as the terminal did. It does so for isatty() and fileno().
#
# What it does: `encoding` and `errors` are None and writable() is False, for these come from the base class, io.TextIOBase,
# and are not handed on. Code that encodes for the terminal, str.encode(sys.stdout.encoding), raises a TypeError, but only
# while a progress bar is shown on a terminal.
#
# Output seen:
#   before: encoding utf-8, errors strict, writable True
#   during: encoding None, errors None, writable False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rich==15.0.0
PYTHONIOENCODING=utf-8:strict "$folder/venv/bin/python" - <<'PY'
import sys

from rich.console import Console
from rich.live import Live


def state():
    return sys.stdout.encoding, sys.stdout.errors, sys.stdout.writable()


before = state()
with Live("a bar", console=Console(force_terminal=True)):
    during = state()
for when, (encoding, errors, writable) in (("before", before), ("during", during)):
    print(f"{when}: encoding {encoding}, errors {errors}, writable {writable}")
if during != (None, None, False):
    sys.exit("changed: the stand-in answers as the terminal does")
PY
