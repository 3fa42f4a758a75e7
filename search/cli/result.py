"""Commands about what a search found: evaluate, export, train."""

from pathlib import Path

import click

from search.cli.common import (
    data_option,
    find_study,
    json_option,
    print_json,
    show_study,
    storage_option,
    tell,
)


@click.command()
@click.argument("study")
@storage_option
@json_option
def evaluate(study: str, storage: str | None, as_json: bool) -> None:
    """Evaluate the best trial on the test split; every opening of it is recorded."""
    from search.finalize import evaluate as evaluate_best

    record = find_study(study, storage)
    evaluate_best(record, f"mlpsearch evaluate {study}")
    show_study(record, as_json)


@click.command()
@click.argument("study")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The TOML file to write.")
@click.option("--weights", type=click.Path(path_type=Path), help="Also write the weights (safetensors).")
@storage_option
def export(study: str, output: Path, weights: Path | None, storage: str | None) -> None:
    """Write the best configuration, with all that training it again needs."""
    from search.export import export_winner, write_export, write_weights
    from search.finalize import load_winner

    record = find_study(study, storage)
    winner = load_winner(record)
    write_export(export_winner(record, winner), output)
    if weights is not None:
        write_weights(winner, weights)
    tell(f"wrote {output}; `mlpsearch train {output}` trains it again")


@click.command()
@click.argument("export", type=click.Path(path_type=Path))
@data_option
@json_option
def train(export: Path, data: str | None, as_json: bool) -> None:
    """Train an exported configuration again, and compare its validation accuracy."""
    from search.cli.display import percent
    from search.export import read_export, train_export

    exported = read_export(export)
    reached = 0.0
    for result in train_export(exported, data):
        reached = result.validation_accuracy
        tell(f"epoch {result.epoch}: loss {result.loss:.4f}, validation {percent(reached)}")
    wanted = exported.accuracy.validation
    if as_json:
        print_json({"validation_accuracy": reached, "exported": wanted, "same": reached == wanted})
    else:
        verdict = "the same as exported" if reached == wanted else f"exported was {percent(wanted)}"
        click.echo(f"validation accuracy {percent(reached)}, {verdict}")


COMMANDS = (evaluate, export, train)
