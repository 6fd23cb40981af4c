"""What a person writes in an afternoon: sentence-transformers, one picture at a time, shutil.move.

    python benchmarks/owners_way.py DATASET MODEL

Sorts DATASET/Images into DATASET/Dataset by DATASET/Clases. Only a yardstick: it replaces files of the same name, keeps
no journal and stops at the first broken picture.
"""

import shutil
import sys
import time
from pathlib import Path

from PIL import Image
from sentence_transformers import SentenceTransformer, util

dataset, model_name = Path(sys.argv[1]), sys.argv[2]
model = SentenceTransformer(model_name)

references = {}
for folder in sorted((dataset / "Clases").iterdir()):
    references[folder.name] = [model.encode(Image.open(path)) for path in sorted(folder.iterdir())]

started = time.perf_counter()
count = 0
for path in sorted((dataset / "Images").iterdir()):
    vector = model.encode(Image.open(path))
    scores = {name: float(util.cos_sim(vector, vectors).mean()) for name, vectors in references.items()}
    best = max(scores, key=lambda name: scores[name])
    target = dataset / "Dataset" / best
    target.mkdir(parents=True, exist_ok=True)
    shutil.move(str(path), str(target / path.name))
    count += 1
print(f"{count / (time.perf_counter() - started):.1f}")
