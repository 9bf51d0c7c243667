"""`pincite index` and `remove`: what becomes of every file, and of what was stored before."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from command_line import failed

from api.cli.console import progress
from api.indexing import IndexRequest, run_index
from api.settings import Settings
from index.ingest import remove
from index.rebuild import rebuild
from index.store import Store
from index.types import document_id_of


def test_a_missing_path_and_an_empty_folder_are_exit_code_2_and_make_no_store(pincite, tmp_path):
    assert failed(pincite("index", "nowhere"), 2, "nowhere")
    (tmp_path / "empty").mkdir()
    assert failed(pincite("index", "empty"), 2, "empty: nothing to index")
    assert failed(pincite("index"), 2, "nothing to index")
    assert not (tmp_path / ".pincite").exists()


def test_a_first_run_without_its_model_makes_no_store(pincite, articles, tmp_path):
    assert failed(pincite("index", "articles", "--embedder", "./no-model"), 2, "./no-model")
    assert not (tmp_path / ".pincite").exists()


def test_a_store_that_a_first_run_left_empty_says_so_to_whoever_asks(pincite, tmp_path):
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    assert pincite("index", "picture.txt")[0] == 0
    code, _, err = pincite("ask", "Where does the Nile end?")
    assert (code, "the store at .pincite is empty; fill it with `pincite index PATHS`" in err) == (3, True)


def test_bad_files_are_listed_with_their_reasons_and_the_good_ones_indexed(pincite, articles):
    (articles / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (articles / "broken.txt").write_bytes(b"Ein Satz. " * 20 + b"\x81\x8d\xff\xfe\x00\x01")
    (articles / "empty.txt").write_bytes(b"")
    (articles / "huge.txt").write_bytes(b"word " * (10 * 2**20))  # one line of 50 MiB
    (articles / "sheet.ods").write_bytes(b"PK")
    code, out, _ = pincite("index", "articles", "--json")
    report = json.loads(out)
    assert code == 0
    assert sorted(report["added"]) == ["bread.md", "nile.txt"]
    reasons = {item["source"]: item["reason"] for item in report["rejected"]}
    assert reasons.keys() == {"picture.txt", "broken.txt", "empty.txt", "huge.txt"}
    assert "50.0 MiB" in reasons["huge.txt"]
    assert "binary" in reasons["picture.txt"]
    assert [item["source"] for item in report["unsupported"]] == ["sheet.ods"]
    assert pincite("index", "articles", "--strict")[0] == 1


def test_a_second_run_embeds_nothing_and_a_change_only_its_own_passages(pincite, articles):
    first = json.loads(pincite("index", "articles", "--json")[1])
    assert first["embedded"] == first["passages"] == 2
    again = json.loads(pincite("index", "articles", "--json")[1])
    assert (again["embedded"], again["passages"], len(again["unchanged"])) == (0, 0, 2)
    (articles / "nile.txt").write_text("The Nile\n\nThe Nile ends in Sudan. Nobody guards it.\n")
    changed = json.loads(pincite("index", "articles", "--json")[1])
    assert (changed["replaced"], changed["embedded"], changed["passages"]) == (["nile.txt"], 1, 1)
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0")[1].startswith("“Sudan")


def test_a_renamed_file_is_a_new_document_that_is_not_embedded_again(pincite, articles):
    pincite("index", "articles")
    (articles / "nile.txt").rename(articles / "river.txt")
    report = json.loads(pincite("index", "articles", "--prune", "--json")[1])
    assert (report["added"], report["pruned"], report["embedded"]) == (["river.txt"], ["nile.txt"], 0)


def test_a_vanished_file_is_reported_and_pruned_only_when_asked(pincite, articles):
    pincite("index", "articles")
    (articles / "nile.txt").unlink()
    code, _, err = pincite("index", "articles")
    assert (code, "vanished: nile.txt" in err) == (0, True)
    ask = ("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    assert json.loads(pincite(*ask)[1])["citations"][0]["source"] == "nile.txt"
    assert "would be pruned: nile.txt\n" in pincite("index", "articles", "--prune", "--dry-run")[2]
    assert "pruned: nile.txt\n" in pincite("index", "articles", "--prune")[2]
    reply = json.loads(pincite(*ask)[1])
    assert {p["source"] for p in reply["passages"]} == {"bread.md"}


def test_a_dry_run_reports_and_changes_nothing(pincite, articles, tmp_path):
    code, out, _ = pincite("index", "articles", "--dry-run")
    assert (code, "2 documents would be added" in out) == (0, True)
    assert not (tmp_path / ".pincite").exists()


def test_two_files_that_give_one_source_are_refused(pincite, articles, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(articles, other)
    assert failed(pincite("index", "articles", "other"), 2, "bread.md")
    pincite("index", "articles")
    assert failed(pincite("index", "other"), 2, "bread.md", "articles")


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_indexed(pincite, articles):
    before = (articles / "nile.txt").read_bytes()
    assert failed(pincite("index", "articles", "--report", "nowhere/report.html"), 2, "there is no folder nowhere")
    assert failed(pincite("index", "articles", "--report", "articles/nile.txt"), 2, "is a file to be indexed")
    assert failed(pincite("list"), 4, "no store")
    assert (articles / "nile.txt").read_bytes() == before


def test_what_is_removed_is_never_cited_again(pincite, articles):
    pincite("index", "articles")
    assert pincite("remove", "nile.txt")[0] == 0
    _, out, _ = pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")
    assert "nile.txt" not in out
    assert [d["source"] for d in json.loads(pincite("list", "--json")[1])["documents"]] == ["bread.md"]


def test_a_store_of_another_embedder_is_refused_and_rebuilt_from_its_texts(pincite, articles, tmp_path):
    from index.models import default_embedder_folder

    other = tmp_path / "other-model"
    shutil.copytree(default_embedder_folder(), other)
    pooling = other / "1_Pooling" / "config.json"
    changed = json.loads(pooling.read_text()) | {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}
    pooling.write_text(json.dumps(changed))
    pincite("index", "articles")
    assert failed(pincite("ask", "Who?", "--embedder", other), 4, "embedder.pooling is 'mean'", "--rebuild")
    shutil.rmtree(articles)
    code, out, _ = pincite("index", "--rebuild", "--embedder", other, "--json")
    assert (code, json.loads(out)["embedded"]) == (0, 2)
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--embedder", other)[0] == 0


HOLD = "import sys; from pathlib import Path; from index.lock import exclusive\n"
HOLD += "with exclusive(Path(sys.argv[1]), 1): print('held', flush=True); sys.stdin.read()"


def test_a_store_that_another_process_writes_is_exit_code_4_and_names_it(pincite, articles, tmp_path):
    pincite("index", "articles")
    command = [sys.executable, "-c", HOLD, str(tmp_path / ".pincite")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert failed(pincite("remove", "nile.txt"), 4, f"process {holder.pid}")
        holder.stdin.close()
    assert pincite("remove", "nile.txt")[0] == 0


LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
LIMITED += "sys.argv = ['pincite', *sys.argv[2:]]; from api.cli.main import main; main()"


def test_a_disk_that_takes_no_more_is_one_line_and_loses_nothing(pincite, articles, tmp_path):
    pincite("index", "articles")
    (articles / "long.txt").write_text("".join(f"Sentence number {i} says nothing new.\n\n" for i in range(3000)))
    command = [sys.executable, "-c", LIMITED, str(300 * 1024), "index", "articles"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "nothing was lost" in done.stderr
    assert pincite("ask", "Where does the Nile end?", "--min-confidence", "0")[1].startswith("“Egypt")
    assert pincite("doctor")[0] == 0
    assert json.loads(pincite("index", "articles", "--json")[1])["added"] == ["long.txt"]


def test_a_file_moved_to_another_folder_under_its_name_is_kept_by_a_prune(pincite, articles, tmp_path):
    (tmp_path / "other").mkdir()
    pincite("index", "articles", "other")
    (articles / "nile.txt").rename(tmp_path / "other" / "nile.txt")
    report = json.loads(pincite("index", "articles", "other", "--prune", "--json")[1])
    assert (report["replaced"], report["pruned"]) == (["nile.txt"], [])
    assert len(json.loads(pincite("list", "--json")[1])["documents"]) == 2


def test_a_prune_removes_nothing_whose_file_is_there(pincite, articles):
    pincite("index", "articles")
    report = json.loads(pincite("index", "articles", "--exclude", "nile.txt", "--prune", "--json")[1])
    assert (report["pruned"], report["left_out"]) == ([], ["nile.txt"])
    assert len(json.loads(pincite("list", "--json")[1])["documents"]) == 2


def test_what_cannot_be_read_is_rejected_and_its_documents_are_neither_gone_nor_left_out(
    pincite, articles, tmp_path, monkeypatch
):
    (articles / "sub").mkdir()
    for name in ("sub/rice.txt", "sub.txt", "link.txt"):
        (articles / name).write_text("The grain of rice is harvested in Asia.")
    pincite("index", "articles")
    (articles / "link.txt").unlink()
    (articles / "link.txt").symlink_to(tmp_path / "nowhere.txt")
    real = os.listdir

    def listdir(path):
        if Path(path).name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "sub")
    code, out, _ = pincite("index", "articles", "--strict", "--prune", "--json")
    report = json.loads(out)
    assert code == 1
    assert {one["source"]: one["reason"] for one in report["rejected"]} == {
        "sub/": "cannot be read: Permission denied",
        "link.txt": "cannot be read: No such file or directory",
    }
    assert (report["left_out"], report["vanished"], report["pruned"]) == ([], [], [])
    assert report["found"] == 5
    assert len(json.loads(pincite("list", "--json")[1])["documents"]) == 5


def test_where_nothing_can_be_read_the_reason_is_told(pincite, articles, tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "a.txt").touch()
    real = Path.is_dir

    def is_dir(path):  # as of a folder that can be listed, and not entered
        if path.name == "a.txt":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)
    assert failed(pincite("index", "shut"), 2, "1 rejected", "a.txt: cannot be read: Permission denied")
    pincite("index", "articles")
    code, _, err = pincite("index", "shut", "--strict")
    assert (code, "rejected: a.txt: cannot be read" in err) == (1, True)


def test_a_file_that_was_found_under_another_source_is_not_left_out(pincite, articles):
    pincite("index", "articles", "articles/nile.txt")
    (articles / "sub").mkdir()
    (articles / "sub" / "rice.txt").write_text("Rice is a grain.")
    pincite("index", "articles/sub")
    report = json.loads(pincite("index", "articles", "--json")[1])
    assert (report["added"], report["left_out"], report["vanished"]) == (["sub/rice.txt"], [], [])


def test_a_rebuild_says_what_was_made(pincite, articles):
    pincite("index", "articles")
    assert pincite("index", "--rebuild")[:2] == (0, "cut and embedded again\n2 passages, 2 embedded\n")


def test_an_empty_setting_is_none(pincite, articles, tmp_path, monkeypatch):
    monkeypatch.setenv("PINCITE_STORE", "")
    assert pincite("index", "articles")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path != articles) == [".pincite"]


def test_a_folder_named_from_inside_another_is_the_same_folder(pincite, articles, tmp_path, monkeypatch):
    pincite("index", "articles")
    (articles / "nile.txt").unlink()
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    report = json.loads(pincite("index", "../articles", "--prune", "--store", "../.pincite", "--json")[1])
    assert (report["pruned"], report["unchanged"], report["replaced"]) == (["nile.txt"], ["bread.md"], [])


def test_what_is_removed_while_a_rebuild_waits_is_not_brought_back(pincite, articles, tmp_path, embedder):
    from api.build import chunk_limits, manifest_for

    pincite("index", "articles")
    with Store.open(tmp_path / ".pincite") as store:
        arguments = (store, manifest_for(embedder), embedder, chunk_limits(embedder), lambda *_: None)
        waiting = threading.Thread(target=rebuild, args=arguments)
        with store.write() as writer:
            waiting.start()
            waiting.join(1)
            writer.remove(document_id_of("nile.txt"))
        waiting.join()
        with store.snapshot() as snapshot:
            assert [summary.source for summary in snapshot.list_documents()] == ["bread.md"]
        remove(store, ["bread.md"])


def test_a_rebuild_has_to_have_a_store_and_is_never_dry(pincite, articles):
    assert failed(pincite("index", "--rebuild"), 4, "no store at")
    pincite("index", "articles")
    assert failed(pincite("index", "--rebuild", "--dry-run"), 2, "--dry-run")


def test_a_damaged_text_is_never_quoted_nor_rebuilt_and_the_advice_mends_it(pincite, articles, tmp_path):
    import sqlite3

    pincite("index", "articles")
    connection = sqlite3.connect(tmp_path / ".pincite" / "pincite.sqlite")
    with connection:
        connection.execute("UPDATE documents SET text = replace(text, 'Alexandria', 'Alexandrix')")
    connection.close()
    advice = ("nile.txt", "damaged", "pincite remove")
    assert failed(pincite("ask", "Where does the Nile end?"), 4, *advice)
    assert failed(pincite("index", "--rebuild"), 4, *advice)
    assert pincite("doctor")[0] == 1
    assert pincite("remove", "nile.txt")[0] == 0
    assert pincite("index", "articles")[0] == 0
    assert pincite("doctor")[0] == 0


def test_a_file_whose_name_looks_like_markup_is_shown_as_it_is(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("indexing") as step:
        step(0, 2, "notes[/old].txt")
        step(2, 2, "")


def test_the_bar_tells_files_passages_and_their_rate(articles, tmp_path):
    (articles / "second.txt").write_text("The Danube ends in Romania.")
    told = []
    request = IndexRequest((articles,))
    report = run_index(request, Settings(store=tmp_path / "store"), print, lambda *step: told.append(step))
    files = len(report.added)
    assert files == len(list(articles.iterdir()))
    assert list(dict.fromkeys(step[:2] for step in told)) == [(done, files) for done in range(files + 1)]
    assert told[0][2] == report.added[0]
    assert re.fullmatch(rf"{report.passages} passages, \d+/s  ", told[-1][2])


def test_a_module_in_the_working_folder_is_not_ours(pincite, articles, tmp_path, monkeypatch):
    (tmp_path / "index.py").write_text("raise SystemExit('not ours')")
    monkeypatch.setenv("PINCITE_CACHE", str(tmp_path / "cache"))
    assert Settings().cache == tmp_path / "cache"
    code, _, err = pincite("index", "articles")
    assert (code, "not ours" in err) == (0, False)


@pytest.mark.parametrize("cache", ["/dev/null/x"])
def test_a_cache_that_cannot_be_made_is_one_line(pincite, articles, monkeypatch, cache):
    monkeypatch.setenv("PINCITE_CACHE", cache)
    assert failed(pincite("index", "articles"), 2, cache)


PAGE = "<html lang=en><body><nav>Home</nav><article><h1>The Nile</h1><p>The Nile ends in Egypt near Alexandria.</p>"
STORY = "\n\n".join(f"Sentence {word} of this long story says what happened to the bridge." for word in "abcdefghijkl")


def test_every_file_is_reported_and_the_totals_add_up_to_the_files_found(pincite, articles):
    (articles / "page.html").write_text(f"{PAGE}<p>Nobody knows why.</p></article><footer>Contact</footer>")
    (articles / "story.txt").write_text(STORY)
    (articles / "copy.txt").write_text(STORY)
    (articles / "again.md").write_text(f"# The Post\n\n{STORY}\n\nSubscribe to our newsletter\n")
    (articles / "scan.pdf").write_bytes(b"%PDF-1.4")
    (articles / "sheet.ods").write_bytes(b"PK")
    (articles / "drafts").mkdir()
    (articles / "drafts" / "a.txt").write_text("Draft.")
    report = json.loads(pincite("index", "articles", "--exclude", "drafts/", "--dry-run", "--json")[1])
    statuses = ("added", "replaced", "unchanged", "rejected", "unsupported", "excluded")
    assert sum(len(report[status]) for status in statuses) == report["found"] == len(report["files"]) == 6 + 1 + 1 + 1
    files = {file["source"]: file for file in report["files"]}
    assert files["drafts/"]["status"] == "excluded"
    assert "damaged" in files["scan.pdf"]["reason"]
    assert (files["page.html"]["encoding"], files["page.html"]["language"]) == ("utf-8", "en")
    assert files["page.html"]["marked"] == len("Home") + len("Contact")
    assert files["page.html"]["metadata"]["title"] == {"value": "The Nile", "start": 6, "end": 14}
    links = {name: (file["duplicate_of"], file["near_duplicate_of"]) for name, file in files.items()}
    assert links["story.txt"] == ("copy.txt", None)
    assert links["copy.txt"] == (None, "again.md")


def test_the_report_is_a_page_that_shows_what_is_marked_in_its_place_or_json(pincite, articles, tmp_path):
    (articles / "page.html").write_text(f"{PAGE}<p>a &lt;b&gt; c</p></article><footer>Contact</footer>")
    (articles / "empty.txt").write_text("")
    assert pincite("index", "articles", "--report", "report.html")[0] == 0
    page = (tmp_path / "report.html").read_text("utf-8")
    assert '<mark title="navigation">Home</mark>' in page
    assert "a &lt;b&gt; c" in page
    assert "no text (the file is empty)" in page
    assert pincite("index", "articles", "--report", "report.json")[0] == 0  # unchanged files are described too
    files = {file["source"]: file for file in json.loads((tmp_path / "report.json").read_text("utf-8"))["files"]}
    assert files["page.html"]["status"] == "unchanged"
    assert [mark["label"] for mark in files["page.html"]["marks"]] == ["navigation", "footer"]


def test_a_dry_run_says_what_it_would_make_of_each_file(pincite, articles):
    lines = pincite("index", "articles", "--dry-run")[1].splitlines()
    assert lines[0].split("\t") == ["added", "bread.md", "utf-8 · en · 0% marked · Bread"]


def test_what_is_excluded_is_counted_and_a_dry_run_names_it(pincite, articles):
    (articles / "draft.txt").write_text("Draft.")
    _, out, err = pincite("index", "articles", "--exclude", "draft*")
    assert "1 excluded" in out
    assert "draft.txt" not in err
    assert "excluded: draft.txt: " in pincite("index", "articles", "--exclude", "draft*", "--dry-run")[2]


def test_documents_that_the_default_models_do_not_cover_are_warned_of(pincite, articles):
    (articles / "de.txt").write_text("Die Minister trafen sich drei Tage lang und einigten sich auf wenig. " * 3)
    err = pincite("index", "articles")[2]
    assert "warning: 1 of the documents are not in English (de 1)" in err


def test_where_nothing_is_to_be_marked_nothing_is_and_a_store_keeps_to_one_choice(pincite, articles, monkeypatch):
    (articles / "page.html").write_text(f"{PAGE}</article><footer>Contact the editors.</footer>")
    pincite("index", "articles")
    monkeypatch.setenv("PINCITE_MARK_BOILERPLATE", "false")
    assert failed(pincite("index", "articles"), 4, "chunker.marks", "--rebuild")
    report = json.loads(pincite("index", "articles", "--rebuild", "--report", "r.json", "--json")[1])
    assert [file["marked"] for file in report["files"]] == [0, 0, 0]
    assert "Contact" in pincite("search", "contact the editors")[1]
    monkeypatch.delenv("PINCITE_MARK_BOILERPLATE")
    pincite("index", "--rebuild")  # the files are unchanged: they are read, and marked, again
    assert "Contact" not in pincite("search", "contact the editors")[1]


def test_a_quote_of_a_page_has_its_headings_and_no_bytes(pincite, articles):
    (articles / "nile.txt").unlink()
    (articles / "page.html").write_text(PAGE)
    pincite("index", "articles")
    reply = json.loads(pincite("ask", "Where does the Nile end?", "--min-confidence", "0", "--json")[1])
    (citation,) = [one for one in reply["citations"] if one["source"] == "page.html"][:1]
    assert citation["headings"] == ["The Nile"]
    assert (citation["byte_start"], citation["line"], citation["page"], citation["copy_of"]) == (None, None, None, None)
