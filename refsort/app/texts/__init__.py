"""What the page says, in English and Spanish: a YAML file a tab in each language's folder, the same keys in both."""

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

LANGUAGES = ("en", "es")


@cache
def texts(language: str) -> dict[str, str]:
    """Key → text. Keys are `tab.name`: the file's name and the key in it."""
    found = {}
    for file in files(__name__).joinpath(language).iterdir():
        tab = file.name.removesuffix(".yaml")
        for key, text in yaml.safe_load(file.read_text(encoding="utf-8")).items():
            assert isinstance(key, str) and isinstance(text, str), f"{file.name}: quote {key}"
            found[f"{tab}.{key}"] = text
    return found


class Words:
    """The texts of one language, to be called: `say("sort.move", count=3)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = texts(language)

    def __call__(self, key: str, **values: Any) -> str:
        return self._texts[key].format(**values)


def preferred(accept: str) -> str:
    """The language for an Accept-Language header: the first that we have, else English."""
    ranked = []
    for place, part in enumerate(accept.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        ranked.append((-weight, place, tag[:2].lower()))
    return next((tag for _, _, tag in sorted(ranked) if tag in LANGUAGES), LANGUAGES[0])
