"""Questions asked together: each gets its reply, or the problem that it alone has."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from api.citation_forms import with_form
from api.objects import CitationForm
from api.problems import Problem, problem_of
from api.schemas import AskReply
from rag.answer import Answerer, Request
from rag.types import Answer


class Line(NamedTuple):
    """A question, or what is wrong with the line that it should be in, and the form its citations are wanted in."""

    asked: Request | Problem
    form: CitationForm = "pincite"


def replies(answerer: Answerer, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Return to each line the reply, as JSON, or `{"error": problem}`; the questions are read together."""
    answers = iter(_answers(answerer, [line.asked for line in lines if isinstance(line.asked, Request)]))
    outcomes = [next(answers) if isinstance(line.asked, Request) else line.asked for line in lines]
    return [_reply(outcome, line.form) for line, outcome in zip(lines, outcomes, strict=True)]


def ndjson(value: object) -> str:
    """Return a value as a line of NDJSON, without its line break."""
    return json.dumps(value, ensure_ascii=False)


def _answers(answerer: Answerer, requests: Sequence[Request]) -> list[Answer | Problem]:
    """Answer together; where that fails, one by one, so that a failure stays with its own question."""
    try:
        return [asked.answer for asked in answerer.ask_all(requests)]
    except Exception as error:  # the reply has begun, so there is no other way left to tell of it
        if len(requests) == 1:
            return [problem_of(error)]
    return [outcome for request in requests for outcome in _answers(answerer, [request])]


def _reply(outcome: Answer | Problem, form: CitationForm) -> dict[str, Any]:
    if isinstance(outcome, Problem):
        return {"error": outcome.to_json()}
    return with_form(AskReply.model_validate(outcome), form).model_dump(mode="json")
