"""Published models -> converted folders: the only import of torch, transformers and sentence_transformers.

Run as a process of its own (`python -m index.convert`), so that what answers questions never loads torch.
"""

import argparse
import os
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling

from index.network import converted_network, save_network
from index.runtime import ModelCard

NO_LIMIT = 1_000_000  # tokenizers without a stated length say something astronomical


class _Named(torch.nn.Module):
    """Takes tensors by position in the order of `inputs`, gives the tensors that `outputs` names."""

    def __init__(self, model: torch.nn.Module, inputs: list[str], outputs: list[str], as_dict: bool) -> None:
        super().__init__()
        self.model, self.inputs, self.outputs, self.as_dict = model, inputs, outputs, as_dict

    def _run(self, tensors: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        result = self.model(tensors) if self.as_dict else self.model(**tensors)
        return tuple(result[name] for name in self.outputs)


class _ThreeInputs(_Named):
    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        return self._run({"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids})


class _TwoInputs(_Named):
    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self._run({"input_ids": input_ids, "attention_mask": attention_mask})


def _save(model: torch.nn.Module, inputs: list[str], outputs: list[str], out: Path) -> None:
    wrapper = _ThreeInputs if "token_type_ids" in inputs else _TwoInputs
    example = {name: torch.ones(2, 8, dtype=torch.int64) for name in inputs}
    with torch.no_grad():
        module = wrapper(model, inputs, outputs, as_dict=isinstance(model, SentenceTransformer)).eval()
        save_network(converted_network(module, example), out / "model.xml")


def _save_tokenizer(tokenizer: transformers.PreTrainedTokenizerBase, out: Path) -> list[str]:
    """Write the fast tokenizer without truncation and padding; return the inputs that its model takes."""
    if not tokenizer.is_fast:
        raise SystemExit("its tokenizer has no fast form, so it gives no offsets")
    fast = tokenizer.backend_tokenizer
    fast.no_truncation()  # what ships with all-MiniLM-L6-v2 cuts at 128 tokens without a word
    fast.no_padding()
    fast.save(str(out / "tokenizer.json"))
    known = ["input_ids", "attention_mask", "token_type_ids"]
    return [name for name in known if name in {*tokenizer.model_input_names, "attention_mask"}]


def _positions(config: transformers.PretrainedConfig) -> int:
    """Return how many tokens the position embeddings allow; RoBERTa's begin after the padding's own index."""
    positions = getattr(config, "max_position_embeddings", None) or NO_LIMIT
    offset = config.pad_token_id + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0
    return int(positions) - offset


def convert_embedder(folder: Path, out: Path) -> None:
    """Convert a sentence-transformers folder: network, pooling and normalisation in one."""
    model = SentenceTransformer(
        str(folder),
        device="cpu",
        model_kwargs={"attn_implementation": "eager", "dtype": torch.float32, "use_safetensors": True},
        trust_remote_code=False,
        local_files_only=True,
    )
    inputs = _save_tokenizer(model.tokenizer, out)
    _save(model, inputs, ["sentence_embedding"], out)
    pooling = [str(part.get_config_dict()["pooling_mode"]) for part in model if isinstance(part, Pooling)]
    prompts: dict[str, str] = model.prompts or {}
    ModelCard(
        kind="embedder",
        inputs=tuple(inputs),
        outputs=1,
        window=min(int(model.max_seq_length or NO_LIMIT), _positions(model[0].auto_model.config)),
        pad_id=model.tokenizer.pad_token_id or 0,
        dimension=int(model.get_embedding_dimension() or 0),
        pooling="+".join(pooling) or "own",
        query_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("document", prompts.get("passage", "")),
        by_token=False,
        precision="",
    ).save(out)


def convert_reader(folder: Path, out: Path) -> None:
    """Convert a question-answering model: start and end logits by token."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(
        folder,
        dtype=torch.float32,
        attn_implementation="eager",
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    inputs = _save_tokenizer(tokenizer, out)
    _save(model, inputs, ["start_logits", "end_logits"], out)
    ModelCard(
        kind="reader",
        inputs=tuple(inputs),
        outputs=2,
        window=min(int(tokenizer.model_max_length), _positions(model.config)),
        pad_id=tokenizer.pad_token_id or 0,
        dimension=0,
        pooling="",
        query_prefix="",
        passage_prefix="",
        by_token=True,
        precision="",
    ).save(out)


def main() -> None:
    """Convert one folder; a reason for refusing it goes to stderr, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m index.convert", description=main.__doc__)
    parser.add_argument("kind", choices=["embedder", "reader"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    {"embedder": convert_embedder, "reader": convert_reader}[args.kind](args.folder, args.out)


if __name__ == "__main__":
    main()
