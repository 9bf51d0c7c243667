import json
import shutil
import sqlite3

import pytest
from command_line import failed
from fakes import new_store, put


@pytest.fixture
def folder(tmp_path):
    """A store made without the default models, which these commands do not need."""
    article = tmp_path / "nile.txt"
    article.write_text("The Nile ends in Egypt. Its source was found by Speke.")
    with new_store(tmp_path / "store") as store:
        put(store, article, "nile.txt")
    return tmp_path / "store"


def change(folder, statement):
    with sqlite3.connect(folder / "pincite.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_doctor_finds_nothing_wrong_with_a_sound_store(pincite, folder):
    assert pincite("doctor", "--store", str(folder)) == (0, "", "all is well\n")
    assert json.loads(pincite("doctor", "--json", "--store", str(folder))[1]) == {"problems": []}


def test_doctor_names_a_damaged_index_with_exit_code_1_and_repairs_it_with_0(pincite, folder):
    (folder / "lexical" / "meta.json").write_bytes(b"{}")
    (folder / "vectors-77.partial").touch()
    code, out, _ = pincite("doctor", "--store", str(folder))
    assert (code, out.count("\n")) == (1, 1)
    assert out.startswith("lexical: ")
    assert out.count("pincite doctor --repair") == 1
    said = "the indexes were made again; all is well\n"
    assert pincite("doctor", "--repair", "--store", str(folder)) == (0, "", said)
    assert sorted(f.name for f in folder.iterdir() if "vectors" in f.name or "partial" in f.name) == ["vectors-1.faiss"]


def test_doctor_names_what_no_index_uses_and_repair_deletes_it(pincite, folder):
    (folder / "lexical.partial").mkdir()
    (folder / "vectors-77.faiss").touch()
    assert pincite("doctor", "--store", str(folder))[:2] == (
        1,
        "lexical.partial: left over: no index uses it; pincite doctor --repair\n"
        "vectors-77.faiss: left over: no index uses it; pincite doctor --repair\n",
    )
    assert pincite("doctor", "--repair", "--store", str(folder))[0] == 0
    assert pincite("doctor", "--store", str(folder))[0] == 0


def test_doctor_repairs_no_truth_and_says_what_to_do(pincite, folder):
    change(folder, "UPDATE documents SET text = 'The Nile ends in Sudan.'")
    for arguments in (["doctor"], ["doctor", "--repair"]):
        code, out, _ = pincite(*arguments, "--store", str(folder))
        assert (code, "`pincite remove` the document and index its file again" in out) == (1, True)


def test_doctor_with_a_damaged_vector_lists_it_though_the_indexes_cannot_be_made_again(pincite, folder):
    change(folder, "UPDATE passages SET checksum = 1")
    (folder / "lexical" / "meta.json").write_bytes(b"{}")
    code, out, _ = pincite("doctor", "--repair", "--store", str(folder))
    assert code == 1
    assert "nile.txt, passage 1: its vector is not the one that was stored" in out


def test_doctor_refuses_a_file_that_is_no_store_with_exit_code_4(pincite, folder):
    file = folder / "pincite.sqlite"
    file.write_bytes(b"\xff" * file.stat().st_size)
    for arguments in (["doctor"], ["doctor", "--repair"]):
        assert failed(pincite(*arguments, "--store", str(folder)), 4, "pincite.sqlite", "put a backup in its place")


def test_a_backup_is_a_store_and_its_folder_is_printed(pincite, folder, tmp_path):
    made = pincite("backup", "copies/monday", "--store", str(folder))
    assert made == (0, f"{tmp_path / 'copies' / 'monday'}\n", "1 document, generation 1\n")
    listed = [pincite("list", "--json", "--store", store)[1] for store in (str(folder), "copies/monday")]
    assert listed[0] == listed[1]
    assert pincite("doctor", "--store", "copies/monday")[0] == 0


def test_a_backup_can_be_reported_as_json(pincite, folder, tmp_path):
    code, out, _ = pincite("backup", "copy", "--json", "--store", str(folder))
    assert (code, json.loads(out)) == (0, {"folder": str(tmp_path / "copy"), "generation": 1, "documents": 1})


def test_a_backup_over_something_or_into_the_store_is_exit_code_2_and_without_a_store_4(pincite, folder, tmp_path):
    (tmp_path / "there").mkdir()
    assert failed(pincite("backup", "there", "--store", str(folder)), 2, "there exists", "name a folder")
    assert failed(pincite("backup", str(folder / "x"), "--store", str(folder)), 2, "lies in the store")
    shutil.rmtree(folder)
    assert failed(pincite("backup", "new", "--store", str(folder)), 4, "no store at")
    assert not (tmp_path / "new").exists()
