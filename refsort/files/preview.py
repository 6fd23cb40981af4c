"""What the mover would do, for a dry run: the same checks and the same names, and nothing is touched."""

from refsort.files.dataset import Dataset
from refsort.files.identity import look
from refsort.files.requests import Outcome, Request
from refsort.files.taken import TakenNames


class Preview:
    """Answers requests as `Mover.file` would, from looking alone."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.taken = TakenNames()

    def file(self, requests: list[Request]) -> list[Outcome]:
        """Outcomes in the order of the requests."""
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Outcome:
        for part in request.members:
            if not part.stat.same_file(look(self.dataset.path(part.source))):
                return Outcome(request, "changed", "it changed after it was read")
        targets = [self.dataset.path(part.target) for part in request.members]
        chosen, _ = self.taken.choose(targets, request.stem)
        return Outcome(request, targets=[self.dataset.relative(target) for target in chosen])
