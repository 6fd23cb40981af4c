"""PNG before decoding: checksums, size, text that inflates (PNG, third edition, section 5 and 11).

The decoder is given the chunks that pixels depend on and nothing else: no text, no frames of an animation.
"""

import zlib

from refsort.errors import BadPicture
from refsort.images.exif import orientation
from refsort.images.header import Checked, check_size, cut_short, damaged

MAX_TEXT = 16 * 2**20
"""Bytes of text that a PNG may inflate to; a deflated megabyte can hold a gigabyte."""
MAX_PROFILE = 16 * 2**20
"""Bytes of an ICC profile, inflated; larger ones are ignored."""

_PIECE = 4096  # bytes; deflate can make 1032 of one, so a step stays near 4 MB
_PIXELS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_GREY, _TRUECOLOUR = 0, 2


def check_png(data: bytes, max_pixels: int) -> Checked:
    """Walk all chunks up to IEND.

    Raises BadPicture for a wrong checksum anywhere: the decoder itself doesn't look at those of the pixels.
    """
    kept, turn, profile, text = [data[:8]], 1, None, 0
    depth = colour = 0
    view = memoryview(data)
    at, kind = 8, b""
    while kind != b"IEND":
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body, end = data[at + 4 : at + 8], at + 8, at + 12 + length
        if end > len(data):
            cut_short("PNG")
        if kind == b"IHDR":
            if at != 8 or length != 13:
                damaged("PNG", "its header is out of place")
            width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
            check_size("PNG", width, height, max_pixels)
            depth, colour = data[24], data[25]
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            damaged("PNG", "a checksum is wrong")
        if kind == b"tRNS":
            kept.append(_colour_key(data[at:end], depth, colour))
        elif kind in _PIXELS:
            kept.append(data[at:end])
        elif kind == b"eXIf":
            turn = orientation(data[body : end - 4])
        elif kind == b"iCCP":
            profile = _profile(data[body : end - 4])
        elif kind in (b"zTXt", b"iTXt"):
            text += _inflated_length(_compressed_text(kind, data[body : end - 4]), MAX_TEXT - text)
            if text > MAX_TEXT:
                raise BadPicture(f"PNG: compressed text of more than {MAX_TEXT // 2**20} MB")
        at = end
    if not depth:
        damaged("PNG", "no header")
    return Checked(b"".join(kept), turn, profile)


def _colour_key(chunk: bytes, depth: int, colour: int) -> bytes:
    """The tRNS chunk as the decoder needs it.

    Pillow scales samples of 2 and 4 bits up to 8 and those of 16 bits in colour down, but leaves the transparent
    colour as it was written.
    """
    samples = [int.from_bytes(chunk[at : at + 2], "big") for at in range(8, len(chunk) - 5, 2)]
    if colour == _GREY and depth in (2, 4):
        samples = [s * 255 // (2**depth - 1) & 0xFF for s in samples]
    elif colour == _TRUECOLOUR and depth == 16:
        samples = [s >> 8 for s in samples]
    else:
        return chunk
    body = b"tRNS" + b"".join(s.to_bytes(2, "big") for s in samples)
    return chunk[:4] + body + zlib.crc32(body).to_bytes(4, "big")


def _profile(body: bytes) -> bytes | None:
    """ICC profile out of an iCCP chunk; None if it can't be inflated."""
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(body.partition(b"\0")[2][1:], MAX_PROFILE)
    except zlib.error:
        return None
    return None if inflate.unconsumed_tail else profile


def _compressed_text(kind: bytes, body: bytes) -> bytes:
    """The deflated part of a text chunk; empty if there is none."""
    rest = body.partition(b"\0")[2]
    if kind == b"zTXt":
        return rest[1:]
    if rest[:1] != b"\1":
        return b""
    return rest[2:].partition(b"\0")[2].partition(b"\0")[2]


def _inflated_length(packed: bytes, limit: int) -> int:
    """Bytes that `packed` inflates to, counted no further than a little above `limit`; nothing is kept."""
    inflate, total = zlib.decompressobj(), 0
    try:
        for at in range(0, len(packed), _PIECE):
            total += len(inflate.decompress(packed[at : at + _PIECE]))
            if total > limit or inflate.eof:
                break
    except zlib.error:
        pass  # text that can't be read is not looked at
    return total
