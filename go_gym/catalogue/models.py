"""Which graphs there are: name, family, model module and settings. Imports torch."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, TypeVar

from go_gym.capture.program import Program
from go_gym.capture.steps import (
    capture_inference,
    capture_training_step,
    inference_program,
    training_program,
)
from go_gym.catalogue.zoo import (
    amoebanet,
    bert,
    dlrm,
    gnmt,
    gnn,
    gpt2,
    inception,
    llama,
    mamba,
    moe,
    rnnlm,
    transformer_xl,
    unet,
    vit,
    wavenet,
)
from go_gym.graph import ComputationGraph

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One graph of the catalogue.

    Attributes:
        family: graphs of one family differ in size only; generalisation is to other families.
        module: has ``build``, ``inputs`` and ``layer_of``; ``queries`` where it is served.
        settings: what ``build`` and ``inputs`` are given.
        what: one line for people.
        source: where the architecture comes from.
        served: is it the forward pass of a server, not a training step?
    """

    family: str
    module: ModuleType
    settings: Any
    what: str
    source: str
    served: bool = False

    def capture(self, name: str) -> ComputationGraph:
        """The graph of the full training step, or of the forward pass where it is served."""
        return self._recorded(name, capture_training_step, capture_inference)

    def program(self, name: str) -> Program:
        """That graph with its executable program."""
        return self._recorded(name, training_program, inference_program)

    def _recorded(self, name: str, training: Callable[..., T], inference: Callable[..., T]) -> T:
        build: Callable[[Any], Any] = self.module.build
        metadata = {
            "family": self.family,
            "what": self.what,
            "source": self.source,
            "settings": asdict(self.settings),
        }
        layer_of = self.module.layer_of
        if self.served:
            return inference(
                name,
                lambda: build(self.settings).eval(),
                lambda: self.module.queries(self.settings),
                layer_of,
                {**metadata, "served": True},
            )
        return training(
            name,
            lambda: build(self.settings),
            lambda: self.module.inputs(self.settings),
            layer_of,
            metadata,
        )


def _by_size(family: str, module: ModuleType, what: str, source: str) -> Callable[..., Entry]:
    """Entries that differ in the first of their settings, which ``what`` names as ``{0}``, …."""

    def entry(*sizes: int) -> Entry:
        return Entry(family, module, module.Settings(*sizes), what.format(*sizes), source)

    return entry


_rnnlm = _by_size(
    "rnnlm",
    rnnlm,
    "LSTM language model, {0} layers, unrolled",
    "Zaremba et al. 2014 (arXiv 1409.2329); Jozefowicz et al. 2016 (arXiv 1602.02410)",
)
_inception = _by_size(
    "inception",
    inception,
    "Inception-v3 image classifier, batch {0}",
    "Szegedy et al. 2016 (CVPR, arXiv 1512.00567)",
)
_gnmt = _by_size(
    "gnmt",
    gnmt,
    "LSTM translation model, {0} encoder and {0} decoder layers, unrolled",
    "Wu et al. 2016 (arXiv 1609.08144)",
)
_transformer_xl = _by_size(
    "transformer-xl",
    transformer_xl,
    "Transformer-XL language model, {0} layers, eight segments",
    "Dai et al. 2019 (ACL, arXiv 1901.02860)",
)
_wavenet = _by_size(
    "wavenet",
    wavenet,
    "WaveNet, {1} layers in {0} stacks",
    "van den Oord et al. 2016 (arXiv 1609.03499)",
)


def _llama(batch: int, use: str, served: bool) -> Entry:
    return Entry(
        "llama",
        llama,
        llama.Settings(batch),
        f"Llama 7B in bfloat16, {use}",
        "Touvron et al. 2023 (arXiv 2302.13971)",
        served,
    )


def _vit(batch: int, use: str, served: bool) -> Entry:
    return Entry(
        "vit",
        vit,
        vit.Settings(batch),
        f"Vision Transformer ViT-B/16, {use}",
        "Dosovitskiy et al. 2021 (ICLR, arXiv 2010.11929)",
        served,
    )


ENTRIES: dict[str, Entry] = {
    "amoebanet": Entry(
        "amoebanet",
        amoebanet,
        amoebanet.Settings(),
        "AmoebaNet-A image classifier",
        "Real et al. 2019 (AAAI, arXiv 1802.01548)",
    ),
    "bert-large": Entry(
        "bert",
        bert,
        bert.Settings(),
        "BERT-large, masked language modelling",
        "Devlin et al. 2019 (NAACL, arXiv 1810.04805)",
    ),
    "ddpm-256": Entry(
        "ddpm",
        unet,
        unet.Settings(),
        "U-Net of denoising diffusion, 256 × 256 images",
        "Ho et al. 2020 (NeurIPS, arXiv 2006.11239)",
    ),
    "dlrm": Entry(
        "dlrm",
        dlrm,
        dlrm.Settings(),
        "DLRM recommender, 26 embedding tables",
        "Naumov et al. 2019 (arXiv 1906.00091)",
    ),
    "gnmt-2": _gnmt(2),
    "gnmt-4": _gnmt(4),
    "gnmt-8": _gnmt(8),
    "gpt2": Entry(
        "gpt2",
        gpt2,
        gpt2.Settings(),
        "GPT-2 small, causal language model",
        "Radford et al. 2019 (Language Models are Unsupervised Multitask Learners)",
    ),
    "graphsage": Entry(
        "graphsage",
        gnn,
        gnn.Settings(),
        "GraphSAGE on a graph of the size of ogbn-arxiv, in four parts",
        "Hamilton et al. 2017 (NeurIPS, arXiv 1706.02216); Hu et al. 2020 (arXiv 2005.00687)",
    ),
    "inception-b32": _inception(32),
    "inception-b64": _inception(64),
    "llama-7b": _llama(1, "training step", served=False),
    "llama-7b-prefill": _llama(4, "reading a prompt", served=True),
    "mamba-130m": Entry(
        "mamba",
        mamba,
        mamba.Settings(),
        "Mamba language model, 24 layers, parallel scan",
        "Gu and Dao 2023 (arXiv 2312.00752)",
    ),
    "moe-8x8": Entry(
        "moe",
        moe,
        moe.Settings(),
        "Mixture of experts, 8 layers, 8 experts in every second",
        "Lepikhin et al. 2021 (ICLR, arXiv 2006.16668)",
    ),
    "rnnlm-2": _rnnlm(2),
    "rnnlm-4": _rnnlm(4),
    "rnnlm-8": _rnnlm(8),
    "transformer-xl-2": _transformer_xl(2),
    "transformer-xl-4": _transformer_xl(4),
    "transformer-xl-8": _transformer_xl(8),
    "vit-b16": _vit(64, "training step", served=False),
    "vit-b16-serve": _vit(64, "inference", served=True),
    "wavenet-2x18": _wavenet(2, 18),
    "wavenet-4x36": _wavenet(4, 36),
}
