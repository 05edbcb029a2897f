"""Graphs of the user's own: files, folders, patterns, registered families."""

import subprocess
import sys
from dataclasses import replace

import pytest

import go_gym
from go_gym.catalogue import datasets, registered
from go_gym.catalogue.problems import resolve_graphs
from go_gym.errors import DatasetError, GoGymError


def save(path, name, **metadata):
    graph = go_gym.ComputationGraph.from_costs([5, len(name)], [(0, 9)], [(0, 1)], name=name)
    graph = replace(graph, metadata={**graph.metadata, **metadata})
    path.parent.mkdir(exist_ok=True)
    graph.save(path)
    return graph


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two graphs of a family that the folder names; whatever a test registers is undone."""
    monkeypatch.setenv(registered.VARIABLE, "")
    for name in ("b-net", "a-net"):
        save(tmp_path / "nets" / f"{name}.npz", name)
    return tmp_path / "nets"


def names(graph):
    return [found.name for found in resolve_graphs(graph)]


def test_files_folders_and_patterns(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for graph in (folder, str(folder), "nets", "nets/*.npz", "**/*-net.npz", [folder]):
        assert names(graph) == ["a-net", "b-net"], graph
    assert names("nets/a*.npz") == names(folder / "a-net.npz") == ["a-net"]
    assert names(["dlrm", "nets/[b]-net.npz"]) == ["dlrm", "b-net"]
    with pytest.raises(DatasetError, match=r"no file matches .nets/c"):
        resolve_graphs("nets/c*.npz")
    (folder.parent / "empty").mkdir()
    with pytest.raises(DatasetError, match="no graph file"):
        resolve_graphs("empty")
    with pytest.raises(GoGymError, match=r"missing\.npz"):
        resolve_graphs("nets/missing.npz")


def test_a_graph_of_the_catalogue_comes_before_a_folder_of_its_name(folder, monkeypatch):
    (folder.parent / "dlrm").mkdir()
    monkeypatch.chdir(folder.parent)
    assert names("dlrm") == ["dlrm"] and len(names("vision")) > 1


def test_registered_graphs_are_known_by_name_and_family(folder):
    before = datasets.names(), datasets.split("all")
    with pytest.raises(DatasetError, match="no graph 'a-net'"):
        resolve_graphs("a-net")
    assert datasets.register(folder) == datasets.register(folder) == ["a-net", "b-net"]
    assert names("a-net") == ["a-net"] and names("nets") == ["a-net", "b-net"]
    assert (datasets.names(), datasets.split("all")) == before, "splits of boards stay"
    with pytest.raises(DatasetError, match=r"no split or family 'net': .*\bnets"):
        datasets.split("net")


def test_families_are_those_of_the_metadata(folder):
    save(folder / "c.npz", "c-net", family="towers")
    datasets.register(folder)
    assert names("towers") == ["c-net"] and names("nets") == ["a-net", "b-net"]


def test_a_new_process_knows_them_too(folder):
    datasets.register(folder)
    code = (
        "from go_gym.catalogue.problems import resolve_graphs as r; print(*(g.name for g in "
        "r('nets')))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout.split() == ["a-net", "b-net"]


def test_names_that_are_taken(folder, tmp_path):
    datasets.register(folder)
    cases = {"again": ("a-net", {}), "one": ("dlrm", {}), "two": ("x", {"family": "paper"})}
    for place, (name, metadata) in cases.items():
        save(tmp_path / place / "file.npz", name, **metadata)
        with pytest.raises(DatasetError, match=r"registered already|is taken"):
            datasets.register(tmp_path / place)
    save(tmp_path / "twice" / "1.npz", "same")
    save(tmp_path / "twice" / "2.npz", "same")
    with pytest.raises(DatasetError, match=r"'same', as that of 1\.npz"):
        datasets.register(tmp_path / "twice")
    with pytest.raises(DatasetError, match="no graph file"):
        datasets.register(tmp_path)
    assert names("nets") == ["a-net", "b-net"]
