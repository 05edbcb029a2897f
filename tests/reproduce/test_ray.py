"""Jobs over Ray: one machine, machines that are lost in the middle, and an address without any."""

import threading

import pytest

import go_gym
from go_gym.errors import GoGymError
from go_gym.leaderboard.run import Jobs
from go_gym.leaderboard.store import Board
from go_gym.leaderboard.verify import verify
from go_gym.reproduce.execute import execute

ray = pytest.importorskip("ray", reason="Ray is not installed (extra spread)")
pytestmark = pytest.mark.slow


@pytest.fixture
def plans():
    graph = go_gym.ComputationGraph.from_costs(
        [5, 7, 9, 4, 6], [(0, 3), (1, 2)], [(0, 3), (1, 4)], name="five"
    )
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, name="pair"))
    return [
        Jobs((agent,), (problem,), (seed,), budget=30)
        for agent in ("sa", "random")
        for seed in range(8)
    ]


@pytest.fixture(autouse=True)
def _no_ray_left(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    ray.shutdown()


def rows(folder):
    return {(*row.key, row.decision, row.curve) for row in Board.read(folder).rows}


def test_the_rows_are_those_of_this_process(plans, tmp_path):
    over_ray = execute(plans, tmp_path / "ray", "ray")
    here = execute(plans, tmp_path / "here", "1")
    assert not over_ray.failures and not here.failures
    assert rows(tmp_path / "ray") == rows(tmp_path / "here")
    assert len(over_ray.rows) == len(plans) and verify(tmp_path / "ray").ok


def test_a_machine_that_is_lost_loses_no_job(plans, tmp_path, monkeypatch):
    """Two nodes, of which one is killed while it works; they share no folder with this one."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    lost = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    done = threading.Event()

    def lose():
        done.wait(120)
        cluster.remove_node(lost, allow_graceful=False)

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        outcome = execute(plans, tmp_path / "ray", "ray", lambda job: done.set())
        thread.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert not outcome.failures
    keys = [row.key for row in outcome.rows]
    assert len(keys) == len(set(keys)) == len(plans) and verify(tmp_path / "ray").ok


def test_no_cluster_at_the_address_is_one_line(plans, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(GoGymError, match="no connection to the cluster at RAY_ADDRESS") as error:
        execute(plans, tmp_path / "ray", "ray")
    assert "\n" not in str(error.value)
