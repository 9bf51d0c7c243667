import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import index.apart
import index.html_apart
from index.errors import Rejected
from index.load import load_bytes

PROSE = "The bridge over the river was opened on Monday, and many people came to see it cross the water again."
MORE = "It took two years and cost more than anyone had said it would, as such things do, and nobody was surprised."


def page(body, head="<title>A bridge</title>", more=""):
    return f"<!doctype html><html {more}><head>{head}</head><body>{body}</body></html>"


def load(body, **more):
    return load_bytes("a.html", page(body, **more).encode())


def marked(document):
    return [(mark.label, document.text[mark.start : mark.end]) for mark in document.marks]


def test_the_text_is_all_visible_blocks_in_order():
    document = load(
        f"<h1>A bridge</h1><p>One <b>bold</b>  word\n and a<br>new line.</p>{PROSE}<ul><li>first<li>second</ul>"
        "<table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x = 1\n  y = 2</pre><p>a&nbsp;b &lt;c&gt; &#x1F600;"
    )
    assert document.text == (
        f"A bridge\n\nOne bold word and a\nnew line.\n\n{PROSE}\n\nfirst\nsecond\n\na\tb\n1\t2\n\nx = 1\n  y = 2"
        "\n\na\u00a0b <c> \U0001f600"
    )
    assert (document.encoding, document.bom_bytes, document.media_type) == (None, 0, "text/html; charset=utf-8")


def test_what_is_not_shown_is_not_text():
    hidden = "<script>var a;</script><style>p{}</style><noscript>n</noscript><template>t</template><p hidden>h</p>"
    hidden += '<p style="color: red; display:none">d</p><!-- c --><select><option>o</select><textarea></textarea>'
    assert load(f"<p>Seen.</p>{hidden}<p>Also seen.</p>").text == "Seen.\n\nAlso seen."


def test_headings_lie_above_their_places_and_markdown_in_a_page_is_text():
    document = load(f"<h1>A bridge</h1><p>{PROSE}</p><h2>Its <i>cost</i></h2><p># not a heading</p><p>{MORE}</p>")
    assert document.headings_at(document.text.index("It took")) == ("A bridge", "Its cost")
    assert [heading.level for heading in document.headings] == [1, 2]


def test_only_what_both_witnesses_speak_against_is_marked():
    document = load(
        "<nav><a href=/>Home</a></nav><article class='share related'><h1>A bridge</h1>"
        f"<p>{PROSE}</p><div class='promo'><p>{MORE}</p></div><aside><p>{PROSE}</p></aside></article>"
        "<div class=comments><p>First!</p></div><footer>Contact</footer>"
    )
    assert ("navigation", "Home") in marked(document)
    assert ("comments", "First!") in marked(document)
    assert ("footer", "Contact") in marked(document)
    assert not any(mark.start <= document.text.index(PROSE) < mark.end for mark in document.marks)


NAMES = "social-media social-security comments related-work menu tags legal popular-vote topics navigation consent"


def told(thing):
    return f"<p>The {thing} was opened in 1950, and many people came to see the {thing} on the day that it was.</p>"


@pytest.mark.parametrize("name", NAMES.split())
@pytest.mark.parametrize("around", ["main", "article"])
def test_a_name_does_not_speak_against_a_section_of_the_article(name, around):
    section = f"<h2>A section</h2>{told('mill')}{told('lock')}<ul><li>Pension: 900 euros</li></ul>"
    document = load(
        f"<{around}><h1>A bridge</h1>{told('bridge')}{told('river')}<section id={name}>{section}</section>"
        f"<section><h2>End</h2>{told('road')}{told('lamp')}</section></{around}>"
    )
    assert document.marks == ()
    assert [heading.level for heading in document.headings] == [1, 2, 2]


@pytest.mark.parametrize("name", ["social", "related", "menu"])
def test_a_sentence_in_the_article_is_not_marked_for_a_name_that_may_be_its_subject(name):
    named = f"<div class={name}>{told('mill')}</div>"
    document = load(f"<main><h1>A bridge</h1>{told('bridge')}{told('river')}{named}{told('road')}</main>")
    assert document.marks == ()


