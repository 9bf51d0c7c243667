"""What makes two answers the same: SQuAD's normalisation, the one that its published scores are made with."""

import re
import string

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Return `text` in lower case, without ASCII punctuation and English articles, words parted by one space.

    The steps and their order are those of `normalize_answer` in the SQuAD v1.1 evaluation script (Rajpurkar et al.,
    EMNLP 2016). The result may be empty: `normalise("The") == ""`.
    """
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())
