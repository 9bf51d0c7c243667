"""Bytes -> text that gives the same bytes back, or the reason why not. The only import of `charset_normalizer`."""

import codecs
import itertools
import re
import string
from collections import Counter
from collections.abc import Iterator

from charset_normalizer import from_bytes

from index.errors import Rejected

# UTF-32 before UTF-16: FF FE 00 00 begins with the BOM of UTF-16.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Encodings tried for texts in Latin letters, the commonest first; what they decode must be one language's letters.
_LATIN = ("cp1252", "iso8859_15", "cp1250", "iso8859_2", "cp1254", "cp1257", "mac_roman", "cp850")
# What charset-normalizer may choose from: encodings whose bytes add up character by character (utf_7, hz, iso2022_*,
# big5hkscs and the JIS X 0213 family carry state or join characters), and no EBCDIC, in which any bytes are "text".
_OTHERS = [
    "cp1251",
    "koi8_r",
    "koi8_u",
    "cp866",
    "iso8859_5",
    "mac_cyrillic",
    "cp1253",
    "iso8859_7",
    "cp1255",
    "cp1256",
]
_OTHERS += ["cp874", "gb18030", "big5", "cp950", "cp932", "shift_jis", "euc_jp", "cp949", "euc_kr"]
# Letters beyond a-z, by language. A text in one language uses the letters of one line.
_ALPHABETS = tuple(
    frozenset(letters + letters.upper())
    for letters in (
        "àâæçéèêëîïôœùûüñ",  # French, and English with its loan words
        "äöüßéèáàêç",  # German, with what it borrows
        "áéíñóúüçï",  # Spanish
        "áâãàçéêíóôõúü",  # Portuguese
        "àèéìíîòóùúç",  # Italian
        "àçèéíïòóúü",  # Catalan
        "éëïóöüèêá",  # Dutch
        "åäöéæøòô",  # the Nordic languages
        "áðéíóúýþæö",  # Icelandic
        "ąćęłńóśźż",  # Polish
        "áčďéěíňóřšťúůýž",  # Czech
        "áäčďéíĺľňóôŕšťúýž",  # Slovak
        "áéíóöőúüű",  # Hungarian
        "ăâîşţșț",  # Romanian
        "čćđšž",  # Croatian, Slovene
        "çğıöşüâîûİ",  # Turkish
        "ąčęėįšųūž",  # Lithuanian
        "āčēģīķļņōŗšūž",  # Latvian
        "äõöüšž",  # Estonian
    )
)
_ONE_LANGUAGE = 0.97  # of the letters; the rest are names from elsewhere
_FEW = 0.02  # up to this share of its letters a text may mix alphabets: an English article full of foreign names
_SIGNS = frozenset("‘’“”„‚‹›«»–—…•·¡¿€£¥§©®™°ºª²³¹½¼¾±×÷´¶†‡\N{NO-BREAK SPACE}\N{SOFT HYPHEN}")
_ENOUGH = 3  # letters beyond a-z that a rare encoding must show; one odd byte proves nothing
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_HIGH_TEXT = re.compile(r"[^\x00-\x7f]+")
_SAMPLE = 20_000  # runs of bytes above 7F that are judged; a longer file is read as its beginning is
# What real text does not do: a capital after a small letter within a word, a sign glued to letters, many accented
# letters in a row, two scripts in one word, a "ÿ" (byte FF) but in the few French names that have it.
_ODD = re.compile(
    r"[a-zß-öø-ÿά-ώа-џ][À-ÖØ-ÞŠŒŽŸΆ-ΫЀ-Я]|[A-Za-z][Ͱ-ӿא-ۿ]|[Ͱ-ӿא-ۿ][A-Za-z]|(?<![Aa])ÿ"
    r"|[^\W\d_][©®™§£¥€ºª×÷†‡¡¿±¶´][^\W\d_]|[^\W\d_][¹³¼½¾„‚¶]|[º¹¼½¾²³¶±](?![\x00-\x7f])[^\W\d_]"
    r"|[£¥][^\W\d_]{2}|(?:(?![\x00-\x7f])[^\W\d_]){5}|(?![\x00-\x7f])[^\W\d_][±²¶]"
)
_ODD_ALPHABETIC = re.compile(_ODD.pattern.split("|(?<!", 1)[0])
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")  # all but whitespace and ESC


