import sys
from types import ModuleType

import pytest

from benchmarks.profile import ASKING, INDEXING, Inference, Shape, models, time_table
from benchmarks.stopwatch import Point, Stopwatch, owner_of


@pytest.fixture
def kitchen(monkeypatch):
    module = ModuleType("kitchen")
    exec("def bake(loaf):\n    return knead(loaf) + ' bread'\n\ndef knead(loaf):\n    return loaf * 2\n", vars(module))
    monkeypatch.setitem(sys.modules, "kitchen", module)
    return module


POINTS = (Point("oven", "kitchen", "bake"), Point(lambda args: f"hands on {args[0]}", "kitchen", "knead"))


@pytest.mark.parametrize("point", [*ASKING, *INDEXING, *models(Inference())], ids=lambda point: point.name)
def test_every_function_of_the_profile_is_there(point):
    owner, name = owner_of(point)
    assert callable(getattr(owner, name))


def test_functions_are_timed_inside_the_block_and_left_as_they_were(kitchen):
    watch, before = Stopwatch(), (kitchen.bake, kitchen.knead)
    with watch.watch(POINTS):
        assert kitchen.bake("rye") == "ryerye bread"
    assert (kitchen.bake, kitchen.knead) == before
    assert set(watch.seconds) == {"oven", "hands on rye"}


def test_a_second_is_booked_once_however_deep_the_call():
    watch, outside = Stopwatch(), Stopwatch()
    with outside.span("around"), watch.span("whole"):
        for _ in range(100):
            with watch.span("outer"), watch.span("inner"):
                sum(range(100))
    assert set(watch.seconds) == {"whole", "outer", "inner"}
    assert min(watch.seconds.values()) > 0
    assert sum(watch.seconds.values()) <= outside.seconds["around"]


def test_time_is_booked_though_the_call_fails(kitchen):
    watch = Stopwatch()
    with watch.watch(POINTS), pytest.raises(TypeError, match="unsupported operand"):
        kitchen.bake(2)
    assert set(watch.seconds) == {"oven", "hands on 2"}


def test_a_function_that_is_not_there_is_an_error_and_nothing_stays_changed(kitchen):
    before = kitchen.bake
    with pytest.raises(AttributeError, match="fry"), Stopwatch().watch([POINTS[0], Point("pan", "kitchen", "fry")]):
        pass
    assert kitchen.bake is before


def test_operations_are_those_of_the_matrix_products():
    shape = Shape(layers=2, hidden=3, inner=12)
    # A token: 4 products with 3 x 3 and 2 with 3 x 12 numbers; attention: 2 of its 3 numbers with those of 5 tokens.
    assert shape.flops(5) == 2 * 2 * 5 * (4 * 9 + 2 * 36 + 2 * 5 * 3)
    assert shape.flops(0) == 0


def test_the_table_has_the_longest_first_and_adds_up():
    watch = Stopwatch()
    watch.seconds.update({"short": 0.5, "long": 1.5})
    assert time_table(watch.seconds, 4, "question").split("\n")[2:] == [
        "| long | 375.000 | 75.0% |",
        "| short | 125.000 | 25.0% |",
        "| **together** | **500.000** | |",
    ]