@pytest.mark.parametrize(
    "name", ["social-housing", "popular-vote", "legal-costs", "share-capital", "subscription-prices"]
)
def test_a_name_of_which_a_part_alone_is_that_of_boilerplate_is_none(name):
    table = "<table><tr><td>Northtown</td><td>300</td></tr></table>"
    document = load(
        f"<h1>A bridge</h1>{told('bridge')}{told('river')}<div id={name}><h2>Sums</h2>{table}</div>{told('road')}"
    )
    assert document.marks == ()


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("newsletter-signup", "newsletter"),
        ("comment-list", "comments"),
        ("relatedPosts", "related"),
        ("article__social", "share"),
        ("site-navigation", "navigation"),
        ("menu-item-12", "navigation"),
    ],
)
def test_names_that_page_makers_give_speak_against_what_stands_in_the_article(name, label):
    box = f"<div class={name}><ul><li>First of these</li></ul></div>"
    document = load(f"<main><h1>A bridge</h1>{told('bridge')}{told('river')}{box}{told('road')}</main>")
    assert marked(document) == [(label, "First of these")]


def test_comments_in_a_list_of_comments_are_marked_though_they_are_sentences():
    comments = f"<div id=comments><h3>2 comments</h3><ol class=comment-list><li>{told('mill')}</li></ol></div>"
    document = load(f"<main><h1>A bridge</h1>{told('bridge')}{told('river')}{told('road')}{comments}</main>")
    assert [label for label, words in marked(document) if "mill" in words] == ["comments"]


@pytest.mark.parametrize(
    "embedded",
    [
        "<img src='data:image/png;base64,{}'>",
        "<img srcset='a.png 1x, data:image/png;base64,{} 2x'>",
        "<a href='data:text/plain,{}'></a>",
        "<p style='background: url(data:image/png;base64,{}); color: red'></p>",
        "<style>@font-face {{ src: url(data:font/woff2;base64,{}) }}</style>",
    ],
)
def test_what_a_page_embeds_does_not_make_it_too_large_to_be_read_in_full(embedded):
    body = f"<div><h1>A bridge</h1>{told('bridge') * 3}{told('river') * 3}</div><p><a href=/>All bridges</a></p>"
    assert marked(load(body + embedded.format("A" * 2**21))) == [("navigation", "All bridges")]


def test_what_stands_beside_the_article_is_marked_for_its_place_only_if_it_is_links():
    facts = "<dl><dt>Winner</dt><dd>Ann Lee</dd></dl><p>Turnout: 61 per cent</p><h2>Results</h2>"
    facts += "<table><tr><td>Ward 1</td><td>137</td></tr></table>"
    links = "<p><a href=/>All bridges</a> | <a href=/>Help</a></p>"
    document = load(f"<div><h1>A bridge</h1>{told('bridge') * 3}{told('river') * 3}</div>{facts}{links}")
    assert marked(document) == [("navigation", "All bridges | Help")]


def test_a_page_in_which_no_article_is_found_keeps_its_sentences():
    document = load(
        "<div class=share><p>The shop is closed on Mondays, and on the first of May.</p></div><nav>Up</nav>"
    )
    assert [words for _, words in marked(document)] == ["Up"]


def test_facts_come_from_the_head_and_with_the_place_where_the_text_states_them():
    head = '<title>A bridge | The Post</title><meta property="og:site_name" content="The Post">'
    head += (
        '<meta name="author" content="Jane Doe"><meta property="article:published_time" content="2020-05-06T10:00Z">'
    )
    head += '<link rel="canonical" href="https://example.org/a">'
    body = f"<h1>A bridge</h1><p>By Jane Doe</p><p>6 May 2020</p><p>{PROSE}</p><p>{MORE}</p>"
    metadata = (document := load(body, head=head, more='lang="en-GB"')).metadata
    stated = {
        name: field.start is not None and document.text[field.start : field.end] for name, field in metadata.items()
    }
    assert {name: field.value for name, field in metadata.items()} == {
        "title": "A bridge",
        "author": "Jane Doe",
        "publisher": "The Post",
        "published": "2020-05-06",
        "language": "en",
        "url": "https://example.org/a",
    }
    assert stated == {
        "title": "A bridge",
        "author": "Jane Doe",
        "publisher": False,
        "published": "6 May 2020",
        "language": False,
        "url": False,
    }