def decode(source: str, data: bytes) -> tuple[str, str, int]:
    """Return (text, encoding, bytes of BOM), where `bom + text.encode(encoding) == data`.

    Order: BOM, strict UTF-8, then the encodings of old files. Raises Rejected (with `source` in the reason) for
    binary data, for bytes that no encoding explains, and for an encoding that would not give the same bytes back.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            text = _strictly(source, data, encoding, len(bom))
            break
    else:
        bom = b""
        text, encoding = _without_bom(source, data)
    if _is_binary(text):
        raise Rejected(f"{source}: binary, not text (control characters); convert it to plain text or exclude it")
    return text, encoding, len(bom)


def _strictly(source: str, data: bytes, encoding: str, skip: int) -> str:
    try:
        return data[skip:].decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(source, data, skip + error.start, f"not valid {encoding.upper()}") from error


def _without_bom(source: str, data: bytes) -> tuple[str, str]:
    if (nul := data.find(b"\x00")) >= 0:
        kind = "UTF-16 without a byte order mark, or binary" if _pairs(data) else "binary"
        raise Rejected(f"{source}: {kind} (NUL at byte {nul}); save it as UTF-8 or exclude it")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        broken = error.start
    if not _mostly_utf8(data):
        for text, encoding in _candidates(data):
            if text.encode(encoding, "surrogatepass") == data:
                return text, encoding
    raise _undecodable(source, data, broken, "not valid UTF-8, nor another encoding that fits")


def _undecodable(source: str, data: bytes, at: int, what: str) -> Rejected:
    return Rejected(f"{source}: {what}: byte 0x{data[at]:02x} at offset {at}; save the file as UTF-8")


def _pairs(data: bytes) -> bool:
    """Tell whether every second byte of the beginning is mostly NUL, as in UTF-16 text of Latin letters."""
    head = data[:1000]
    return max(head[::2].count(0), head[1::2].count(0)) > len(head) // 4


def _is_binary(text: str) -> bool:
    controls = sum(1 for _ in _CONTROL.finditer(text))
    return "\x00" in text or controls > 1 + len(text) // 100


def _mostly_utf8(data: bytes) -> bool:
    """Tell whether most bytes above 7F form valid UTF-8, so that the file is damaged UTF-8 and nothing else."""
    valid = data.decode("utf-8", "ignore")
    high = len(data) - _ascii(data)
    return len(valid.encode()) - _ascii(data) >= high / 2


def _ascii(data: bytes) -> int:
    return len(data) - len(data.translate(None, bytes(range(128))))


def _candidates(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield (text, encoding) for each reading of the bytes that makes sense, the likeliest first."""
    sample = _around_high_bytes(data)
    latin = {encoding: share for encoding in _LATIN if (share := _foreign_share(sample, encoding)) is not None}
    readings = [encoding for encoding, share in latin.items() if share <= 1 - _ONE_LANGUAGE]
    letters = len(data) - len(data.translate(None, string.ascii_letters.encode()))
    if len(data) - _ascii(data) <= _FEW * letters:
        readings += [encoding for encoding in ("cp1252", "cp1250") if encoding in latin]
    for encoding in readings:
        if text := _reads_as(data, encoding):
            yield text, encoding
    for match in from_bytes(data, cp_isolation=_OTHERS):
        text = _reads_as(data, match.encoding)
        words = _around_high_characters(text or "")
        if (
            text
            and not _ODD_ALPHABETIC.search(words)
            and sum(char > "\x7f" and char.isalpha() for char in words) >= _ENOUGH
        ):
            yield text, match.encoding


def _around_high_bytes(data: bytes) -> bytes:
    """Return the runs of bytes above 7F, each with three neighbours on both sides."""
    runs = itertools.islice(_HIGH_RUN.finditer(data), _SAMPLE)
    return b" ".join(data[max(0, run.start() - 3) : run.end() + 3] for run in runs)


def _around_high_characters(text: str) -> str:
    """Return the runs of characters above 7F, each with three neighbours on both sides."""
    runs = itertools.islice(_HIGH_TEXT.finditer(text), _SAMPLE)
    return " ".join(text[max(0, run.start() - 3) : run.end() + 3] for run in runs)


def _reads_as(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _is_binary(text) else text


def _foreign_share(sample: bytes, encoding: str) -> float | None:
    """Return the least share of the letters beyond a-z that lie outside one language's alphabet.

    None where the sample cannot be text in that encoding. Signs alone (quotes, dashes) speak for cp1252.
    """
    text = _reads_as(sample, encoding)
    if text is None or _ODD.search(text):
        return None
    counts = Counter(char for char in text if char > "\x7f" and char not in _SIGNS)
    if not all(char.isalpha() for char in counts):
        return None
    if counts.total() < _ENOUGH and encoding not in ("cp1252", "cp1250"):
        return None
    if not counts:
        return 0.0 if encoding == "cp1252" else None
    return 1 - max(sum(counts[letter] for letter in alphabet) for alphabet in _ALPHABETS) / counts.total()


def bom_of(encoding: str) -> bytes:
    """Return the byte order mark that a text in this encoding may begin with; empty if there is none."""
    name = codecs.lookup(encoding).name
    return next((bom for bom, known in _BOMS if known == name), b"")
