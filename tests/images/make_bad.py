"""The bad files of the battery: nothing of them may be shown, and none may cost much."""

import struct
import zipfile
import zlib
from io import BytesIO

from PIL import Image

from tests.images.make import Folder, encoded, heic, jpeg
from tests.images.make_good import chunk, deflated, grey_tiff_entries, png_head, tiff
from tests.images.scene import HEIGHT, WIDTH, Scene

SHORT, DAMAGED, TOO_MANY = "cut short", "damaged", "pixels are more than"
END = chunk(b"IEND", b"")


def write_bad(files: Folder, s: Scene) -> None:
    _no_pictures(files)
    _cut(files, s)
    _jpeg(files, s)
    _png(files, s)
    _tiff(files)
    _others(files, s)


def _no_pictures(files: Folder) -> None:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("note.txt", "no picture " * 50)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n0 0 9 9 rectfill\n%%EOF\n"
    svg = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
    video = struct.pack(">I", 24) + b"ftypisom\0\0\2\0isomiso2" + struct.pack(">I", 500) + b"mdat" + bytes(492)
    for name, data, reason in (
        ("empty.jpg", b"", "empty"),
        ("one_byte.jpg", b"\xff", "not a picture"),
        ("zeros.jpg", bytes(4096), "zeros"),
        ("text.jpg", b"This is a note, not a picture.\n" * 30, "text"),
        ("page.jpg", b"\n<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", "web page"),
        ("document.jpg", b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\n%%EOF\n", "PDF"),
        ("archive.png", archive.getvalue(), "ZIP"),
        ("program.jpg", b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0" + b"\x90" * 400, "program"),
        ("video.jpg", video, "video"),
        ("drawing.jpg", eps, "PostScript"),
        ("drawing.png", b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 30, len(eps)) + bytes(18) + eps, "PostScript"),
        ("drawing.gif", svg, "SVG"),
        ("metafile.bmp", b"\xd7\xcd\xc6\x9a" + bytes(40), "metafile"),
        ("icon_file.ico", b"\0\0\2\0\1\0" + bytes(60), "not a picture"),  # a cursor
    ):
        files.bad(name, data, "no picture", reason)


def _cut(files: Folder, s: Scene) -> None:
    whole = {
        "cut.jpg": jpeg(s.image),
        "cut_progressive.jpg": jpeg(s.image, progressive=True),
        "cut.png": encoded(s.image, "PNG"),
        "cut.webp": encoded(s.image, "WEBP", quality=90),
        "cut_lossless.webp": encoded(s.image, "WEBP", lossless=True, quality=20, method=0),
        "cut.heic": heic(s.image),
        "cut.avif": encoded(s.image, "AVIF", speed=9),
        "cut.gif": encoded(s.image.quantize(64), "GIF"),
        "cut_raw.tif": encoded(s.image, "TIFF"),
        "cut_lzw.tif": encoded(s.image, "TIFF", compression="tiff_lzw"),
        "cut.bmp": encoded(s.image, "BMP"),
        "cut.jp2": encoded(s.image, "JPEG2000", quality_mode="rates", quality_layers=[10]),
        "cut.ppm": encoded(s.image, "PPM"),
        "cut_plain.pgm": f"P2 {WIDTH} {HEIGHT} 255 ".encode() + b"17 " * WIDTH * HEIGHT,
        "cut.ico": encoded(s.image.resize((256, 256)), "ICO"),
    }
    for name, data in whole.items():
        for percent in (10, 50, 97):
            files.bad(f"{percent}_{name}", data[: len(data) * percent // 100], f"cut at {percent} %", SHORT)
        if name not in ("cut_raw.tif", "cut.bmp", "cut.ppm", "cut_plain.pgm"):  # zeros may be pixels there
            half = len(data) // 2
            empty = data[:half] + bytes(len(data) - half)
            files.bad(f"empty_half_{name}", empty, "a copy that was never finished", "")
    tga = encoded(s.image, "TGA")
    files.bad("cut.tga", tga[: len(tga) // 2], "cut at 50 %", "TGA that is cut short")


def _jpeg(files: Folder, s: Scene) -> None:
    base = jpeg(s.image)
    tables = base.index(b"\xff\xc4") + 5
    codes = base[:tables] + b"\xff" * 16 + base[tables + 16 :]
    files.bad("huffman.jpg", codes, "a table of more codes than can exist", "JPEG")
    frame = base.index(b"\xff\xc0") + 5
    huge = base[:frame] + struct.pack(">HH", 65500, 65500) + base[frame + 4 :]
    files.bad("claims_65500.jpg", huge, "claims 65500 x 65500", TOO_MANY)
    little = base[:frame] + struct.pack(">HH", 13_000, 13_000) + base[frame + 4 :]
    files.bad("claims_13000.jpg", little, "claims 169 megapixels in 30 KB", SHORT)
    flat = base[:frame] + struct.pack(">HH", 0, WIDTH) + base[frame + 4 :]
    files.bad("no_height.jpg", flat, "no height", DAMAGED)
    deep = base[: frame - 1] + b"\x0c" + base[frame:]
    files.bad("12_bits.jpg", deep, "12 bits per sample", "12 bits")
    many = jpeg(s.image, progressive=True)
    scan = many.rindex(b"\xff\xda")
    files.bad("scans.jpg", many[:-2] + many[scan:-2] * 5000 + many[-2:], "thousands of scans", "scans")
    files.bad("no_scan.jpg", base[: base.index(b"\xff\xda")] + b"\xff\xd9", "an end, but no pixels", DAMAGED)


def _png(files: Folder, s: Scene) -> None:
    whole = encoded(s.image, "PNG")
    at = whole.index(b"IDAT")
    end = at + 4 + int.from_bytes(whole[at - 4 : at], "big")
    files.bad("wrong_crc.png", whole[:end] + b"\1\2\3\4" + whole[end + 4 :], "checksum of the pixels", "checksum")
    spot = (at + end) // 2
    files.bad("wrong_bytes.png", whole[:spot] + b"\0\xff" * 8 + whole[spot + 16 :], "wrong pixels", "checksum")
    no_end = whole[: whole.rindex(b"IEND") - 4]
    files.bad("no_end.png", no_end, "no end", SHORT)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    files.bad("claims_60000.png", png_head(60_000, 60_000, 8, 2) + body + END, "claims 60000 x 60000", TOO_MANY)
    twice = png_head(10, 10, 8, 2) + png_head(60_000, 60_000, 8, 2)[8:] + body + END
    files.bad("two_headers.png", twice, "a second header with another size", DAMAGED)
    files.bad("short.png", png_head(WIDTH, HEIGHT, 8, 2) + body + END, "fewer pixels than the header says", "PNG")
    files.bad("no_pixels.png", png_head(WIDTH, HEIGHT, 8, 2) + END, "no pixels", "PNG")
    real = png_head(20_000, 20_000, 1, 3) + chunk(b"PLTE", bytes([40, 90, 160, 0, 0, 0]))
    pixels = chunk(b"IDAT", deflated(bytes(2501), 20_000))
    files.bad("real_20000.png", real + pixels + END, "20000 x 20000 of one colour", TOO_MANY)
    small = encoded(s.image.resize((80, 60)), "PNG")
    head, tail = small.index(b"IDAT") - 4, small.index(b"IEND") - 4
    bomb = deflated(bytes(2**20), 200)
    before = small[:head] + chunk(b"zTXt", b"Comment\0\0" + bomb) + small[head:]
    files.bad("text_before.png", before, "text that inflates to 200 MB", "text")
    behind = small[:tail] + chunk(b"iTXt", b"Comment\0\1\0en\0\0" + bomb) + small[tail:]
    files.bad("text_behind.png", behind, "the same behind the pixels", "text")
    ten = deflated(bytes(2**20), 10)
    parts = b"".join(chunk(b"zTXt", b"Part\0\0" + ten) for _ in range(20))
    files.bad("text_parts.png", small[:head] + parts + small[head:], "20 times 10 MB of text", "text")


def _tiff(files: Folder) -> None:
    loop = [(254, 4, 1, 0), (34665, 4, 1, 8), (330, 4, 1, 8)]
    files.bad("loop.tif", tiff(loop, next_directory=8), "a directory that points to itself, no picture", DAMAGED)
    few = bytes(100)
    strip = tiff(grey_tiff_entries(WIDTH, HEIGHT, length=0xFFFFFFF0), few)
    files.bad("strip.tif", strip, "a strip of 4 GB", SHORT)
    packed = tiff(grey_tiff_entries(WIDTH, HEIGHT, compression=5, length=0xFFFFFFF0), few)
    files.bad("strip_lzw.tif", packed, "an LZW strip of 4 GB", SHORT)
    many = grey_tiff_entries(WIDTH, 60_000, rows=1)
    many[5], many[8] = (273, 4, 0x3FFFFFF0, 8), (279, 4, 0x3FFFFFF0, 8)
    files.bad("strips.tif", tiff(many, few), "a billion strips", SHORT)
    shared = grey_tiff_entries(1000, 4000, rows=1)
    shared[5], shared[8] = (273, 4, 4000, 8), (279, 4, 4000, 8)
    files.bad("shared.tif", tiff(shared, struct.pack("<I", 8) * 4000), "4000 strips in one place", SHORT)
    huge = tiff(grey_tiff_entries(100_000, 100_000, length=99), few)
    files.bad("claims_100000.tif", huge, "claims 100000 x 100000", TOO_MANY)
    tiles = [e for e in grey_tiff_entries(64, 64, compression=5) if e[0] not in (273, 278, 279)]
    tiles += [(322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 8), (325, 4, 1, 90)]
    files.bad("tiles.tif", tiff(tiles, few), "a tile of 3.6 gigapixels", "tiles")


def _others(files: Folder, s: Scene) -> None:
    webp = encoded(s.image, "WEBP", quality=80)
    files.bad("riff_large.webp", webp[:4] + struct.pack("<I", 0x7FFFFFF0) + webp[8:], "claims 2 GB", SHORT)
    files.bad("riff_small.webp", webp[:4] + struct.pack("<I", 40) + webp[8:], "claims 40 bytes", DAMAGED)
    canvas = b"VP8X" + struct.pack("<IB3x", 10, 2) + b"\xfe\xff\xff"[:3] * 2
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    files.bad("canvas.webp", b"RIFF" + struct.pack("<I", len(body)) + body, "16 million squared", TOO_MANY)
    files.bad("header.gif", b"GIF89a" + struct.pack("<HHBBB", WIDTH, HEIGHT, 0, 0, 0), "only a header", "GIF")
    place = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;"
    screen = b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + place
    files.bad("screen.gif", screen, "one pixel on a screen of 65535 x 65535", TOO_MANY)
    large = struct.pack("<HH", 13_000, 13_000)
    files.bad("large_screen.gif", screen[:6] + large + screen[10:], "169 megapixels in 43 bytes", "can't come from")
    info = struct.pack("<IiiHHIIiiII", 40, 14_000, 14_000, 1, 8, 1, 0, 0, 0, 0, 0)
    runs = b"BM" + struct.pack("<IHHI", 2000, 0, 0, 1078) + info + bytes(1024) + b"\1\0\0\0" * 14_000
    files.bad("runs.bmp", runs, "run-length coded, 196 megapixels in 57 KB", "run-length")
    comments = b"P2\n9 9\n255\n" + b"#\n" * 500_000
    files.bad("comments.pgm", comments, "half a million comments", SHORT)
    files.bad("words.pgm", b"P2\n2 2\n255\n1 2 x 4\n", "a word among the numbers", DAMAGED)
    files.bad("claims.ppm", b"P6\n99999 99999\n255\n" + bytes(99), "claims 99999 x 99999", TOO_MANY)
    stream = encoded(Image.new("L", (64, 64)), "JPEG2000", no_jp2=True)
    tiles = stream[:24] + struct.pack(">II", 1, 1) + stream[32:]
    wide = tiles[:8] + struct.pack(">II", 4000, 4000) + tiles[16:]
    files.bad("tiles.j2k", wide, "16 million tiles", "tiles")
    files.bad("claims.j2k", stream[:8] + struct.pack(">II", 60_000, 60_000) + stream[16:], "60000 x 60000", TOO_MANY)
    one_tile = struct.pack(">8I", 13_000, 13_000, 0, 0, 13_000, 13_000, 0, 0)
    files.bad("large.j2k", stream[:8] + one_tile + stream[40:], "169 megapixels in 1 KB", "can't come from")
    squares = encoded(s.image.resize((256, 256)), "ICO", sizes=[(256, 256)])
    files.bad("outside.ico", squares[:18] + struct.pack("<I", 2**31) + squares[22:], "points outside", SHORT)
