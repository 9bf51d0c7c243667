import numpy as np
import pytest

from index.errors import StoreError
from index.vector import VectorView, write_base

DIMENSION = 32


def unit_rows(count, seed):
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def view_of(folder, ids, rows, in_base):
    """A view whose first `in_base` rows come from a base file and whose others are the tail."""
    sha256 = write_base(folder / "base.faiss", [(ids[:in_base], rows[:in_base])], DIMENSION)
    base = VectorView.load(folder / "base.faiss", sha256, DIMENSION)
    return base.advance(ids[in_base:], rows[in_base:], np.zeros(0, np.int64))


@pytest.fixture
def rows():
    return unit_rows(500, seed=7)


@pytest.fixture
def ids():
    return np.arange(500, dtype=np.int64) * 3 + 1


@pytest.mark.parametrize("in_base", [0, 1, 250, 499, 500])
def test_it_agrees_with_a_plain_dot_product_wherever_the_rows_lie(tmp_path, ids, rows, in_base):
    query = unit_rows(1, seed=8)[0]
    got = view_of(tmp_path, ids, rows, in_base).search(query, k=10)
    assert [found for found, _ in got] == ids[np.argsort(-(rows * query).sum(axis=1), kind="stable")[:10]].tolist()
    assert [cosine for _, cosine in got] == pytest.approx(
        sorted((rows * query).sum(axis=1), reverse=True)[:10], abs=1e-6
    )


def test_a_view_of_nothing_finds_nothing():
    assert VectorView.empty(DIMENSION).search(unit_rows(1, seed=1)[0], k=5) == []
    assert len(VectorView.empty(DIMENSION)) == 0


def test_asking_for_more_than_there_is_returns_what_there_is(tmp_path, ids, rows):
    got = view_of(tmp_path, ids, rows, 300).search(rows[0], k=10_000)
    assert sorted(found for found, _ in got) == ids.tolist()


def test_ties_go_to_the_smaller_id_even_where_more_tie_than_are_wanted(tmp_path):
    same = np.repeat(unit_rows(1, seed=3), 200, axis=0)
    ids = np.arange(200, dtype=np.int64) + 1
    for in_base in (0, 90, 200):
        got = view_of(tmp_path, ids, same, in_base).search(same[0], k=3)
        assert [found for found, _ in got] == [1, 2, 3]
        assert len({cosine for _, cosine in got}) == 1


def test_equal_rows_have_equal_cosines_in_base_and_tail(tmp_path):
    rows = unit_rows(37, seed=4)
    twice = np.concatenate([rows, rows])
    got = dict(view_of(tmp_path, np.arange(74, dtype=np.int64), twice, 37).search(unit_rows(1, seed=5)[0], k=74))
    assert all(got[at] == got[at + 37] for at in range(37))


def test_the_dead_are_never_found_and_make_room_for_the_next(tmp_path, ids, rows):
    query = unit_rows(1, seed=9)[0]
    order = ids[np.argsort(-(rows * query).sum(axis=1), kind="stable")]
    view = view_of(tmp_path, ids, rows, 300)
    later = view.advance(np.zeros(0, np.int64), np.zeros((0, DIMENSION), np.float32), order[:50])
    assert [found for found, _ in later.search(query, k=10)] == order[50:60].tolist()
    assert len(later) == 500 - 50
    assert [found for found, _ in view.search(query, k=10)] == order[:10].tolist()


def test_only_the_allowed_are_ranked(tmp_path, ids, rows):
    query = unit_rows(1, seed=10)[0]
    allowed = np.array([ids[3], ids[400], 2, 99_999], np.int64)  # 2 and 99,999 are no one's
    got = view_of(tmp_path, ids, rows, 300).search(query, 10, allowed)
    assert {found for found, _ in got} == {ids[3], ids[400]}
    assert view_of(tmp_path, ids, rows, 300).search(query, 10, allowed[:0]) == []


def test_the_dead_stay_dead_where_they_are_allowed(tmp_path, ids, rows):
    view = view_of(tmp_path, ids, rows, 300).advance(ids[:0], rows[:0], ids[:2])
    assert [found for found, _ in view.search(rows[0], 10, ids[:3])] == [ids[2]]


@pytest.mark.parametrize(("k", "dimension"), [(0, DIMENSION), (-1, DIMENSION), (5, DIMENSION + 1)])
def test_a_bad_k_or_dimension_is_refused(k, dimension):
    with pytest.raises(ValueError, match="need k >= 1 and shape"):
        VectorView.empty(DIMENSION).search(np.ones(dimension, np.float32), k)


def test_the_same_rows_make_the_same_bytes(tmp_path, ids, rows):
    whole = write_base(tmp_path / "a.faiss", [(ids, rows)], DIMENSION)
    parts = write_base(tmp_path / "b.faiss", [(ids[:9], rows[:9]), (ids[9:], rows[9:])], DIMENSION)
    assert whole == parts
    assert (tmp_path / "a.faiss").read_bytes() == (tmp_path / "b.faiss").read_bytes()


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "empty"])
def test_a_damaged_base_is_refused(tmp_path, ids, rows, damage):
    path = tmp_path / "base.faiss"
    sha256 = write_base(path, [(ids, rows)], DIMENSION)
    data = path.read_bytes()
    flipped = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-1], "flipped": flipped, "empty": b""}[damage])
    with pytest.raises(StoreError, match=r"base\.faiss: .*`pincite doctor --repair`"):
        VectorView.load(path, sha256, DIMENSION)


def test_a_base_of_another_dimension_is_refused(tmp_path, ids, rows):
    sha256 = write_base(tmp_path / "base.faiss", [(ids, rows)], DIMENSION)
    with pytest.raises(StoreError, match="dimension 32, not 31"):
        VectorView.load(tmp_path / "base.faiss", sha256, DIMENSION - 1)


def test_a_base_that_cannot_be_written_is_reported_and_leaves_nothing(tmp_path, ids, rows):
    with pytest.raises(StoreError, match="cannot be written"):
        write_base(tmp_path / "nowhere" / "base.faiss", [(ids, rows)], DIMENSION)
    assert list(tmp_path.iterdir()) == []
