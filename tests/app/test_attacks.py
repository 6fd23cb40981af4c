"""What somebody tries who means no good: nothing is served or written outside, and the page stays alive."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.app.served import Served, served
from tests.learn.discs import disc, make_discs
from tests.trees import contents

SECRET = b"nobody may see this"
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with hostile names in its dataset and secrets around it."""
    data_dir = tmp_path_factory.mktemp("attacked")
    root = make_discs(data_dir / "Discos", references=3, arrivals=1).root
    (data_dir / "secret.txt").write_bytes(SECRET)
    disc(data_dir / "secret.jpg", (1, 2, 3), 1)
    (root / "Images" / "link.jpg").symlink_to(data_dir / "secret.jpg")
    (root / "Images" / "out").symlink_to(data_dir)
    (root / ".refsort").mkdir()
    (root / ".refsort" / "hidden.jpg").write_bytes((data_dir / "secret.jpg").read_bytes())
    disc(root / "Images" / HOSTILE, (205, 40, 30), 9)
    with served(data_dir, "Discos", "--encoder", "builtin") as found:
        yield found


def raw(page: Served, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """Exactly these bytes; (status, everything that came back)."""
    host, port = page.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
        found = b""
        try:
            while chunk := connection.recv(65536):
                found += chunk
                if b"\r\n\r\n" in found and re.search(rb"content-length: (\d+)", found.lower()):
                    header, _, rest = found.partition(b"\r\n\r\n")
                    if len(rest) >= int(re.search(rb"content-length: (\d+)", header.lower())[1]):  # type: ignore[index]
                        break
        except ConnectionResetError:
            pass
    return int(found.split(b" ", 2)[1]) if found.startswith(b"HTTP/") else 0, found


def alive(page: Served) -> bool:
    return page.request("/health")[0] == 200


ESCAPES = [
    "../secret.jpg",
    "Images/../../secret.jpg",
    "Images/..%2f..%2fsecret.jpg",
    "Images/%2e%2e/%2e%2e/secret.jpg",
    "Images/%252e%252e/%252e%252e/secret.jpg",
    "Images//../../secret.jpg",
    "Images/out/secret.jpg",
    "Images/link.jpg",
    "/etc/passwd",
    "//etc/passwd",
    "Images/..\\..\\secret.jpg",
    "\\\\server\\share\\x.jpg",
    "C:\\Windows\\win.ini",
    "file:///etc/passwd",
    ".refsort/hidden.jpg",
    ".refsort/journal.db",
    "Images/\0/../../secret.jpg",
    "Models/x/y.jpg",
    "",
]


@pytest.mark.parametrize("path", ESCAPES)
@pytest.mark.parametrize("encode", [quote, lambda path: quote(path, safe=""), lambda path: path.replace("\0", "%00")])
def test_no_picture_but_those_of_the_dataset_is_served(page: Served, path: str, encode: object) -> None:
    text = encode(path)  # type: ignore[operator]
    status, _ = raw(page, f"GET /refsort/api/Discos/thumbnail?path={text} HTTP/1.1\nHost: localhost\nConnection: close")
    assert status in (400, 404, 422, 500)
    assert status != 500 or path == "Images/link.jpg", "a link is refused by the system when it is opened"


@pytest.mark.parametrize("prefix", ["/en/gradio_api/file=", "/en/file=", "/gradio_api/file=", "/en/gradio_api/file/"])
@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "{data}/secret.txt", "/etc/passwd", "http://127.0.0.1:1/x", "{data}/Discos/Images/azul0.jpg"],
)
def test_gradio_serves_no_file_either(page: Served, prefix: str, path: str) -> None:
    path = path.replace("{data}", str(page.root.parent))
    for text in (path, quote(path, safe="")):
        status, found = raw(page, f"GET {prefix}{text} HTTP/1.1\nHost: localhost\nConnection: close")
        assert status in (403, 404), status
        assert SECRET not in found


@pytest.mark.parametrize(
    "path",
    [
        "/refsort/static/../serve.py",
        "/refsort/static/%2e%2e/serve.py",
        "/refsort/static/..%2fserve.py",
        "/refsort/../../etc/passwd",
        "/en/static/../../../etc/passwd",
        "/docs",
        "/openapi.json",
        "/en/gradio_api/info/x",
        "/en/monitoring",
        "/en/gradio_api/proxy=http://127.0.0.1/",
        "/en/gradio_api/run/predict",
        "/en/gradio_api/vibe-code",
        "/en/gradio_api/runs",
        "/en/gradio_api/stream/x/1/2/playlist.m3u8",
        "/en/gradio_api/deep_link?session_hash=x",
        "/en/gradio_api/dev/reload",
        "/en/gradio_api/custom_component/x/client/component/../../../x",
        "/refsort/api/..%2f..%2fetc/now",
        "/refsort/api/Andere/now",
        "/refsort/api/%2e%2e/now",
    ],
)
def test_what_the_page_does_not_need_is_not_there(page: Served, path: str) -> None:
    status, found = raw(page, f"GET {path} HTTP/1.1\nHost: localhost\nConnection: close")
    assert status == 404, found[:300]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "", "192.168.1.5"]
)
def test_another_name_for_this_machine_is_refused(page: Served, host: str) -> None:
    """So a page whose DNS entry was changed to 127.0.0.1 reads nothing."""
    status, found = raw(page, f"GET /refsort/api/Discos/now HTTP/1.1\nHost: {host}\nConnection: close")
    assert status in (400, 421)
    assert b"stamp" not in found


