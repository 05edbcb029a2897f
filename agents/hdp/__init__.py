"""HDP (Mirhoseini et al., "A Hierarchical Model for Device Placement", ICLR 2018)."""
