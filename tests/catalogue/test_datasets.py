"""The catalogue: manifest, checksums, rebuilding."""

import shutil

import pytest

from go_gym.catalogue import build, datasets
from go_gym.errors import DatasetError, GoGymError


def test_manifest_is_right():
    assert {*datasets.PAPER, *datasets.MODERN} == set(datasets.families())
    for name in datasets.names():
        info, graph = datasets.info(name), datasets.load(name)
        assert (info.ops, info.tensors, info.uses) == (
            graph.num_ops,
            graph.num_tensors,
            graph.num_uses,
        )
        assert info.content_hash == graph.content_hash and info.family == graph.metadata["family"]
        assert info.contracted_ops == (~graph.is_free).sum()
        assert info.parameter_bytes == graph.parameter_bytes.sum()


def test_readme_follows_from_the_graphs():
    graphs = {name: datasets.load(name) for name in datasets.names()}
    costs = build.read_costs(datasets.folder())
    assert set(costs) == set(graphs)
    assert (datasets.folder() / "README.md").read_text() == build.readme(graphs, costs)


def test_splits():
    assert datasets.split("all") == datasets.names()
    assert set(datasets.split("recurrent")) & set(datasets.split("vision")) == set()
    with pytest.raises(DatasetError, match="no split"):
        datasets.split("poems")


def test_unknown_graph_names_the_known():
    with pytest.raises(DatasetError, match="rnnlm-2"):
        datasets.load("rnnlm-3")


def test_an_altered_file_is_refused(tmp_path, monkeypatch):
    shutil.copytree(datasets.folder(), tmp_path / "d")
    monkeypatch.setattr(datasets, "folder", lambda: tmp_path / "d")
    path = tmp_path / "d" / "rnnlm-2.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DatasetError, match="altered"):
        datasets.load.__wrapped__("rnnlm-2")
    path.unlink()
    with pytest.raises(GoGymError, match="cannot be read"):
        datasets.load.__wrapped__("rnnlm-2")


def rebuilds(names):
    pytest.importorskip("torch")
    assert build.build_datasets(names, datasets.folder(), check=True) == []


def test_rebuilding_gives_the_same_bytes():
    rebuilds(["inception-b32"])


@pytest.mark.slow
def test_rebuilding_everything_gives_the_same_bytes():
    rebuilds(None)
