import json
from pathlib import Path

from command_line import failed


def test_preparing_names_each_model_with_its_precision_and_where_it_is(pincite):
    code, out, _ = pincite("models", "prepare", "--json")
    assert code == 0
    made = {model["kind"]: model for model in json.loads(out)}
    assert made["embedder"]["name"] == "all-MiniLM-L6-v2"
    assert made["reader"]["precision"]
    assert all((Path(model["folder"]) / "model.xml").is_file() for model in made.values())


def test_a_model_that_is_not_there_is_refused(pincite):
    assert failed(pincite("models", "prepare", "--reader", "./nowhere"), 2, "./nowhere: no such folder")
