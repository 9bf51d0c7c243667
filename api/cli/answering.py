"""`pincite ask` and `search`."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, print_json
from api.cli.options import EmbedderOption, JsonOption, ReaderOption, SourceOption, StoreOption, TopKOption, settings_of
from api.objects import CitationForm
from api.words import count
from index.errors import UsageError

if TYPE_CHECKING:
    from rag.answer import Answerer, Request
    from rag.types import Answer, Citation, FoundPassage

NOT_ALL_ASKED, NO_ANSWER = 1, 3
STDIN = "-"
SNIPPET = 160  # characters of a passage shown


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("ask", epilog="Example:  pincite ask 'Who wrote about the summit?' --source '2018/*'")(ask)
    app.command("search", epilog="Example:  pincite search 'joint exercises' --top-k 5")(search)


def ask(
    question: Annotated[
        str, typer.Argument(help="A question in plain words; - reads questions from stdin.", show_default=False)
    ],
    top_k: TopKOption = 10,
    source: SourceOption = None,
    min_confidence: Annotated[
        str | None,
        typer.Option(help="Answer only from this confidence: 0 to 1, or risk:0.2 for at most 20 % wrong answers."),
    ] = None,
    json: JsonOption = False,
    citation_form: Annotated[
        CitationForm, typer.Option(help="Also give each citation of the JSON in this form.")
    ] = "pincite",
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Answer a question with a quote and its place. Exit code 3: not in the documents.

    With - each line of stdin is a question, and its reply a line of JSON; the exit code is then 0 if all were asked.
    """
    from api.build import open_answerer  # the models and indexes are slow to import
    from index.types import Filters
    from rag.answer import Request

    if citation_form != "pincite" and not json and question != STDIN:
        raise UsageError("--citation-form changes JSON alone; add --json")
    request = Request(question, top_k, _confidence(min_confidence), Filters(source=source))
    answerer = open_answerer(settings=settings_of(store, embedder, reader), notify=note, top_k=top_k)
    answerer.threshold(request.min_confidence)
    if question == STDIN:
        _ask_lines(answerer, request, citation_form)
    else:
        _ask_one(answerer, request, citation_form if json else None)


def _ask_lines(answerer: "Answerer", like: "Request", form: CitationForm) -> None:
    from api.cli.piped import ask_lines

    if failed := ask_lines(answerer, like, form):
        note(f"{count(failed, 'line')} could not be asked; the replies say why")
        raise typer.Exit(NOT_ALL_ASKED)


def _ask_one(answerer: "Answerer", request: "Request", form: CitationForm | None) -> None:
    """Print the answer; with `form`, as JSON."""
    from api.build import note_other_top_k

    reply = answerer.ask(request.question, request.top_k, request.min_confidence, request.filters)
    note_other_top_k(answerer, request.top_k, note)
    if form:
        from api.citation_forms import with_form
        from api.schemas import AskReply

        print_json(with_form(AskReply.model_validate(reply), form).model_dump(mode="json"))
    else:
        _print_answer(reply)
    if reply.answer is None:
        raise typer.Exit(NO_ANSWER)


def _confidence(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _print_answer(reply: "Answer") -> None:
    calibrated = "" if reply.calibrated else ", not calibrated"
    if reply.answer is None:
        below = math.floor(reply.confidence * 100) / 100  # not rounded up to the threshold that it is under
        typer.echo(f"Not in the documents (best candidate: confidence {below:.2f}{calibrated}).")
        for passage in reply.passages[:3]:
            typer.echo(f"  nearest: {_passage_line(passage)}")
        return
    typer.echo(f"“{reply.answer}”  (confidence {reply.confidence:.2f}{calibrated})")
    if reply.sentence and reply.sentence != reply.answer:
        typer.echo(f"  in: {_one_line(reply.sentence)}")
    for number, citation in enumerate(reply.citations, start=1):
        typer.echo(f"  [{number}] {_place(citation)}")
    for other in reply.alternatives:
        typer.echo(f"  or: “{_one_line(other.answer)}” ({other.confidence:.2f}) {_place(other.citations[0])}")


def _place(citation: "Citation") -> str:
    where = (
        f":{citation.line}:{citation.column}" if citation.line else f", page {citation.page}" if citation.page else ""
    )
    title = f"  {citation.title}" if citation.title else ""
    under = f"  ({' > '.join(citation.headings)})" if citation.headings else ""
    copy = "  (a copy)" if citation.copy_of else ""
    return f"{citation.source}{where} [{citation.start}:{citation.end}]{title}{under}{copy}"


def search(
    query: Annotated[str, typer.Argument(help="Words or a question.", show_default=False)],
    top_k: TopKOption = 10,
    source: SourceOption = None,
    json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Find passages, best first, without reading them for an answer."""
    from api.build import open_answerer
    from index.types import Filters

    answerer = open_answerer(settings=settings_of(store, embedder, reader), notify=note, calibrated=False)
    found = answerer.search(query, top_k, Filters(source=source))
    if json:
        from api.schemas import SearchReply

        print_json(SearchReply.model_validate(found, from_attributes=True).model_dump(mode="json"))
        return
    for passage in found.passages:
        typer.echo(_passage_line(passage))
    if not found.passages:
        note("no passage matches")


def _passage_line(passage: "FoundPassage") -> str:
    text = _one_line(passage.text)
    shown = text if len(text) <= SNIPPET else f"{text[:SNIPPET]}…"
    return f"fusion score {passage.score:.3f}  {passage.source} [{passage.start}:{passage.end}]  {shown}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
