"""Which graphs there are: name, family, model module and settings. Imports torch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from go_gym.capture.torch import capture_training_step
from go_gym.graph import ComputationGraph
from go_gym.zoo import inception, rnnlm


@dataclass(frozen=True)
class Entry:
    """One graph of the catalogue.

    Attributes:
        family: graphs of one family differ in size only; generalisation is to other families.
        module: has ``build``, ``inputs`` and ``layer_of``.
        settings: what ``build`` and ``inputs`` are given.
        what: one line for people.
        source: where the architecture comes from.
    """

    family: str
    module: ModuleType
    settings: Any
    what: str
    source: str

    def capture(self, name: str) -> ComputationGraph:
        """The graph of the full training step."""
        build: Callable[[Any], Any] = self.module.build
        metadata = {
            "family": self.family,
            "what": self.what,
            "source": self.source,
            "settings": asdict(self.settings),
        }
        return capture_training_step(
            name,
            lambda: build(self.settings),
            lambda: self.module.inputs(self.settings),
            self.module.layer_of,
            metadata,
        )


def _rnnlm(layers: int) -> Entry:
    return Entry(
        "rnnlm",
        rnnlm,
        rnnlm.Settings(layers),
        f"LSTM language model, {layers} layers, unrolled",
        "Zaremba et al. 2014 (arXiv 1409.2329); Jozefowicz et al. 2016 (arXiv 1602.02410)",
    )


def _inception(batch: int) -> Entry:
    return Entry(
        "inception",
        inception,
        inception.Settings(batch),
        f"Inception-v3 image classifier, batch {batch}",
        "Szegedy et al. 2016 (CVPR, arXiv 1512.00567)",
    )


ENTRIES: dict[str, Entry] = {
    "inception-b32": _inception(32),
    "inception-b64": _inception(64),
    "rnnlm-2": _rnnlm(2),
    "rnnlm-4": _rnnlm(4),
    "rnnlm-8": _rnnlm(8),
}
