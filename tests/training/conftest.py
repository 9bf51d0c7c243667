"""A reader small enough to train in a second: random weights, the real tokenizer."""

import shutil
from pathlib import Path

import pytest

READER = Path(__file__).parents[2] / "rag" / "models" / "reader"


@pytest.fixture(scope="session")
def small_reader(tmp_path_factory):
    """A folder like a published model's: one layer of width 16."""
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("small") / "reader"
    torch.manual_seed(1)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, max_position_embeddings=512
    )
    transformers.BertForQuestionAnswering(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(READER / name, folder)
    return folder
