#!/usr/bin/env bash
# Saving a note for optuna-dashboard imports scikit-learn and the dashboard's whole server.
#
# Versions: optuna 5.0.0, optuna-dashboard 0.21.0, scikit-learn 1.9.1, Python 3.11.
#
# What one would guess: `from optuna_dashboard import save_note` is light. It is documented for use in the script that
# optimises, and the function cuts a text into pieces and sets attributes of a study.
#
# What it does: the package imports its web application, and by optuna.importance scikit-learn and scipy.stats with it, before
# a note can be saved. A short script starts by so much later.
#
# Output seen:
#   imported to save a note: bottle True, sklearn True, scipy.stats True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 optuna-dashboard==0.21.0 scikit-learn==1.9.1
"$folder/venv/bin/python" -I - <<'PY'
import sys

import optuna

before = set(sys.modules)
from optuna_dashboard import save_note  # noqa: E402

save_note(optuna.create_study(), "a note")
heavy = {name: name in set(sys.modules) - before for name in ("bottle", "sklearn", "scipy.stats")}
print("imported to save a note:", ", ".join(f"{name} {is_there}" for name, is_there in heavy.items()))
if not all(heavy.values()):
    sys.exit("changed: a note is saved without them")
PY
