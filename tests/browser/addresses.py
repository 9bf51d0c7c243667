"""Where the browser is sent: questions about the seeds, and each page at its own address."""

from urllib.parse import quote

from index.types import document_id_of

SET_UP = "Where was the Regional Anti-Terrorist Structure set up?"
NOT_THERE = "Which telescope discovered seventeen planets?"
LUKIN = document_id_of("003_cb8a02c0b0832459.txt")
ATTACKER = document_id_of("<b>attack</b>.txt")
ASKED = "/?q=" + quote(SET_UP)
ADDRESSES = {
    "ask": "/",
    "answer": ASKED,
    "no answer": "/?q=" + quote(NOT_THERE),
    "refused": "/?q=a&date_from=yesterday",
    "read": f"/read/{LUKIN}?start=3000&end=3120#cited",
    "library": "/library",
    "remove": f"/library/{LUKIN}/remove",
    "confirmed": "/confirmed",
    "evaluations": "/evaluations",
    "missing": "/nowhere",
}
