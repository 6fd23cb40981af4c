"""Keywords go into XMP sidecars as other programs write them, and not one other byte of these changes."""

import codecs
import difflib
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from refsort.files.xmp import keyword, merge, new, subjects
from refsort.files.xmp_reading import MAX_BYTES, BadSidecar

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
DARKTABLE = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- a > "comment" -->
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF {RDF}>
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    {DC}
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
   xmp:Rating="4"
   darktable:note='one > two & "three"'.>
   <dc:subject>
    <rdf:Bag>
     <rdf:li>Größe</rdf:li>
     <rdf:li>dog &amp; cat</rdf:li>
    </rdf:Bag>
   </dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Bag>
     <rdf:li>animals|dog</rdf:li>
    </rdf:Bag>
   </lr:hierarchicalSubject>
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:params="gz02eJz&#10;"/>
    </rdf:Seq>
   </darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
""".replace('& "three"\'.', '&amp; "three"\'')
LIGHTROOM = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core 7.0">\r\n'
    f"\t<r:RDF {RDF.replace(':rdf', ':r')}>\r\n"
    '\t\t<r:Description r:about="" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" crs:Exposure="+0.5"/>\r\n'
    "\t</r:RDF>\r\n</x:xmpmeta>\r\n"
)
DIGIKAM = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}><rdf:Description xmlns:digiKam="http://www.digikam.org/ns/1.0/">'
    "<digiKam:TagsList><rdf:Seq><rdf:li>Orte/Köln</rdf:li></rdf:Seq></digiKam:TagsList></rdf:Description>"
    "</rdf:RDF></x:xmpmeta>"
)
EMPTY_BAG = (
    f'<rdf:RDF {RDF}><rdf:Description rdf:about="" {DC}><dc:subject><rdf:Bag/></dc:subject></rdf:Description></rdf:RDF>'
)
NO_DESCRIPTION = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF {RDF}>\n </rdf:RDF>\n</x:xmpmeta>'
DC_TAKEN = f'<rdf:RDF {RDF}><rdf:Description rdf:about="" xmlns:dc="urn:other" dc:x="1"/></rdf:RDF>'
DEFAULT_NAMESPACE = (
    '<RDF xmlns="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f"<Description {DC}><dc:subject><Bag><li>a</li></Bag></dc:subject></Description></RDF>"
)
SAMPLES = {
    "darktable": DARKTABLE,
    "lightroom": LIGHTROOM,
    "digikam": DIGIKAM,
    "empty bag": EMPTY_BAG,
    "no description": NO_DESCRIPTION,
    "dc taken": DC_TAKEN,
    "default namespace": DEFAULT_NAMESPACE,
}
WORDS = ["señal de tráfico", "a <b> & 'c'", "🐱"]


def by_another_parser(data: bytes) -> list[str]:
    return [
        item.text or ""
        for subject in ElementTree.fromstring(data).iter("{http://purl.org/dc/elements/1.1/}subject")
        for item in subject.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_nothing_but_the_keywords_is_added(name: str) -> None:
    before = SAMPLES[name].encode()
    had = subjects(before)
    after = merge(before, WORDS)
    assert by_another_parser(after) == had + WORDS
    lost = [line for line in difflib.ndiff(pieces(before), pieces(after)) if line.startswith("- ")]
    assert lost == [], "every tag, attribute, comment and text is still there, in its order"
    assert merge(after, WORDS) == after
    assert merge(before, had) == before


def pieces(data: bytes) -> list[str]:
    """Tags without their end marks and texts, so that an element that was empty and is not any more counts as kept."""
    return [
        piece.strip(" \t/\r\n")
        for piece in data.decode().replace("<", "\0<").replace(">", "\0").split("\0")
        if piece.strip()
    ]


def test_every_byte_outside_the_splice_stays() -> None:
    before = DARKTABLE.encode()
    after = merge(before, ["new"])
    added = b"\n     <rdf:li>new</rdf:li>"
    assert after.count(added) == 2, "also in Lightroom's list, which darktable reads instead"
    assert after.replace(added, b"") == before
    windows = LIGHTROOM.encode()
    assert merge(windows, ["new"]).count(b"\r\n") > windows.count(b"\r\n")
    assert b"\n" not in merge(windows, ["new"]).replace(b"\r\n", b"")


def test_a_list_that_digikam_reads_first_is_kept_up_too() -> None:
    after = merge(DIGIKAM.encode(), ["perro"])
    assert "<rdf:li>Orte/Köln</rdf:li><rdf:li>perro</rdf:li>" in after.decode()
    assert by_another_parser(after) == ["perro"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_the_files_own_encoding_is_kept(encoding: str) -> None:
    text = LIGHTROOM.replace("+0.5", "ñ")
    if encoding == "iso-8859-1":
        text = f'<?xml version="1.0" encoding="ISO-8859-1"?>{text}'
    before = text.encode(encoding)
    after = merge(before, WORDS)
    assert subjects(after) == by_another_parser(after) == WORDS
    assert after[:2] == before[:2]
    assert "ñ".encode(encoding)[-2:] in after
    if encoding == "utf-16":
        assert after.startswith(codecs.BOM_UTF16)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x/>', "document type"),
        (f'<!DOCTYPE r SYSTEM "file:///etc/passwd">{LIGHTROOM}'.encode(), "document type"),
        (b"", "no valid XML"),
        (b"\xff\xfe\x00", "no valid"),
        (b"caf\xe9", "no valid utf-8"),
        (b"<html><body/></html>", "no XMP"),
        (LIGHTROOM.encode()[:-20], "no valid XML"),
        (b'<?xml version="1.0" encoding="EBCDIC-CP-BE"?><x/>', "EBCDIC"),
        (
            DC_TAKEN.replace("urn:other", "http://purl.org/dc/elements/1.1/").replace("dc:x", "dc:subject").encode(),
            "attribute",
        ),
        (EMPTY_BAG.replace("<rdf:Bag/>", "plain").encode(), "plain text"),
        (EMPTY_BAG.replace("<rdf:Bag/>", "<rdf:Bag><rdf:li><b/></rdf:li></rdf:Bag>").encode(), "more than plain words"),
        (b"<x>" + b" " * MAX_BYTES + b"</x>", "larger"),
        (b"<a>" * 200_000, "no valid XML"),
    ],
)
def test_what_can_not_be_added_to_safely_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadSidecar, match=why):
        merge(data, ["x"])


def test_a_new_packet() -> None:
    data = new(WORDS)
    assert by_another_parser(data) == WORDS
    assert data.startswith(b'<?xpacket begin="\xef\xbb\xbf"')
    assert keyword("n\u0303u\udcff") == "ñu\\udcff"


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed (libimage-exiftool-perl)")
def test_exiftool_reads_them_back(tmp_path: Path) -> None:
    read = [text for name, text in SAMPLES.items() if name != "default namespace"]  # exiftool reads no such file.
    for number, text in enumerate(read):
        (tmp_path / f"{number}.xmp").write_bytes(merge(text.encode(), WORDS))
    (tmp_path / "new.xmp").write_bytes(new(WORDS))
    done = subprocess.run(
        ["exiftool", "-charset", "utf8", "-s3", "-sep", "|", "-Subject", "-Error", "-Warning", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.count("|".join(WORDS)) == len(read) + 1, done.stdout
    assert "rror" not in done.stdout
