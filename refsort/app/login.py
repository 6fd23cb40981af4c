"""Who may see the page: with a password or a token, or everybody on this machine."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable

COOKIE = "refsort"
SESSIONS = 1000
"""Log-ins remembered at once; the oldest goes."""
TRIES, WINDOW_S = 10, 60.0
"""Wrong passwords within so many seconds before the next one is not even looked at."""
SCRYPT = {"n": 2**14, "r": 8, "p": 1}
"""Costs about 50 ms and 16 MB a guess (RFC 7914, interactive logins)."""
PREFIX = "scrypt"


def hashed(password: str) -> str:
    """`scrypt$salt$key`, in hexadecimal: what may stand in a file."""
    salt = secrets.token_bytes(16)
    return f"{PREFIX}${salt.hex()}${_key(password, salt).hex()}"


def _key(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **SCRYPT)


class Login:
    """Knows the hash of the password and the sessions that were opened with it. Without one everybody is let in."""

    def __init__(self, password: str | None, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`password`: in clear or as `hashed` gives it."""
        self._hash = None if password is None else password if _is_hash(password) else hashed(password)
        self._token = token
        self._sessions: deque[str] = deque(maxlen=SESSIONS)
        self._wrong: deque[float] = deque(maxlen=TRIES)
        self.clock = clock

    @property
    def wanted(self) -> bool:
        return self._hash is not None or self._token is not None

    def knows(self, session: str) -> bool:
        """Whether this cookie was given out, or none is needed."""
        if not self.wanted:
            return True
        digest = _digest(session)
        return any(hmac.compare_digest(digest, known) for known in list(self._sessions))

    def busy(self) -> bool:
        """Whether too many were wrong just now."""
        return len(self._wrong) == TRIES and self.clock() - self._wrong[0] < WINDOW_S

    def open(self, said: str) -> str | None:
        """A new session for the right password or token, else None."""
        if self.busy() or not self._is_right(said):
            self._wrong.append(self.clock())
            return None
        session = secrets.token_urlsafe(32)
        self._sessions.append(_digest(session))
        return session

    def close(self, session: str) -> None:
        digest = _digest(session)
        if digest in self._sessions:
            self._sessions.remove(digest)

    def _is_right(self, said: str) -> bool:
        if self._token is not None and hmac.compare_digest(said.encode(), self._token.encode()):
            return True
        if self._hash is None:
            return False
        _, salt, key = self._hash.split("$")
        return hmac.compare_digest(_key(said[:1000], bytes.fromhex(salt)), bytes.fromhex(key))


def _is_hash(text: str) -> bool:
    parts = text.split("$")
    return len(parts) == 3 and parts[0] == PREFIX


def _digest(session: str) -> str:
    return hashlib.sha256(session.encode()).hexdigest()
