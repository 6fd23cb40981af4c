"""`refsort embed` beside what else embeds a folder with CLIP: sentence-transformers' processes and clip-retrieval.

    python benchmarks/random_clip.py MODEL           where clip-ViT-B-32 can't be had: of its size, random weights
    python3 -m benchmarks.pools PICTURES MODEL       320 photographs, drawn with a seed
    python3 -m benchmarks.pools PICTURES MODEL --count 48 --megapixels 12        enlarged, as a camera's are
    python3 -m benchmarks.pools PICTURES MODEL --clip-retrieval PROGRAM --clip-retrieval-model hf_clip:MODEL

Every run is a process of its own on the same files and the same weights in fp32 (but for "int8"), and writes its
vectors. The ways take turns, so that a noisy machine is noisy for all; a line of JSON is printed for each run and a
table of medians at the end:

    start     seconds from start to end with one picture: Python, its packages, the model, the processes
    all       seconds with all pictures
    per s     pictures a second once started: (pictures - 1) / (all - start)
    cpu ms    what a picture costs in processor time, of all processes, likewise; others on the machine change it least
    MiB       greatest sum over a run's processes of their memory, what they share counted once (PSS)
    cosine    smallest to the vectors of sentence-transformers in one process
    centred   the same after the mean vector was taken away: pictures are all alike to random weights
    nearest   share of pictures that have the same nearest other picture as there

The processes are watched through /proc: on Linux only. refsort brings a model to ONNX at first use, which is done first
and shown as "prepared": those seconds come once. sentence-transformers runs the scripts of its documentation, with as
many threads as torch likes: pictures opened with Pillow by the caller, in one process and in a pool, of 4 (what it
starts on a processor when it isn't told otherwise) and of one per core. "paths" hands it the files' names instead, so
that the processes decode; "1 thread" ends their quarrel for the cores. One broken picture ends such a run.
"""

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = dict[str, NDArray[np.float32]]
"""By the file's name, of length one."""
REFERENCE = "sentence-transformers, 1 process"
TIMEOUT_S = 300.0
SAMPLE_S = 0.5
"""Between two looks at a run's processes."""


@dataclass(frozen=True, slots=True)
class Way:
    """A command that embeds the folder `{source}` with `{model}` into `{target}`, and how its vectors are read."""

    command: list[str]
    vectors: Callable[[Path], Vectors]
    threads: int = 0
    """For torch; 0: its own choice."""


@dataclass(slots=True)
class Runs:
    """What was measured of a way: what `timed` told of each run, and the last run's vectors."""

    start: list[dict[str, Any]] = field(default_factory=list)
    all: list[dict[str, Any]] = field(default_factory=list)
    vectors: Vectors = field(default_factory=dict)


def ways(part_files: int, clip_retrieval: str, clip_retrieval_model: str) -> dict[str, Way]:
    """By name. `clip_retrieval`: its program, empty if it isn't there."""
    cores = len(os.sched_getaffinity(0))
    refsort = [sys.executable, "-m", "refsort", "embed", "{source}", "--to", "{target}", "--encoder", "{model}"]
    ray = [*refsort, "--part-files", str(part_files), "--engine", "ray", "--workers"]
    script = [sys.executable, "-m", "benchmarks.pools", "{source}", "{model}", "--script", "{target}", "--workers"]
    found = {
        "refsort local": Way(refsort, of_refsort),
        "refsort ray, 1 worker": Way([*ray, "1"], of_refsort),
        "refsort ray, 2 workers": Way([*ray, "2"], of_refsort),
        REFERENCE: Way([*script, "0"], of_script),
        "sentence-transformers, pool of 4": Way([*script, "4"], of_script),
        f"sentence-transformers, pool of {cores}": Way([*script, str(cores)], of_script),
        f"sentence-transformers, pool of {cores}, paths, 1 thread": Way([*script, str(cores), "--paths"], of_script, 1),
        "refsort local, int8": Way([*refsort, "--precision", "int8"], of_refsort),
    }
    if clip_retrieval:
        command = [clip_retrieval, "inference", "--input_dataset", "{source}", "--output_folder", "{target}"]
        # Its default of 256 pictures a batch is for a GPU: it warms up with two such batches.
        command += ["--enable_text", "False", "--batch_size", "16", "--clip_model", clip_retrieval_model]
        found["clip-retrieval"] = Way(command, of_clip_retrieval)
    return found


