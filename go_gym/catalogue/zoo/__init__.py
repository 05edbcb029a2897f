"""The models that the datasets are captured from, a file a family.

Each can be read beside its paper, so that settings, ``inputs`` and ``layer_of`` of models much
alike are written out in each.
"""
