"""Entries by the hash of what they hold: the same bytes always, kept through any stop."""

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from go_gym.errors import FileFormatError
from go_gym.files import atomic_write
from go_gym.files.archive import Archive, archive_bytes, pack
from go_gym.files.content import JOURNAL, ContentStore, content_hash, npy_bytes

ENTRY = {"placement": np.array([0, 1, 0]), "fusion": np.array([300, 0, 2])}


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def same(one, two):
    return set(one) == set(two) and all(np.array_equal(one[name], two[name]) for name in one)


def test_the_hash_is_of_names_shapes_and_values():
    """As documented, by hand."""
    said = b"fusion 3\n" + (300).to_bytes(8, "little") + bytes(8) + (2).to_bytes(8, "little")
    said += b"placement 3\n" + bytes(8) + (1).to_bytes(8, "little") + bytes(8)
    assert content_hash(ENTRY) == hashlib.sha256(said).hexdigest()
    for kind in (">i8", "<u2", ">i4"):
        assert content_hash({n: a.astype(kind) for n, a in ENTRY.items()}) == content_hash(ENTRY)
    one = {"a": np.arange(6).reshape(2, 3)}
    for other in (
        {"a": np.arange(6)},
        {"b": np.arange(6).reshape(2, 3)},
        {"a": np.arange(6).reshape(3, 2)},
        {"a": -np.arange(6).reshape(2, 3)},
    ):
        assert content_hash(other) != content_hash(one)
    assert content_hash({"a": one["a"].T.copy().T}) == content_hash(one), "any order in memory"


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.int64, arrays.array_shapes(max_dims=2, min_side=0, max_side=20)))
def test_npy_files_are_numpys(array):
    found = np.load(io.BytesIO(npy_bytes(array)))
    assert np.array_equal(found, array) and found.dtype.itemsize <= 8
    assert len(npy_bytes(array)) - found.nbytes == 128 and found.dtype.byteorder != ">"


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [(0, 255, "u1"), (0, 256, "u2"), (-1, 127, "i1"), (-1, 128, "i2"), (0, 2**32, "i8"),
     (-(2**31), 5, "i4"), (0, 2**32 - 1, "u4")],
)  # fmt: skip
def test_the_smallest_type_is_kept(low, high, kind):
    found = np.load(io.BytesIO(npy_bytes(np.array([low, high]))))
    assert found.dtype == np.dtype(kind) and found.tolist() == [low, high]


def test_entries_come_back_before_and_after_compaction(tmp_path):
    store = ContentStore(tmp_path, "things")
    keys = [store.put({"a": np.array([n, n * 10**9, -n])}) for n in range(5)] + [store.put(ENTRY)]
    assert files(tmp_path) == sorted(f"{JOURNAL}/things/{key}.npz" for key in keys)
    for again in (store, ContentStore(tmp_path, "things")):
        assert again.hashes() == sorted(keys) and same(again.get(keys[-1]), ENTRY)
    store.compact()
    assert files(tmp_path) == ["things.npz"]
    for again in (store, ContentStore(tmp_path, "things")):
        assert again.hashes() == sorted(keys) and same(again.get(keys[-1]), ENTRY)
        assert again.get(keys[3])["a"].tolist() == [3, 3 * 10**9, -3]
    with np.load(tmp_path / "things.npz") as plain:
        assert plain[f"{keys[-1]}/fusion"].tolist() == ENTRY["fusion"].tolist()


def test_equal_contents_give_equal_bytes_however_they_came(tmp_path):
    entries = [{"a": np.arange(n)} for n in range(1, 30)]
    for folder, order in (("one", entries), ("two", entries[::-1])):
        store = ContentStore(tmp_path / folder, "x")
        for number, entry in enumerate(order):
            store.put(entry)
            if number % 7 == 3:
                store.compact()
        store.compact()
    merged = ContentStore(tmp_path / "three", "x")
    for key in store.hashes()[::2]:
        merged.take(store, key)
    merged.compact()
    for key in store.hashes():
        merged.take(store, key)
    merged.compact()
    one, two, three = ((tmp_path / name / "x.npz").read_bytes() for name in ("one", "two", "three"))
    assert one == two == three


def test_what_stays_is_not_packed_anew(tmp_path, monkeypatch):
    """A compressor of another version may make other bytes: those that are there stay."""
    store = ContentStore(tmp_path, "x")
    key, gone = store.put(ENTRY), store.put({"a": np.arange(9)})
    store.compact()
    monkeypatch.setattr("go_gym.files.content.pack", lambda *_: pytest.fail("packed anew"))
    ContentStore(tmp_path, "x").compact({key})
    assert ContentStore(tmp_path, "x").hashes() == [key] and gone not in ContentStore(tmp_path, "x")


