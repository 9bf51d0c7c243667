import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from index.load import load_bytes
from index.near import NEAR, in_common, runs, runs_of_text
from index.sketches import Copy, Sketches

WORDS = [f"word{n}" for n in range(200)]
SEED = next((Path(__file__).parents[2] / "seeds").glob("000_*.txt"))


def document(source, words):
    return load_bytes(source, " ".join(words).encode())


def copies(*documents):
    sketches = Sketches()
    for one in documents:
        sketches.add(one)
    return sketches.copies()


def likeness(one, other):
    return in_common(runs(one), runs(other))


def test_likeness_is_the_share_of_five_word_runs_that_two_texts_have_in_common():
    one, other = document("a.txt", WORDS), document("b.txt", WORDS[:100])
    assert likeness(one, other) == (100 - 4) / (200 - 4)
    assert likeness(one, one) == 1.0
    assert likeness(one, document("b.txt", reversed(WORDS))) == 0.0


def test_very_short_texts_are_like_nothing():
    assert likeness(document("a.txt", WORDS[:19]), document("b.txt", WORDS[:19])) == 0.0
    assert copies(document("a.txt", WORDS[:19]), document("b.txt", WORDS[:19])) == {}


def test_a_copy_in_another_frame_is_linked_to_the_first_and_a_copy_of_it_too():
    text = SEED.read_text("utf-8")
    first = load_bytes("a.txt", text.encode())
    framed = load_bytes("b.txt", f"The Post reports this.\n\n{text}\n\nSubscribe to our newsletter\n".encode())
    again = load_bytes("c.txt", f"{text}\n\nAll of it was true, says the editor.\n".encode())
    found = copies(first, framed, again, document("d.txt", WORDS))
    assert {source: copy.source for source, copy in found.items()} == {"b.txt": "a.txt", "c.txt": "a.txt"}
    assert all(copy.likeness >= NEAR for copy in found.values())
    assert copies(first, load_bytes("b.txt", text.encode())) == {"b.txt": Copy("a.txt", 1.0)}


def test_what_is_marked_does_not_make_two_stories_alike():
    frame = "\n\n".join(["Copyright 2017 Strait Times Weekly. All rights reserved."] * 40)
    one = load_bytes("a.txt", f"{' '.join(WORDS[:50])}\n\n{frame}".encode())
    other = load_bytes("b.txt", f"{' '.join(WORDS[100:150])}\n\n{frame}".encode())
    assert likeness(one, other) == 0.0


def test_scripts_without_spaces_are_compared_by_character():
    text = "政府周三批准了养老金法案许多人认为这是一个坏主意中国和俄罗斯在上海合作组织中发挥了重要作用"
    one, other = load_bytes("a.txt", text.encode()), load_bytes("b.txt", (text + "他们明天再见").encode())
    assert likeness(one, other) == (len(text) - 4) / (len(text) + 6 - 4)


# Up to U+052F every script has spaces between its words.
@given(st.text(st.characters(codec="ascii")) | st.text(st.characters(max_codepoint=0x52F)))
def test_the_runs_of_a_passage_are_its_words_five_by_five(text):
    words = re.findall(r"\w+", text.casefold())
    assert runs_of_text(text) == {" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))}
