"""Files -> shards on a Ray cluster: what one store gives, no file dropped, nothing embedded twice."""

import pytest
from killed_runs import held, killed_run
from samples import MANIFEST, articles, failing, in_one_store, on_cluster

from api.cluster.ingestion import ClusterRequest, run_cluster_index
from api.indexing import IndexRequest
from api.settings import Settings
from index.errors import ModelError, UsageError
from index.shards import ShardedStore, shard_folder, shard_of
from index.store import Store


@pytest.fixture(scope="module")
def indexed(ray_cluster, tmp_path_factory):
    """30 files in 3 shards, and the report of that."""
    folder = tmp_path_factory.mktemp("indexed")
    files = articles(folder / "files", 30)
    return files, folder / "shards", on_cluster(files, folder / "shards")


def test_the_shards_hold_together_what_one_store_would_each_document_in_its_own(indexed, tmp_path):
    files, folder, report = indexed
    with in_one_store(files, tmp_path / "one") as one, ShardedStore.open(folder, MANIFEST) as sharded:
        assert held(sharded) == held(one)
        with one.snapshot() as snapshot:
            assert report.passages == report.embedded == snapshot.passages
    assert sorted(report.added) == sorted(file.source for file in report.files)
    assert len(report.added) == 30
    for number in range(3):
        with Store.open(shard_folder(folder, number), MANIFEST) as shard, shard.snapshot() as snapshot:
            assert {shard_of(one.document_id, 3) for one in snapshot.list_documents()} == {number}


def test_a_second_run_embeds_what_changed_alone_and_a_renamed_file_not_at_all(ray_cluster, tmp_path):
    files = articles(tmp_path / "files", 9)
    on_cluster(files, tmp_path / "shards")
    again = on_cluster(files, tmp_path / "shards")
    assert (len(again.unchanged), again.added, again.embedded) == (9, [], 0)
    (files / "0" / "0.txt").write_text("Entirely new words.\n")
    (files / "1" / "1.txt").rename(files / "1" / "renamed.txt")
    changed = on_cluster(files, tmp_path / "shards", prune=True)
    assert (changed.replaced, changed.added, changed.pruned) == (["0/0.txt"], ["1/renamed.txt"], ["1/1.txt"])
    assert changed.embedded == 1
    with in_one_store(files, tmp_path / "one") as one, ShardedStore.open(tmp_path / "shards") as sharded:
        assert held(sharded) == held(one)


def test_a_file_that_fails_is_tried_again_then_reported_and_no_other_suffers(ray_cluster, tmp_path):
    files = articles(tmp_path / "files", 6)
    (files / "flaky.txt").write_text("A flaky text.\n")
    (files / "poison.txt").write_text("A poison text.\n")
    (files / "binary.txt").write_bytes(b"\0\0\0")
    report = on_cluster(files, tmp_path / "shards", encoder=failing(tmp_path))
    assert [one.source for one in sorted(report.rejected, key=lambda one: one.source)] == ["binary.txt", "poison.txt"]
    reasons = {one.source: one.reason for one in report.rejected}
    assert reasons["poison.txt"] == "failed 3 times, at last with ValueError: poison is not encoded"
    assert len(report.files) == 9
    assert "flaky.txt" in report.added
    with ShardedStore.open(tmp_path / "shards") as sharded:
        assert set(held(sharded)) == set(report.added)


def test_a_file_that_ends_every_process_that_takes_it_up_is_reported_and_no_other_suffers(ray_cluster, tmp_path):
    files = articles(tmp_path / "files", 4)
    (files / "fatal.txt").write_text("A fatal text.\n")
    report = on_cluster(files, tmp_path / "shards", encoder=failing(tmp_path))
    assert [one.source for one in report.rejected] == ["fatal.txt"]
    assert len(report.added) == 4
    assert report.passages == 4  # one a file


def test_a_run_that_is_killed_half_way_goes_on_with_the_next_and_embeds_nothing_again(ray_cluster, tmp_path):
    files, folder = articles(tmp_path / "files", 120), tmp_path / "shards"
    done = killed_run(files, folder, at=32)
    assert 32 <= done < 120
    report = on_cluster(files, folder)
    assert (len(report.unchanged), len(report.added)) == (done, 120 - done)
    assert report.embedded == 120 - done  # one a file
    with in_one_store(files, tmp_path / "one") as one, ShardedStore.open(folder) as sharded:
        assert held(sharded) == held(one)


@pytest.mark.parametrize("option", ["rebuild", "dry_run", "audit"])
def test_what_a_cluster_does_not_do_is_refused_before_anything_is_made(tmp_path, option):
    request = IndexRequest((tmp_path,), **{option: True})
    with pytest.raises(UsageError, match="do not go with --cluster"):
        run_cluster_index(request, ClusterRequest("local"), Settings(store=tmp_path / "s"), print, lambda *_: None)
    assert not (tmp_path / "s").exists()


def test_a_run_that_is_refused_does_not_fix_the_number_of_shards(tmp_path):
    (tmp_path / "a.txt").write_text("Some words.")
    settings = Settings(store=tmp_path / "s", embedder=str(tmp_path / "none"))
    with pytest.raises(ModelError):
        run_cluster_index(IndexRequest((tmp_path,)), ClusterRequest("local"), settings, print, lambda *_: None)
    assert not (tmp_path / "s").exists()
