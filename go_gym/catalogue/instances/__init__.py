"""Problems whose optimum, or an interval that holds it, is known."""

from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.planted import Planted, plant
from go_gym.catalogue.instances.sets import SETS, is_instance, load

__all__ = ["SETS", "Instance", "Planted", "is_instance", "load", "plant"]
