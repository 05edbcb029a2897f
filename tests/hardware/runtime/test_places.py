"""Names of devices, and what they stand for."""

import numpy as np
import pytest
import torch

from go_gym import Cluster
from go_gym.cluster import Device, load_cluster
from go_gym.errors import HardwareError
from go_gym.hardware.runtime.lanes import make_lane
from go_gym.hardware.runtime.places import Place, places


def named(*names: str) -> Cluster:
    devices = [Device(name, "a kind", {"float32": 1e9}, 1e9, 2**30, 0) for name in names]
    links = np.ones((len(names), len(names)), dtype=np.int64)
    return Cluster.from_matrix("named", devices, links, links)


def test_names_of_devices_say_host_kind_and_number():
    assert places(load_cluster("cpu2")) == [Place(0, "cpu", 0), Place(0, "cpu", 1)]
    found = places(named("cuda:3", "host2/cpu:10", "host0/cuda:0"))
    assert found == [Place(0, "cuda", 3), Place(2, "cpu", 10), Place(0, "cuda", 0)]


@pytest.mark.parametrize("name", ["gpu:0", "cpu", "cpu:-1", "cpu:1x", "xcpu:1", "host/cpu:0"])
def test_a_name_of_no_device_is_refused(name):
    with pytest.raises(HardwareError, match="is no device of a machine"):
        places(named("cpu:0", name))


def test_two_devices_in_one_place_are_refused():
    with pytest.raises(HardwareError, match="two devices in one place"):
        places(named("cpu:1", "host0/cpu:1"))


def test_a_gpu_that_is_not_there_is_refused():
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    with pytest.raises(HardwareError, match=rf"no device cuda:{count} here: {count} CUDA devices"):
        make_lane(Place(0, "cuda", count))
