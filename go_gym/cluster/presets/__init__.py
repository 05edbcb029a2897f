"""The clusters that come with go_gym, a TOML file each."""

from functools import cache
from pathlib import Path

from go_gym.cluster.model import Cluster
from go_gym.cluster.toml import read_cluster
from go_gym.errors import ClusterError

_FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Names of the preset clusters, in alphabetical order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_cluster(cluster: str | Path | Cluster) -> Cluster:
    """A cluster by preset name or by the path of a TOML file; a Cluster is handed back."""
    if isinstance(cluster, Cluster):
        return cluster
    if isinstance(cluster, str) and cluster in preset_names():
        return _preset(cluster)
    if isinstance(cluster, Path) or str(cluster).endswith(".toml"):
        return read_cluster(cluster)
    raise ClusterError(
        f"no cluster {cluster!r}: expected a path ending in .toml or one of "
        f"{', '.join(preset_names())}"
    )


@cache
def _preset(name: str) -> Cluster:
    return read_cluster(_FOLDER / f"{name}.toml")