def script(source: Path, model: str, target: Path, workers: int, paths: bool) -> None:
    """As sbert.net's pages on images and on several processes have it: open, encode, save. `workers` 0: no pool."""
    from PIL import Image
    from sentence_transformers import SentenceTransformer

    names = sorted(path.name for path in source.iterdir())
    images: list[Any] = [str(source / name) if paths else Image.open(source / name) for name in names]
    clip = SentenceTransformer(model)
    if workers:
        pool = clip.start_multi_process_pool(["cpu"] * workers)
        vectors = clip.encode(images, pool=pool)
        clip.stop_multi_process_pool(pool)
    else:
        vectors = clip.encode(images)
    target.mkdir()
    np.save(target / "vectors.npy", vectors)
    (target / "names.json").write_text(json.dumps(names), "utf-8")


def by_name(names: list[str], vectors: NDArray[Any]) -> Vectors:
    """Of length one. `vectors`: [n, dim]."""
    rows = vectors.astype(np.float32)
    return dict(zip(names, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))


def of_refsort(target: Path) -> Vectors:
    from refsort.scale.vectors import matrix, read_vectors

    found: Vectors = {}
    for batch in read_vectors(target, ("path", "vector")):
        found |= by_name([os.fsdecode(path) for path in batch.column("path").to_pylist()], matrix(batch)[0])
    return found


def of_script(target: Path) -> Vectors:
    return by_name(json.loads((target / "names.json").read_text("utf-8")), np.load(target / "vectors.npy"))


def of_clip_retrieval(target: Path) -> Vectors:
    import pyarrow.parquet as pq

    found: Vectors = {}
    for file in sorted((target / "img_emb").glob("*.npy")):
        about = target / "metadata" / (file.stem.replace("img_emb", "metadata") + ".parquet")
        paths = pq.read_table(about).column("image_path").to_pylist()
        found |= by_name([Path(path).name for path in paths], np.load(file))
    return found


def agreement(found: Vectors, reference: Vectors) -> dict[str, float]:
    """The table's last three columns."""
    if found.keys() != reference.keys():
        raise SystemExit(f"{len(found)} vectors of {len(reference)}")
    ours, theirs = (np.stack([vectors[name] for name in sorted(vectors)]) for vectors in (found, reference))
    mean = theirs.mean(axis=0)
    apart = [(rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True) for rows in (ours, theirs)]
    near = [(rows @ rows.T - 2 * np.eye(len(rows))).argmax(axis=1) for rows in (ours, theirs)]
    return {
        "cosine": round(float((ours * theirs).sum(axis=1).min()), 6),
        "centred": round(float((apart[0] * apart[1]).sum(axis=1).min()), 5),
        "nearest": round(float((near[0] == near[1]).mean()), 3),
    }


