"""What rows were run with: kept by content, read with every field checked."""

from dataclasses import asdict, replace

import pytest
import tomli_w

from go_gym.errors import LeaderboardError
from go_gym.leaderboard.provenance import (
    PROVENANCE,
    of_this_process,
    read_provenance,
    write_provenance,
)


def test_records_come_back_by_their_keys(tmp_path):
    here = of_this_process()
    there = replace(here, processor="another", cores=3)
    write_provenance(tmp_path, [here, there, here])
    assert read_provenance(tmp_path) == {here.key: here, there.key: there}
    assert here.package and here.processor and here.cores >= 1
    assert "numpy==" in here.libraries and "numba==" in here.libraries


def test_no_record_makes_no_file(tmp_path):
    write_provenance(tmp_path, [])
    assert read_provenance(tmp_path) == {} and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"processor": "faster"}, "its content has the key"),
        ({"cores": "2"}, "cores is '2'"),
        ({"cores": True}, "cores is True"),
        ({"system": "a\u202eb"}, "system is 'a\\\\u202eb'"),
        ({"extra": 1}, "expected package, commit"),
    ],
)
def test_a_record_that_is_not_as_written_is_refused(tmp_path, change, expected):
    here = of_this_process()
    (tmp_path / PROVENANCE).write_text(tomli_w.dumps({here.key: asdict(here) | change}))
    with pytest.raises(LeaderboardError, match=rf"{PROVENANCE}, \[{here.key}\]: ") as error:
        read_provenance(tmp_path)
    assert expected.replace("\\\\", "\\") in str(error.value)