def test_nothing_is_written_where_nothing_changes(tmp_path, monkeypatch):
    store = ContentStore(tmp_path, "x")
    key = store.put(ENTRY)
    store.compact()
    monkeypatch.setattr("go_gym.files.content.atomic_write", lambda *_: pytest.fail("written"))
    assert store.put(ENTRY) == key
    store.compact({key})
    store.compact()
    store.compact(())
    assert files(tmp_path) == []


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_a_stop_at_any_point_of_compaction_loses_nothing(tmp_path, monkeypatch, stop):
    """Before the archive is written, after it, or between two files of the journal."""
    store = ContentStore(tmp_path, "x")
    keys = [store.put({"a": np.arange(n)}) for n in (1, 2, 3)]
    steps = []

    def stopped(step):
        def act(*words):
            if len(steps) == stop:
                raise KeyboardInterrupt
            steps.append(step)
            return step(*words)

        return act

    monkeypatch.setattr("go_gym.files.content.atomic_write", stopped(atomic_write))
    monkeypatch.setattr("pathlib.Path.unlink", stopped(type(tmp_path).unlink))
    with pytest.raises(KeyboardInterrupt):
        store.compact()
    monkeypatch.undo()
    again = ContentStore(tmp_path, "x")
    assert all(again.get(key)["a"].tolist() == list(range(n)) for n, key in enumerate(keys, 1))
    again.compact()
    assert files(tmp_path) == ["x.npz"] and again.hashes() == sorted(keys)


def test_one_entry_is_read_alone(tmp_path, monkeypatch):
    store = ContentStore(tmp_path, "x")
    rng = np.random.default_rng(0)
    keys = [store.put({"a": rng.integers(0, 2**40, 10_000)}) for _ in range(20)]
    store.compact()
    read, packed = [], Archive.packed
    monkeypatch.setattr(
        Archive, "packed", lambda self, name, limit: read.append(name) or packed(self, name, limit)
    )
    store.get(keys[7])
    assert read == [f"{keys[7]}/a.npy"]


def forge(path, key, **members):
    packed = [pack(f"{key}/{name}.npy", data) for name, data in members.items()]
    path.write_bytes(archive_bytes(packed))


def test_hostile_entries_are_refused_by_name(tmp_path):
    key, path = content_hash(ENTRY), tmp_path / "x.npz"
    good = npy_bytes(np.arange(3))
    for data, match in (
        (good, "holds what has the hash"),
        (good[:-1], "does not fit the 2 bytes"),
        (good.replace(b"(3,)", b"(9,)"), "does not fit"),
        (good.replace(b"|u1", b"|O1"), "malformed|plain number"),
        (npy_bytes(np.arange(6)).replace(b"|u1", b"<f2").replace(b"(6,)", b"(3,)"), "expected int"),
        (b"PK", "malformed"),
    ):
        forge(path, key, a=data)
        with pytest.raises(FileFormatError, match=match) as caught:
            ContentStore(tmp_path, "x").get(key)
        assert str(path) in str(caught.value) and key in str(caught.value)


def test_more_than_was_asked_for_is_not_unpacked(tmp_path, monkeypatch):
    store = ContentStore(tmp_path, "x")
    key = store.put({"a": np.zeros(10**6, dtype=np.int64)})
    store.compact()
    assert store.path.stat().st_size < 2000, "a bomb"
    monkeypatch.setattr("go_gym.files.content.unpack", lambda *_: pytest.fail("memory was taken"))
    with pytest.raises(FileFormatError, match="1,000,128 bytes, expected up to 8,128"):
        store.get(key, 1000)


@pytest.mark.parametrize("name", ["x/a.npy", f"{'0' * 64}/A.npy".lower() + "x", f"{'0' * 64}.npy"])
def test_names_that_are_no_entries(tmp_path, name):
    (tmp_path / "x.npz").write_bytes(archive_bytes([pack(name, b"")]))
    with pytest.raises(FileFormatError, match=r"is no HASH/NAME\.npy"):
        ContentStore(tmp_path, "x")


def test_absent_entries_and_names_that_lead_elsewhere(tmp_path):
    store = ContentStore(tmp_path, "x")
    store.put(ENTRY)
    atomic_write(tmp_path / "secret.npz", archive_bytes([pack(f"{'0' * 64}/a.npy", b"")]))
    for key in ("0" * 64, "../../secret", "", "/etc/passwd"):
        assert key not in store
        with pytest.raises(FileFormatError, match="holds no"):
            store.get(key)


def test_a_journal_s_file_under_another_name(tmp_path):
    store = ContentStore(tmp_path, "x")
    key = store.put(ENTRY)
    other = "f" * 64
    (store.journal / f"{key}.npz").rename(store.journal / f"{other}.npz")
    with pytest.raises(FileFormatError, match="not the entry that it is named by"):
        store.get(other)
