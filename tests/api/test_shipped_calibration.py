"""The default models have a calibration in whatever precision they run."""

import pytest

from api.build import build_embedder, build_reader, load_calibration
from api.settings import Settings
from index.runtime import has_bf16
from rag.answer import Answerer
from rag.calibrate import Calibration

PRECISIONS = ["auto", "int8", "fp32", *(["bf16"] if has_bf16() else [])]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_default_models_are_calibrated_in_every_precision(precision, tmp_path):
    settings = Settings(precision=precision, store=tmp_path)
    answerer = Answerer(None, build_embedder(settings), build_reader(settings), Calibration())
    assert load_calibration(settings, answerer.fingerprint()).fingerprint == answerer.fingerprint()
