"""The catalogue: manifest, checksums, rebuilding."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest

from go_gym.catalogue import build, datasets
from go_gym.errors import DatasetError, GoGymError
from go_gym.files import pack_arrays, unpack_arrays


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
    arrays = unpack_arrays(path.read_bytes(), path)
    header = json.loads(arrays["header"].tobytes())
    for change in (
        {"flops": arrays["flops"] + (np.arange(len(arrays["flops"])) == 7)},
        {"header": text({**header, "metadata": {**header["metadata"], "family": "gnmt"}})},
        {"header": text({**header, "name": "rnnlm-4"})},
    ):
        path.write_bytes(pack_arrays({**arrays, **change}))
        with pytest.raises(DatasetError, match="altered"):
            datasets._load.__wrapped__("rnnlm-2")
    path.unlink()
    with pytest.raises(GoGymError, match="cannot be read"):
        datasets._load.__wrapped__("rnnlm-2")


def text(header):
    return np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)


def test_a_compressor_of_another_version_makes_the_same_graph(tmp_path, monkeypatch):
    """What is checked is what a file holds, not the bytes that it is packed in."""
    shutil.copytree(datasets.folder(), tmp_path / "d")
    monkeypatch.setattr(datasets, "folder", lambda: tmp_path / "d")
    path = tmp_path / "d" / "rnnlm-2.npz"
    before = path.read_bytes()
    with (
        zipfile.ZipFile(io.BytesIO(before)) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert path.read_bytes() != before
    assert (
        datasets._load.__wrapped__("rnnlm-2").content_hash == datasets.load("rnnlm-2").content_hash
    )


def rebuilds(names):
    pytest.importorskip("torch")
    assert build.build_datasets(names, datasets.folder(), check=True) == []


def test_rebuilding_gives_the_same_contents():
    rebuilds(["inception-b32"])


@pytest.mark.slow
def test_rebuilding_everything_gives_the_same_contents():
    rebuilds(None)
