"""The good files of the battery in other formats than JPEG."""

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from tests.images.make import Folder, encoded, heic
from tests.images.scene import Scene, exif, stored, to_bytes, wide_profile

EXACT, PALETTE, LOSSY = 1.0, 5.0, 4.0
"""Tolerances: the same pixels but for rounding; 256 colours; a lossy coder."""

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def write_good(files: Folder, s: Scene) -> None:
    _png(files, s)
    _png_alpha(files, s)
    _gif_and_webp(files, s)
    _tiff(files, s)
    _bitmaps(files, s)
    _netpbm(files, s)
    _modern(files, s)


# ------------------------------------------------------------------------------------------------------- PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def deflated(block: bytes, times: int) -> bytes:
    """`block` repeated, deflated in little memory."""
    packer = zlib.compressobj(1)
    return b"".join([packer.compress(block) for _ in range(times)] + [packer.flush()])


def png_head(width: int, height: int, depth: int, colour: int, interlaced: bool = False) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)


def png(array: NDArray[Any], colour: int, extra: bytes = b"", interlaced: bool = False) -> bytes:
    """PNG by hand, [H, W, channels] of 8 or 16 bits, rows unfiltered."""
    height, width, _ = array.shape
    rows = b""
    for y, x, down, right in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = array[y::down, x::right].astype(array.dtype.newbyteorder(">"))
        rows += b"".join(b"\0" + row.tobytes() for row in part)
    head = png_head(width, height, 8 * array.dtype.itemsize, colour, interlaced)
    return head + extra + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


def _png(files: Folder, s: Scene) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "some words " * 1000, zip=True)
    files.good("plain.png", encoded(s.image, "PNG", pnginfo=text), "8-bit RGB with a compressed comment", EXACT)
    files.good("wrong_name.jpg", encoded(s.image, "PNG"), "a PNG named .jpg", EXACT)
    files.good("palette.png", encoded(s.image.quantize(256), "PNG"), "palette", PALETTE)
    files.good("rgb16.png", png(s.rgb.astype(np.uint16) * 257, 2), "16-bit RGB", EXACT)
    grey16 = np.asarray(s.grey).astype(np.uint16)[..., None] * 257
    files.good("grey16.png", png(grey16, 0), "16-bit grey: scale, do not clip", EXACT, grey=True)
    dots = s.grey.resize((1280, 960), Image.Resampling.BICUBIC).convert("1")
    files.good("one_bit.png", encoded(dots, "PNG"), "1 bit, dithered at four times the size", 8.0, grey=True)
    files.good("interlaced.png", png(s.rgb, 2, interlaced=True), "Adam7", EXACT)
    animated = encoded(s.image, "PNG", save_all=True, append_images=[s.other], duration=100)
    files.good("animated.png", animated, "two frames, the first counts", EXACT)
    files.good("icc.png", encoded(s.wide, "PNG", icc_profile=wide_profile()), "a wide space and its profile", 3.0)
    huge = chunk(b"iCCP", b"huge\0\0" + deflated(bytes(2**20), 400))
    files.good("icc_bomb.png", png(s.rgb, 2, huge), "a profile that inflates to 400 MB: ignore it", EXACT)
    turned = encoded(stored(s.image, 6), "PNG", exif=exif(6))
    files.good("orientation_6.png", turned, "orientation in an eXIf chunk", EXACT)


