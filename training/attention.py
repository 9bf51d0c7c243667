"""Attention for training on a CPU: all of it in bfloat16, the softmax too."""

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

NAME = "pincite-bf16"


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Scaled dot-product attention; query, key and value are (windows, heads, tokens, width), the mask is added.

    Autocast would take the softmax to float32 and back, and those copies cost more than the products
    (`python -m benchmarks.training` compares it with transformers' own kinds).
    """
    with torch.autocast("cpu", enabled=False):
        scores = torch.matmul(query * scaling, key.transpose(2, 3))
        if attention_mask is not None:
            scores = scores + attention_mask.to(scores.dtype)
        weights = torch.softmax(scores, dim=-1)
        return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


def register() -> str:
    """Make it known to transformers; return its name."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME
