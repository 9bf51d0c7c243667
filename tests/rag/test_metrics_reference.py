"""The ranking measures, against trec_eval's own code on rankings made at random."""

import numpy as np
import pytest
import pytrec_eval

from rag import metrics

DEPTHS = (1, 5, 10, 100)
NAMES = {f"{measure}.{k}" for measure in ("ndcg_cut", "recall") for k in DEPTHS}


def random_run(seed):
    """A ranking of some of 200 documents, and which documents are relevant: maybe one that was not found."""
    draw = np.random.default_rng(seed)
    documents = [f"d{number}" for number in draw.permutation(200)]
    relevant = set(draw.choice(documents, size=draw.integers(1, 40), replace=False).tolist())
    return documents[: draw.integers(1, 150)], relevant


@pytest.mark.parametrize("seed", range(50))
def test_ndcg_and_recall_are_those_of_trec_eval(seed):
    ranked, relevant = random_run(seed)
    scores = {document: float(len(ranked) - rank) for rank, document in enumerate(ranked)}
    reference = pytrec_eval.RelevanceEvaluator({"q": dict.fromkeys(relevant, 1)}, NAMES).evaluate({"q": scores})["q"]
    for k in DEPTHS:
        assert metrics.ndcg(relevant, ranked, k) == pytest.approx(reference[f"ndcg_cut_{k}"], abs=1e-9)
        assert metrics.recall(relevant, ranked, k) == pytest.approx(reference[f"recall_{k}"], abs=1e-9)


@pytest.mark.parametrize("seed", range(50))
def test_reciprocal_rank_is_that_of_trec_eval(seed):
    ranked, relevant = random_run(seed)
    scores = {document: float(len(ranked) - rank) for rank, document in enumerate(ranked)}
    reference = pytrec_eval.RelevanceEvaluator({"q": dict.fromkeys(relevant, 1)}, {"recip_rank"}).evaluate(
        {"q": scores}
    )
    assert metrics.reciprocal_rank(relevant, ranked, len(ranked)) == pytest.approx(
        reference["q"]["recip_rank"], abs=1e-9
    )
