import pytest
from test_planning import COSTS

from benchmarks.costs import INDEXING, disk_mb, load, save
from benchmarks.stopwatch import owner_of


@pytest.mark.parametrize("point", INDEXING, ids=lambda point: point.name)
def test_every_function_that_is_timed_is_there(point):
    owner, name = owner_of(point)
    assert callable(getattr(owner, name))


def test_costs_that_were_kept_are_those_that_are_read(tmp_path):
    save(COSTS, tmp_path / "costs.json")
    assert load(tmp_path / "costs.json") == COSTS


def test_a_stores_files_are_counted_once_each_by_what_they_hold(tmp_path):
    (tmp_path / "lexical").mkdir()
    for name, size in (("pincite.sqlite", 3_000), ("generation", 1_000), ("vectors-7.faiss", 500), ("lexical/a", 20)):
        (tmp_path / name).write_bytes(bytes(size))
    assert disk_mb(tmp_path) == (pytest.approx(0.003 + 0.001), 0.0005, 0.00002)
