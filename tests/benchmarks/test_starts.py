from functools import partial

import pytest

from benchmarks.sidebyside import Spread
from benchmarks.starts import measured, starts_of, table


def test_starts_are_taken_in_turns_and_the_first_round_does_not_count():
    taken = []
    seconds = {"ask": iter((9.0, 1.0, 3.0, 2.0)), "help": iter((9.0, 0.5, 0.5, 0.5))}

    def start(name):
        taken.append(name)
        return next(seconds[name])

    spreads = measured({name: partial(start, name) for name in seconds}, rounds=3)
    assert spreads == {"ask": Spread(2.0, 1.0, 3.0), "help": Spread(0.5, 0.5, 0.5)}
    assert taken == ["ask", "help"] * 4
    assert table(spreads) == "| ask | help |\n| --- | --- |\n| 2.00 s (1.00–3.00) | 0.50 s |"


def test_a_command_that_fails_is_no_figure(tmp_path):
    with pytest.raises(SystemExit, match="exit code 4: pincite: no store at"):
        starts_of(tmp_path / "nowhere")["ask"]()
