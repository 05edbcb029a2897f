"""Every bound is at most every optimum that is known, of instances that others solved and ours."""

import pytest

from go_gym.baselines.bounds import lower_bound_ns
from go_gym.catalogue.instances import load
from tests import truth

SETS = {"job shops": truth.job_shops, "stg": truth.stg, "auckland": truth.auckland}
PLANTED = [
    f"planted:{ops}-{devices}-{seed}{words}"
    for seed, (ops, devices) in enumerate([(10, 2), (30, 3), (200, 4), (2_000, 8)])
    for words in ("", "-free", "-share100", "-unequal", "-tight-share60", "-unequal-tight-none")
]


@pytest.mark.parametrize("name", SETS)
def test_at_most_what_others_reached(name):
    for instance in SETS[name]():
        assert lower_bound_ns(instance.problem) <= instance.upper_ns, instance.name


def test_at_most_planted_optima():
    for name in PLANTED:
        instance = load(name)
        assert lower_bound_ns(instance.problem) <= instance.optimum_ns, name
