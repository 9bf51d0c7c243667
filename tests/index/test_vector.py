import numpy as np
import pytest

import index.vector
from index.errors import StoreError
from index.vector import VectorView, extend_base, write_base

DIMENSION = 32


def unit_rows(count, seed):
    rows = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def view_of(folder, ids, rows, in_base):
    """A view whose first `in_base` rows come from a base file and whose others are the tail."""
    sha256 = write_base(folder / "base.faiss", lambda: [(ids[:in_base], rows[:in_base])], in_base, DIMENSION)
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
    whole = write_base(tmp_path / "a.faiss", lambda: [(ids, rows)], len(ids), DIMENSION)
    parts = write_base(tmp_path / "b.faiss", lambda: [(ids[:9], rows[:9]), (ids[9:], rows[9:])], len(ids), DIMENSION)
    assert whole == parts
    assert (tmp_path / "a.faiss").read_bytes() == (tmp_path / "b.faiss").read_bytes()


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped", "empty"])
def test_a_damaged_base_is_refused(tmp_path, ids, rows, damage):
    path = tmp_path / "base.faiss"
    sha256 = write_base(path, lambda: [(ids, rows)], len(ids), DIMENSION)
    data = path.read_bytes()
    flipped = data[:5000] + bytes([data[5000] ^ 1]) + data[5001:]
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"cut": data[:-1], "flipped": flipped, "empty": b""}[damage])
    with pytest.raises(StoreError, match=r"base\.faiss: .*`pincite doctor --repair`"):
        VectorView.load(path, sha256, DIMENSION)


@pytest.mark.parametrize("then", ["replaced", "gone"])
@pytest.mark.parametrize("count", [200, 3_000], ids=["exact", "approximate"])
def test_a_view_answers_as_before_when_its_file_is_replaced_or_gone(tmp_path, large, count, then):
    path, rows, ids = tmp_path / "base.faiss", clustered(count, 1), np.arange(count)
    stored = dict(zip(ids.tolist(), rows, strict=True))
    view = VectorView.load(path, write_base(path, lambda: [(ids, rows)], count, DIMENSION), DIMENSION)
    if then == "gone":
        path.unlink()
    else:
        write_base(path, lambda: [(ids, -rows)], count, DIMENSION)
    found = view.search(rows[7], 3, stored=lambda some: np.array([stored[one] for one in some.tolist()], np.float32))
    assert found[0] == (7, pytest.approx(1.0, abs=1e-6))


def test_a_base_of_another_dimension_is_refused(tmp_path, ids, rows):
    sha256 = write_base(tmp_path / "base.faiss", lambda: [(ids, rows)], len(ids), DIMENSION)
    with pytest.raises(StoreError, match="dimension 32, not 31"):
        VectorView.load(tmp_path / "base.faiss", sha256, DIMENSION - 1)


def test_a_base_that_cannot_be_written_is_reported_and_leaves_nothing(tmp_path, ids, rows):
    with pytest.raises(StoreError, match="cannot be written"):
        write_base(tmp_path / "nowhere" / "base.faiss", lambda: [(ids, rows)], len(ids), DIMENSION)
    assert list(tmp_path.iterdir()) == []


