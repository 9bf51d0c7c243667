import pytest

from index.language import language_of
from index.load import load_bytes
from index.types import Mark

GERMAN = "Die Minister trafen sich drei Tage lang und einigten sich auf wenig, wie einer von ihnen sagte."
ENGLISH = "The ministers met for three days and agreed on very little, as one of them said on the way out."


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        ("Les ministres se sont réunis pendant trois jours et se sont mis d'accord sur peu de choses.", "fr"),
        ("Los ministros se reunieron durante tres días y se pusieron de acuerdo en muy pocas cosas.", "es"),
        ("Правительство в среду одобрило законопроект о пенсиях, и многие считают, что это плохая идея.", "ru"),
        ("政府周三批准了养老金法案。许多人认为这是一个坏主意。中国和俄罗斯在上海合作组织中发挥了重要作用。", "zh"),
        ("", None),
        ("12 34 56 78 90 " * 20, None),
        ("Qingdao 2018", None),  # too little to tell
    ],
)
def test_a_language_is_told_from_its_letters_and_not_guessed(text, language):
    assert language_of(text) == language


def test_boilerplate_in_another_language_does_not_decide():
    text = f"{GERMAN * 9}\n{ENGLISH}"
    assert language_of(text, [Mark(0, len(GERMAN) * 9, "navigation")]) == "en"


def test_what_a_page_says_of_its_language_goes_before_what_its_letters_say():
    page = f'<html lang="de-AT"><body><p>{ENGLISH}</p></body></html>'.encode()
    assert load_bytes("a.html", page).metadata.language.value == "de"
    assert load_bytes("a.txt", ENGLISH.encode()).metadata.language.value == "en"
