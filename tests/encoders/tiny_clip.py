"""A real CLIP, small enough to be trained while the tests wait.

It knows coloured shapes and their names in English and Spanish. The result is a sentence-transformers folder like
any other, so what the tests do with it is what the program does with a large model. It can also be had in the layout
of the published clip-ViT-B-32, and from a server that answers like the Hugging Face hub.
"""

import hashlib
import importlib.metadata
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

NOUNS = {"circle": "un círculo", "ring": "un anillo", "bar": "una barra", "cross": "una cruz"}
ADJECTIVES = {"red": "rojo", "green": "verde", "blue": "azul", "yellow": "amarillo", "purple": "morado"}
SHAPES, COLOURS = list(NOUNS), list(ADJECTIVES)
CLASSES = [(shape, colour) for shape in SHAPES for colour in COLOURS]
SRGB = dict(zip(COLOURS, [(215, 40, 40), (40, 165, 60), (45, 80, 215), (235, 205, 45), (150, 50, 190)], strict=True))

SIDE = 32
"""Height and width in pixels of what the network sees."""

REPOSITORY = "sentence-transformers/clip-ViT-B-32"
COMMIT = "0123456789" * 4
"""What the server of this module calls the model and its only version."""

PATCH = 8
WIDTH = 64
TEXT_LENGTH = 32

# Chosen together by trial, for at least 97 % of unseen pictures right after some 15 s on one core.
PER_CLASS = 120
BATCH = 40
STEPS = 750
RATE = 2e-3
TEMPERATURE = 0.05


def caption(shape: str, colour: str, language: str = "en") -> str:
    """'a red circle' (en) or 'un círculo rojo' (es), the colour agreeing in gender."""
    if language == "en":
        return f"a {colour} {shape}"
    noun, adjective = NOUNS[shape], ADJECTIVES[colour]
    if noun.startswith("una ") and adjective.endswith("o"):
        adjective = adjective[:-1] + "a"
    return f"{noun} {adjective}"


def captions(shape: str, colour: str) -> list[str]:
    """All the ways in which the network hears of a class."""
    english, spanish = caption(shape, colour, "en"), caption(shape, colour, "es")
    bare = [english.split(" ", 1)[1], spanish.split(" ", 1)[1]]
    return [english, spanish, *bare, f"a photo of {english}", f"una foto de {spanish}"]


def stencil(shape: str, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a shape of radius 1 around the origin covers the points (x, y)."""
    distance, across, along = np.hypot(x, y), np.abs(x), np.abs(y)
    if shape == "circle":
        return distance < 0.8
    if shape == "ring":
        return (distance < 1) & (distance > 0.6)
    if shape == "bar":
        return (across < 0.25) & (along < 1)
    return (np.minimum(across, along) < 0.22) & (np.maximum(across, along) < 1)


def draw_shape(rng: np.random.Generator, shape: str, colour: str, side: int = 96) -> Image.Image:
    """A picture of `side` × `side` pixels: the shape at a random place, size and angle on a noisy ground."""
    noise = rng.standard_normal((side, side, 3), np.float32) * 10
    picture = rng.integers(60, 200) + rng.normal(0, 12, 3) + noise
    radius = side * rng.uniform(0.3, 0.45)
    x, y = np.mgrid[:side, :side] - rng.uniform(radius, side - radius, 2)[:, None, None]
    turn = rng.uniform(0, 2 * np.pi)
    sin, cos = np.sin(turn) / radius, np.cos(turn) / radius
    inside = stencil(shape, x * cos + y * sin, y * cos - x * sin)
    picture[inside] = np.array(SRGB[colour]) + rng.integers(-18, 19, 3)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def make_tokenizer() -> Any:
    """A CLIPTokenizer (byte-level BPE) to which every word of the captions is one token."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    words = {word for shape, colour in CLASSES for text in captions(shape, colour) for word in text.split()}
    ranks: dict[tuple[str, str], int] = {}
    for word in sorted(words):
        pieces = list(ByteLevel(add_prefix_space=False).pre_tokenize_str(word)[0][0])
        pieces[-1] += "</w>"
        while len(pieces) > 1:  # as the tokenizer does it: known pairs in their order, then a new one
            pairs = list(pairwise(pieces))
            best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
            ranks.setdefault(best, len(ranks))
            at = pairs.index(best)
            pieces[at : at + 2] = ["".join(best)]
    tokens += dict.fromkeys("".join(pair) for pair in ranks)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=list(ranks), model_max_length=TEXT_LENGTH)


def make_image_processor() -> Any:
    from transformers import CLIPImageProcessorPil

    return CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})


