"""What is known of a move, against sums over its units and edges written out."""

import numpy as np
import pytest
from go_agents.common.step_view import StepView, step_view
from go_agents.common.traced import traced
from go_agents.search.description import FEATURES, WIDTH, Describer
from go_agents.search.encoding import Encoding
from go_agents.search.keys import GenomeKeys
from go_agents.search.neighbourhood import FOLLOWING, RELIEVING, Neighbourhood
from hypothesis import given, settings

import go_gym
from go_gym.catalogue.problems import make_problem
from go_gym.partitions.structure import dense_hierarchy
from go_gym.partitions.units import chain_units
from tests.agents.go.test_network import layered
from tests.strategies import problems

PROGRESS = 0.4


class Case:
    """Moves from a random genome of a joint problem, and what is known of them."""

    def __init__(self, problem, count, traced_step=True):
        self.problem = make_problem(problem.graph, problem.cluster, "joint")
        self.units = chain_units(self.problem, merge_chains=False)
        self.encoding = Encoding(self.problem, self.units)
        hierarchy = dense_hierarchy(self.problem, self.units, (4, 16))
        neighbourhood = Neighbourhood(self.encoding, hierarchy)
        self.levels = neighbourhood.parts.counts
        random = np.random.default_rng(0)
        values = self.encoding.values
        self.genome = np.stack([random.integers(0, v, self.units.count) for v in values])
        self.placement = self.genome[0]
        placed = go_gym.Decision(self.placement[self.units.part_of])
        problem = go_gym.Problem(problem.graph, problem.cluster)
        self.result = go_gym.simulate(problem, placed, trace=True)
        self.view = StepView.unknown(self.units.count, problem.num_devices)
        if traced_step:
            self.view = step_view(self.units, traced(problem, placed, self.result.trace))
        self.moves = neighbourhood.draw(
            self.genome, self.view.focus, self.result.busy_ns, PROGRESS, count, random
        )
        found = Describer(self.encoding, self.levels).describe(
            self.moves, self.placement, self.result.busy_ns, self.view, PROGRESS
        )
        assert found.shape == (count, WIDTH) and found.dtype == np.float32
        self.features = found.view(FEATURES).reshape(-1)

    def units_of(self, number):
        """Those that get the new value, and those that come back."""
        part = slice(self.moves.pointers[number], self.moves.pointers[number + 1])
        units, moved = self.moves.units[part].tolist(), self.moves.drawn["moved"][number]
        return units[:moved], units[moved:]


def logarithm(value):
    return np.log1p(1000 * value) / 4


def test_what_is_known_of_a_move_written_out():
    case = Case(layered(60), 600)
    problem, view, busy = case.problem, case.view, case.result.busy_ns
    slowness = np.mean([link.ns_per_byte for link in problem.cluster.links])
    work, checked = case.units.work, 0
    for number, move in enumerate(case.moves.drawn):
        mine, back = case.units_of(number)
        if not mine:
            continue
        f = case.features[number]
        about = {
            "parts": np.log(case.levels[move["level"]]) / np.log(case.units.count + 1),
            "units": np.log2(1 + len(mine)) / 16,
            "critical_share": np.log1p(100 * view.share[mine].sum()),
            "least_slack": view.slack[mine].min() / view.step,
            "mean_slack": np.average(view.slack[mine], weights=1 + work[mine]) / view.step,
            "start": view.start[mine].min() / view.step,
            "work": logarithm(work[mine].sum() / view.step),
            "critical": move["critical"],
            "whole": move["whole"],
            "halved": move["halved"],
            "progress": PROGRESS,
        }
        if move["column"] == 0:
            checked += 1
            tied = np.zeros(problem.num_devices)
            for source, target, size in zip(
                case.units.source, case.units.target, case.units.size, strict=True
            ):
                if (source in mine) != (target in mine):
                    tied[case.placement[target if source in mine else source]] += size * slowness
            old, new = move["old"], move["value"]
            leaving = work[mine].sum() - work[back].sum()
            span = np.arange(view.idle.shape[1] - 1) / (view.idle.shape[1] - 1) * view.step
            during = (span + view.step / 256 > view.start[mine].min()) & (
                span < view.finish[mine].max()
            )
            about |= {
                "pull": (tied[new] - tied[old]) / max(tied.sum(), 1),
                "hold": tied[old] / max(tied.sum(), 1),
                "traffic": logarithm(max(tied.sum(), 1) / view.step),
                "load_old": min(busy[old] / busy.mean(), 4) - 1,
                "load_new": min(busy[new] / busy.mean(), 4) - 1,
                "balance": np.clip((busy[old] - busy[new] - leaving) / busy.mean(), -3, 3),
                "idle_new": np.diff(view.idle[new])[during].mean(),
                "idle_old": np.diff(view.idle[old])[during].mean(),
                "follows": move["way"] == FOLLOWING,
                "relieves": move["way"] == RELIEVING,
                "swaps": move["swap"],
                "ranks": 0.0,
            }
            assert f["saving"] == pytest.approx(
                np.sign(f["pull"]) * logarithm(abs(tied[new] - tied[old]) / view.step), abs=1e-5
            )
        else:
            about |= {
                "ranks": 1 if move["column"] == 1 else -1,
                "step": (move["value"] - move["old"]) / case.encoding.values[move["column"]],
                "pull": 0.0,
                "swaps": 0.0,
            }
        for name, expected in about.items():
            assert f[name] == pytest.approx(float(expected), abs=1e-4), name
    assert checked > 200


def test_without_a_trace_nothing_begins_at_a_critical_unit():
    features = Case(layered(60), 100, traced_step=False).features
    assert not features["critical"].any()
    for name in FEATURES.names:
        assert np.isfinite(features[name]).all()


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_features_are_finite_and_keys_are_of_what_moves_lead_to(problem):
    case = Case(problem, 30)
    for name in FEATURES.names:
        assert np.isfinite(case.features[name]).all()
    keys = GenomeKeys(case.encoding)
    here = keys.of(case.genome)
    found = keys.of_moves(here, case.genome, case.moves)
    for number in range(30):
        changed = case.moves.applied(number, case.genome)
        assert found[number] == keys.of(changed)
        assert (found[number] == here) == np.array_equal(changed, case.genome)
