"""Which graphs there are: name, family, model module and settings. Imports torch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from go_gym.capture.steps import capture_training_step
from go_gym.graph import ComputationGraph
from go_gym.zoo import amoebanet, gnmt, inception, rnnlm, transformer_xl, wavenet


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


def _gnmt(layers: int) -> Entry:
    return Entry(
        "gnmt",
        gnmt,
        gnmt.Settings(layers),
        f"LSTM translation model, {layers} encoder and {layers} decoder layers, unrolled",
        "Wu et al. 2016 (arXiv 1609.08144)",
    )


def _transformer_xl(layers: int) -> Entry:
    return Entry(
        "transformer-xl",
        transformer_xl,
        transformer_xl.Settings(layers),
        f"Transformer-XL language model, {layers} layers, eight segments",
        "Dai et al. 2019 (ACL, arXiv 1901.02860)",
    )


def _wavenet(stacks: int, layers: int) -> Entry:
    return Entry(
        "wavenet",
        wavenet,
        wavenet.Settings(stacks, layers),
        f"WaveNet, {layers} layers in {stacks} stacks",
        "van den Oord et al. 2016 (arXiv 1609.03499)",
    )


ENTRIES: dict[str, Entry] = {
    "amoebanet": Entry(
        "amoebanet",
        amoebanet,
        amoebanet.Settings(),
        "AmoebaNet-A image classifier",
        "Real et al. 2019 (AAAI, arXiv 1802.01548)",
    ),
    "gnmt-2": _gnmt(2),
    "gnmt-4": _gnmt(4),
    "gnmt-8": _gnmt(8),
    "inception-b32": _inception(32),
    "inception-b64": _inception(64),
    "rnnlm-2": _rnnlm(2),
    "rnnlm-4": _rnnlm(4),
    "rnnlm-8": _rnnlm(8),
    "transformer-xl-2": _transformer_xl(2),
    "transformer-xl-4": _transformer_xl(4),
    "transformer-xl-8": _transformer_xl(8),
    "wavenet-2x18": _wavenet(2, 18),
    "wavenet-4x36": _wavenet(4, 36),
}
