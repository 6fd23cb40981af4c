"""With a password or a token nobody sees anything without it."""

from pathlib import Path

import pytest

from refsort.app.login import TRIES, WINDOW_S, Login, hashed
from refsort.app.texts import LANGUAGES, preferred, texts
from tests.app.served import Served, served
from tests.learn.discs import make_discs

CLOSED = [
    "/en/",
    "/",
    "/refsort/datasets",
    "/refsort/api/Discos/now",
    "/en/config",
    "/en/gradio_api/info",
    "/refsort/texts/en",
]


def cookie_of(page: Served, password: str) -> tuple[int, str]:
    body = f"password={password}".encode()
    status, headers, _ = page.request(
        "/login", data=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    return status, headers.get("set-cookie", "")


def test_with_a_password(tmp_path: Path) -> None:
    make_discs(tmp_path / "Discos", references=2, arrivals=1)
    with served(tmp_path, "Discos", env={"REFSORT_APP_PASSWORD": "ábrete"}) as page:
        for path in CLOSED:
            status, _, found = page.request(path)
            assert (status, b"log in" in found) == (401, True), path
            status, headers, _ = page.request(path, headers={"accept": "text/html"})
            assert (status, headers["location"]) == (303, "/login")
        assert page.request("/refsort/api/Discos/sort/plan", {})[0] == 401
        assert page.request("/health")[0] == 200
        assert cookie_of(page, "wrong") == (401, "")
        status, cookie = cookie_of(page, "%C3%A1brete")
        assert status == 303
        assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
        session = {"cookie": cookie.partition(";")[0]}
        assert page.request("/refsort/api/Discos/now", headers=session)[0] == 200
        assert page.request("/refsort/api/Discos/now", headers={"cookie": session["cookie"] + "x"})[0] == 401
        assert page.request("/logout", {}, headers=session)[0] == 303
        assert page.request("/refsort/api/Discos/now", headers=session)[0] == 401
        for _ in range(TRIES):
            cookie_of(page, "guess")
        assert cookie_of(page, "%C3%A1brete")[0] == 429, "even the right one waits after so many guesses"


def test_beyond_this_machine_there_is_always_a_token(tmp_path: Path) -> None:
    make_discs(tmp_path / "Discos", references=2, arrivals=1)
    with served(tmp_path, "Discos", "--host", "0.0.0.0", "--allow-host", "lab.example") as page:
        assert "?token=" in page.whole
        assert page.request("/refsort/api/Discos/now")[0] == 401
        token = page.whole.partition("?")[2]
        status, headers, _ = page.request(f"/?{token}", headers={"accept": "text/html"})
        if headers.get("location", "").startswith("/login"):
            status, headers, _ = page.request(headers["location"])
        session = {"cookie": headers["set-cookie"].partition(";")[0]}
        assert (status, headers["location"]) == (303, "/en/")
        for host, expected in (("lab.example", 200), ("192.168.7.7:1", 200), ("evil.example", 421)):
            assert page.request("/refsort/api/Discos/now", headers=session | {"host": host})[0] == expected


def test_passwords_are_kept_as_hashes_only() -> None:
    text = hashed("secreto")
    assert "secreto" not in text
    assert hashed("secreto") != text, "salted"
    assert Login(text, None).open("secreto")
    assert Login(text, None).open(text) is None, "the hash itself opens nothing"
    assert "secreto" not in repr(vars(Login("secreto", None)))


def test_after_a_while_one_may_try_again() -> None:
    now = 0.0
    login = Login("right", None, clock=lambda: now)
    for _ in range(TRIES):
        assert login.open("wrong") is None
    assert login.busy()
    assert login.open("right") is None
    now += WINDOW_S
    assert login.open("right")


def test_both_languages_say_the_same_things() -> None:
    found = {language: texts(language) for language in LANGUAGES}
    assert set(found["en"]) == set(found["es"])
    for key, text in found["en"].items():
        fields = [sorted(part.split("}")[0] for part in t.split("{")[1:]) for t in (text, found["es"][key])]
        assert fields[0] == fields[1], key


@pytest.mark.parametrize(
    ("accept", "language"),
    [("es-MX,es;q=0.9,en;q=0.8", "es"), ("en", "en"), ("de,es;q=0.5,en;q=0.4", "es"), ("", "en"), ("x;q=y", "en")],
)
def test_the_language_that_the_browser_asks_for(accept: str, language: str) -> None:
    assert preferred(accept) == language