def clustered(count, seed):
    """Rows of unit length around 40 centres, as texts lie around their subjects."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, DIMENSION))
    rows = (centres[rng.integers(40, size=count)] + 0.7 * rng.normal(size=(count, DIMENSION))).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def large(monkeypatch):
    """4,000 rows where 1,000 are many, and few lists are read: a base as of a large store, in small."""
    monkeypatch.setattr(index.vector, "EXACT_LIMIT", 1_000)
    monkeypatch.setattr(index.vector, "PROBES", 12)
    return np.arange(4_000, dtype=np.int64) * 2 + 5, clustered(4_000, seed=1)


def base_of(path, ids, rows):
    sha256 = write_base(path, lambda: [(ids[:1_500], rows[:1_500]), (ids[1_500:], rows[1_500:])], len(ids), DIMENSION)
    return VectorView.load(path, sha256, DIMENSION)


def truth(ids, rows, query, k):
    cosines = (rows.astype(np.float64) * query).sum(axis=1)
    order = np.lexsort((ids, -cosines))[:k]
    return [(int(ids[at]), float(cosines[at])) for at in order]


def recall(view, ids, rows, k=10, allowed=None):
    """The share of the true best `k` that is found, over 50 questions; every cosine must be the true one."""
    stored = dict(zip(ids.tolist(), rows, strict=True))
    among = np.ones(len(ids), bool) if allowed is None else np.isin(ids, allowed)
    found = 0
    for query in clustered(50, seed=2):
        hits = view.search(query, k, allowed, lambda wanted: np.array([stored[i] for i in wanted.tolist()]))
        best = truth(ids[among], rows[among], query, k)
        cosines = dict(truth(ids, rows, query, len(ids)))
        assert len(hits) == len(best)
        assert hits == sorted(hits, key=lambda hit: (-hit[1], hit[0]))
        assert all(cosine == cosines[passage_id] for passage_id, cosine in hits)
        found += len({i for i, _ in hits} & {i for i, _ in best})
    return found / sum(len(truth(ids[among], rows[among], query, k)) for query in clustered(50, seed=2))


def test_a_large_base_finds_nearly_all_of_the_best_with_their_true_cosines(tmp_path, large):
    ids, rows = large
    view = base_of(tmp_path / "base.faiss", ids, rows)
    assert not view.exact
    assert len(view) == 4_000
    assert recall(view, ids, rows) > 0.95
    assert (tmp_path / "base.faiss").stat().st_size < rows.nbytes / 2


def test_a_large_base_needs_the_rows_that_the_store_keeps(tmp_path, large):
    with pytest.raises(ValueError, match="give `stored`"):
        base_of(tmp_path / "base.faiss", *large).search(large[1][0], 3)


def test_a_large_base_with_dead_rows_and_a_tail_agrees_with_what_is_left(tmp_path, large):
    ids, rows = large
    fresh = clustered(300, seed=3)
    view = base_of(tmp_path / "base.faiss", ids, rows).advance(np.arange(300) + 90_000, fresh, ids[::3])
    alive = np.setdiff1d(np.arange(4_000), np.arange(0, 4_000, 3))
    left = np.concatenate([ids[alive], np.arange(300) + 90_000]), np.concatenate([rows[alive], fresh])
    assert len(view) == len(left[0])
    assert recall(view, *left) > 0.95


@pytest.mark.parametrize("count", [1, 9, 40, 1_500])
def test_a_filter_over_a_large_base_finds_as_much_as_without(tmp_path, large, count):
    ids, rows = large
    allowed = np.random.default_rng(4).choice(ids, count, replace=False)
    assert recall(base_of(tmp_path / "base.faiss", ids, rows), ids, rows, allowed=allowed) > 0.95


def test_a_large_base_grows_and_shrinks_without_being_made_anew(tmp_path, large):
    ids, rows = large
    base_of(tmp_path / "old.faiss", ids, rows)
    fresh, new = clustered(300, seed=5), np.arange(300) + 90_000
    sha256 = extend_base(tmp_path / "new.faiss", tmp_path / "old.faiss", [(new, fresh)], ids[:500], 3_800)
    view = VectorView.load(tmp_path / "new.faiss", sha256, DIMENSION)
    left = np.concatenate([ids[500:], new]), np.concatenate([rows[500:], fresh])
    assert len(view) == 3_800
    assert recall(view, *left) > 0.95
    assert view.differing((int(i), b"") for i in left[0]) == 0
    assert view.differing((int(i), b"") for i in ids[:500]) == 500


@pytest.mark.parametrize("case", ["exact", "damaged", "far larger", "small now"])
def test_a_base_that_cannot_serve_any_more_is_not_extended(tmp_path, large, case):
    ids, rows = large
    old, total = tmp_path / "old.faiss", {"far larger": 40_000, "small now": 1_000}.get(case, 4_000)
    count = 900 if case == "exact" else 4_000
    base_of(old, ids[:count], rows[:count])
    if case == "damaged":
        old.write_bytes(old.read_bytes()[:100])
    assert extend_base(tmp_path / "new.faiss", old, [], ids[:0], total) is None
    assert not (tmp_path / "new.faiss").exists()


def test_a_base_is_not_extended_with_rows_unlike_those_that_it_was_fitted_to(tmp_path, large):
    ids, rows = large
    narrow = rows.copy()
    narrow[:, DIMENSION // 2 :] = 0  # it has seen nothing in half of the dimensions, and would keep nothing there
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    base_of(tmp_path / "old.faiss", ids, narrow)
    new, fresh = np.arange(300) + 90_000, clustered(300, seed=5)
    assert extend_base(tmp_path / "new.faiss", tmp_path / "old.faiss", [(new, fresh)], ids[:0], 4_300) is None
    assert extend_base(tmp_path / "new.faiss", tmp_path / "old.faiss", [(new, narrow[:300])], ids[:0], 4_300)
