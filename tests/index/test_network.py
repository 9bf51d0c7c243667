import numpy as np
import openvino
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from index.network import contributions, converted_network, load_network, repeat_channels
from index.quantise import copies

WIDTH, CHANNELS = 6, 10

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit")  # OpenVINO's converter uses what torch will drop


class Block(torch.nn.Module):
    """What a transformer has in each layer, and beside it what is like one and is none."""

    def __init__(self, activation, shared=False):
        super().__init__()
        self.up, self.down = torch.nn.Linear(WIDTH, CHANNELS), torch.nn.Linear(CHANNELS, WIDTH)
        self.activation, self.shared = activation, shared

    def inner(self, values):
        return self.activation(self.up(values))

    def forward(self, values):
        inner = self.inner(values)
        return self.down(inner) + (inner.sum(-1, keepdim=True) if self.shared else values)


class Stack(torch.nn.Module):
    """Layers one after another, with an input that has a name."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, values):
        return self.layers(values)


def made(*layers):
    torch.manual_seed(0)
    stack = Stack(*layers).eval()
    for parameter in stack.parameters():
        torch.nn.init.normal_(parameter)
    return converted_network(stack, {"values": torch.zeros(2, 5, WIDTH)})


def inputs(count):
    random = np.random.default_rng(1)
    return [{"values": random.normal(size=(2, 5, WIDTH)).astype(np.float32)} for _ in range(count)]


def outputs(network, given):
    run = openvino.Core().compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.stack([next(iter(run(one).values())).copy() for one in given])


@pytest.mark.parametrize("activation", [torch.nn.GELU(), torch.nn.ReLU(), torch.nn.SiLU()])
def test_a_channel_s_contribution_is_the_largest_that_torch_computes(activation):
    first, second = Block(activation), Block(activation)
    network = made(first, second)
    given = inputs(3)
    with torch.no_grad():
        values = torch.cat([torch.from_numpy(one["values"]) for one in given])
        parts = [
            block.inner(taken).unsqueeze(-2) * block.down.weight  # (batch, tokens, outputs, channels)
            for block, taken in ((first, values), (second, first(values)))
        ]
    for most, part in zip(contributions(network, given), parts, strict=True):
        assert most == pytest.approx(part.abs().amax(dim=(0, 1, 2)).numpy(), rel=1e-5)


def test_repeated_channels_compute_the_same():
    network = made(Block(torch.nn.GELU()), Block(torch.nn.GELU()))
    given = inputs(3)
    before = outputs(network, given)
    times = [np.arange(CHANNELS) % 3 + 1, np.ones(CHANNELS, np.int64)]
    repeat_channels(network, times)
    assert [len(most) for most in contributions(network, [])] == [sum(times[0]), CHANNELS]
    assert outputs(network, given) == pytest.approx(before, rel=1e-4, abs=1e-4)


class OneBias(Block):
    """All channels share one bias."""

    def inner(self, values):
        return self.activation(torch.matmul(values, self.up.weight.T) + self.up.bias[:1])


@pytest.mark.parametrize(
    "layer",
    [
        torch.nn.Linear(WIDTH, WIDTH),
        Block(torch.nn.Tanh()),
        Block(torch.nn.GELU(), shared=True),
        OneBias(torch.nn.GELU()),
    ],
)
def test_a_network_without_such_layers_is_left_as_it_is(layer):
    network, given = made(layer), inputs(1)
    before = outputs(network, given)
    assert contributions(network, given) == []
    repeat_channels(network, [])
    assert np.array_equal(outputs(network, given), before)


def test_the_default_models_have_such_a_block_in_each_of_their_six_layers(exact_embedder, exact_reader):
    for model in (exact_embedder, exact_reader):
        assert [len(most) for most in contributions(load_network(model.folder / "model.xml"), [])] == [1536] * 6


def test_a_channel_has_as_many_copies_as_it_contributes_times_what_is_usual():
    most = np.ones(1536)
    most[7], most[8] = 5, 100
    times = copies(most)
    # 1,534 and 5 and 8 are 1,547; 1,552 is the next multiple of 16, and of the five that lack all go to the highest.
    assert (times[7], times[8], times.sum()) == (5, 13, 1552)


@given(st.lists(st.floats(0, 1000, width=32), min_size=1, max_size=20), st.integers(1, 300))
def test_every_channel_stays_and_the_highest_have_the_most_copies(values, ordinary):
    most = np.array([1.0] * ordinary + values, np.float32)
    times = copies(most)
    assert times.min() >= 1
    assert times.sum() % 16 == 0
    assert times.max() <= 8 + 15
    assert (np.diff(times[np.argsort(most, kind="stable")]) >= -1).all()
