"""Two people at the page and the daemon, all on one dataset at once: nothing is lost or doubled, all see the same."""

import random
import shutil
import threading
from pathlib import Path
from urllib.parse import quote

from refsort.files.journal import Journal
from tests.app.served import Served, served
from tests.e2e.watching import until, watched
from tests.learn.discs import COLOURS, disc, make_discs
from tests.trees import contents

ASIDE, ARRIVING = 24, 30


def review(page: Served, seed: int, problems: list[str]) -> None:
    """Work through all queues as a person would, until nothing is left: look, then file into some class."""
    rng = random.Random(seed)
    for which in ("unsure", "doubtful", "unsure"):
        for one in page.api(f"review/queue?which={which}")["ids"]:
            looked = page.api(f"review/look?path={one}")
            if looked["state"] == "gone":
                continue
            said = {"id": one, "class_id": quote(rng.choice(sorted(COLOURS))), "sha256": looked["sha256"]}
            status, _, found = page.request(f"/refsort/api/{page.dataset}/review/file", said)
            if status != 200 and b"not the picture that was shown" not in found:
                problems.append(found.decode())


def test_two_people_and_the_daemon_at_once(tmp_path: Path) -> None:
    root = make_discs(tmp_path / "Discos", references=6, arrivals=0).root
    outside = tmp_path / "camera"
    for number in range(ASIDE):
        disc(root / "Unsure" / f"u{number}.jpg", (200 - 5 * number, 5 * number, 90), 7000 + number)
    for number in range(ARRIVING):
        disc(outside / f"new{number}.jpg", sorted(COLOURS.values())[number % 3], 8000 + number)
    before = contents(root, outside)
    problems: list[str] = []
    with served(tmp_path, "Discos", "--encoder", "builtin") as page, watched(root, "--max-wrong", "0.2"):
        people = [threading.Thread(target=review, args=(page, seed, problems)) for seed in (1, 2)]
        for person in people:
            person.start()
        for path in sorted(outside.iterdir()):
            shutil.move(path, root / "Images" / path.name)
        until(lambda: not list((root / "Images").iterdir()))
        for person in people:
            person.join(120)
        review(page, 3, problems)
        queues = [page.api("review/queue?which=unsure") for _ in range(2)]
        assert queues[0] == queues[1]
        assert page.api("now")["daemon"]["ill"] is None
    assert problems == []
    assert contents(root) == before
    assert not list((root / "Unsure").glob("*.jpg"))
    journal = Journal(root / ".refsort" / "journal.db")
    assert journal.open_groups() == []
    assert journal.rows("SELECT count(*) FROM moves WHERE state NOT IN ('done', 'failed')")[0][0] == 0
    hand = journal.rows("SELECT count(*) FROM moves m JOIN runs r ON r.id=m.run WHERE r.kind='hand' AND m.state='done'")
    assert hand[0][0] >= ASIDE
    journal.close()
