"""`pincite`: the commands put together, and what their errors become."""

import errno
import gc
import os
import signal
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from api.cli import answering, evaluation, gold, indexing, keys, mcp, models, serving, upkeep, watching
from api.cli.options import taking_common
from index.errors import PinciteError, StoreError

USAGE, STORE, INTERRUPTED = 2, 4, 130

app = typer.Typer(
    name="pincite",
    help="Answers questions over a folder of articles. Each answer is a quote; each citation is an exact place.",
    epilog="Start with:  pincite index ARTICLES  then  pincite ask 'Who ...?'  then  pincite serve",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # plain help starts faster, and errors stay one line
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pincite {version('pincite')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options that are of no command."""


for module in (indexing, watching, answering, evaluation, gold, upkeep, models, keys, serving, mcp):
    module.register(app)
for one in (app, *(group.typer_instance for group in app.registered_groups)):
    for registered in one.registered_commands if one else ():
        registered.callback = registered.callback and taking_common(registered.callback)


def main() -> None:
    """Run the command line. A user's mistake is one line on stderr and an exit code, never a traceback."""
    code: object = 0
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # Typer does not export it; its message is the help
            typer.echo(error.format_message(), err=True)
            sys.exit(USAGE)
        _fail(f"{error.format_message().rstrip('.')}; see `pincite --help`", USAGE)
    except StoreError as error:
        _fail(error, STORE)
    except PinciteError as error:
        _fail(error, USAGE)
    except BrokenPipeError:  # `pincite ... | head`: nobody is left to write to, at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        what_next = "free space on it" if error.errno == errno.ENOSPC else "make it readable and writable"
        _fail(f"{error.filename or 'the output'}: {error.strerror or error}; {what_next}", USAGE)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer catches Ctrl-C itself
        _fail("stopped; what was reported as done is kept, and `index` and `eval` go on from there", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def run() -> None:
    """Run `main` as all that this process does: frozen, its objects are not searched for garbage at its end."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as `__main__` left it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    finally:
        gc.freeze()


def _fail(message: object, code: int) -> None:
    line = " ".join(str(message).split())
    typer.echo(f"pincite: {line}", err=True)
    sys.exit(code)
