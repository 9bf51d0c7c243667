"""Gold sets in three formats, and everything in them that stops a run before it starts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import UsageError
from rag.gold import Evidence, GoldQuestion, line_of, load_gold, load_lines, load_placed, parse_gold
from rag.types import is_blank

LINE = {"id": "q1", "question": "Which river?", "answers": ["Nile"], "sources": ["a.txt"]}


def gold_file(folder, content, name="gold.jsonl"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(*entries):
    return "\n".join(json.dumps(entry) for entry in entries)


def test_every_key_of_a_line_is_read(tmp_path):
    line = {
        **LINE,
        "answers": ["Nile", "the Nile"],
        "evidence": [{"source": "a.txt", "start": 120, "end": 168}],
        "answerable": True,
        "tags": ["place"],
    }
    assert load_gold(gold_file(tmp_path, lines(line))) == [
        GoldQuestion(
            id="q1",
            question="Which river?",
            answers=("Nile", "the Nile"),
            sources=("a.txt",),
            evidence=(Evidence("a.txt", 120, 168),),
            answerable=True,
            tags=("place",),
        )
    ]


def test_order_is_kept_and_blank_lines_a_bom_crlf_and_unicode_line_separators_do_no_harm(tmp_path):
    second = json.dumps({**LINE, "id": "q2", "question": "one\u2028two\x85three"}, ensure_ascii=False)
    content = "\ufeff" + json.dumps(LINE) + "\r\n\r\n  \n" + second + "\r\n"
    gold = load_gold(gold_file(tmp_path, content))
    assert [(one.id, one.question) for one in gold] == [("q1", "Which river?"), ("q2", "one\u2028two\x85three")]


def test_evidence_without_answers_is_enough_and_names_the_sources():
    evidence = [{"source": s, "start": 0, "end": 1} for s in ("b.txt", "a.txt", "b.txt")]
    (gold,) = parse_gold(lines({"id": "q", "question": "?", "evidence": evidence}), "g")
    assert (gold.answers, gold.sources, gold.answerable) == ((), ("b.txt", "a.txt"), True)


def test_an_unanswerable_question_may_name_the_source_it_is_about():
    (gold,) = parse_gold(lines({"id": "q", "question": "?", "answerable": False, "sources": ["a.txt"]}), "g")
    assert (gold.answerable, gold.answers, gold.sources) == (False, (), ("a.txt",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": None}, "question is missing"),
        ({"question": "  \n"}, "question is .*not blank"),
        ({"question": "\u200b\x01"}, "question is .*not blank"),
        ({"question": 7}, "question is 7"),
        ({"question": "x" * 1001}, "1001 characters; the most is 1000"),
        ({"question": "\ud800"}, "half a surrogate pair"),
        ({"id": None}, "id is missing"),
        ({"id": 5}, "id is 5"),
        ({"answer": "Nile"}, r"unknown keys \['answer'\]"),
        ({"answers": "Nile"}, "answers is 'Nile'; needs a list"),
        ({"answers": [""]}, "each of answers is ''"),
        ({"answers": []}, "needs answers or evidence"),
        ({"answerable": "yes"}, "answerable is 'yes'"),
        ({"answerable": False}, "answerable is false, yet answers or evidence"),
        ({"sources": [1]}, "each of sources is 1"),
        ({"tags": None}, "tags is missing"),
        ({"evidence": [{"source": "a.txt", "start": 0}]}, "needs exactly"),
        ({"evidence": [{"source": "a.txt", "start": 5, "end": 5}]}, "5:5 is no span"),
        ({"evidence": [{"source": "a.txt", "start": -1, "end": 5}]}, "-1:5 is no span"),
        ({"evidence": [{"source": "a.txt", "start": False, "end": True}]}, "False:True is no span"),
        ({"evidence": [{"source": "a.txt", "start": 0, "end": 1.0}]}, "is no span"),
        ({"evidence": [{"source": "b.txt", "start": 0, "end": 1}]}, r"evidence lies in \['b.txt'\], not among sources"),
        ({"evidence": [3]}, "each evidence is 3"),
    ],
)
def test_a_malformed_line_is_refused_with_file_line_and_fault(tmp_path, change, message):
    path = gold_file(tmp_path, lines({**LINE, "id": "q0"}) + "\n\n" + lines({**LINE, **change}))
    with pytest.raises(UsageError, match=rf"^\S*gold.jsonl:3: .*{message}"):
        load_gold(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'id': 1}", "not JSON"),
        ("[]", r"the line is \[\]; needs a JSON object"),
        ("[" * 100_000, "not JSON"),
        ('{"id": "q", "id": "q", "question": "?", "answers": ["x"]}', "a key is given twice"),
        ('{"id": ' + "9" * 5_000 + "}", "not JSON"),
    ],
)
def test_a_line_that_is_no_object_is_refused(line, message):
    with pytest.raises(UsageError, match=rf"^g:1: .*{message}"):
        parse_gold(line, "g")


def test_a_question_of_exactly_1000_characters_is_accepted():
    assert len(parse_gold(lines({**LINE, "question": "x" * 1000}), "g")[0].question) == 1000


def test_an_id_that_comes_twice_is_refused_and_both_lines_are_named():
    with pytest.raises(UsageError, match=r"^g:2: the id 'q1' is taken by g:1"):
        parse_gold(lines(LINE, LINE), "g")


@pytest.mark.parametrize("content", ["", "\n \n", '{"data": []}'])
def test_a_gold_set_without_a_question_is_refused(content):
    with pytest.raises(UsageError, match="holds no question"):
        parse_gold(content, "g")


def test_a_file_that_is_missing_or_not_utf8_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"gone.jsonl: cannot be read \(No such file"):
        load_gold(tmp_path / "gone.jsonl")
    with pytest.raises(UsageError, match="not UTF-8 at byte 2"):
        load_gold(gold_file(tmp_path, b"{}\xff"))


def squad(*qas):
    return json.dumps({"version": "v2.0", "data": [{"title": "Nile", "paragraphs": [{"context": "…", "qas": qas}]}]})


def test_squad_is_read_with_the_title_as_source_and_impossible_as_unanswerable():
    content = squad(
        {"id": "1", "question": "Which?", "answers": [{"text": "Nile", "answer_start": 0}] * 3},
        {
            "id": "2",
            "question": "Who?",
            "is_impossible": True,
            "answers": [],
            "plausible_answers": [{"text": "x", "answer_start": 0}],
        },
    )
    gold = parse_gold(content, "dev.json")
    assert [(g.id, g.answers, g.sources, g.evidence, g.answerable) for g in gold] == [
        ("1", ("Nile",), ("Nile.txt",), (), True),
        ("2", (), ("Nile.txt",), (), False),
    ]


def test_a_fault_in_squad_is_named_by_its_place():
    with pytest.raises(UsageError, match=r"^dev.json: data\[0\].paragraphs\[0\].qas\[1\]: question is missing"):
        parse_gold(
            squad({"id": "1", "question": "?", "answers": [{"text": "x"}]}, {"id": "2", "answers": []}), "dev.json"
        )
    with pytest.raises(UsageError, match=r"data\[0\]: paragraphs is missing"):
        parse_gold('{"data": [{"title": "x"}]}', "dev.json")
    with pytest.raises(UsageError, match="data is 3"):
        parse_gold('{"data": 3}', "dev.json")


@pytest.mark.parametrize("column", ["source", "sources"])
def test_csv_is_read_with_several_values_parted_by_bars(tmp_path, column):
    content = f'question,answers,{column},answerable\r\n"Which, then?",Nile | the Nile,a.txt,\r\n\r\nWho?,,,false\r\n'
    gold = load_gold(gold_file(tmp_path, content, "gold.csv"))
    assert [(g.id, g.question, g.answers, g.sources, g.answerable) for g in gold] == [
        ("q1", "Which, then?", ("Nile", "the Nile"), ("a.txt",), True),
        ("q2", "Who?", (), (), False),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("question,quelle\nx,y\n", r"gold.csv:1: unknown columns \['quelle'\]"),
        ("answers\nx\n", "gold.csv:1: needs a header"),
        ("question,question\nx,y\n", "gold.csv:1: needs a header"),
        ("question,source,sources\nx,y,z\n", "gold.csv:1: needs a header"),
        ("", "gold.csv:1: needs a header"),
        ("question,answers\nx\n", "gold.csv:2: 1 fields where the header names 2"),
        ("question,answers\nx,y,z\n", "gold.csv:2: 3 fields where the header names 2"),
        ("question,answers,answerable\nx,y,maybe\n", "gold.csv:2: answerable is 'maybe'"),
        ("question,answers\nx,\n", "gold.csv:2: needs answers or evidence"),
        ('question,answers\n"x"y,z\n', "gold.csv:2: not CSV"),
        ("question,answers\n", "holds no question"),
    ],
)
def test_a_malformed_csv_is_refused_with_its_line(content, message):
    with pytest.raises(UsageError, match=message):
        parse_gold(content, "gold.csv")


def test_each_question_can_be_read_with_its_place_and_an_id_may_then_come_twice(tmp_path):
    path = gold_file(tmp_path, "\n" + lines(LINE, LINE))
    assert [(place, gold.id) for place, gold in load_placed(path)] == [(f"{path}:2", "q1"), (f"{path}:3", "q1")]


def test_a_file_that_lines_can_be_added_to_is_json_lines_and_may_be_empty(tmp_path):
    assert load_lines(gold_file(tmp_path, "\ufeff\n")) == []
    assert [gold.id for gold in load_lines(gold_file(tmp_path, lines(LINE)))] == ["q1"]
    for content, fault in ((squad(), "unknown keys"), ("question,answers\n", "not JSON"), (lines(LINE, LINE), "taken")):
        with pytest.raises(UsageError, match=f"gold.jsonl:[12]: .*{fault}"):
            load_lines(gold_file(tmp_path, content))


TEXT = st.text(min_size=1, max_size=9).filter(str.strip)
QUESTION = TEXT.filter(lambda text: not is_blank(text))


@given(TEXT, QUESTION, st.lists(TEXT, min_size=1, unique=True), st.lists(TEXT, min_size=1, unique=True))
def test_a_line_that_is_written_is_read_as_the_same_question(name, question, answers, sources):
    gold = GoldQuestion(
        name, question, tuple(answers), tuple(sources), (Evidence(sources[0], 1, 2),), True, tuple(answers)
    )
    assert parse_gold(line_of(gold), "g") == [gold]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*LINE, "evidence"]), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*LINE, "evidence", "answerable", "tags", "data"]), JSON))
def test_whatever_json_comes_it_is_read_or_refused(entry):
    try:
        gold = parse_gold(json.dumps(entry), "g")
    except UsageError:
        return  # any other exception is a traceback for a user's mistake
    assert all(not is_blank(one.question) and (one.answers or one.evidence or not one.answerable) for one in gold)