def test_an_address_that_is_no_web_address_is_no_url():
    head = '<title>A bridge</title><link rel="canonical" href="javascript:alert(1)">'
    assert load(f"<p>{PROSE}</p>", head=head).metadata.url is None


@pytest.mark.parametrize(
    ("declared", "codec", "charset"),
    [
        ('<meta charset="iso-8859-1">', "cp1252", "cp1252"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251", "cp1251"),
        ('<meta charset="shift_jis">', "cp932", "cp932"),
        ('<meta charset="iso-2022-jp">', "iso2022_jp", "iso2022_jp"),
        ('<meta charset="iso-8859-1">', "utf-8", "utf-8"),  # valid UTF-8 is UTF-8, whatever it says
        ('<meta charset="klingon">', "utf-8", "utf-8"),
        ("", "utf-8-sig", "utf-8"),
        ("", "utf-16", "utf-16-le"),
    ],
)
def test_the_encoding_is_what_the_page_says_unless_its_bytes_say_otherwise(declared, codec, charset):
    words = {"cp1251": "Правительство", "cp932": "政府は", "iso2022_jp": "政府は"}.get(codec, "café")
    document = load_bytes("a.html", page(f"<p>{words}</p>", head=declared).encode(codec))
    assert document.text == words
    assert document.media_type == f"text/html; charset={charset}"


@pytest.mark.parametrize(
    "markup",
    [
        "<html><body><p>One.</p></body></html><p>Two.</p> Three.",
        "<html><body><p>One.</p></body></html><!-- a --> Two.<?b c?><!-- d -->\n<p>Three.</p><!-- e -->",
        "<html><head><title>A bridge</title></head></html><body><p>One.</p><p>Two.</p></body>Three.",
        f"{page('<p>One.</p>')}\n{page('<p>Two.</p><script>draw()</script>')}\n<p>&#1;Three.</html></html>",
        "One.</html>Two.</html>Three.</html>",
    ],
)
def test_what_follows_the_end_of_a_page_is_text_too(markup):
    assert load_bytes("a.html", markup.encode()).text.split() == ["One.", "Two.", "Three."]


def test_what_follows_the_end_of_a_page_is_marked_as_within_it():
    article = f"<article><h1>A bridge</h1><p>{PROSE}</p><p>{MORE}</p></article><footer>Contact</footer>"
    whole, ended = load(f"<nav>Up</nav>{article}"), load(f"<nav>Up</nav></body></html>{article}")
    assert (ended.text, ended.marks, ended.metadata) == (whole.text, whole.marks, whole.metadata)
    assert [words for _, words in marked(ended)] == ["Up", "Contact"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no visible text"),
        (page("<script>draw()</script>").encode(), "no visible text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (page("<div>" * 3000 + "deep" + "</div>" * 3000).encode(), "cannot be read whole"),
    ],
)
def test_a_page_that_cannot_be_read_is_rejected_with_the_reason(data, reason):
    with pytest.raises(Rejected, match=rf"a\.html: {reason}"):
        load_bytes("a.html", data)


def test_a_large_page_of_one_long_line_loses_nothing():
    words = "word " * (3 * 2**20)
    document = load(f"<p>{words}</p><p>The end.</p>")
    assert len(document.text) == len(words) - 1 + len("\n\nThe end.")


WITHOUT = """
import sys
sys.modules["trafilatura"] = None
import index.apart
import index.html_apart
from index.errors import Rejected
from index.load import load_bytes
try:
    load_bytes("a.html", b"<p>text")
except Rejected as reason:
    print(reason)
"""


def test_without_the_extra_a_page_is_rejected_with_what_to_install():
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert said.startswith("a.html: reading .html needs `pip install 'pincite[html]'`")


TAGS = "<p> </p> <nav> <h1> </h1> <h2>x</h2> <li> <table><tr><td> <br> </a> <article> </article> <!-- --> </div> </pre>"
PIECES = [*TAGS.split(), "<div class=share>", "<a href=x>", "<pre> \r\n", "<p hidden>", "<svg><text>x", "&amp;", "&#0;"]
PIECES += [PROSE, MORE, "By Jane Doe", "6 May 2020", " ", "\n", "\x00", "\f", "Share", "中文。", "</html>", "<html>"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_any_markup_gives_whole_blocks_with_spans_inside_the_text_or_is_rejected(markup):
    try:
        document = load_bytes("a.html", markup.encode())
    except Rejected as rejected:
        assert "cannot be read (" not in str(rejected)  # noqa: PT017 - an error nobody foresaw
        return
    text = document.text
    assert "\x00" not in text
    assert text == text.strip("\n")
    assert all(one.end <= two.start for one, two in pairwise(document.marks))
    for span in (*document.marks, *document.headings):
        assert text[span.start : span.end].strip() == text[span.start : span.end] != ""
    for name, field in document.metadata.items():
        assert field.start is None or name == "published" or text[field.start : field.end] == field.value


def test_names_nested_as_deep_as_a_page_may_be_are_weighed_once():
    depth = 1500
    body = "<div class=share>" * depth + f"<h1>A bridge</h1><p>{PROSE}</p><p>{MORE * 2000}</p>" + "</div>" * depth
    assert load(body).marks == ()


@pytest.mark.parametrize(
    "charset", ["hex", "zlib", "rot13", "unicode_escape", "raw_unicode_escape", "idna", "undefined", "no-such"]
)
def test_a_declared_encoding_that_is_none_of_texts_is_not_used(charset):
    data = page(f"<p>{PROSE} caf\u00e9 \\n</p>", head=f'<meta charset="{charset}">').encode("cp1252")
    document = load_bytes("a.html", data)
    assert (document.text, document.media_type) == (f"{PROSE} caf\u00e9 \\n", "text/html; charset=cp1252")


@pytest.mark.parametrize("control", ["\f", "&#12;", "&#1;", "&#x1F;", "&#11;"])
def test_control_characters_that_the_markup_names_are_no_text(control):
    document = load(f"<h2>A bridge</h2>{control}<p>{PROSE}{control} {MORE}</p>")
    assert document.text.split() == ["A", "bridge", *PROSE.split(), *MORE.split()]


def test_a_page_that_takes_its_parser_too_long_is_rejected_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(index.apart, "SECONDS", 0.2)
    deep = "<div>" * 200 + "<h1>a</h1>" + "</div>" * 200
    with pytest.raises(Rejected, match=r"a\.html: not read after 0\.2 seconds; save it as text, or exclude it"):
        load(deep * 200)
    monkeypatch.undo()
    assert load("<p>Seen.</p>").text == "Seen."


def test_a_page_that_ends_the_process_that_reads_it_is_rejected_and_the_next_is_read(monkeypatch):
    load("<p>Seen.</p>")
    reading = index.html_apart._reading
    reading._process.kill()
    with pytest.raises(Rejected, match=r"a\.html: cannot be read \(its parser gave up, or ran out of memory\)"):
        load("<p>Not seen.</p>")
    assert load("<p>Seen.</p>").text == "Seen."


def test_pages_are_read_from_many_threads_each_as_itself():
    with ThreadPoolExecutor(8) as threads:
        texts = list(threads.map(lambda number: load(f"<p>Page {number}.</p>").text, range(40)))
    assert texts == [f"Page {number}." for number in range(40)]


def test_an_error_that_the_parser_does_not_foresee_rejects_the_one_page():
    answers = subprocess.run(
        [sys.executable, "-c", FAILING], input=b'["a.html", 4]\ntext["b.html", 4]\ntext', stdout=subprocess.PIPE
    )
    assert [json.loads(line)["rejected"] for line in answers.stdout.splitlines()] == [
        f"{source}: cannot be read (RecursionError); save it anew, or as text" for source in ("a.html", "b.html")
    ]


FAILING = """
import index.html, index.html_apart
def fail(source, data):
    raise RecursionError
index.html.load_html = fail
index.html_apart.main()
"""


def test_a_heading_above_a_date_is_no_author():
    page = "<h1>A title of the page</h1><{0}>Higher Property Taxes</{0}><p>3 May 2019</p><p>The council met.</p>"
    found = [load_bytes("a.html", page.format(tag).encode()).metadata.author for tag in ("h2", "p")]
    assert [author and author.value for author in found] == [None, "Higher Property Taxes"]
