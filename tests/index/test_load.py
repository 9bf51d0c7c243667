import codecs
import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import index.load
from index.errors import Rejected
from index.load import load_bytes, supported

ENGLISH = (
    "The café on the corner – “naïve” as it sounds – is José’s favourite. He pays €5 for a crème brûlée.\r\n\r\n"
    "It’s a long way from the old town, but the view is worth it.\r\n"
)
FRENCH = (
    "Le président de la République a déclaré hier que l’économie française était à l’arrêt. « Nous ne pouvons pas "
    "attendre », a-t-il ajouté. Les élèves sont rentrés après les vacances d’été, le cœur léger.\n"
)
GERMAN = (
    "Die Bundesregierung hat beschlossen, die Förderung für Wärmepumpen zu erhöhen. „Das ist ein großer Schritt“, "
    "sagte der Minister. Bürger müssen künftig weniger zahlen.\n"
)
POLISH = "Rząd przyjął w środę projekt ustawy. Zażółć gęślą jaźń. Wiele osób uważa, że to zły pomysł.\n"
CZECH = "Vláda ve středu schválila návrh zákona o důchodech. Příliš žluťoučký kůň úpěl ďábelské ódy.\n"
TURKISH = "Hükümet çarşamba günü yasa tasarısını onayladı. Birçok kişi bunun kötü olduğunu düşünüyor.\n"
RUSSIAN = "Правительство в среду одобрило законопроект о пенсиях. Многие считают, что это плохая идея.\n"
CHINESE = "政府周三批准了养老金法案。许多人认为这是一个坏主意。中国和俄罗斯在上海合作组织中发挥了重要作用。\n"
JAPANESE = "政府は水曜日に年金法案を承認した。多くの人はそれが悪い考えだと思っている。\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ENGLISH, "cp1252"),
        ("It’s one apostrophe in a whole text.", "cp1252"),
        ("café – “naïve”", "cp1252"),
        (FRENCH, "cp1252"),
        (GERMAN, "cp1252"),
        (FRENCH.replace("’", "'"), "iso8859_15"),
        (POLISH, "cp1250"),
        (POLISH, "iso8859_2"),
        (CZECH, "cp1250"),
        (TURKISH, "cp1254"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8_r"),
        (CHINESE, "gbk"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        ("An English text that names Путин and Лавров in passing. " * 3, "cp1251"),
        ("A text about Müller, José and Łukasz Dvořák. " + "Plain English words. " * 30, "cp1250"),
    ],
)
def test_old_encodings_give_the_right_characters(text, encoding):
    data = text.encode(encoding, "replace")
    document = load_bytes("a.txt", data)
    assert document.text == data.decode(encoding)
    assert document.text.encode(document.encoding) == data


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
)
def test_a_byte_order_mark_decides_and_is_not_in_the_text(bom, encoding):
    document = load_bytes("a.txt", bom + "Grüße 😀\r\n".encode(encoding))
    assert (document.text, document.encoding, document.bom_bytes) == ("Grüße 😀\r\n", encoding, len(bom))


def test_line_endings_and_odd_spaces_stay_as_they_are():
    data = "a\r\nb\rc\nd\fe\x85f\u2028g\t \n".encode()
    document = load_bytes("a.md", data)
    assert document.text.encode() == data
    assert document.sha256 == hashlib.sha256(data).hexdigest()
    assert (document.encoding, document.bom_bytes, document.media_type) == ("utf-8", 0, "text/markdown")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", r"a\.txt: no text \(the file is empty\)"),
        (b" \r\n\t\n", r"no text \(the file is blank\)"),
        (codecs.BOM_UTF8, "no text"),
        ("\u200b\n".encode(), "no text"),
        (b"PK\x03\x04\x00\x00text", "binary .NUL at byte 4"),
        ("plain words".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (b"a\x01b\x02c\x03" * 20, r"binary, not text \(control characters\)"),
        (codecs.BOM_UTF16_LE + b"a\x00b", "not valid UTF-16-LE: byte 0x62 at offset 4"),
        (codecs.BOM_UTF8 + b"ab\xff", "not valid UTF-8: byte 0xff at offset 5"),
        (codecs.BOM_UTF16_LE + b"a\x00\x00\x00b\x00", "binary"),
        ("été, forêt, naïve".encode() + b" \xff", r"nor another encoding that fits: byte 0xff at offset 22"),
        ("naïve café".encode()[:-1], "byte 0xc3 at offset 10"),
        (b"caf\xff", "byte 0xff at offset 3"),
        (b"abc \x81 def " + b"plain words " * 50, "byte 0x81 at offset 4"),
    ],
)
def test_what_is_not_text_is_rejected_with_the_reason(data, reason):
    with pytest.raises(Rejected, match=reason):
        load_bytes("a.txt", data)


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_rejected(seed):
    with pytest.raises(Rejected, match=r"byte|binary"):
        load_bytes("a.txt", random.Random(seed).randbytes(300))


def test_a_few_control_characters_do_no_harm():
    assert load_bytes("a.txt", b"page one\x0cpage two \x1b[1mbold\x1b[0m\x1a").text.endswith("\x1a")


def test_unknown_kinds_are_rejected_by_their_suffix():
    assert [supported(path) for path in ("a/b.TXT", "x.md", "x.PDF", "x.odt", "README")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(Rejected, match=r"x\.odt: files of type \.odt are not supported; convert it to one of \.docx"):
        load_bytes("x.odt", b"text")


@pytest.mark.parametrize("suffix", [".html", ".pdf", ".docx"])
def test_an_error_that_a_loader_does_not_foresee_rejects_the_one_file(monkeypatch, suffix):
    def fail(source, data):
        raise RecursionError("two\nlines")

    monkeypatch.setitem(index.load._LOADERS, suffix, fail)
    with pytest.raises(Rejected, match=rf"^a\{suffix}: cannot be read \(RecursionError\); [^\n]*$"):
        load_bytes(f"a{suffix}", b"text")


@given(st.text(max_size=200), st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]))
def test_the_text_gives_the_bytes_back(text, encoding):
    bom = "\ufeff".encode(encoding)
    try:
        document = load_bytes("a.txt", bom + text.encode(encoding))
    except Rejected:
        return
    assert bom[: document.bom_bytes] + document.text.encode(document.encoding) == bom + text.encode(encoding)


@given(st.binary(max_size=300))
def test_any_bytes_are_rejected_or_given_back(data):
    try:
        document = load_bytes("a.txt", data)
    except Rejected as rejected:
        reason = str(rejected)
    else:
        reason = "a.txt: fine"
        assert data[: document.bom_bytes] + document.text.encode(document.encoding) == data
        assert all(0 <= mark.start < mark.end <= len(document.text) for mark in document.marks)
    assert reason.startswith("a.txt: ")
    assert "cannot be read (" not in reason  # an error nobody foresaw
    assert "\n" not in reason
