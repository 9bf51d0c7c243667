from math import exp, log

import numpy as np
import pytest
import torch

from training.loss import Batch, reader_loss
from training.windows import Window


def window(length, start=0, end=0):
    """A window of [CLS], then text."""
    text = np.array([False] + [True] * (length - 1))
    return Window(np.arange(length, dtype=np.int32), np.ones(length, np.int8), text, start, end)


def logits_of(batch, rows):
    """Logits as wide as the batch: what the padding gets is great, and must not count."""
    logits = torch.full(batch.ids.shape, 99.0)
    logits[:, : len(rows[0])] = torch.tensor(rows)
    return logits


def test_padding_and_question_are_no_place_for_an_answer():
    batch = Batch.of([(window(3, 1, 2),), (window(2),)], pad=0)
    logits = logits_of(batch, [[0.0, 0.0, 0.0], [0.0, 0.0, 99.0]])
    # Window one: three places alike; window two: null and one token alike, the padding's 99 does not count.
    assert reader_loss(logits, logits, batch, 0.0).item() == pytest.approx((log(3) + log(2)) / 2)


def test_windows_of_a_group_share_one_normalisation_of_logits_above_null():
    batch = Batch.of([(window(2, 1, 1), window(3))], pad=0)
    starts = logits_of(batch, [[5.0, 7.0, 0.0], [1.0, 2.0, 0.0]])  # above null: 2 | 1, -1
    ends = logits_of(batch, [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])  # above null: 0 | 0, 0
    alone = reader_loss(starts, ends, batch, 0.0).item()
    group = (log(exp(2) + exp(1) + exp(-1)) - 2 + log(3)) / 2
    assert reader_loss(starts, ends, batch, 0.5).item() == pytest.approx(alone + 0.5 * group, rel=1e-5)


def test_a_group_without_an_answer_does_not_compete():
    batch = Batch.of([(window(2), window(2)), (window(2, 1, 1),)], pad=0)
    assert batch.group.shape == (0, 0)
    logits = logits_of(batch, [[0.0, 0.0]] * 3)
    assert reader_loss(logits, logits, batch, 1.0).item() == pytest.approx(log(2))


def test_the_gradient_is_finite_where_groups_differ_in_size():
    batch = Batch.of([(window(2, 1, 1), window(2), window(2)), (window(2, 1, 1), window(2))], pad=0)
    logits = logits_of(batch, [[0.0, 0.0]] * 5).requires_grad_()
    reader_loss(logits, logits, batch, 1.0).backward()
    assert torch.isfinite(logits.grad).all()


def test_lengths_are_padded_to_few_shapes():
    assert [Batch.of([(window(length),)], pad=0).ids.shape[1] for length in (2, 32, 33)] == [32, 32, 64]
