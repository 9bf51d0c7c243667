"""`pincite ask` and `search`."""

from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import note, print_json
from api.cli.options import EmbedderOption, JsonOption, ReaderOption, SourceOption, StoreOption, TopKOption, settings_of

if TYPE_CHECKING:
    from rag.types import Answer, Citation, FoundPassage

NO_ANSWER = 3
SNIPPET = 160  # characters of a passage shown


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("ask", epilog="Example:  pincite ask 'Who wrote about the summit?' --source '2018/*'")(ask)
    app.command("search", epilog="Example:  pincite search 'joint exercises' --top-k 5")(search)


def ask(
    question: Annotated[str, typer.Argument(help="A question in plain words.", show_default=False)],
    top_k: TopKOption = 10,
    source: SourceOption = None,
    min_confidence: Annotated[
        str | None, typer.Option(help="Answer only from this confidence: 0 to 1, or risk:0.05 for 5 % wrong answers.")
    ] = None,
    json: JsonOption = False,
    store: StoreOption = None,
    embedder: EmbedderOption = None,
    reader: ReaderOption = None,
) -> None:
    """Answer a question with a quote and its place. Exit code 3: not in the documents."""
    from api.build import open_answerer  # the models and indexes are slow to import
    from index.types import Filters
    from rag.answer import TOP_K, Request

    request = Request(question, top_k, _confidence(min_confidence), Filters(source=source))
    answerer = open_answerer(settings=settings_of(store, embedder, reader), notify=note)
    answerer.threshold(request.min_confidence)
    reply = answerer.ask(request.question, request.top_k, request.min_confidence, request.filters)
    if not reply.calibrated and top_k != TOP_K:
        note(f"confidence is calibrated for --top-k {TOP_K}; take it as a rough order only")
    if json:
        from api.schemas import AskReply

        print_json(AskReply.model_validate(reply, from_attributes=True).model_dump(mode="json"))
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
        typer.echo(f"Not in the documents (best candidate: confidence {reply.confidence:.2f}{calibrated}).")
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
) -> None:
    """Find passages, best first, without reading them for an answer."""
    from api.build import open_answerer
    from index.types import Filters

    answerer = open_answerer(settings=settings_of(store, embedder), notify=note)
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
    return f"{passage.score:.3f}  {passage.source} [{passage.start}:{passage.end}]  {shown}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
