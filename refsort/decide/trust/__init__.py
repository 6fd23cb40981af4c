"""How far a decision can be trusted: evidence, trials on the references, probabilities, and the cut they give."""
