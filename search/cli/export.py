"""Commands about taking results away: export, and train, which trains what was exported again."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlpsearch.search.cli.common import (
    PathType,
    artifacts_option,
    data_option,
    find_study,
    json_option,
    own_data_option,
    print_versioned,
    step,
    storage_option,
    tell,
)
from mlpsearch.search.cli.completion import study_argument

if TYPE_CHECKING:
    from mlpsearch.search.export.document import Export
    from mlpsearch.search.export.ensembles import Ensemble, Kind
    from mlpsearch.search.export.exporting import Exported
    from mlpsearch.search.export.retraining import Comparison
    from mlpsearch.studies.record import StudyRecord

_PATH = PathType()


@click.command()
@study_argument
@click.option("-o", "--output", type=_PATH, help="The .toml or .json file to write, or a folder with the weights.")
@click.option("--weights", type=_PATH, help="Also write the weights (safetensors).")
@click.option("--onnx", is_flag=True, help="Also put an ONNX model into the folder.")
@click.option(
    "--ensemble",
    type=click.Choice(["winner", "greedy"]),
    is_flag=False,
    flag_value="winner",
    help="Several nets of the confirmation, averaged: the winner's reported ones, or with `greedy` those of all "
    "candidates that are best together on validation rows.",
)
@click.option("--trials", type=_PATH, help="Write all trials (CSV).")
@storage_option
@artifacts_option
@own_data_option
@json_option
def export(
    study: str,
    output: Path | None,
    weights: Path | None,
    onnx: bool,
    ensemble: "Kind | None",
    trials: Path | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Write the best configuration, with all that training it again needs, or all trials."""
    if output is None and weights is None and trials is None:
        raise click.UsageError("nothing to write: name it with -o, --weights or --trials")
    if onnx and (output is None or output.suffix):
        raise click.UsageError("--onnx needs -o FOLDER, a name without a suffix")
    if ensemble is not None and output is None and weights is None:
        raise click.UsageError("--ensemble needs -o or --weights")
    record = find_study(study, storage, read_only=True)
    net: dict[str, Any] = {"taken": None, "missing": "", "removed": None, "ensemble": None}
    several = None if ensemble is None else _find_ensemble(record, ensemble)
    if trials is not None:
        from mlpsearch.search.export.trial_table import write_trials

        write_trials(record, trials)
        tell(f"wrote {trials}")
    if weights is not None:  # first: where they are gone, nothing is written
        net["taken"] = _write_weights(record, several, weights, telling_which=output is None)
    if output is not None:
        exported = _export_nets(record, several, output, onnx)
        removed = None if exported.removed is None else str(exported.removed)
        net |= {"taken": exported.taken, "missing": exported.missing, "removed": removed}
    if several is not None:
        net["ensemble"] = several.to_json()
    if as_json:
        written = [str(path) for path in (trials, weights, output) if path is not None]
        print_versioned({"study": study, "written": written, **net})


def _find_ensemble(record: "StudyRecord", kind: "Kind") -> "Ensemble":
    from mlpsearch.search.export.ensembles import find_ensemble

    with step(f"{record.name}: finding the nets of its ensemble"):
        return find_ensemble(record, kind)


def _export_nets(record: "StudyRecord", several: "Ensemble | None", output: Path, onnx: bool) -> "Exported":
    from mlpsearch.search.export.ensembles import export_ensemble, worth
    from mlpsearch.search.export.exporting import export_study
    from mlpsearch.search.results.wording import items

    if several is None:
        exported = export_study(record, output, onnx=onnx)
    else:
        exported = export_ensemble(record, several, output, onnx=onnx)
    if exported.removed is not None:
        tell(f"removed {exported.removed} of the earlier export; --onnx writes that of this one")
    what = items(record.spec.dataset)
    file = "FILE" if record.spec.dataset == "arrays" else "TABLE" if what == "rows" else "IMAGE…"
    predict = "" if output.suffix else f"; `mlpsearch predict {output} {file}` classifies {what} with it"
    again = "it" if several is None else f"its {len(several.nets)} nets"
    tell(f"wrote {output}; `mlpsearch train {output}` trains {again} again{predict}")
    tell(f"taken: {exported.taken}")
    if several is not None and several.selection is not None:
        tell(worth(several.selection, record.metric, record.spec.dataset))
    if exported.missing:
        tell(f"it lacks the weights' digest, so train cannot tell whether they are the same: {exported.missing}")
    return exported


def _write_weights(record: "StudyRecord", several: "Ensemble | None", path: Path, *, telling_which: bool) -> str:
    from mlpsearch.models.prediction import prediction_arrays
    from mlpsearch.search.export.ensembles import taken_together, write_ensemble_weights
    from mlpsearch.search.export.exporting import taken
    from mlpsearch.search.export.parameters import write_parameters
    from mlpsearch.search.results.winner import load_winner

    if several is None:
        winner = load_winner(record)
        write_parameters(prediction_arrays(winner.net, winner.preprocessing), path)
        which = taken(record, winner)
    else:
        write_ensemble_weights(several, path)
        which = taken_together(record, several)
    tell(f"wrote {path}")
    if telling_which:
        tell(f"taken: {which}")
    return which


@click.command()
@click.argument("export", type=_PATH)
@data_option
@json_option
def train(export: Path, data: str | None, as_json: bool) -> None:
    """Train an exported configuration again, and say whether it is the same bit for bit."""
    from mlpsearch.search.export.document import read_export
    from mlpsearch.search.export.retraining import together

    nets = read_export(export).nets()
    names = [f"net {place}, trial {net.trial}: " for place, net in enumerate(nets)] if len(nets) > 1 else [""]
    comparisons = [_train_again(net, data, name) for net, name in zip(nets, names, strict=True)]
    if as_json:
        document = {**asdict(together(comparisons)), "same": all(one.same for one in comparisons)}
        print_versioned({**document, "members": _members(nets, comparisons) if len(nets) > 1 else []})
        return
    for name, comparison in zip(names, comparisons, strict=True):
        click.echo(f"{name}{_comparison_text(comparison)}")


def _train_again(export: "Export", data: str | None, name: str) -> "Comparison":
    from mlpsearch.search.export.retraining import Retraining
    from mlpsearch.search.results.wording import percent

    retraining = Retraining(export, data)
    for result in retraining.epochs():
        accuracy = percent(result.validation_accuracy)
        tell(f"{name}epoch {result.epoch}: loss {result.loss:.4f}, validation {accuracy}")
    return retraining.comparison()


def _members(nets: "list[Export]", comparisons: "list[Comparison]") -> list[dict[str, Any]]:
    return [
        {"trial": net.trial, "run": net.run, **asdict(one), "same": one.same}
        for net, one in zip(nets, comparisons, strict=True)
    ]


def _comparison_text(comparison: "Comparison") -> str:
    from mlpsearch.search.results.wording import percent

    accuracy = f"validation accuracy {percent(comparison.validation_accuracy)}"
    accuracy += ", the same as exported" if comparison.same else f", exported was {percent(comparison.exported)}"
    if comparison.same_weights:
        return f"{accuracy}; the same weights bit for bit, and so the same test accuracy"
    if comparison.same_weights is None:
        return f"{accuracy}; the export does not say what its weights were"
    unknown = "no version (is it another device, or did the trial go on without its compiled steps?)"
    reasons = ", ".join(comparison.differences) or unknown
    return f"{accuracy}; other weights; changed since: {reasons}"


COMMANDS = (export, train)
