"""`pincite models`: the models made ready before they are needed."""

from dataclasses import asdict

import typer

from api.cli.console import note, print_json
from api.cli.options import EmbedderOption, JsonOption, ReaderOption, settings_of

models = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    models.callback()(group)
    models.command("prepare", epilog="Example:  pincite models prepare --reader my-reader")(prepare)
    app.add_typer(models, name="models", epilog="Example:  pincite models prepare")


def group() -> None:
    """Make the models ready before they are needed."""


def prepare(embedder: EmbedderOption = None, reader: ReaderOption = None, json: JsonOption = False) -> None:
    """Convert the embedder and the reader for this machine. Else their first use does it."""
    from api.build import prepare_models  # the runtime is slow to import

    prepared = prepare_models(settings_of(None, embedder, reader), note)
    if json:
        print_json([asdict(model) for model in prepared])
        return
    for model in prepared:
        typer.echo(f"{model.kind}: {model.name}, {model.precision}: {model.folder}")
