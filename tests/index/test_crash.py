import crash


def test_a_store_outlives_a_writer_killed_at_any_moment(tmp_path):
    report = crash.run(cycles=20, seed=1, parent=tmp_path)
    assert (report.damaged, report.lost) == ([], [])
    assert report.kills.total() == 20
