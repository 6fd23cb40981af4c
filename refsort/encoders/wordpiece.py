"""Words to the numbers of BERT's vocabulary: lower case, accents off, then the longest known pieces.

Devlin et al., "BERT" (2019), as the uncased models do it; agrees with the package tokenizers, which is not needed.
"""

import unicodedata
from collections.abc import Iterator, Sequence

UNKNOWN, START, END = "[UNK]", "[CLS]", "[SEP]"
LONGEST_WORD = 100
"""Letters; a longer word is unknown."""
CJK = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)
"""Where each letter is a word."""


class WordPiece:
    """A vocabulary: the pieces in the order of their numbers; what continues a word begins with ##."""

    def __init__(self, pieces: Sequence[str], most: int) -> None:
        """`most`: numbers of a phrase, those of its start and end included."""
        self._number = {piece: i for i, piece in enumerate(pieces)}
        self._most = most

    def __call__(self, phrase: str) -> tuple[list[int], bool]:
        """The numbers of a phrase, start and end included, and whether it had to be cut off."""
        found: list[int] = []
        for word in words(phrase):
            found.extend(self._pieces(word))
            if len(found) > self._most - 2:
                break
        kept = found[: self._most - 2]
        return [self._number[START], *kept, self._number[END]], len(kept) < len(found)

    def _pieces(self, word: str) -> list[int]:
        found: list[int] = []
        start = 0
        while start < len(word) <= LONGEST_WORD:
            ends = range(len(word), start, -1)
            pieces = (("##" if start else "") + word[start:end] for end in ends)
            end, number = next(
                ((e, self._number[p]) for e, p in zip(ends, pieces, strict=True) if p in self._number), (0, 0)
            )
            if not end:
                return [self._number[UNKNOWN]]
            found.append(number)
            start = end
        return found or [self._number[UNKNOWN]]


def words(phrase: str) -> Iterator[str]:
    """Words and single punctuation marks, in lower case and without accents."""
    word = ""
    for letter in unicodedata.normalize("NFD", "".join(_spaced(phrase))).lower():
        category = unicodedata.category(letter)
        if category == "Mn":
            continue
        alone = _is_punctuation(letter, category) or _is_cjk(letter)
        if (alone or letter.isspace()) and word:
            yield word
            word = ""
        if alone:
            yield letter
        elif not letter.isspace():
            word += letter
    if word:
        yield word


def _spaced(phrase: str) -> Iterator[str]:
    """Control characters left out, every kind of space a space."""
    for letter in phrase:
        if letter in "\t\n\r" or letter.isspace():
            yield " "
        elif letter not in "\0\ufffd" and not unicodedata.category(letter).startswith("C"):
            yield letter


def _is_punctuation(letter: str, category: str) -> bool:
    """Signs like $ and ^ too, which Unicode does not count as punctuation."""
    return category.startswith("P") or (
        letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
    )


def _is_cjk(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in CJK)