def _png_alpha(files: Folder, s: Scene) -> None:
    files.good("keyed.png", encoded(s.keyed, "PNG", transparency=255), "palette, one entry transparent", PALETTE)
    files.good("grey_alpha.png", png(s.la, 4), "grey and alpha, black below", EXACT, grey=True)
    files.good("rgba.png", png(s.rgba, 6), "RGB and alpha, black below", EXACT)
    files.good("rgba16.png", png(s.rgba.astype(np.uint16) * 257, 6), "16-bit RGB and alpha", EXACT)
    key = np.array([9, 251, 3], np.uint8)
    keyed = np.where((s.rgb == 255).all(-1, keepdims=True), key, s.rgb)
    files.good(
        "colour_key.png", png(keyed, 2, chunk(b"tRNS", bytes([0, 9, 0, 251, 0, 3]))), "a transparent colour", EXACT
    )
    deep_key = chunk(b"tRNS", bytes([9, 1, 251, 2, 3, 4]))
    deep = png(keyed.astype(np.uint16) * 256 + np.array([1, 2, 4], np.uint16), 2, deep_key)
    files.good("colour_key16.png", deep, "a transparent colour of 16 bits", EXACT)
    grey = np.asarray(s.grey).astype(np.uint16)[..., None] * 257
    grey = np.where((s.rgb == 255).all(-1, keepdims=True), np.uint16(5), grey)
    grey_key = png(grey, 0, chunk(b"tRNS", bytes([0, 5])))
    files.good("grey_key16.png", grey_key, "a transparent grey of 16 bits", EXACT, grey=True)


# -------------------------------------------------------------------------------------------------- GIF, WebP


def _gif_and_webp(files: Folder, s: Scene) -> None:
    palette = s.image.quantize(256)
    files.good("still.gif", encoded(palette, "GIF"), "GIF", PALETTE)
    files.good("keyed.gif", encoded(s.keyed, "GIF", transparency=255), "GIF with a transparent entry", PALETTE)
    frames = [s.image.rotate(90).quantize(256), s.other.quantize(256)]
    animated = encoded(palette, "GIF", save_all=True, append_images=frames, duration=100)
    files.good("animated.gif", animated, "three frames, the first counts", PALETTE)
    files.good("ten_thousand.gif", many_frames(encoded(palette, "GIF"), 10_000), "10,000 frames", PALETTE)
    lossy = encoded(s.image, "WEBP", quality=100)
    files.good("lossy.webp", lossy, "WebP", LOSSY)
    files.good("webp_named.jpg", lossy, "a WebP named .jpg, as browsers save", LOSSY)
    files.good("lossless.webp", encoded(s.image, "WEBP", lossless=True, quality=20, method=0), "lossless", EXACT)
    alpha = encoded(Image.fromarray(s.rgba), "WEBP", lossless=True, quality=20, method=0)
    files.good("alpha.webp", alpha, "alpha, black below", EXACT)
    animated = encoded(s.image, "WEBP", save_all=True, append_images=[s.other], quality=100)
    files.good("animated.webp", animated, "two frames, the first counts", LOSSY)
    turned = encoded(stored(s.image, 8), "WEBP", quality=100, exif=exif(8))
    files.good("orientation_8.webp", turned, "orientation in a WebP", LOSSY)
    wide = encoded(s.wide, "WEBP", quality=95, icc_profile=wide_profile())
    files.good("icc.webp", wide, "a wide space and its profile", LOSSY)


def many_frames(gif: bytes, count: int) -> bytes:
    """The GIF with frames of one pixel behind its own."""
    control, place = b"\x21\xf9\x04\x04\x01\0\0\0", b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0)
    return gif[:-1] + (control + place + b"\x02\x02\x44\x01\0") * (count - 1) + b";"


# ------------------------------------------------------------------------------------------------------- TIFF


def tiff(entries: list[tuple[int, int, int, int]], body: bytes = b"", next_directory: int = 0) -> bytes:
    """Little-endian TIFF: pixel data from byte 8 on, then one directory of (tag, type, count, value)."""
    body += bytes(len(body) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory + struct.pack("<I", next_directory)


def grey_tiff_entries(width: int, height: int, **changes: int) -> list[tuple[int, int, int, int]]:
    """Entries of one uncompressed strip at byte 8; changes by name."""
    v = {"bits": 8, "compression": 1, "photometric": 1, "rows": height, "length": width * height} | changes
    return [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, v["bits"]), (259, 3, 1, v["compression"])),
        *((262, 3, 1, v["photometric"]), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, v["rows"])),
        (279, 4, 1, v["length"]),
    ]


