import json
import subprocess
import sys

from rag.gold import load_gold

ROWS = [
    {"id": "3", "title": "Rhine", "context": "The Rhine ends in Holland.", "question": "Who sells it?", "answers": []},
    {"id": "1", "title": "Nile", "context": "It ends in Egypt.", "question": "Where?", "answers": [("Egypt", 11)]},
    {"id": "2", "title": "Nile", "context": "Hapi guards it.", "question": "Who?", "answers": [("Hapi", 0)] * 2},
]


def test_each_title_is_one_file_in_one_half_and_its_evidence_is_where_the_answers_stand(tmp_path):
    lines = []
    for row in ROWS:
        answers = [{"text": text, "start": start} for text, start in row["answers"]]
        lines.append(json.dumps({**row, "source": "x", "answers": answers, "answerable": bool(answers)}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "benchmarks.squad", str(tmp_path / "rows.jsonl"), str(tmp_path / "out")]
    subprocess.run(command, check=True)
    out = tmp_path / "out"
    assert [path.name for path in (out / "fit").iterdir()] == ["Nile.txt"]  # titles sorted: 0 to fit, 1 to report
    assert [path.name for path in (out / "report").iterdir()] == ["Rhine.txt"]
    text = (out / "fit" / "Nile.txt").read_text()
    assert text == "It ends in Egypt.\n\nHapi guards it.\n"
    for question, answer in zip(load_gold(out / "fit.jsonl"), ["Egypt", "Hapi"], strict=True):
        (evidence,) = question.evidence
        assert text[evidence.start : evidence.end] == answer
    (unanswerable,) = load_gold(out / "report.jsonl")
    assert (unanswerable.answerable, unanswerable.sources, unanswerable.evidence) == (False, (), ())
