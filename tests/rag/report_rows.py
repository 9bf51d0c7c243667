"""Small evaluation reports, as `rag.evaluate` makes them."""

from rag.metrics import aurc_statistic, calibration_pairs, estimate


def row(name, f1=1.0, stage="ok", prediction="Nile", **more):
    """One question of a report. Where `f1` is None the question has evidence alone."""
    return {
        "id": name,
        "question": f"Question {name}?",
        "answerable": True,
        "tags": [],
        "prediction": prediction,
        "candidate": prediction,
        "confidence": 0.5,
        "exact_match": None if f1 is None else float(f1 == 1),
        "f1": f1,
        "citations": [],
        "stage": stage,
        **more,
    }


def wrong(name, **more):
    return row(name, 0.0, "missed", "Congo", **more)


def withheld(name, **more):
    return row(name, 0.0, "withheld", None, **more)


def unanswerable(name, answered=False, **more):
    stage = "answered_unanswerable" if answered else "ok"
    return row(name, float(not answered), stage, "Congo" if answered else None, answerable=False, **more)


def report(*rows, gold="g", corpus="c", settings=None, **metrics):
    """A report of these questions; `metrics` are values of further metrics."""
    known = [one["f1"] for one in rows if one["f1"] is not None]
    pairs = [(one["confidence"], one["answerable"] and one["stage"] in ("ok", "withheld")) for one in rows]
    measured = {"f1": estimate(known), "aurc": estimate(calibration_pairs(*zip(*pairs)), aurc_statistic)}  # noqa: B905
    further = {name: {"value": value, "n": 1, "ci_low": value, "ci_high": value} for name, value in metrics.items()}
    run = {"version": "1", "gold": gold, "corpus": corpus, "settings": settings or {"top_k": 10}, "n": len(rows)}
    return {"run": run, "metrics": {**measured, **further}, "questions": list(rows)}
