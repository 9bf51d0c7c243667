from benchmarks.quality import Replies, judge
from benchmarks.rivals.protocol import Text
from rag.gold import Evidence, GoldQuestion

PASSAGES = {one.id: one for one in [Text("a.txt:0", "Hapi guards it.", ""), Text("a.txt:20", "It ends in Egypt.", "")]}
WHO = GoldQuestion("1", "Who?", ("Hapi",), ("a.txt",), (Evidence("a.txt", 0, 4),), True, ())
WHERE = GoldQuestion("2", "Where?", ("Egypt",), ("a.txt",), (Evidence("a.txt", 31, 36),), True, ())
WHY = GoldQuestion("3", "Why?", (), (), (), False, ())
GOLD = [WHO, WHERE, WHY]


def values(replies):
    return {name: metric["value"] for name, metric in judge(GOLD, replies, PASSAGES).items()}


def test_an_abstention_is_wrong_where_there_is_an_answer_and_right_where_there_is_none():
    replies = Replies(
        answers={"1": "the Hapi", "2": None, "3": None},
        best={"1": "the Hapi", "2": "in Egypt", "3": "it"},
        found={"1": ["a.txt:20", "a.txt:0"], "2": ["a.txt:0"], "3": []},
    )
    assert values(replies) == {
        "exact_match": (1 + 0) / 2,
        "f1": (1 + 0) / 2,
        "f1 forced": (1 + 2 / 3) / 2,  # of two words, one of them right: 2 * 1 / (2 + 1)
        "no answer right": 1.0,
        "overall f1": (1 + 0 + 1) / 3,
        "passage_hit@10": (1 + 0) / 2,
    }


def test_what_a_system_does_not_tell_is_not_measured():
    replies = Replies(answers={"1": "Hapi"}, best={"1": None}, found={"1": ["a.txt:0"]})
    assert values(replies) == {"exact_match": 1.0, "f1": 1.0, "passage_hit@10": 1.0}
