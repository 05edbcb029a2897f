"""The transfer examples: trained on two families, better than chance on one never seen."""

import importlib
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NEEDED = {"transfer_sb3": "stable_baselines3", "transfer_torchrl": "torchrl", "transfer_ppo": None}


@pytest.fixture
def example(monkeypatch):
    """Imports an example as running it does, and forgets it afterwards."""
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(EXAMPLES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_every_example_of_transfer_is_run():
    assert {path.stem for path in EXAMPLES.glob("transfer_*.py")} == set(NEEDED)


def test_chance_does_not_beat_chance(example, capsys):
    """The comparison itself: random actions of other seeds gain nothing that counts."""
    transfer = example("transfer")
    env = transfer.make(transfer.HELD_OUT)

    def train(seed):
        env.action_space.seed(seed + 1000)
        return transfer.speedup(env, lambda _: int(env.action_space.sample()), 20, seed)

    gains, low = transfer.compare(train, seeds=4)
    assert len(gains) == 4 and low < 0
    assert "95 % interval" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the libraries' own deprecations
@pytest.mark.parametrize("name", NEEDED)
def test_what_was_learned_beats_chance_on_an_unseen_family(name, example, capsys):
    if NEEDED[name]:
        pytest.importorskip(NEEDED[name], reason=f"{NEEDED[name]} is not installed")
    transfer, module = example("transfer"), example(name)
    assert transfer.HELD_OUT not in transfer.TRAIN
    gains, low = transfer.compare(module.train, seeds=3)
    assert (gains > 0).all() and low > 0, capsys.readouterr().out
