"""XMP packets, read with the place of every element on the way to their keywords.

A document type is refused, and with it every entity; so is what is too large, not XML or not XMP. Memory is bounded by
the size of the file: of elements that lead to no keywords nothing is kept but how deep they go.
"""

import codecs
import re
from dataclasses import dataclass, field
from xml.parsers import expat

MAX_BYTES = 16_000_000
"""The largest sidecars known, Lightroom's with masks, take a few megabytes."""
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
META = "adobe:ns:meta/"
LIGHTROOM = "http://ns.adobe.com/lightroom/1.0/"
DIGIKAM = "http://www.digikam.org/ns/1.0/"
Name = tuple[str, str]
"""(namespace, local name)"""
SUBJECT: Name = (DC, "subject")
MIRRORS: tuple[Name, ...] = ((LIGHTROOM, "hierarchicalSubject"), (DIGIKAM, "TagsList"))
"""Lists that hold the keywords once more. Where a sidecar has one, digiKam and darktable read it instead of
dc:subject, so a keyword goes in there too; they are never begun."""
CONTAINERS = frozenset({(RDF, "Bag"), (RDF, "Seq"), (RDF, "Alt")})
SEPARATOR = "\n"
ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "iso-8859-1"}
DECLARED = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")


class BadSidecar(Exception):
    """These bytes can't be added to; the text says why, for a person."""


@dataclass(slots=True)
class Element:
    """An element on the way to the keywords. Places are bytes of the UTF-8 text."""

    name: Name
    written: str
    """With the prefix that the file gives it."""
    start: int
    open_end: int
    """Behind the start tag."""
    attributes: frozenset[str]
    prefixes: dict[str, str]
    """Prefix → namespace, as they hold inside."""
    empty: bool = False
    close: int = 0
    """Where the end tag begins; that of an empty element is its own end."""
    end: int = 0
    children: list["Element"] = field(default_factory=list)
    text: str = ""


def decode(data: bytes) -> tuple[bytes, str, bytes]:
    """(UTF-8 text, the file's own encoding, its byte order mark)."""
    if len(data) > MAX_BYTES:
        raise BadSidecar(f"it is larger than any sidecar ({len(data):,} bytes)")
    mark, encoding = b"", "utf-8"
    for sign, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(sign):
            mark, encoding = sign, name
            break
    else:
        if declared := DECLARED.match(data[:200]):
            known = ENCODINGS.get(declared[1].decode("ascii").lower())
            if known is None:
                raise BadSidecar(
                    f"it is written in {declared[1].decode('ascii')}; only UTF-8, UTF-16 and Latin-1 are read"
                )
            encoding = known
    body = data[len(mark) :]
    try:
        text = body.decode(encoding)
        if text.encode(encoding) != body:
            raise BadSidecar(f"it is no valid {encoding}")
        return text.encode("utf-8"), encoding, mark
    except UnicodeError:
        raise BadSidecar(f"it is no valid {encoding}") from None


class _Reader:
    """Keeps the elements that lead to keywords, and of the others only how deep they go."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.root: Element | None = None
        self.open: list[Element | None] = []
        self.scope: list[tuple[str, str]] = []
        self.parser = expat.ParserCreate("utf-8", SEPARATOR)
        self.parser.namespace_prefixes = True
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartNamespaceDeclHandler = lambda prefix, uri: self.scope.append((prefix or "", uri or ""))
        self.parser.EndNamespaceDeclHandler = lambda prefix: self.scope.pop()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def read(self) -> Element | None:
        try:
            self.parser.Parse(self.text, True)
        except expat.ExpatError as error:
            raise BadSidecar(f"it is no valid XML ({error})") from None
        return self.root

    def _doctype(self, *_: object) -> None:
        raise BadSidecar("it declares a document type, which no sidecar needs and entities hide in")

    def _start(self, expanded: str, attributes: dict[str, str]) -> None:
        name, written = _names(expanded)
        parent = self.open[-1] if self.open else None
        if not _leads_on(parent, name, len(self.open)):
            self.open.append(None)
            if parent is not None and parent.name in CONTAINERS | {SUBJECT, *MIRRORS, (RDF, "li")}:
                raise BadSidecar("its keywords hold more than plain words")
            return
        start = self.parser.CurrentByteIndex
        open_end = _tag_end(self.text, start)
        bare = frozenset(SEPARATOR.join(key.split(SEPARATOR)[:2]) for key in attributes)
        element = Element(name, written, start, open_end, bare, dict(self.scope))
        element.empty = self.text[open_end - 2 : open_end] == b"/>"
        if parent is not None:
            parent.children.append(element)
        self.open.append(element)
        if name == (RDF, "RDF"):
            self.root = self.root or element

    def _end(self, _expanded: str) -> None:
        element = self.open.pop()
        if element is None:
            return
        element.close = element.open_end if element.empty else self.parser.CurrentByteIndex
        element.end = element.open_end if element.empty else _tag_end(self.text, element.close)

    def _text(self, text: str) -> None:
        if self.open and (element := self.open[-1]) is not None:
            element.text += text


def read(text: bytes) -> Element:
    """The rdf:RDF element. Raises BadSidecar."""
    root = _Reader(text).read()
    if root is None:
        raise BadSidecar("it is XML, but no XMP")
    return root


def _leads_on(parent: Element | None, name: Name, depth: int) -> bool:
    """Whether keywords may lie inside an element."""
    if name == (RDF, "RDF"):
        return depth == 0 or (parent is not None and parent.name[0] == META)
    if parent is None:
        return depth == 0 and name[0] == META
    if parent.name == (RDF, "RDF"):
        return name == (RDF, "Description")
    if parent.name == (RDF, "Description"):
        return name == SUBJECT or name in MIRRORS
    if parent.name == SUBJECT or parent.name in MIRRORS:
        return name in CONTAINERS
    return parent.name in CONTAINERS and name == (RDF, "li")


def _names(expanded: str) -> tuple[Name, str]:
    """((namespace, local name), name as written)."""
    parts = expanded.split(SEPARATOR)
    if len(parts) == 1:
        return ("", parts[0]), parts[0]
    written = f"{parts[2]}:{parts[1]}" if len(parts) > 2 and parts[2] else parts[1]
    return (parts[0], parts[1]), written


def _tag_end(text: bytes, start: int) -> int:
    """Behind the `>` that ends the tag; one inside an attribute's quotes does not."""
    quote = 0
    for place in range(start, len(text)):
        byte = text[place]
        if quote:
            quote = 0 if byte == quote else quote
        elif byte in b"\"'":
            quote = byte
        elif byte == ord(">"):
            return place + 1
    raise BadSidecar("it is no valid XML (a tag without an end)")
