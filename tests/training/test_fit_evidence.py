import json
import math
import random
import subprocess
import sys
from dataclasses import asdict

import pytest

from api.build import DEFAULT_READER_SHA256
from index.errors import UsageError
from index.models import EMBEDDER_SHA256
from rag.evidence import Evidence, Weights
from training.evidence import fit

GOLD = [
    ("In which city is the Regional Anti-Terrorist Structure?", ["Tashkent", "Tashkent, Uzbekistan"]),
    ("Who is the mayor of Lisbon?", []),
]


def drawn(count, seed=0, similarity=4):
    """Candidates that are right as a coin of known bias falls: it goes by the margin, the similarity, and no more."""
    chance = random.Random(seed)
    for _ in range(count):
        known = Evidence(
            chance.gauss(0, 2), chance.uniform(0, 5), chance.uniform(0, 1), chance.uniform(0, 1), chance.randrange(4), 0
        )
        yield known, chance.random() < 1 / (1 + math.exp(2 - known.margin - similarity * known.similarity))


def test_the_weights_that_made_the_outcome_are_found_again():
    weights = fit([list(drawn(20_000))])
    assert weights.similarity == pytest.approx(4, abs=0.4)
    assert weights.lead == pytest.approx(0, abs=0.06)
    assert weights.term_share == pytest.approx(0, abs=0.25)
    assert weights.missing_names == pytest.approx(0, abs=0.06)
    assert weights.lost_negation == 0  # it never varied


def test_a_large_gold_set_weighs_no_more_than_a_small_one():
    some, others = list(drawn(4_000)), list(drawn(4_000, seed=1, similarity=0))
    once, often = fit([some, others]), fit([some * 5, others])
    assert 1 < once.similarity < 3
    assert often.similarity == pytest.approx(once.similarity, abs=0.02)
    assert fit([some * 5 + others]).similarity > once.similarity + 0.5


@pytest.mark.parametrize("right", [True, False])
def test_candidates_that_are_all_right_or_all_wrong_are_refused(right):
    with pytest.raises(UsageError, match="all right or all wrong"):
        fit([[(evidence, right) for evidence, _ in drawn(20)]])


def test_candidates_of_greater_margin_that_are_seldomer_right_are_refused():
    with pytest.raises(UsageError, match="no oftener right"):
        fit([[(evidence, not right) for evidence, right in drawn(500)]])


def run(*words):
    return subprocess.run([sys.executable, "-m", "training.evidence", *words], capture_output=True, text=True)


def test_the_command_writes_weights_for_the_models_it_used(seed_store, tmp_path):
    lines = [
        json.dumps({"id": str(n), "question": question, "answers": answers, "answerable": bool(answers)})
        for n, (question, answers) in enumerate(GOLD)
    ]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines) + "\n")
    done = run("--on", str(tmp_path / "gold.jsonl"), str(seed_store), "--out", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    fitted = json.loads((tmp_path / "out.json").read_text())
    assert (fitted["embedder"], fitted["reader"]) == (EMBEDDER_SHA256, DEFAULT_READER_SHA256)
    assert fitted["weights"].keys() == asdict(Weights()).keys()
    assert any(fitted["weights"].values())


def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(seed_store, tmp_path):
    (tmp_path / "gold.jsonl").write_text('{"id": "1", "question": "Who?", "answers": ["I"], "answerable": true}\n')
    done = run("--on", str(tmp_path / "gold.jsonl"), str(seed_store), "--out", str(tmp_path / "none" / "out.json"))
    assert (done.returncode, str(tmp_path / "none") in done.stderr) == (2, True)


def test_a_store_that_is_not_there_ends_the_command_with_2(tmp_path):
    (tmp_path / "gold.jsonl").write_text('{"id": "1", "question": "Who?", "answers": ["I"], "answerable": true}\n')
    done = run("--on", str(tmp_path / "gold.jsonl"), str(tmp_path / "none"), "--out", str(tmp_path / "out.json"))
    assert done.returncode == 2
    assert str(tmp_path / "none") in done.stderr
