"""What can go wrong, in words for the person at the keyboard.

Every message says what happened, to which file or key, and what to do. The command line prints it without a traceback
and exits with the class's `exit_code` (design §9).
"""


class RefsortError(Exception):
    """Anything a user can put right."""

    exit_code = 2


class ConfigError(RefsortError):
    """A key, value, flag or environment variable is wrong."""


class DatasetError(RefsortError):
    """The dataset's folders are not as the contract asks (design §2)."""


class UnsafeName(DatasetError):
    """A class name that could escape its folder or collide with another."""


class EmptyClass(DatasetError):
    """A class without any usable reference."""


class EncoderError(RefsortError):
    """An encoder is unknown, not installed, damaged or not reachable."""


class ModelError(RefsortError):
    """A fine-tuned model is not there, not whole, or can't be made."""


class JournalError(RefsortError):
    """The journal can't be read or doesn't know what was asked for."""


class JournalDamaged(JournalError):
    """Its file is no database any more, or parts of it can't be read."""


class DatasetHeld(RefsortError):
    """Another process is sorting this dataset."""

    exit_code = 3


class BadPicture(Exception):
    """These bytes are no readable picture; the text is the reason, for a person."""
