"""Which formats are read, and how their first bytes look. Names of files never count.

Formats that are programs (EPS, PostScript, PDF, SVG, WMF) are not on the list, so nothing can start an interpreter.
"""

import re
from typing import Literal

Kind = Literal["JPEG", "PNG", "WebP", "GIF", "TIFF", "BMP", "HEIF", "AVIF", "JPEG 2000", "ICO", "PPM", "TGA"]

HEAD = 64
"""Bytes from the start of a file that are enough to name its format."""

_SUFFIXES: dict[Kind, str] = {
    "JPEG": ".jpg .jpeg .jpe .jfif .mpo",
    "PNG": ".png .apng",
    "WebP": ".webp",
    "GIF": ".gif",
    "TIFF": ".tif .tiff",
    "BMP": ".bmp .dib",
    "HEIF": ".heic .heif .hif",
    "AVIF": ".avif",
    "JPEG 2000": ".jp2 .j2k .j2c .jpc .jpf .jpx",
    "ICO": ".ico",
    "PPM": ".ppm .pgm .pbm .pnm",
    "TGA": ".tga",
}

PICTURE_SUFFIXES = frozenset(suffix for names in _SUFFIXES.values() for suffix in names.split())
"""Usual endings, in lower case, of files in a format that is read. A hint for people: content decides."""

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
)
_NETPBM = re.compile(rb"P[1-6](?:[ \t-\r]+[0-9#]|#)")
_WEBP_CHUNKS = (b"VP8 ", b"VP8L", b"VP8X")
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)

_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))
_CONTAINER_BRANDS = frozenset((b"mif1", b"mif2", b"msf1"))

_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"%!", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"8BPS", "a Photoshop document"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"RIFF", "a sound or video file"),
    (b"SQLite format 3", "a database"),
    (b"\0\x05\x16\x07", "a companion file of macOS"),
)


def kind_of(head: bytes) -> Kind | None:
    """The allowed format that these first bytes of a file announce; None if there is none.

    TGA has no signature; its header must make sense and is only looked at when nothing else fits.
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] in _WEBP_CHUNKS:
        return "WebP"
    if head[4:8] == b"ftyp":
        return _kind_of_brands(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if head[:4] == b"\0\0\1\0" and head[4:6] != b"\0\0" and head[9:10] == b"\0":
        return "ICO"
    if _NETPBM.match(head):
        return "PPM"
    return "TGA" if tga_is_plausible(head) else None


def _kind_of_brands(head: bytes) -> Kind | None:
    """HEIF or AVIF by the brands in a leading ftyp box (ISO/IEC 23008-12, section 10; AV1 image format, section 6)."""
    end = min(int.from_bytes(head[:4], "big"), HEAD, len(head))
    brands = {head[at : at + 4] for at in range(16, end - 3, 4)}
    major = head[8:12]
    if major in _AVIF_BRANDS:
        return "AVIF"
    if major in _HEIF_BRANDS:
        return "HEIF"
    if major in _CONTAINER_BRANDS:
        return "AVIF" if brands & _AVIF_BRANDS else "HEIF"
    return None


def tga_is_plausible(head: bytes) -> bool:
    """Whether the 18-byte header fits a TGA in every field (Truevision TGA 2.0, section C.2)."""
    if len(head) < 18:
        return False
    has_map, image_type = head[1], head[2]
    map_length, map_depth = int.from_bytes(head[5:7], "little"), head[7]
    width, height = int.from_bytes(head[12:14], "little"), int.from_bytes(head[14:16], "little")
    depth, descriptor = head[16], head[17]
    if not width or not height or descriptor & 0xC0 or descriptor & 0x0F > 8:
        return False
    if image_type in (1, 9):
        return has_map == 1 and depth == 8 and 0 < map_length <= 256 and map_depth in (16, 24, 32)
    if has_map or any(head[3:8]):
        return False
    return (image_type in (2, 10) and depth in (16, 24, 32)) or (image_type in (3, 11) and depth in (8, 16))


def looks_like_picture(head: bytes) -> bool:
    """Whether the first 64 bytes of a file carry the signature of a format that is read."""
    return kind_of(head[:HEAD]) is not None


def what_else(head: bytes) -> str:
    """What a file that is no picture seems to be, as words for a person."""
    if not head:
        return "the file is empty"
    for signature, name in _OTHERS:
        if head.startswith(signature):
            return f"this is {name}, not a picture"
    if head[4:8] in (b"ftyp", b"moov", b"mdat"):
        return "this is a video, not a picture"
    start = head[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "this is a web page, not a picture"
    if start.startswith((b"<?xml", b"<svg")):
        return "this is an XML or SVG document, not a picture that can be read"
    if not any(head[:HEAD]):
        return "the file starts with nothing but zeros"
    if len(head) >= 8 and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head[:HEAD]):
        return "this is text, not a picture"
    return "not a picture in a format that can be read"
