"""The loss: each window by itself, with null at position 0, and the windows of a group against one another."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from training.windows import Group

_STEP = 32  # lengths are padded to multiples: few shapes, for oneDNN compiles a kernel for each (1.5 times as fast)
_NEVER = -1e4  # stands for minus infinity: small enough, and keeps gradients finite


@dataclass(frozen=True, slots=True)
class Batch:
    """Groups as tensors: (windows, tokens) each, but `start`, `end` (windows) and `group` (groups, most windows)."""

    ids: Tensor
    types: Tensor
    mask: Tensor
    text: Tensor
    start: Tensor
    end: Tensor
    group: Tensor  # window numbers, -1 where a group has fewer; answered groups of two and more only, answer first

    @classmethod
    def of(cls, groups: list[Group], pad: int) -> Self:
        """Pad the windows of `groups` to the longest, and to a multiple of 32 tokens, with the token `pad`."""
        windows = [window for group in groups for window in group]
        longest = max(len(window.ids) for window in windows)
        shape = (len(windows), -(-longest // _STEP) * _STEP)
        ids, types = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
        mask, text = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        for row, window in enumerate(windows):
            length = len(window.ids)
            ids[row, :length], types[row, :length] = window.ids, window.types
            mask[row, :length], text[row, :length] = 1, window.text
        starts, ends = ([window.start for window in windows], [window.end for window in windows])
        tensors = [torch.from_numpy(array) for array in (ids, types, mask, text)]
        return cls(
            tensors[0], tensors[1], tensors[2], tensors[3], torch.tensor(starts), torch.tensor(ends), _competing(groups)
        )


def _competing(groups: list[Group]) -> Tensor:
    rows, first = [], 0
    for group in groups:
        if len(group) > 1 and group[0].end:
            rows.append(list(range(first, first + len(group))))
        first += len(group)
    width = max(map(len, rows), default=0)
    padded = [row + [-1] * (width - len(row)) for row in rows]
    return torch.tensor(padded, dtype=torch.int64).reshape(len(rows), width)


def reader_loss(starts: Tensor, ends: Tensor, batch: Batch, weight: float) -> Tensor:
    """Return the mean of both ends: window loss + `weight` * group loss. Logits are (windows, tokens), float32.

    The window loss is the cross-entropy over the text's tokens and position 0, which stands for no answer. The group
    loss is the shared normalisation of Clark & Gardner (ACL 2018): the cross-entropy over all text tokens of all
    windows of a group, each logit less the null logit of its window, because the margin that ranks answers is.
    """
    total = torch.zeros(())
    for logits, gold in ((starts, batch.start), (ends, batch.end)):
        allowed = batch.text.clone()
        allowed[:, 0] = True
        total = total + torch.nn.functional.cross_entropy(logits.masked_fill(~allowed, _NEVER), gold) / 2
        if len(batch.group) and weight:
            total = total + weight * _group_loss(logits, gold, batch) / 2
    return total


def _group_loss(logits: Tensor, gold: Tensor, batch: Batch) -> Tensor:
    above_null = logits - logits[:, :1]
    mass = above_null.masked_fill(~batch.text, _NEVER).logsumexp(dim=1)  # (windows,)
    members = mass[batch.group.clamp(min=0)].masked_fill(batch.group < 0, _NEVER)  # (groups, most windows)
    answered = batch.group[:, 0]
    return (members.logsumexp(dim=1) - above_null[answered, gold[answered]]).mean()
