"""`pincite ask -`: questions on stdin, one a line; replies on stdout, one a line, as they come."""

import codecs
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import typer

from api.batches import Line, ndjson, replies
from api.objects import CitationForm
from api.problems import problem, problem_of
from index.errors import UsageError
from rag.answer import BATCH

if TYPE_CHECKING:
    from rag.answer import Answerer, Request

_READ = 2**16  # bytes taken from the pipe at once


def ask_lines(answerer: "Answerer", like: "Request", form: CitationForm) -> int:
    """Answer every line of stdin as `like` is asked; return how many could not be asked, and say so in their replies.

    Blank lines get no reply.
    """
    failed = 0
    for some in _arriving(cast(io.BufferedReader, sys.stdin.buffer)):
        for reply in replies(answerer, [_line(line, like, form) for line in some]):
            failed += "error" in reply
            typer.echo(ndjson(reply))
    return failed


def _arriving(stdin: io.BufferedReader) -> Iterator[list[bytes]]:
    """Yield the lines that are there, a few at a time; wait for more only when there is none.

    So a question that is typed is answered at once, and those of a file are read together.
    """
    rest = stdin.read1(_READ).removeprefix(codecs.BOM_UTF8)
    ended = not rest
    while not ended:
        *whole, rest = rest.split(b"\n")
        waiting = [line for line in whole if line.strip()]
        yield from (waiting[at : at + BATCH] for at in range(0, len(waiting), BATCH))
        chunk = stdin.read1(_READ)
        rest, ended = rest + chunk, not chunk
    if rest.strip():
        yield [rest]


def _line(line: bytes, like: "Request", form: CitationForm) -> Line:
    try:
        return Line(replace(like, question=line.decode().removesuffix("\r")), form)
    except UsageError as error:
        return Line(problem_of(error))
    except UnicodeDecodeError as error:
        return Line(problem(422, f"the question is not UTF-8 at byte {error.start}; write it in UTF-8"))
