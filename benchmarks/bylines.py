"""What the reader should see of a document besides the passage: four forms, measured on one set.

Takes what `benchmarks.squad` wrote, gives each article a title, a byline and a dateline, and asks two kinds of
questions: the set's own answerable ones (every Nth), which the added lines should not disturb, and who wrote, published
and dated each article.

    python -m benchmarks.bylines squad/fit squad/fit.jsonl --every 3
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import rag.answer
from api.build import open_answerer
from api.indexing import IndexRequest, run_index
from api.settings import Settings
from index.types import Passage, StoredDocument
from rag.answer import Answerer, Request
from rag.candidates import reading_text
from rag.gold import GoldQuestion, load_gold
from rag.metrics import estimate, f1
from rag.read import Piece

Form = Callable[[StoredDocument, Passage], tuple[Piece, ...]]
AUTHORS = ["Ada Miller", "Tomás Rivera", "Grace Okafor", "Jun Watanabe", "Lena Fischer", "Omar Haddad", "Ruth Weiss"]
PAPERS = ["The Harbour Post", "Meridian Weekly", "The Northern Star", "City Ledger", "The Daily Courier"]
MONTHS = ["March", "July", "November"]


def passage_alone(_: StoredDocument, passage: Passage) -> tuple[Piece, ...]:
    """Return the passage and nothing else: bylines have to be found as passages of their own."""
    return (Piece(passage.text, passage.start),)


def without_title(stored: StoredDocument, passage: Passage) -> tuple[Piece, ...]:
    """Return author, publisher and date before the passage, not the title."""
    title = stored.document.metadata.title
    pieces = reading_text(stored, passage)
    return pieces[2:] if title and pieces[0].start == title.start and len(pieces) > 1 else pieces


def title_not_citable(stored: StoredDocument, passage: Passage) -> tuple[Piece, ...]:
    """Return all of it, but let no answer lie in the title."""
    title = stored.document.metadata.title
    at = title.start if title else None
    pieces = reading_text(stored, passage)
    return tuple(Piece(p.text, None) if len(pieces) > 1 and p.start == at and p != pieces[-1] else p for p in pieces)


FORMS: dict[str, Form] = {
    "passage alone": passage_alone,
    "author, publisher, date": without_title,
    "title not citable": title_not_citable,
    "title, author, publisher, date": reading_text,
}


def with_byline(path: Path, number: int, out: Path) -> list[GoldQuestion]:
    """Write the article with a title, a byline and a dateline; return questions about them."""
    title = path.stem.replace("_", " ")
    author, paper = AUTHORS[number % len(AUTHORS)], PAPERS[number % len(PAPERS)]
    date = f"{MONTHS[number % len(MONTHS)]} {number + 3}, {2001 + number}"
    head = f"{title}\n\nBy {author}\n\n{paper}, {date}\n\n"
    (out / path.name).write_bytes(head.encode() + path.read_bytes())
    asked = {
        f"Who wrote “{title}”?": author,
        f"Who is the author of the article about the {title}?": author,
        f"When was “{title}” published?": date,
        f"Which newspaper published “{title}”?": paper,
        f"Where did the article about the {title} appear?": paper,
    }
    sources = (path.name,)
    return [GoldQuestion(question, question, (answer,), sources, (), True, ()) for question, answer in asked.items()]


def score(answerer: Answerer, gold: Sequence[GoldQuestion]) -> str:
    """Return the mean F1 of the best candidates, whatever their confidence, with its interval."""
    replies = answerer.ask_all(Request(question.question) for question in gold)
    scores = [f1(asked.answer.candidate or "", one.answers) for one, asked in zip(gold, replies, strict=True)]
    measured = estimate(scores)
    return f"{measured['value']:.3f} ({measured['ci_low']:.3f}..{measured['ci_high']:.3f})"


def main() -> None:
    """Print one row a form: F1 on the set's own questions, F1 on those about the articles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("articles", type=Path)
    parser.add_argument("gold", type=Path)
    parser.add_argument("--every", type=int, default=3, help="ask every Nth answerable question")
    args = parser.parse_args()
    own = [question for question in load_gold(args.gold) if question.answerable][:: args.every]
    with tempfile.TemporaryDirectory() as folder:
        articles, store = Path(folder) / "articles", Path(folder) / "store"
        articles.mkdir()
        about = [
            question
            for number, path in enumerate(sorted(args.articles.glob("*.txt")))
            for question in with_byline(path, number, articles)
        ]
        run_index(IndexRequest((articles,)), Settings(store=store), print, lambda *_: None)
        answerer = open_answerer(store)
        print(
            f"| the reader sees before the passage | own questions, n={len(own)} | about the article, n={len(about)} |"
        )
        for name, form in FORMS.items():
            vars(rag.answer)["reading_text"] = form
            print(f"| {name} | {score(answerer, own)} | {score(answerer, about)} |", flush=True)
        answerer.store.close()


if __name__ == "__main__":
    main()
