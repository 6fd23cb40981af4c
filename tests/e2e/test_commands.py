"""The commands as a person meets them: exit codes, messages, --json, --dry-run, other actions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from refsort.files.lock import hold
from tests.e2e.helpers import ROOT, Done, on, refsort
from tests.encoders.tiny_clip import serve
from tests.trees import contents, read

COLOURS = {"rojo": (205, 40, 30), "azul": (30, 60, 205)}


def picture(path: Path, colour: tuple[int, int, int], number: int) -> None:
    """A disc of the colour on grey; the number makes each picture another one."""
    image = Image.new("RGB", (160, 120), (120 + number, 125, 130))
    ImageDraw.Draw(image).ellipse((30 + number, 10, 120 + number, 100), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two classes of coloured discs, four arrivals, one file that is no picture, one note."""
    root = tmp_path / "Data" / "Discos"
    for name, colour in COLOURS.items():
        for number in range(3):
            picture(root / "Clases" / name / f"r{number}.jpg", colour, number)
        for number in range(4, 6):
            picture(root / "Images" / f"{name}{number}.jpg", colour, number)
    (root / "Images" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a JPEG")
    (root / "Images" / "note.txt").write_text("nothing to see", encoding="utf-8")
    return root


def sort(dataset: Path, *flags: str) -> Done:
    return refsort("sort", *on(dataset), "--encoder", "builtin", "--json", *flags)


def places(dataset: Path) -> dict[str, list[str]]:
    """Folder → names of the files below it."""
    return {
        folder.name: sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
        for folder in sorted(dataset.iterdir())
        if folder.name not in (".refsort", "Clases")
    }


def test_sorting_says_what_it_did(dataset: Path) -> None:
    done = sort(dataset)
    assert done.code == 0, done.err
    assert set(done.json) == {
        *("run", "dataset", "encoder", "mode", "action", "dry_run", "per_class", "seconds", "images_per_second"),
        *("sorted", "unsure", "unknown", "bad", "failed", "skipped", "unchanged"),
        *("references", "terms", "promise", "cut", "expected_wrong", "report"),
    }
    assert (done.json["sorted"], done.json["bad"], done.json["skipped"], done.json["run"]) == (4, 1, 1, 1)
    assert done.json["per_class"] == {"azul": 2, "rojo": 2}
    assert places(dataset) == {
        "Bad": ["broken.jpg"],
        "Dataset": ["azul/azul4.jpg", "azul/azul5.jpg", "rojo/rojo4.jpg", "rojo/rojo5.jpg"],
        "Images": ["note.txt"],
    }
    assert "broken.jpg" in done.err
    assert len(done.out.splitlines()) == 1, "with --json nothing but the object is on standard output"


def test_a_dry_run_moves_nothing_and_names_what_would_happen(dataset: Path) -> None:
    before = read(dataset)
    dry = sort(dataset, "--dry-run")
    assert read(dataset) == before
    assert (dry.json["dry_run"], dry.json["run"], dry.json["sorted"]) == (True, None, 4)
    assert Path(dry.json["report"]).exists()
    wet = sort(dataset)
    assert {k: wet.json[k] for k in ("sorted", "bad", "per_class")} == {
        k: dry.json[k] for k in ("sorted", "bad", "per_class")
    }


@pytest.mark.parametrize("action", ["copy", "hardlink", "symlink"])
def test_other_actions_leave_the_arrivals_and_do_nothing_twice(dataset: Path, action: str) -> None:
    before = read(dataset / "Images")
    first = sort(dataset, "--action", action)
    assert (first.json["sorted"], read(dataset / "Images")) == (4, before)
    tree = read(dataset)
    second = sort(dataset, "--action", action)
    assert second.json["sorted"] == 0
    assert read(dataset) == tree
    assert refsort("undo", *on(dataset)).code == 0
    assert read(dataset / "Images") == before
    assert [p for p in (dataset / "Dataset").rglob("*") if not p.is_dir()] == []


def test_unsure_pictures_move_stay_or_are_sorted_anyway(dataset: Path) -> None:
    strict = ("--mode", "prototype", "--min-score", "1")
    assert sort(dataset, *strict, "--unsure", "keep").json["unsure"] == 4
    assert len(places(dataset)["Images"]) == 5
    assert sort(dataset, *strict, "--unsure", "off", "--dry-run").json["sorted"] == 4
    assert sort(dataset, "--mode", "max", "--min-margin", "2").json["unsure"] == 4
    assert len(places(dataset)["Unsure"]) == 4


def test_a_picture_unlike_every_class_goes_to_unknown(dataset: Path) -> None:
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        for number in range(3):
            ground = Image.new("RGB", (160, 120), tuple(rng.integers(60, 220, 3).tolist()))
            x, y, size = rng.integers(0, 40, 3).tolist()
            ImageDraw.Draw(ground).ellipse((x, y, x + 60 + size, y + 50 + size), fill=colour)
            ground.save(dataset / "Clases" / name / f"other{number}.jpg", quality=90)
    noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(noise).save(dataset / "Images" / "noise.png")
    done = sort(dataset)
    assert done.json["unknown"] == 1, done.err
    assert places(dataset)["Unknown"] == ["noise.png"]
    assert done.json["sorted"] == 4
    assert done.json["cut"] <= 1
    assert 0 <= done.json["expected_wrong"] < 0.2
    assert "no guarantee" in done.json["terms"], "the near copies among the references don't count"
    page = Path(done.json["report"]).read_text(encoding="utf-8")
    assert "Unknown <small>1 pictures" in page
    assert refsort("undo", *on(dataset)).code == 0
    assert (dataset / "Images" / "noise.png").exists()


def test_why_tells_of_a_picture_before_and_after_it_was_sorted(dataset: Path) -> None:
    arrived = refsort("why", "Images/azul4.jpg", *on(dataset), "--encoder", "builtin", "--json")
    assert arrived.code == 0, arrived.err
    why = arrived.json
    assert (why["decision"]["class"], why["decision"]["verdict"], why["past"]) == ("azul", "sure", None)
    assert {near["class_name"] for near in why["nearest"][:3]} == {"azul"}
    cosines = [near["cosine"] for near in why["nearest"]]
    assert cosines == sorted(cosines, reverse=True)
    assert (dataset / "Images" / "azul4.jpg").exists()
    sort(dataset)
    past = refsort("why", "Dataset/azul/azul4.jpg", *on(dataset), "--encoder", "builtin", "--json").json["past"]
    assert (past["run"], past["source"], past["target"]) == (1, "Images/azul4.jpg", "Dataset/azul/azul4.jpg")
    shown = refsort("why", dataset / "Dataset" / "azul" / "azul4.jpg", *on(dataset), "--encoder", "builtin", "--html")
    assert "run 1" in shown.out
    page = (dataset / ".refsort" / "reports" / "why.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 7


def test_why_of_what_is_no_picture_is_said_plainly(dataset: Path) -> None:
    for name, words in (
        ("Images/broken.jpg", "broken.jpg"),
        ("Images/note.txt", "no picture"),
        ("gone.jpg", "there is no"),
    ):
        done = refsort("why", name, *on(dataset), "--encoder", "builtin")
        assert (done.code, "Traceback" in done.err) == (2, False)
        assert words in done.err


def test_equal_references_in_two_classes_are_a_tie_and_so_unsure(dataset: Path) -> None:
    for path in (dataset / "Clases" / "rojo").iterdir():
        (dataset / "Clases" / "rojo2").mkdir(exist_ok=True)
        (dataset / "Clases" / "rojo2" / path.name).write_bytes(path.read_bytes())
    done = sort(dataset)
    assert done.json["per_class"] == {"azul": 2, "rojo": 0, "rojo2": 0}
    assert done.json["unsure"] == 2


def test_history_and_undo_by_number(dataset: Path) -> None:
    before = read(dataset)
    sort(dataset)
    text = refsort("history", *on(dataset)).out
    assert "4 sorted, 1 bad, 1 skipped" in text
    done = refsort("undo", "1", *on(dataset))
    assert done.code == 0
    assert "5 files are back" in done.out
    assert read(dataset) == before
    runs = refsort("history", *on(dataset), "--json").json["runs"]
    assert [(r["id"], r["kind"]) for r in runs] == [(2, "undo"), (1, "sort")]
    assert refsort("undo", *on(dataset)).code == 2, "there is nothing left to undo"
    assert refsort("undo", "9", *on(dataset)).code == 2


def test_a_file_that_cannot_be_undone_is_listed_with_exit_code_1(dataset: Path) -> None:
    sort(dataset)
    (dataset / "Dataset" / "rojo" / "rojo4.jpg").unlink()
    done = refsort("undo", *on(dataset), "--json")
    assert done.code == 1
    assert done.json["left"] == [{"path": "Dataset/rojo/rojo4.jpg", "reason": "it is no longer in the dataset"}]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sort", "--dataset", "Discoss"], "there are: Discos"),
        (["sort", "--mode", "best"], "--mode"),
        (["sort", "--nonsense"], "--nonsense"),
        (["sort", "--encoder", "/nowhere/model"], "/nowhere/model"),
        (["nonsense"], "nonsense"),
        (["undo"], "no history yet"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback_and_touches_nothing(
    dataset: Path, arguments: list[str], words: str
) -> None:
    before = read(dataset)
    flags = on(dataset) if "--dataset" not in arguments else on(dataset)[:2]
    done = refsort(*arguments, *(flags if arguments[0] != "nonsense" else []))
    assert done.code == 2, done.err
    assert words in done.err
    assert "Traceback" not in done.err
    assert read(dataset) == before


def test_an_empty_class_is_refused_before_anything_is_touched(dataset: Path) -> None:
    (dataset / "Clases" / "verde").mkdir()
    before = read(dataset)
    done = sort(dataset)
    assert done.code == 2
    assert "verde" in done.err
    (dataset / "Clases" / "verde" / "r.jpg").write_bytes(b"no picture")
    done = sort(dataset)
    assert done.code == 2
    assert "no readable reference" in done.err
    (dataset / "Clases" / "verde" / "r.jpg").unlink()
    assert read(dataset) == before


def test_a_held_dataset_is_left_alone_with_exit_code_3(dataset: Path) -> None:
    with hold(dataset / ".refsort", "watch"):
        done = sort(dataset)
        assert done.code == 3
        assert f"process {os.getpid()}" in done.err
        assert sort(dataset, "--dry-run").code == 0


def test_a_damaged_journal_is_kept_aside_and_loses_nothing(dataset: Path) -> None:
    (dataset / ".refsort").mkdir()
    (dataset / ".refsort" / "journal.db").write_bytes(b"rubbish" * 500)
    before = contents(dataset)
    refused = refsort("undo", *on(dataset))
    assert refused.code == 2
    assert "damaged" in refused.err
    done = sort(dataset)
    assert done.code == 0
    assert "the journal was damaged; it is kept in" in done.err
    assert contents(dataset) == before
    assert [p.read_bytes() for p in dataset.glob(".refsort/journal-broken-*/journal.db")] == [b"rubbish" * 500]
    assert refsort("undo", *on(dataset)).code == 0


def test_auto_pins_the_encoder_and_says_which(dataset: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(dataset / "nothing-here")}
    first = refsort("sort", *on(dataset), "--json", env=offline)
    assert first.json["encoder"] == "builtin"
    assert "encoder: builtin" in first.err
    assert json.loads((dataset / ".refsort" / "encoder.json").read_text(encoding="utf-8")) == {"encoder": "builtin"}
    assert "was begun with it" in refsort("sort", *on(dataset), env=offline).err


def test_the_users_own_script_takes_the_same_flags(dataset: Path) -> None:
    command = [sys.executable, "classify_images.py", *on(dataset), "--mode", "max", "--encoder", "builtin", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mode"] == "max"


def test_a_sort_with_the_builtin_encoder_imports_no_torch(dataset: Path) -> None:
    script = (
        "import sys; from refsort.cli import main; code = main(sys.argv[1:]); "
        "heavy = {'torch', 'transformers', 'sklearn', 'sentence_transformers', 'matplotlib', 'scipy'}; "
        "print(sorted(heavy & set(sys.modules))); sys.exit(code)"
    )
    command = [sys.executable, "-c", script, "sort", *on(dataset), "--encoder", "builtin"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_and_encoders_answer(dataset: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1"}
    done = refsort("doctor", *on(dataset), "--json", env=offline)
    assert done.code == 0, done.out
    assert {"python", "dataset", "arrivals", "disk"} <= {f["what"] for f in done.json["findings"]}
    rows = refsort("encoders", "--json", env=offline).json["encoders"]
    assert [row["name"] for row in rows] == ["builtin", "builtin-large", "builtin-words", "clip-ViT-B-32"]
    assert rows[0]["ready"]
    assert rows[0]["images_per_second"] > rows[1]["images_per_second"] > 0
    (dataset / "Clases" / "vacía").mkdir()
    sick = refsort("doctor", *on(dataset), env=offline)
    assert sick.code == 1
    assert "vacía" in sick.out


def test_odd_names_and_companions_go_through(dataset: Path) -> None:
    names = [b"caf\xe9.jpg", b"line\nbreak.jpg", b"-rf.jpg", b"x" * 251 + b".jpg", "日本\u202e.jpg".encode()]
    source = (dataset / "Images" / "rojo4.jpg").read_bytes()
    for number, name in enumerate(names):
        (dataset / "Images" / os.fsdecode(name)).write_bytes(source + bytes([number]))
    (dataset / "Images" / "rojo4.xmp").write_bytes(b"<x/>")
    before, tree = contents(dataset), read(dataset)
    done = sort(dataset)
    assert (done.code, done.json["sorted"]) == (0, 9), done.err
    assert contents(dataset) == before
    assert {os.fsencode(p.name) for p in (dataset / "Dataset" / "rojo").iterdir()} >= {*names, b"rojo4.xmp"}
    assert "caf\\udce9.jpg" in Path(done.json["report"]).read_text(encoding="utf-8")
    assert refsort("undo", *on(dataset)).code == 0
    assert read(dataset) == tree


def test_isolated_decoding_decides_the_same(dataset: Path) -> None:
    here = sort(dataset, "--dry-run")
    apart = sort(dataset, "--isolate", "true")
    keys = ("sorted", "unsure", "bad", "skipped", "per_class")
    assert apart.code == 0, apart.err
    assert {k: apart.json[k] for k in keys} == {k: here.json[k] for k in keys}


def test_the_page_runs_no_script_and_escapes_names(dataset: Path) -> None:
    source = (dataset / "Images" / "rojo4.jpg").read_bytes()
    (dataset / "Images" / "<script>alert(1)<!--.jpg").write_bytes(source + b"x")
    page = Path(sort(dataset).json["report"]).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "http" not in page.replace("http-equiv", "")


def test_auto_stays_with_the_builtin_encoder_when_the_hub_is_broken(dataset: Path) -> None:
    """A hub that answers and then has nothing to give: a line says so, and the pictures are sorted all the same."""
    (dataset.parent / "empty").mkdir()
    with serve(dataset.parent / "empty") as url:
        env = {"HF_ENDPOINT": url, "HF_HOME": str(dataset.parent / "hf")}
        done = refsort("sort", *on(dataset), "--json", env=env)
    assert done.code == 0, done.err
    assert done.json["encoder"] == "builtin"
    assert "encoder: builtin, because clip-ViT-B-32" in done.err
