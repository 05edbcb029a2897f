"""Placeto (Addanki et al., NeurIPS 2019): one group re-placed a step."""
