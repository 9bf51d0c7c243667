from dataclasses import replace

from index.load import load_bytes
from index.sections import regions
from index.types import Heading, Mark


def test_very_many_headings_that_are_marked_are_marks_alone():
    block, times = "# A\n\nOne is.\n\n", 40_000  # compared each with each they would take minutes
    marks = tuple(Mark(at, at + len("# A"), "navigation") for at in range(0, times * len(block), len(block)))
    found = list(regions(replace(load_bytes("a.txt", b"One is."), text=block * times, marks=marks)))
    assert len(found) == times
    assert {region.path for region in found} == {()}


def test_a_heading_of_a_file_that_is_no_markdown_is_what_it_says_however_long():
    path = regions(
        replace(
            load_bytes("a.txt", b"x"),
            text=(words := "[a](b) *c*") + "\n\nOne is.",
            encoding=None,
            headings=(Heading(0, len(words), 1),),
        )
    )
    assert [region.path for region in path] == [(words,)]
    hostile = "[a](x" + "\\[" * 500_000
    document = replace(
        load_bytes("a.txt", b"x"), text=f"{hostile}\n\nOne is.", encoding=None, headings=(Heading(0, len(hostile), 1),)
    )
    assert [region.path for region in regions(document)] == [(hostile,)]