def _tiff(files: Folder, s: Scene) -> None:
    files.good("raw.tif", encoded(s.image, "TIFF"), "uncompressed", EXACT)
    files.good("lzw.tif", encoded(s.image, "TIFF", compression="tiff_lzw"), "LZW", EXACT)
    files.good("jpeg.tif", encoded(s.image, "TIFF", compression="jpeg", quality=92), "JPEG inside", LOSSY)
    pages = encoded(s.image, "TIFF", save_all=True, append_images=[s.other.copy()], compression="tiff_deflate")
    files.good("pages.tiff", pages, "two pages, the first counts", EXACT)
    files.good("orientation_6.tif", encoded(stored(s.image, 6), "TIFF", exif=exif(6)), "turn once, not twice", EXACT)
    lzw = encoded(stored(s.image, 5), "TIFF", exif=exif(5), compression="tiff_lzw")
    files.good("orientation_5.tif", lzw, "the same through another decoder", EXACT)
    files.good("cmyk.tif", encoded(s.cmyk, "TIFF"), "CMYK, not inverted", EXACT)
    files.good("icc.tif", encoded(s.wide, "TIFF", icc_profile=wide_profile()), "a wide space and its profile", 3.0)
    grey = np.asarray(s.grey)
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    files.good("grey16.tif", encoded(deep, "TIFF"), "16-bit grey: scale, do not clip", EXACT, grey=True)
    height, width = grey.shape
    black = grey_tiff_entries(width, height, bits=16, photometric=0, length=2 * width * height)
    inverted = tiff(black, ((255 - grey).astype("<u2") * 257).tobytes())
    files.good("white_is_zero16.tif", inverted, "16-bit grey, 0 is white", EXACT, grey=True)
    colour = grey_tiff_entries(width, height, photometric=2, length=6 * width * height)
    colour[2], colour[6] = (258, 3, 3, 8 + 6 * width * height), (277, 3, 1, 3)
    body = (s.rgb.astype("<u2") * 257).tobytes() + struct.pack("<3H", 16, 16, 16)
    files.good("rgb16.tif", tiff(colour, body), "16-bit RGB", EXACT)
    files.good(
        "float.tif", encoded(Image.fromarray(grey / np.float32(255)), "TIFF"), "grey from 0 to 1", EXACT, grey=True
    )


# ------------------------------------------------------------------------------------- BMP, ICO, TGA, Netpbm


