"""Training by imitation: hide part of a good decision, complete it; rank decisions by step time.

``python -m go_agents.go.oneshot.training LABELS FOLDER`` trains on all labels that are there, also
on those that come while it runs, writes a checkpoint every minute, and goes on where a stop left it
on any device; ``--device cuda`` is all that a GPU takes.
"""

import argparse
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ...common.checkpoint import STATE, load_checkpoint, save_checkpoint
from .batches import Batch, Example, collate, examples
from .features import VERSION
from .network import Network, Sizes, completion_loss


@dataclass(frozen=True)
class ImitationSettings:
    """How to train; our choice.

    Attributes:
        problems, masks: of a batch: so many problems, each hidden in so many ways.
        judged: decisions of a problem that the critic ranks; every ``judge_every`` updates.
        rate, warm, decay: learning rate, updates until it is reached, last share of the updates in
            which it falls to a twentieth.
        corrupted: share of the shown rows that are shown elsewhere, at most.
        good: logarithm over the best step time up to which a decision is imitated.
        average: rate at which the averaged weights, which decide, follow.
    """

    problems: int = 6
    masks: int = 4
    judged: int = 6
    judge_every: int = 2
    rate: float = 1e-3
    warm: int = 50
    decay: float = 0.3
    corrupted: float = 0.1
    good: float = 0.01
    average: float = 0.01
    critic: float = 0.5