@pytest.mark.parametrize(
    "headers",
    [
        "Origin: https://evil.example",
        "Origin: null",
        "Origin: http://localhost:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site\nX-Refsort: 1",
        "Origin: https://evil.example\nX-Refsort: 1",
        "Content-Type: text/plain",
    ],
)
@pytest.mark.parametrize(
    "path", ["/refsort/api/Discos/sort/plan", "/en/gradio_api/queue/join", "/en/gradio_api/upload"]
)
def test_what_another_site_sends_changes_nothing(page: Served, headers: str, path: str) -> None:
    job = page.api("now")["job"]
    head = f"POST {path} HTTP/1.1\nHost: localhost\n{headers}\nContent-Length: 2\nConnection: close"
    assert raw(page, head, b"{}")[0] == 403
    assert page.api("now")["job"] == job


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"])
def test_other_methods_are_refused(page: Served, method: str) -> None:
    head = f"{method} /refsort/api/Discos/sort/plan HTTP/1.1\nHost: localhost\nX-Refsort: 1\nConnection: close"
    status, found = raw(page, head)
    assert status in (0, 400, 403, 405)
    assert b"access-control-allow" not in found.lower()


def test_no_other_site_may_read(page: Served) -> None:
    head = "GET /refsort/api/Discos/now HTTP/1.1\nHost: localhost\nOrigin: https://evil.example\nConnection: close"
    status, found = raw(page, head)
    assert status == 200, "reading is harmless as long as the browser gives it to nobody"
    assert b"access-control-allow" not in found.lower()
    assert b"cross-origin-resource-policy: same-origin" in found.lower()


def test_a_body_of_two_gigabytes_is_refused_before_it_comes(page: Served) -> None:
    for path in ("/en/gradio_api/upload", "/refsort/api/Discos/references/add"):
        head = f"POST {path} HTTP/1.1\nHost: localhost\nX-Refsort: 1\nContent-Length: {2 * 10**9}\nConnection: close"
        assert raw(page, head)[0] == 413
    assert alive(page)


def test_one_that_lies_about_its_length_is_cut_off_and_leaves_nothing(page: Served) -> None:
    """Chunk after chunk without an announced length: counted as it comes."""
    before = set(Path(page.scratch).rglob("*"))
    connection = http.client.HTTPConnection(page.address.removeprefix("http://"), timeout=60)
    chunk = b"0" * 1_000_000
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
        while sent < 2000:
            sent += 1
            yield chunk

    headers = {"Content-Type": "multipart/form-data; boundary=x", "X-Refsort": "1"}
    status = 0
    try:
        connection.request("POST", "/en/gradio_api/upload", chunks(), headers, encode_chunked=True)
        status = connection.getresponse().status
    except OSError:
        pass  # cut off while we were still sending
    assert status in (0, 413)
    assert sent < 1000
    assert alive(page)
    left = [path for path in set(Path(page.scratch).rglob("*")) - before if path.is_file()]
    assert sum(path.stat().st_size for path in left) == 0


def test_a_call_may_not_make_the_program_fetch_an_address(page: Served) -> None:
    for path in ("http://127.0.0.1:9/x.png", "HTTPS://example.com/x", " ftp://x/y", "\\u0068ttp://127.0.0.1/x"):
        file = '{"path": "' + path + '", "meta": {"_type": "gradio.FileData"}}'
        body = '{"data": [' + file + '], "fn_index": 0, "session_hash": "x"}'
        status, _, found = page.request(
            "/en/gradio_api/queue/join", data=body.encode(), headers={"content-type": "application/json"}
        )
        assert (status, json.loads(found)["error"]) == (403, "files come from this machine only")


def test_two_hundred_at_once(page: Served) -> None:
    """And then it still answers."""
    found: list[int] = []

    def ask(number: int) -> None:
        paths = ("/refsort/api/Discos/now", "/refsort/api/Discos/thumbnail?path=Images/azul0.jpg&side=320", "/en/")
        found.append(page.request(paths[number % 3])[0])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert found == [200] * 200
    assert alive(page)


def test_half_a_request_holds_nobody_up(page: Served) -> None:
    host, port = page.address.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(50)]
    for connection in idle:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
    assert alive(page)
    for connection in idle:
        connection.close()


def test_a_small_picture_carries_nothing_of_the_camera(page: Served, tmp_path: Path) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0110] = "SECRET CAMERA"
    exif.get_ifd(0x8825)[2] = (1.0, 2.0, 3.0)
    Image.new("RGB", (60, 40), (9, 90, 9)).save(
        page.root / "Images" / "camera.jpg", exif=exif, comment=b"SECRET COMMENT"
    )
    status, headers, found = page.request("/refsort/api/Discos/thumbnail?path=Images/camera.jpg&side=1600")
    assert (status, headers["content-type"]) == (200, "image/jpeg")
    assert b"SECRET" not in found
    assert b"Exif" not in found
    (page.root / "Images" / "camera.jpg").unlink()


def test_what_is_no_picture_is_not_shown(page: Served) -> None:
    (page.root / "Images" / "text.jpg").write_bytes(b"<script>alert(1)</script>")
    status, headers, found = page.request("/refsort/api/Discos/thumbnail?path=Images/text.jpg")
    assert (status, headers["content-type"]) == (200, "image/svg+xml")
    assert b"script" not in found + headers["x-refsort-reason"].encode()
    (page.root / "Images" / "text.jpg").unlink()


def test_nothing_was_changed_by_all_that(page: Served) -> None:
    """Runs last in this file."""
    assert len(list((page.root / "Images").glob("*.jpg"))) == 5
    assert not (page.root / "Dataset").exists()
    assert contents(page.root.parent)
