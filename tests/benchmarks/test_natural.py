import hashlib
import json
import subprocess
import sys

from rag.gold import load_gold

KEPT, ALSO = "The Nile ends in Egypt, by Alexandria.", "The Tiber ends by Ostia."
LEFT_OUT = ("Hapi guards it.", "The Elbe ends by Cuxhaven.", "The Oder ends by Stettin.")
ROWS = [
    ("1", KEPT, "Where does the Nile end?", "Egypt"),
    ("2", ALSO, "Where does the Tiber end?", "Ostia"),
    ("3", LEFT_OUT[0], "Who guards the river?", "Hapi"),
    ("4", LEFT_OUT[1], "Where does the Elbe end?", "Cuxhaven"),
    ("5", LEFT_OUT[2], "By which town does the Oder end?", "Stettin"),
    ("6", LEFT_OUT[1], "What ends by Ostia?", "ends"),  # may be answered by another file after all
    ("7", KEPT, "Who sells it?", None),
    ("8", LEFT_OUT[1], "Which harbour town lies behind that?", "ends"),  # a file says "ends", and nothing else of it
    ("9", LEFT_OUT[1], "What ends by Ostia and Alexandria?", "Cux"),  # half of it, and no such answer
]


def digits(context):
    return hashlib.sha256(context.encode()).hexdigest()[:16]


def test_half_of_the_paragraphs_are_left_out_and_their_questions_have_no_answer(tmp_path):
    lines = []
    for number, context, question, answer in ROWS:
        answers = [{"text": answer, "start": context.index(answer)}] if answer else []
        row = {"id": number, "source": "x", "title": "", "context": context, "question": question}
        lines.append(json.dumps({**row, "answers": answers, "answerable": bool(answers)}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "benchmarks.natural", str(tmp_path / "rows.jsonl"), str(out)]
    subprocess.run(command, check=True)
    kept = {f"{digits(context)}.txt": context for _, context, *_ in ROWS if int(digits(context)[1], 16) % 2 == 0}
    assert set(kept.values()) == {KEPT, ALSO}
    assert {path.name: path.read_text() for path in (out / "articles").iterdir()} == kept
    asked = {half: load_gold(out / f"{half}.jsonl") for half in ("fit", "report")}
    for half, parity in (("fit", 0), ("report", 1)):
        ids = {n for n, context, *_ in ROWS if int(digits(context)[0], 16) % 2 == parity} - {"6", "7"}
        assert {question.id for question in asked[half]} == ids != set()
    for question in asked["fit"] + asked["report"]:
        assert question.answerable == (question.id in {"1", "2"})
        for evidence in question.evidence:
            assert kept[evidence.source][evidence.start : evidence.end] == question.answers[0]
