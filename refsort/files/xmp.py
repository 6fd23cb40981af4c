"""Keywords in XMP packets, added without touching anything else: what was there stays byte for byte.

The packet is read once with expat, which gives the place of every element; the new keywords are then spliced in, with
the prefixes and the indentation that are in use there. Nothing is written anew, so comments, unknown namespaces,
packet padding and the order of attributes survive.

A document type is refused, and with it every entity; so is what is too large, not XMP, or has its keywords in a form
that can't be added to. Format: ISO 16684-1 (XMP part 1), sections 7.4 to 7.7.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from refsort.files.xmp_reading import (
    DC,
    MIRRORS,
    RDF,
    SEPARATOR,
    SUBJECT,
    BadSidecar,
    Element,
    Name,
    decode,
    read,
)
from refsort.names import show

NEW = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="refsort">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def keyword(name: str) -> str:
    """A class's name as a keyword: composed letters, and nothing that XML can't hold."""
    return show(unicodedata.normalize("NFC", name))


def subjects(data: bytes) -> list[str]:
    """The keywords (dc:subject) of a packet. Raises BadSidecar."""
    return [text for found in _lists(read(decode(data)[0]), SUBJECT) for text in _texts(found)]


def new(keywords: Sequence[str]) -> bytes:
    """A packet with these keywords and nothing else."""
    return merge(NEW.encode("utf-8"), keywords)


def merge(data: bytes, keywords: Sequence[str]) -> bytes:
    """The packet with the keywords that it does not have yet; the very bytes if it has them all. Raises BadSidecar."""
    text, encoding, mark = decode(data)
    root = read(text)
    have = {word for found in _lists(root, SUBJECT) for word in _texts(found)}
    fresh = [word for word in dict.fromkeys(keywords) if word not in have]
    edits = [edit for name in (SUBJECT, *MIRRORS) for edit in _additions(text, root, name, fresh)]
    if not edits:
        return data
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement.encode("utf-8") + text[end:]
    result = mark + text.decode("utf-8").encode(encoding, "xmlcharrefreplace")
    expected = subjects(data)
    expected += [word for word in dict.fromkeys(keywords) if word not in expected]
    if subjects(result) != expected:
        raise BadSidecar("its keywords are in a form that can't be added to safely")
    return result


def _lists(root: Element, name: Name) -> Iterator[Element]:
    for description in root.children:
        if SEPARATOR.join(name) in description.attributes:
            raise BadSidecar("its keywords are an attribute, not a list")
        yield from (child for child in description.children if child.name == name)


def _texts(found: Element) -> list[str]:
    return [item.text for container in found.children for item in container.children]


def _additions(text: bytes, root: Element, name: Name, keywords: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """(from, to, replacement) places of the text that change so that the list `name` holds the keywords."""
    found = list(_lists(root, name))
    have = {word for existing in found for word in _texts(existing)}
    missing = [word for word in dict.fromkeys(keywords) if word not in have]
    if not missing or (not found and name != SUBJECT):
        return
    if not found:
        yield _begin(text, root, missing)
        return
    existing = found[0]
    if not existing.children:
        if existing.text.strip():
            raise BadSidecar("its keywords are plain text, not a list")
        if name == SUBJECT:
            rdf = _prefix(existing, RDF)
            inner = f"{_tag(rdf, 'Bag')}{_items(rdf, missing, '')}{_tag(rdf, '/Bag')}"
            yield existing.start, existing.end, f"{_reopened(text, existing)}{inner}</{existing.written}>"
        return
    yield _append(text, existing.children[0], missing)


def _append(text: bytes, container: Element, missing: Sequence[str]) -> tuple[int, int, str]:
    """Behind the last keyword, indented as it is."""
    rdf = _prefix(container, RDF)
    if container.empty:
        inner = _items(rdf, missing, "")
        return container.start, container.end, f"{_reopened(text, container)}{inner}</{container.written}>"
    if not container.children:
        return container.open_end, container.open_end, _items(rdf, missing, "")
    last = container.children[-1]
    return last.end, last.end, _items(rdf, missing, _indent(text, last.start))


def _begin(text: bytes, root: Element, missing: Sequence[str]) -> tuple[int, int, str]:
    """A new dc:subject at the end of the first description, or in a description of its own."""
    if not root.children:
        rdf = _prefix(root, RDF)
        about = f' {rdf}:about=""' if rdf else f' xmlns:rdf="{RDF}" rdf:about=""'
        outer = _deeper(_indent(text, root.start))
        whole = f"{outer}<{_name(rdf, 'Description')}{about}>"
        whole += _subject(root, missing, _deeper(outer)) + f"{outer}{_tag(rdf, '/Description')}"
        return _inside(text, root, whole)
    description = root.children[0]
    first = description.children[:1]
    indent = _indent(text, first[0].start) if first else _deeper(_indent(text, description.start))
    return _inside(text, description, _subject(description, missing, indent))


def _inside(text: bytes, element: Element, inner: str) -> tuple[int, int, str]:
    """Put something at the end of an element, before the white space that its end tag is indented with."""
    if element.empty:
        back = _indent(text, element.start)
        return element.start, element.end, f"{_reopened(text, element)}{inner}{back}</{element.written}>"
    place = element.close
    while text[place - 1 : place] in (b" ", b"\t", b"\r", b"\n"):
        place -= 1
    if place <= element.open_end:
        place = element.open_end
    return place, place, inner


def _subject(element: Element, missing: Sequence[str], indent: str) -> str:
    rdf, dc = _prefix(element, RDF), _prefix(element, DC)
    declared = ""
    if dc is None:
        dc = "dc"
        while dc in element.prefixes:
            dc += "_"
        declared = f' xmlns:{dc}="{DC}"'
    inner, innermost = _deeper(indent), _deeper(_deeper(indent))
    return (
        f"{indent}<{_name(dc, 'subject')}{declared}>{inner}{_tag(rdf, 'Bag')}"
        f"{_items(rdf, missing, innermost)}{inner}{_tag(rdf, '/Bag')}{indent}{_tag(dc, '/subject')}"
    )


def _items(rdf: str | None, words: Sequence[str], indent: str) -> str:
    return "".join(f"{indent}{_tag(rdf, 'li')}{escape(word)}{_tag(rdf, '/li')}" for word in words)


def _prefix(element: Element, namespace: str) -> str | None:
    """The prefix of a namespace inside an element, "" for the default one; None if it has none there."""
    found = [prefix for prefix, uri in element.prefixes.items() if uri == namespace]
    return max(found, key=len) if found else None


def _name(prefix: str | None, local: str) -> str:
    return f"{prefix}:{local}" if prefix else local


def _tag(prefix: str | None, local: str) -> str:
    slash, bare = ("/", local[1:]) if local.startswith("/") else ("", local)
    return f"<{slash}{_name(prefix, bare)}>"


def _reopened(text: bytes, element: Element) -> str:
    """The start tag, not closed in itself any more."""
    tag = text[element.start : element.open_end].decode("utf-8")
    return f"{tag[:-2].rstrip()}>" if element.empty else tag


def _indent(text: bytes, place: int) -> str:
    """The line break and white space before a place; empty if it does not begin a line."""
    line = text.rfind(b"\n", 0, place) + 1
    before = text[line:place]
    if not line or before.strip():
        return ""
    return ("\r\n" if text[line - 2 : line - 1] == b"\r" else "\n") + before.decode("utf-8")


def _deeper(indent: str) -> str:
    """One step further in; tabs stay tabs."""
    return indent and indent + ("\t" if indent.endswith("\t") else " ")
