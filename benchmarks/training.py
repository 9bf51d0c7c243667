"""How fast a reader learns with each kind of attention, alternated in one run (`python -m benchmarks.training`)."""

import argparse
import time
from pathlib import Path
from statistics import median

import torch
import transformers

from training import attention

KINDS = ("eager", "sdpa")


def _step(model: transformers.PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, bf16: bool) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        output = model(input_ids=ids, attention_mask=mask)
    (output.start_logits.float().logsumexp(1).mean() + output.end_logits.float().logsumexp(1).mean()).backward()
    model.zero_grad(set_to_none=True)


def speeds(folder: Path, length: int, tokens: int, rounds: int, bf16: bool) -> dict[str, float]:
    """Return tokens a second, forward and backward, by kind of attention: medians over `rounds`."""
    kinds = (*KINDS, attention.register()) if bf16 else KINDS
    ids = torch.randint(1000, 20_000, (tokens // length, length), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[:, -length // 8 :] = 0
    models = {
        kind: transformers.AutoModelForQuestionAnswering.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=kind, local_files_only=True
        ).eval()
        for kind in kinds
    }
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds + 1):
        for kind, model in models.items():
            began = time.perf_counter()
            _step(model, ids, mask, bf16)
            if number:  # the first compiles kernels
                seconds[kind].append(time.perf_counter() - began)
    return {kind: ids.numel() / median(taken) for kind, taken in seconds.items()}


def main() -> None:
    """Print tokens a second and the ratio to eager attention."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("rag/models/reader"))
    parser.add_argument("--length", type=int, default=192, help="tokens of a window (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=4_608, help="tokens of a batch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="(default: %(default)s)")
    given = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    found = speeds(given.model, given.length, given.tokens, given.rounds, given.precision == "bf16")
    for kind, speed in found.items():
        print(f"{kind:13} {speed:7,.0f} tokens/s  {speed / found['eager']:.2f}")


if __name__ == "__main__":
    main()