def _bitmaps(files: Folder, s: Scene) -> None:
    files.good("24.bmp", encoded(s.image, "BMP"), "24 bits", EXACT)
    bgr = s.rgb[::-1, :, ::-1]
    rows = np.concatenate([bgr, np.zeros_like(bgr[..., :1])], -1).tobytes()
    height, width, _ = s.rgb.shape
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 32, 0, len(rows), 2835, 2835, 0, 0)
    head = struct.pack("<2sIHHI", b"BM", 54 + len(rows), 0, 0, 54)
    files.good("32.bmp", head + info + rows, "32 bits, the fourth byte means nothing", EXACT)
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = struct.pack("<IiiHHIIiiII", 56, width, height, 1, 32, 3, len(rows), 2835, 2835, 0, 0) + masks
    head = struct.pack("<2sIHHI", b"BM", 70 + len(rows), 0, 0, 70)
    files.good("32_masks.bmp", head + info + rows, "32 bits, alpha is declared and left at zero", EXACT)
    icon = Image.fromarray(s.rgba).resize((256, 192), Image.Resampling.BICUBIC)
    sizes = [(16, 12), (256, 192), (64, 48)]
    files.good("png.ico", encoded(icon, "ICO", sizes=sizes), "the largest of three sizes, alpha", PALETTE)
    files.good("bmp.ico", encoded(icon, "ICO", sizes=sizes, bitmap_format="bmp"), "the same as bitmaps", PALETTE)
    files.good("rle.tga", encoded(s.image, "TGA", compression="tga_rle"), "run-length coded", EXACT)
    tga = bytearray(encoded(Image.fromarray(s.rgba), "TGA"))
    files.good("alpha.tga", bytes(tga), "alpha, black below", EXACT)
    half = (np.arange(width) < width // 2) * np.ones((height, 1), np.uint8) * np.uint8(255)
    opaque = bytearray(encoded(Image.fromarray(np.dstack([s.rgb, half])), "TGA"))
    opaque[17] &= 0xF0
    files.good("no_alpha.tga", bytes(opaque), "32 bits, none of them alpha", EXACT)


def _netpbm(files: Folder, s: Scene) -> None:
    height, width, _ = s.rgb.shape
    grey = np.asarray(s.grey)
    files.good("raw.ppm", encoded(s.image, "PPM"), "PPM", EXACT)
    files.good("raw.pgm", encoded(s.grey, "PPM"), "PGM", EXACT, grey=True)
    deep = f"P5 #comment\n{width} {height}\n65535\n".encode() + (grey.astype(">u2") * 257).tobytes()
    files.good("deep.pgm", deep, "16 bits", EXACT, grey=True)
    coarse = f"P6\n{width} {height}\n100\n".encode() + to_bytes(s.rgb / 2.55).tobytes()
    files.good("coarse.ppm", coarse, "largest sample 100", EXACT)
    words = " ".join(str(v) for v in s.rgb.ravel())
    files.good("plain.ppm", f"P3\n# made by hand\n{width} {height} 255\n{words}\n".encode(), "in letters", EXACT)
    dots = np.asarray(s.grey.resize((1280, 960), Image.Resampling.BICUBIC).convert("1"))
    bits = b"P4\n1280 960\n" + np.packbits(~dots, axis=1).tobytes()
    files.good("bits.pbm", bits, "1 bit", 8.0, grey=True)
    files.good(
        "bits_plain.pbm",
        b"P1\n1280 960\n" + (ord("1") - dots).astype(np.uint8).tobytes(),
        "1 bit in letters",
        8.0,
        grey=True,
    )


# ----------------------------------------------------------------------------------- JPEG 2000, HEIC and AVIF


def _modern(files: Folder, s: Scene) -> None:
    options = {"quality_mode": "rates", "quality_layers": [3]}
    files.good("box.jp2", encoded(s.image, "JPEG2000", **options), "JPEG 2000", LOSSY)
    stream = encoded(s.image, "JPEG2000", no_jp2=True, tile_size=(128, 128), **options)
    files.good("stream.j2k", stream, "bare code stream in tiles", LOSSY)
    profiled = with_profile(encoded(s.wide, "JPEG2000", **options), wide_profile())
    files.good("icc.jp2", profiled, "a wide space and its profile", LOSSY)
    files.good("plain.heic", heic(s.image), "HEIC", LOSSY)
    files.good("heic_named.jpg", heic(s.image), "a HEIC named .jpg", LOSSY)
    for turn in (5, 6):
        files.good(f"turned_{turn}.heic", heic(s.image, turn), "turn once, not twice", LOSSY)
    files.good("alpha.heic", heic(Image.fromarray(s.rgba)), "alpha, black below", LOSSY)
    files.good("icc.heic", heic(s.wide, icc_profile=wide_profile()), "a wide space and its profile", LOSSY)
    coding = {"quality": 95, "speed": 9}
    files.good("plain.avif", encoded(s.image, "AVIF", **coding), "AVIF", LOSSY)
    turned = encoded(stored(s.image, 7), "AVIF", exif=exif(7), **coding)
    files.good("turned_7.avif", turned, "turn once, not twice", LOSSY)
    files.good("alpha.avif", encoded(Image.fromarray(s.rgba), "AVIF", **coding), "alpha, black below", LOSSY)


def with_profile(jp2: bytes, profile: bytes) -> bytes:
    """The colour specification box of a JP2 replaced by one with an ICC profile."""
    at = jp2.index(b"colr") - 4
    old = int.from_bytes(jp2[at : at + 4], "big")
    new = struct.pack(">I4sBBB", 11 + len(profile), b"colr", 2, 0, 0) + profile
    head = jp2.index(b"jp2h") - 4
    length = int.from_bytes(jp2[head : head + 4], "big") + len(new) - old
    return jp2[:head] + length.to_bytes(4, "big") + jp2[head + 4 : at] + new + jp2[at + old :]