def make_model(tokenizer: Any) -> Any:
    """A CLIPModel with random weights, and with positions that say which patches are neighbours."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_attention_heads": 4}
    text = {**tower, "num_hidden_layers": 1, "vocab_size": len(tokenizer), "max_position_embeddings": TEXT_LENGTH}
    text |= {key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    vision = {**tower, "num_hidden_layers": 3, "image_size": SIDE, "patch_size": PATCH}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))
    with torch.no_grad():
        model.vision_model.embeddings.position_embedding.weight[1:] = torch.from_numpy(positions())
    return model


def positions() -> NDArray[np.float32]:
    """Sines and cosines of the patches' places, float32[patches, WIDTH]: from them shapes are learnt three times sooner
    than from CLIP's random start, which counts on long training.
    """
    count = SIDE // PATCH
    place = np.arange(count) + 0.5
    angle = place[:, None] * np.pi * np.arange(1, WIDTH // 4 + 1) / (WIDTH // 4)
    wave = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    rows, columns = np.repeat(wave, count, axis=0), np.tile(wave, (count, 1))
    return np.asarray(0.5 * np.concatenate([rows, columns], axis=1), np.float32)


def training_pictures(rng: np.random.Generator) -> Any:
    """float32[classes, PER_CLASS, 3, SIDE, SIDE], scaled as the image processor does it."""
    import torch

    processor = make_image_processor()
    size = (SIDE, SIDE)
    small = [
        np.asarray(draw_shape(rng, shape, colour).resize(size, Image.Resampling.BICUBIC))
        for shape, colour in CLASSES
        for _ in range(PER_CLASS)
    ]
    scaled = (np.stack(small) / 255 - processor.image_mean) / processor.image_std
    return torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32).unflatten(0, (len(CLASSES), -1))


def train(model: Any, tokenizer: Any, seed: int) -> None:
    """Contrastive training: in each step a few pictures of every class against one phrase for every class.

    Phrases are drawn afresh at every step; pictures are turned and mirrored, which no class minds.
    """
    import torch
    from torch.nn.functional import cross_entropy, normalize

    rng = np.random.default_rng(seed)
    data = training_pictures(rng)
    phrases = [captions(shape, colour) for shape, colour in CLASSES]
    text = tokenizer([phrase for variants in phrases for phrase in variants], padding=True, return_tensors="pt")
    each = BATCH // len(CLASSES)
    target = torch.arange(len(CLASSES)).repeat_interleave(each)
    same = torch.nn.functional.one_hot(target).T / each
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS, pct_start=0.15)
    for _ in range(STEPS):
        chosen = torch.from_numpy(rng.integers(0, PER_CLASS, (len(CLASSES), each)))
        batch = data[torch.arange(len(CLASSES))[:, None], chosen].flatten(0, 1)
        batch = torch.rot90(batch, int(rng.integers(4)), (2, 3))
        batch = batch.flip(3) if rng.random() < 0.5 else batch
        told = rng.integers(0, len(phrases[0]), len(CLASSES)) + np.arange(len(CLASSES)) * len(phrases[0])
        seen = model.get_image_features(pixel_values=batch).pooler_output
        read = model.get_text_features(text["input_ids"][told], text["attention_mask"][told]).pooler_output
        logits = normalize(seen) @ normalize(read).T / TEMPERATURE
        loss = cross_entropy(logits, target) + 0.5 * cross_entropy(logits.T, same)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()


def make_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Train the model on one core and save it to `folder` with sentence-transformers; returns `folder`."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import CLIPProcessor

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tokenizer = make_tokenizer()
            model = make_model(tokenizer)
            train(model, tokenizer, seed)
    finally:
        torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as plain:
        model.save_pretrained(plain)
        CLIPProcessor(make_image_processor(), tokenizer).save_pretrained(plain)
        SentenceTransformer(plain, device="cpu").save_pretrained(str(folder), create_model_card=False)
    return folder


def tiny_clip_folder() -> Path:
    """The trained model, made once per machine for this state of this file and of transformers."""
    key = hashlib.sha256(Path(__file__).read_bytes())
    key.update(f"{importlib.metadata.version('transformers')} {Path.home()}".encode())
    folder = Path(tempfile.gettempdir(), f"refsort-tiny-clip-{key.hexdigest()[:16]}")
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                make_tiny_clip(Path(scratch, "model")).rename(folder)
    return folder


def as_of_2021(folder: Path, target: Path) -> Path:
    """The model in the layout of the published clip-ViT-B-32, whose files are older than today's libraries."""
    from transformers import AutoTokenizer

    inner = target / "0_CLIPModel"
    inner.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, inner)
    AutoTokenizer.from_pretrained(folder).backend_tokenizer.model.save(str(inner))  # vocab.json, merges.txt
    specials = {"bos_token": "<|startoftext|>"} | dict.fromkeys(
        ["eos_token", "unk_token", "pad_token"], "<|endoftext|>"
    )
    processor = make_image_processor()
    pictures = {"feature_extractor_type": "CLIPFeatureExtractor", "size": SIDE, "crop_size": SIDE, "resample": 3}
    pictures |= {"image_mean": list(processor.image_mean), "image_std": list(processor.image_std)}
    pictures |= dict.fromkeys(["do_resize", "do_center_crop", "do_normalize"], True)
    module = {"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}
    for path, content in {
        inner / "special_tokens_map.json": specials,
        inner / "tokenizer_config.json": specials | {"do_lower_case": True, "model_max_length": TEXT_LENGTH},
        inner / "preprocessor_config.json": pictures,
        target / "modules.json": [module],
        target / "config_sentence_transformers.json": {"__version__": {"sentence_transformers": "2.0.0"}},
    }.items():
        path.write_text(json.dumps(content))
    return target


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address of a server that knows one model, REPOSITORY, and as much of the hub's protocol as fetching takes."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sums = {name: hashlib.sha1(content).hexdigest() for name, content in files.items()}
    tree = [{"type": "file", "path": name, "size": len(files[name]), "oid": sums[name]} for name in files]
    pages = {f"/{REPOSITORY}/resolve/{COMMIT}/{name}": content for name, content in files.items()}
    pages[f"/api/models/{REPOSITORY}/revision/main"] = json.dumps({"id": REPOSITORY, "sha": COMMIT}).encode()
    pages[f"/api/models/{REPOSITORY}/tree/{COMMIT}"] = json.dumps(tree).encode()

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.split("?")[0])
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Length", str(len(page or b"")))
            self.send_header("ETag", sums.get(self.path.rpartition("/")[2], ""))
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            self.wfile.write(page or b"" if self.command == "GET" else b"")

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
