import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from index.network import contributions, converted_network, openvino, repeat_channels
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


@pytest.mark.parametrize(
    "layer", [torch.nn.Linear(WIDTH, WIDTH), Block(torch.nn.Tanh()), Block(torch.nn.GELU(), shared=True)]
)
def test_a_network_without_such_layers_is_left_as_it_is(layer):
    network, given = made(layer), inputs(1)
    before = outputs(network, given)
    assert contributions(network, given) == []
    repeat_channels(network, [])
    assert np.array_equal(outputs(network, given), before)


def test_a_channel_that_contributes_five_times_as_much_as_all_others_becomes_five():
    most = np.ones(1536, np.float32)
    most[7] = 5
    times = copies(most)
    assert times[7] >= 5
    assert times.sum() % 16 == 0
    assert times.sum() <= 1536 + 16


@given(st.lists(st.floats(0, 1000, width=32), min_size=1, max_size=200))
def test_every_channel_stays_and_none_is_many(values):
    times = copies(np.array(values, np.float32))
    assert times.min() >= 1
    assert times.sum() % 16 == 0
    assert times.sum() <= 8 * len(values) + 16
