"""CLIP and other models of sentence-transformers on their fastest way: exported to ONNX once, without torch thereafter.

Importing torch and sentence-transformers takes some 7 s, and on a processor ONNX Runtime is the faster of the two. The
export is checked against torch on pictures and phrases when it is made; where anything is not as expected the model
stays with torch, and its `note` says so. Where torch has a GPU the model stays with torch as well.
"""

from collections.abc import Callable

from refsort.encoders import int8
from refsort.encoders.base import Encoder
from refsort.encoders.export_cache import Place, Record
from refsort.encoders.exported import ExportedEncoder, stored
from refsort.encoders.hub import check_weights, find, first_line, is_cached, require_installed
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder
from refsort.errors import EncoderError

PRECISIONS = ("fp32", "int8")
Tell = Callable[[str], None]


def load(name: str, threads: int = 0, precision: str = "fp32", tell: Tell = lambda _: None) -> Encoder:
    """Load `clip-ViT-B-32`, another name on the hub (owner/model), or a folder; threads 0: one per core.

    The first time takes half a minute longer, which `tell` is told. `precision` int8 makes pictures two to three times
    as fast and their vectors less exact. The encoder's `note` says what is not as asked for. Raises EncoderError.
    """
    if precision not in PRECISIONS:
        raise EncoderError(f"precision: {precision} is unknown; there are {' and '.join(PRECISIONS)}")
    if not is_cached(name):
        require_installed(name)  # fetching needs it too
    folder = find(name)
    check_weights(name, folder)
    place = Place(folder)
    if precision == "int8" and (quick := int8.stored(name, place, threads)):
        return quick
    encoder = stored(name, place, threads) or _from_torch(name, place, threads, tell)
    return int8.in_int8(encoder, place, threads) if precision == "int8" else encoder


def _from_torch(name: str, place: Place, threads: int, tell: Tell) -> ExportedEncoder | SentenceTransformerEncoder:
    """The model in torch where it must stay there, else its export, just made."""
    encoder = SentenceTransformerEncoder.load(name, threads)
    if encoder.on_gpu:
        return encoder
    try:
        record = place.read()
        if record is None or not record.refused:
            with place.lock():
                exported = stored(name, place, threads)  # another process may just have made it
                if exported is None:
                    tell(f"{name} is prepared for quick starts; this happens once and takes up to a minute")
                    record = _export(encoder, place)
                    exported = stored(name, place, threads)
            if exported is not None:
                return exported
        why = record.refused if record is not None else "its export can't be used"
    except (OSError, MemoryError, NotImplementedError) as error:  # the last: a file system without locks
        why = first_line(error)
    encoder.note = f"{name} is computed by torch, which starts more slowly: {why}"
    return encoder


def _export(encoder: SentenceTransformerEncoder, place: Place) -> Record:
    """Export the model into its place, or put there why it can't be, so that this is not tried at every start.

    Raises OSError or MemoryError where it might well work another time.
    """
    from refsort.encoders.export import CannotExport, export

    record = place.new_record(encoder.fingerprint)
    with place.scratch() as scratch:
        made = scratch / "made"
        made.mkdir()
        try:
            record = record.model_copy(update={"content": export(encoder, made)})
        except CannotExport as error:
            record = record.model_copy(update={"refused": str(error)})
            made = scratch / "refused"
            made.mkdir()
        place.replace(made, record)
    return record
