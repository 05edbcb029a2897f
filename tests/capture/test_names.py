"""The names that go_gym.capture hands out."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from go_gym import capture


def test_every_name_is_there():
    for name in capture.__all__:
        assert getattr(capture, name) is not None
    assert dir(capture) == sorted(capture.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'from_tensorflow'"):
        capture.from_tensorflow  # noqa: B018


@pytest.mark.parametrize(("old", "new"), [("torch", "from_torch"), ("onnx", "from_onnx")])
def test_old_names_warn_and_still_work(old, new):
    with pytest.warns(DeprecationWarning, match=f"capture.{old} is now go_gym.capture.{new}"):
        assert getattr(capture, old) is getattr(capture, new)
