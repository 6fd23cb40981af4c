"""The model card that lies in a trained model's folder."""

from typing import Any

from refsort.learn.recipes import Recipe

ABOUT = {
    "head": "The network is the base's; only a linear head over its vectors was trained.",
    "proj": "The last linear map of the network was trained, pulled toward where it began.",
    "last": "The last stages of the network were trained.",
    "lora": "Low-rank additions to the network were trained and added to its weights; then the head alone.",
    "lp-ft": "The head was trained first, then the whole network at a low rate.",
    "full": "The whole network was trained, the first layers at lower rates.",
}


def card(base: str, recipe: Recipe, options: Any, figures: dict[str, Any]) -> str:
    """Markdown: what it is, what it was made from, how it did on what was left out, and what that does not say."""
    counts = "\n".join(f"| {_cell(name)} | {count} |" for name, count in figures["classes"].items())
    shares = "\n".join(f"| {alpha} | {100 * share:.1f} % |" for alpha, share in figures["accuracy_left_out"].items())
    return f"""# An encoder fine-tuned by refsort

{ABOUT.get(recipe.name, "")} It gives vectors of pictures for one dataset's classes: `encoder: models:<name of
this folder>`. {"Half of each vector is the base's own, the other half was trained." if figures["joined"] else ""}

- base: `{base}`
- recipe: {recipe.name}, {recipe.epochs} epochs, seed {options.seed}, {figures["seconds"]:.0f} s
- share of the way from the base to what was learned: {figures["alpha"]:g} (0 is the base itself)
- examples: {figures["examples"]} in {len(figures["classes"])} classes

| class | examples |
|---|---|
{counts}

## On examples that were left out

Students were trained on folds of the examples, and each was asked about the fold it had not seen (`lda`, the other
folds as references). The encoder is the mean of the students' weights. The share taken is the largest one within a
standard error of the best.

| share of what was learned | right |
|---|---|
{shares}

These numbers chose the share, so they are a little too good. What counts is a test on pictures that
had no part in the training; `metrics.json` holds it where there was one.

## Limits

- It knows the pictures of one person's dataset. For other pictures it may be worse than the base.
- Its own vectors of the pictures above are tighter than those of new ones. Probabilities fitted on them are too sure:
  `references.safetensors` holds vectors by students that had not seen the picture; use those as references.
- Wrong labels among the examples are learned as well.
- The weights are made from those of the base, whose licence goes on to hold.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