class Training:
    """Network, optimizer and what was learned so far.

    Args:
        settings, sizes: see there.
        device: of torch.
        seed: of the weights and of every batch.
    """

    def __init__(
        self,
        settings: ImitationSettings | None = None,
        sizes: Sizes | None = None,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.settings, self.device, self.seed = settings or ImitationSettings(), device, seed
        torch.manual_seed(seed)
        self.network = Network(sizes).to(device)
        self.averaged = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.settings.rate, weight_decay=0.02
        )
        self.updates = 0
        self.seconds = 0.0
        self.history: list[tuple[int, float, float]] = []
        self.recent: deque[tuple[float, float]] = deque(maxlen=200)

    def update(self, data: Sequence[Example], updates: int) -> None:
        """One step on a batch drawn from ``data`` by the seed and the number of the update."""
        settings, begin = self.settings, time.perf_counter()
        random = np.random.default_rng([self.seed, self.updates])
        chosen = draw(data, settings.problems, random)
        batch = collate([each.features for each in chosen]).to(self.device)
        target = best_decisions(chosen, settings, batch, random).to(self.device)
        shown, placed = (each.to(self.device) for each in hide(batch, target, settings, random))
        encoded = self.network.encode(batch)
        scores, _ = self.network.decode(batch, encoded, placed, shown)
        losses = [completion_loss(batch, score, target, placed, shown) for score in scores]
        loss = losses[-1] + 0.3 * sum(losses[:-1], torch.zeros((), device=self.device))
        ranking = torch.zeros((), device=self.device)
        if self.updates % settings.judge_every == 0:
            decisions, slower = ranked_decisions(chosen, settings.judged, batch, random)
            judged = self.network.judge(batch, encoded, decisions.to(self.device))
            ranking = ranking_loss(judged, slower.to(self.device))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.rate * self._share(updates)
        self.optimizer.zero_grad()
        (loss + settings.critic * ranking).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.updates += 1
        rate = max(settings.average, 1.0 / (self.updates + 1))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.averaged[name].lerp_(value, rate)
        if self.updates % settings.judge_every == 1 or settings.judge_every == 1:
            self.recent.append((losses[-1].item(), ranking.item()))
        self.seconds += time.perf_counter() - begin

    def _share(self, updates: int) -> float:
        """Of the learning rate at this update."""
        left = (updates - self.updates) / max(self.settings.decay * updates, 1)
        return min(1.0, (self.updates + 1) / self.settings.warm) * min(1.0, max(left, 0.05))

    def progress(self) -> tuple[float, float]:
        """The mean losses of the last updates: completion and ranking."""
        means = np.mean(np.array(self.recent or [(np.nan, np.nan)]), axis=0)
        return float(means[0]), float(means[1])

    def save(self, folder: Path) -> None:
        """Write a checkpoint that :meth:`restore` goes on from."""
        tensors = {f"model.{k}": v.cpu() for k, v in self.network.state_dict().items()}
        tensors |= {f"averaged.{k}": v.cpu() for k, v in self.averaged.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": v.cpu() for k, v in moments.items()}
        state = {
            "features": VERSION,
            "sizes": asdict(self.network.sizes),
            "settings": asdict(self.settings),
            "seed": self.seed,
            "updates": self.updates,
            "seconds": round(self.seconds),
            "history": self.history,
        }
        save_checkpoint(folder, tensors, state)

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint of the same sizes and seed."""
        tensors, state = load_checkpoint(folder)
        self.network.load_state_dict(part(tensors, "model."))
        self.averaged = {k: v.to(self.device) for k, v in part(tensors, "averaged.").items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part(tensors, "optimizer.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        document = self.optimizer.state_dict()
        self.optimizer.load_state_dict({**document, "state": moments})
        self.updates, self.seconds = state["updates"], float(state["seconds"])
        self.history = [tuple(each) for each in state["history"]]


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def draw(data: Sequence[Example], count: int, random: np.random.Generator) -> list[Example]:
    """Examples of as many devices and about as many rows as one drawn at random."""
    first = data[int(random.integers(len(data)))]
    key = _shape(first)
    alike = [each for each in data if _shape(each) == key]
    return [alike[int(i)] for i in random.integers(len(alike), size=count)]


def _shape(example: Example) -> tuple[int, bool]:
    return len(example.features.devices), example.features.count > 64


def best_decisions(
    chosen: Sequence[Example],
    settings: ImitationSettings,
    batch: Batch,
    random: np.random.Generator,
) -> Tensor:
    """(B, S, R) int64: for each mask of each problem one of its good decisions, the best rather."""
    target = np.zeros((len(chosen), settings.masks, batch.here.shape[1]), dtype=np.int64)
    for row, example in zip(target, chosen, strict=True):
        good = int((example.slower <= settings.good).sum())
        for mask in row:
            which = 0 if random.random() < 0.5 else int(random.integers(good))
            mask[: example.features.count] = example.decisions[which]
    return torch.from_numpy(target)


def hide(
    batch: Batch, target: Tensor, settings: ImitationSettings, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """What is shown of decisions (B, S, R): which rows, and on which devices.

    A random share of the rows; or whole devices, one after another; or all before or after some
    place in the order. Some of it is wrong, so that the network may repair what it began.
    """
    shape, devices = target.shape, batch.num_devices
    problems, masks, _ = shape
    share = random.random((problems, masks, 1)) * (random.random((problems, masks, 1)) > 0.1)
    anywhere = random.random(shape) < share
    whole = random.random((problems, masks, devices)) < random.random((problems, masks, 1))
    on_whole = np.take_along_axis(whole, target.cpu().numpy(), 2)
    most = np.where(
        random.random((problems, masks, 1)) < 0.5, 1.0, random.random((problems, masks, 1))
    )
    few = 0.3 * random.random((problems, masks, 1)) * (random.random((problems, masks, 1)) < 0.5)
    by_device = np.where(on_whole, random.random(shape) < most, random.random(shape) < few)
    at = batch.rows.cpu().numpy()[:, :, [8, 2, 14]]
    at = np.take_along_axis(at, random.integers(3, size=(problems, 1, 1)), 2)[:, None, :, 0]
    cut = random.random((problems, masks, 1))
    by_order = np.where(random.random((problems, masks, 1)) < 0.5, at < cut, at > cut)
    kind = random.random((problems, masks, 1))
    shown = np.where(kind < 0.35, by_device, np.where(kind < 0.5, by_order, anywhere))
    wrong = random.random(shape) < settings.corrupted * random.random((problems, masks, 1))
    elsewhere = random.integers(devices, size=shape)
    placed = np.where(wrong, elsewhere, target.cpu().numpy())
    return torch.from_numpy(shown) & batch.here.cpu()[:, None], torch.from_numpy(placed)


def ranked_decisions(
    chosen: Sequence[Example], count: int, batch: Batch, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """(B, count, R) int64 decisions of every quality, and (B, count) how much slower each is."""
    decisions = np.zeros((len(chosen), count, batch.here.shape[1]), dtype=np.int64)
    slower = np.zeros((len(chosen), count), dtype=np.float32)
    for row, times, example in zip(decisions, slower, chosen, strict=True):
        picked = random.integers(len(example.slower), size=count)
        row[:, : example.features.count] = example.decisions[picked]
        times[:] = example.slower[picked]
    return torch.from_numpy(decisions), torch.from_numpy(slower)


def ranking_loss(judged: Tensor, slower: Tensor) -> Tensor:
    """Logistic loss of every pair of decisions of a problem, pairs that hardly differ counting
    little, and lightly the distance to the logarithms themselves (B, S)."""
    apart = slower[:, :, None] - slower[:, None]
    weight = (10 * apart.abs()).clamp(max=1)
    wrong = functional.softplus(-(judged[:, :, None] - judged[:, None]) * 4 * apart.sign())
    pairs = (wrong * weight).sum() / weight.sum().clamp_min(1e-6)
    centred = judged - judged.mean(1, keepdim=True)
    return pairs + functional.smooth_l1_loss(centred, slower - slower.mean(1, keepdim=True))


def train(
    labels: Sequence[Path],
    folder: Path,
    updates: int,
    device: str = "cpu",
    seed: int = 0,
    every: float = 60.0,
    look: int = 250,
    sizes: Sizes | None = None,
) -> Training:
    """Train until ``updates``, from ``folder``'s checkpoint if there is one.

    Args:
        labels: folders of labels.
        folder: the checkpoint's.
        updates: in all, those before a stop included.
        device, seed, sizes: of :class:`Training`.
        every: seconds between checkpoints.
        look: updates after which new labels are looked for.
    """
    training = Training(device=device, seed=seed, sizes=sizes)
    if (folder / STATE).exists():
        training.restore(folder)
    known: list[dict[str, Example]] = [{} for _ in labels]
    data: list[Example] = []
    saved = time.monotonic()
    bar = tqdm(total=updates, initial=training.updates, desc="training", mininterval=10)
    while training.updates < updates:
        if not data or training.updates % look == 0:
            known = [examples(path, old) for path, old in zip(labels, known, strict=True)]
            data = [example for each in known for example in each.values()]
        training.update(data, updates)
        bar.update()
        if training.updates % 50 == 0:
            completion, ranking = training.progress()
            bar.set_postfix_str(f"{len(data)} problems, {completion:.3f} {ranking:.3f}")
        if training.updates % look == 0:
            training.history.append((training.updates, *training.progress()))
        if time.monotonic() - saved > every:
            training.save(folder)
            saved = time.monotonic()
    bar.close()
    training.save(folder)
    return training


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, nargs="+", help="folders such as LABELS/tuning")
    parser.add_argument("folder", type=Path, help="of the checkpoint")
    parser.add_argument("--updates", type=int, default=20_000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train(given.labels, given.folder, given.updates, given.device, given.seed)


if __name__ == "__main__":
    main()
