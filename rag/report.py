"""An evaluation report as one HTML file that needs nothing else: no network, no fonts, one small script of its own."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rag import metrics, plots
from rag.compare import Report, Row, candidate_right, flat, verdict
from rag.evaluate import stages
from rag.judge import RIGHT_F1

TEMPLATES = Path(__file__).parent / "templates"
AROUND = 32  # characters of a citation's prefix and suffix, where the text has so many
STAGES = {
    "ok": ("right", "answered right, or rightly not answered"),
    "withheld": ("withheld", "the right answer was found, and held back for its low confidence"),
    "missed": ("missed", "the passage was read, and another answer preferred"),
    "not_read": ("not read", "the passage was found, beyond those that are read"),
    "not_retrieved": ("not found", "no passage that answers was among the first ten"),
    "not_indexed": ("not indexed", "no source that answers is in the store"),
    "answered_unanswerable": ("answered without ground", "the documents do not say, and an answer was given"),
}
_GROUPS = {
    "Answers": {
        "overall_f1": "token F1 over all questions; rightly withholding counts 1",
        "overall_exact_match": "exactly right over all questions",
        "f1": "token F1 where the documents answer",
        "exact_match": "exactly right where the documents answer",
        "has_answer_rate": "answered where the documents answer",
        "no_answer_accuracy": "withheld where the documents do not answer",
        "gold_passage_f1": "of the wrong answers: token F1 given the right passage alone",
    },
    "Retrieval": {
        "source_hit": "a source that answers among the first k passages",
        "recall": "share of the right sources among the first k",
        "mrr": "1 / rank of the first right source",
        "ndcg": "how far up the right sources are",
        "passage_hit": "a passage that answers among the first k",
    },
    "Citations": {
        "citation_precision": "citations that are right",
        "citation_recall": "right sources that are cited",
        "citation_verified": "citations that, read again from the file, are the quote",
    },
    "Confidence": {
        "ece": "expected calibration error; 0 is best",
        "aurc": "area under risk and coverage; 0 is best",
    },
    "Time": {
        "latency_ms_p50": "half of the questions are answered within",
        "latency_ms_p95": "95 of 100 are answered within",
    },
}
_OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Lost:
    """The questions that ended at one stage; `readable` of them the reader gets right from the gold passage alone."""

    stage: str
    questions: int
    tried: int  # how many were read from the gold passage alone
    readable: int


def palette() -> str:
    """Return the style sheet of colours and type that all our pages share."""
    return (TEMPLATES / "shared" / "palette.css").read_text("utf-8")


def style() -> str:
    """Return the style sheet of a report and of its sections."""
    return palette() + (TEMPLATES / "report.css").read_text("utf-8")


def render_report(report: Report) -> str:
    """Return the page for an evaluation report (see `rag.evaluate`), with its `comparison` if there is one.

    Everything that the report says is escaped. The same report gives the same bytes.
    """
    script = (TEMPLATES / "report.js").read_text("utf-8")
    context: dict[str, object] = {
        "paged": False,
        "style": style(),
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    for values in _values(report).values():
        context |= values()
    return _environment().get_template("report.html").render(context)


def render_sections(report: Report, names: Iterable[str], most_tags: int) -> dict[str, str]:
    """Return sections of `render_report` by name, for a page that needs no script and lists the questions itself.

    A name is that of a template in `templates/report`; a section that has nothing to say is left out. Links to the
    questions that ended as `STAGE` lead to `?outcome=STAGE#questions`, a comparison does not list what changed, and
    of the tags only the `most_tags` most frequent are measured. `style` goes with them.
    """
    values, template = _values(report, most_tags), _environment().get_template
    drawn = {name: template(f"report/{name}.html").render(values[name](), paged=True) for name in names}
    return {name: html for name, html in drawn.items() if html}


def _values(report: Report, most_tags: int | None = None) -> dict[str, Callable[[], dict[str, object]]]:
    """Return, by section, what works out the values that its template is filled with."""
    rows = report["questions"]
    return {
        "blame": lambda: {"total": len(rows), "lost": [one for one in blame(report) if one.stage != "ok"]},
        "comparison": lambda: {"comparison": report.get("comparison")},
        "measures": lambda: {"groups": _grouped(report["metrics"])},
        "confidence": lambda: {"plots": _plots(rows)},
        "slices": lambda: {"slices": slices(rows, most_tags)},
        "questions": lambda: {
            "questions": rows,
            "stages": [stage for stage, _ in stages(report)],
            "tags": sorted({tag for row in rows for tag in row["tags"]}),
            "has_gold": has_gold(rows),
        },
        "run": lambda: {"settings": flat(report["run"])},
    }


def has_gold(rows: Iterable[Row]) -> bool:
    """Tell whether any of the questions comes with an answer to compare with."""
    return any(row.get("gold_answers") for row in rows)


def blame(report: Report) -> list[Lost]:
    """Return how many questions ended at each stage, the most frequent first."""
    return [_lost(stage, [row for row in report["questions"] if row["stage"] == stage]) for stage, _ in stages(report)]


def _lost(stage: str, rows: Sequence[Row]) -> Lost:
    alone = [row["gold_passage"]["f1"] for row in rows if row.get("gold_passage")]
    known = [f1 for f1 in alone if f1 is not None]
    return Lost(stage, len(rows), len(known), sum(f1 >= RIGHT_F1 for f1 in known))


def slices(rows: Sequence[Row], most_tags: int | None = None) -> list[tuple[str, metrics.Metric]]:
    """Return overall F1 of the answerable questions, of the unanswerable ones, and by tag, the most frequent first.

    A slice without a question that has a score is left out; `most_tags` is how many tags there are at most.
    """
    scored = [row for row in rows if row["f1"] is not None]
    named = {"answerable": [row for row in scored if row["answerable"]]}
    named["unanswerable"] = [row for row in scored if not row["answerable"]]
    tagged: dict[str, list[Row]] = {}
    for row in scored:
        for tag in dict.fromkeys(row["tags"]):
            tagged.setdefault(tag, []).append(row)
    by_tag = sorted(tagged.items(), key=lambda item: (-len(item[1]), item[0]))
    every = [*named.items(), *((f"#{tag}", members) for tag, members in by_tag[:most_tags])]
    return [(name, metrics.estimate([row["f1"] for row in members])) for name, members in every if members]


def _plots(rows: Sequence[Row]) -> dict[str, str]:
    known = [(row, right) for row in rows if (right := candidate_right(row)) is not None]
    pairs = [(row["confidence"], right) for row, right in known]
    if not pairs:
        return {}
    given = [right for row, right in known if row["prediction"] is not None]
    run = (len(given) / len(pairs), given.count(False) / len(given)) if given else None
    return {"reliability": plots.reliability_diagram(pairs), "risk": plots.risk_and_coverage(pairs, run)}


def _grouped(measured: Mapping[str, metrics.Metric]) -> dict[str, list[tuple[str, str, metrics.Metric]]]:
    """Return the metrics as (name, words, metric) by group; groups without any are left out."""
    grouped: dict[str, list[tuple[str, str, metrics.Metric]]] = {group: [] for group in [*_GROUPS, _OTHER]}
    for name, metric in measured.items():
        group, words = _meaning(name)
        grouped[group].append((name, words, metric))
    return {group: members for group, members in grouped.items() if members}


def _meaning(name: str) -> tuple[str, str]:
    """Return the group of a metric and what it says, in words."""
    base = name.partition("@")[0]
    found = ((group, words[base]) for group, words in _GROUPS.items() if base in words)
    return next(found, (_OTHER, ""))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "signed": signed, "p_value": p_value, "share": share}
    environment.globals |= {"STAGES": STAGES, "AROUND": AROUND, "verdict": verdict}
    return environment


def number(value: float, name: str = "") -> str:
    """Return a metric's value as it is read: three decimals, or milliseconds."""
    return f"{value:,.0f} ms" if name.startswith("latency_ms") else f"{value:.3f}"


def signed(value: float, name: str = "") -> str:
    """Return a difference as it is read, with its sign; 0 has none."""
    shown = number(abs(value), name)
    if shown == number(0, name):
        return shown
    return f"{'−' if value < 0 else '+'}{shown}"


def p_value(value: float) -> str:
    """Return a p-value as it is read; a small one is not given digits that it does not have."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def share(part: int, whole: int) -> str:
    """Return a part in percent of the whole, rounded; never 0 % or 100 % unless it is."""
    percent = round(100 * part / whole)
    if percent in (0, 100) and part not in (0, whole):
        return "< 1 %" if percent == 0 else "> 99 %"
    return f"{percent} %"