def look(root: int, cpu: dict[int, float]) -> int:
    """PSS of a process and all below it, in MiB; their processor seconds go into `cpu`. Nothing where /proc isn't."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, words = int(entry.parent.name), entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        parents[pid] = int(words[1])
        used[pid] = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
    below, kib = {root}, 0
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    for pid in below & used.keys():
        cpu[pid] = max(used[pid], cpu.get(pid, 0.0))
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kib >> 10


def timed(way: Way, source: Path, model: str, target: Path) -> dict[str, Any]:
    """One run: its seconds, processor seconds and peak, or why it failed."""
    cpu: dict[int, float] = {}
    environment = os.environ | ({"OMP_NUM_THREADS": str(way.threads)} if way.threads else {})
    begun, load, peak = time.perf_counter(), os.getloadavg()[0], 0
    with tempfile.TemporaryFile("w+") as told:
        words = [word.format(source=source, model=model, target=target) for word in way.command]
        process = subprocess.Popen(words, stdout=told, stderr=told, env=environment, start_new_session=True)
        while process.poll() is None:
            peak = max(peak, look(process.pid, cpu))
            try:
                process.wait(SAMPLE_S)
            except subprocess.TimeoutExpired:
                if time.perf_counter() - begun > TIMEOUT_S:
                    os.killpg(process.pid, signal.SIGKILL)
        seconds = time.perf_counter() - begun
        told.seek(0)
        last = (told.read().strip().splitlines() or ["?"])[-1]
    used = round(sum(cpu.values()), 2)
    found = {"seconds": round(seconds, 2), "cpu": used, "mib": peak, "load_before": round(load, 1)}
    return found | ({"failed": last[:300]} if process.returncode else {})


def sample(pictures: Path, count: int, megapixels: float, target: Path) -> None:
    """So many photographs drawn from all below `pictures`, enlarged if `megapixels`; the same ones every time."""
    from PIL import Image

    files = sorted(path for path in pictures.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    target.mkdir()
    for number, file in enumerate(random.Random(0).sample(files, count)):
        to = target / f"{number:05d}{file.suffix.lower()}"
        if not megapixels:
            shutil.copyfile(file, to)
            continue
        with Image.open(file) as image:
            scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
            size = round(image.width * scale), round(image.height * scale)
            image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(to.with_suffix(".jpg"), quality=90)


def median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(told[key] for told in runs))


def table(runs: dict[str, Runs], count: int) -> str:
    """Medians, a line for each way that has any."""
    reference = runs[REFERENCE].vectors if REFERENCE in runs else {}
    lines = [" " * 55 + "  start     all  per s  cpu ms    MiB    cosine  centred  nearest"]
    for name, run in runs.items():
        if not (run.start and run.all):
            continue
        start, whole = median(run.start, "seconds"), median(run.all, "seconds")
        cpu = 1000 * (median(run.all, "cpu") - median(run.start, "cpu")) / (count - 1)
        mib = max(told["mib"] for told in run.all)
        line = f"{name:55}{start:7.1f}{whole:8.1f}{(count - 1) / (whole - start):7.1f}{cpu:8.0f}{mib:7}"
        if reference and run.vectors:
            found = agreement(run.vectors, reference)
            line += f"{found['cosine']:10.6f}{found['centred']:9.5f}{found['nearest']:9.3f}"
        lines.append(line)
    return "\n".join(lines)


def compare(args: argparse.Namespace, folder: Path) -> None:
    """Everything, in `folder`, which is empty."""
    sample(args.pictures, args.count, args.megapixels, folder / "many")
    (folder / "one").mkdir()
    shutil.copyfile(folder / "many/00000.jpg", folder / "one/00000.jpg")
    chosen = ways(args.part_files, args.clip_retrieval, args.clip_retrieval_model)
    chosen = {name: way for name, way in chosen.items() if not args.ways or any(part in name for part in args.ways)}
    runs = {name: Runs() for name in chosen}
    for name in chosen:
        if name in ("refsort local", "refsort local, int8"):
            told = timed(chosen[name], folder / "one", args.model, folder / f"first {name}")
            print(json.dumps({"way": name, "prepared": True, **told}), flush=True)
    for number in range(args.runs):
        for pictures, source in ((1, folder / "one"), (args.count, folder / "many"))[number >= args.starts :]:
            for name, way in chosen.items():
                target = folder / f"{name} {pictures} {number}"
                told = timed(way, source, args.model, target)
                print(json.dumps({"way": name, "pictures": pictures, **told}), flush=True)
                if "failed" not in told:
                    (runs[name].start if pictures == 1 else runs[name].all).append(told)
                    runs[name].vectors = way.vectors(target)
    print(table(runs, args.count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("model", help="a folder that sentence-transformers can load")
    parser.add_argument("--count", type=int, default=320)
    parser.add_argument("--megapixels", type=float, default=0, help="enlarge the pictures to so many (default: as is)")
    parser.add_argument("--part-files", type=int, default=40, help="of Ray's workers: so few only to occupy both")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--starts", type=int, default=2, help="runs before which the start is measured too")
    parser.add_argument("--ways", nargs="*", help="only those whose names contain one of these")
    parser.add_argument("--clip-retrieval", default="", metavar="PROGRAM", help="in an environment of its own")
    parser.add_argument("--clip-retrieval-model", default="ViT-B/32", metavar="NAME", help="as its --clip_model has it")
    parser.add_argument("--script", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--workers", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--paths", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.script:
        script(args.pictures, args.model, args.script, args.workers, args.paths)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(args, Path(folder))


if __name__ == "__main__":
    main()
