"""At least 200 corruptions of each file format: one clear error, or a file that is still valid."""

import copy
import io
import zipfile

import numpy as np
import pytest

import go_gym
from go_gym.cluster.toml import format_cluster, read_cluster
from go_gym.errors import FileFormatError, GoGymError
from go_gym.files import pack_arrays, unpack_arrays
from go_gym.leaderboard.schema import RESULTS, read_rows
from go_gym.problem.decision_file import dump_decision, load_decision
from tests.leaderboard.test_verify import finished, problems  # noqa: F401

VALUES = [np.nan, np.inf, -1, 2**31, 2**62, -(2**63), 0.5]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A truncation, a few altered bytes, or a stretch left out, doubled or zeroed."""
    kind = rng.integers(5)
    a, b = sorted(rng.integers(0, len(data), 2).tolist())
    if kind == 0:
        return data[:a]
    if kind == 1:
        altered = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            altered[place] = rng.integers(256)
        return bytes(altered)
    if kind == 2:
        return data[:a] + data[b:]
    if kind == 3:
        return data[:b] + data[a:]
    return data[:a] + bytes(b - a) + data[b:]


def altered_arrays(data: bytes, rng: np.random.Generator) -> bytes:
    """One array of an archive with an absurd value, dtype or shape, missing or renamed."""
    arrays = {name: array.copy() for name, array in unpack_arrays(data, "x").items()}
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    kind = rng.integers(6)
    if kind == 0 and array.size:
        value = VALUES[rng.integers(len(VALUES))]
        wide = array.astype(np.float64 if isinstance(value, float) else np.int64)
        wide.flat[rng.integers(array.size)] = value
        whole = not isinstance(value, float) and np.can_cast(np.int64, array.dtype, "same_kind")
        arrays[name] = wide.astype(array.dtype) if whole else wide
    elif kind == 1:
        arrays[name] = array.astype(rng.choice(["f4", "i1", "u8", "?"]))
    elif kind == 2:
        arrays[name] = array[: array.shape[0] // 2]
    elif kind == 3:
        arrays[name] = array[None]
    elif kind == 4:
        del arrays[name]
    else:
        arrays[f"{name}x"] = arrays.pop(name)
    return pack_arrays(arrays)


def altered_text(text: str, rng: np.random.Generator) -> bytes:
    """One word of a text replaced by something absurd."""
    words = text.replace(",", " , ").split(" ")
    replacements = ["nan", "-1", "1e400", "9" * 30, '"', "[[", "x" * 5000, "\x00", "", "true", "{}"]
    words[rng.integers(len(words))] = str(rng.choice(replacements))
    return " ".join(words).replace(" , ", ",").encode()


def attempt(load, path) -> bool:
    """Was the file refused? Anything but a GoGymError fails the test."""
    try:
        load(path)
    except GoGymError as error:
        assert len(str(error)) > 10
        return True
    return False


def use_graph(path):
    graph = go_gym.ComputationGraph.load(path)
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    go_gym.simulate(problem, go_gym.Decision(placement=[0] * graph.num_ops))


def use_decision(path):
    go_gym.simulate(problems()[1][0], load_decision(path)[0])


def use_cluster(path):
    go_gym.Problem(problems()[0], read_cluster(path))


def good(kind: str, folder) -> bytes:
    graph, (problem,) = problems()
    return {
        "graph": lambda: graph.to_bytes(),
        "decision": lambda: dump_decision(
            problem, go_gym.Decision(placement=[0, 1, 0, 1, 0], priority=[5, 4, 3, 2, 1])
        ),
        "cluster": lambda: format_cluster(problem.cluster).encode(),
        "rows": lambda: (folder / RESULTS).read_bytes(),
    }[kind]()


LOADERS = {
    "graph": use_graph,
    "decision": use_decision,
    "cluster": use_cluster,
    "rows": read_rows,
}


@pytest.mark.parametrize("kind", LOADERS)
def test_corruptions(kind, finished, tmp_path):  # noqa: F811
    data = good(kind, finished)
    path = tmp_path / "file"
    path.write_bytes(data)
    assert not attempt(LOADERS[kind], path)
    rng = np.random.default_rng(sum(map(ord, kind)))
    refused = 0
    for number in range(400):
        if number % 2:
            bad = flipped(data, rng)
        elif kind in ("graph", "decision"):
            bad = altered_arrays(data, rng)
        else:
            bad = altered_text(data.decode(), rng)
        path.write_bytes(bad)
        refused += attempt(LOADERS[kind], path)
    assert refused >= 200


@pytest.mark.parametrize("load", [go_gym.ComputationGraph.load, load_decision])
def test_zip_bomb(load, tmp_path):
    """33 members of 64 MiB that share their compressed bytes (Fifield, WOOT 2019)."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.npy", bytes(2**26))
        (first,) = archive.filelist
        for number in range(1, 33):
            again = copy.copy(first)
            again.filename = f"{number}.npy"
            archive.filelist.append(again)
    assert path.stat().st_size < 100_000
    with pytest.raises(FileFormatError, match="decompressed"):
        load(path)


@pytest.mark.parametrize("load", [go_gym.ComputationGraph.load, load_decision])
def test_a_header_that_promises_more_than_is_there(load, tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": (10**15,)}
    )
    path = tmp_path / "lie.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("placement.npy", header.getvalue() + bytes(80))
    with pytest.raises(FileFormatError, match="does not fit"):
        load(path)


@pytest.mark.parametrize("load", [go_gym.ComputationGraph.load, load_decision])
def test_pickles_are_refused(load, tmp_path):
    path = tmp_path / "pickle.npz"
    np.savez(path, placement=np.array([print], dtype=object))
    with pytest.raises(FileFormatError, match="plain number"):
        load(path)


@pytest.mark.parametrize("load", [*LOADERS.values()])
def test_no_file(load, tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileFormatError, match=str(path)):
            load(path)
