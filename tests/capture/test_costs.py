"""FLOPs and bytes of single ops, against counts by hand."""

import pytest

torch = pytest.importorskip("torch")

from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.utils.flop_counter import flop_registry  # noqa: E402

from go_gym.capture import costs  # noqa: E402
from go_gym.capture.products import OWN  # noqa: E402
from go_gym.capture.tables import LOOK_UPS, MOVES, PARTIAL_WRITES, PER_ELEMENT  # noqa: E402

FLOAT, INT, COMPLEX = torch.float32, torch.int64, torch.complex64
ATEN = torch.ops.aten


def f(*shape):
    return (shape, FLOAT)


def i(*shape):
    return (shape, INT)


def made(argument):
    """A fake tensor for a (shape, dtype) pair; anything else as it is."""
    if isinstance(argument, tuple) and len(argument) == 2 and isinstance(argument[1], torch.dtype):
        return torch.empty(argument[0], dtype=argument[1])
    if isinstance(argument, list):
        return [made(each) for each in argument]
    return argument


def cost_of(op, *args, **kwargs):
    with FakeTensorMode():
        fake = [made(argument) for argument in args]
        out = op(*fake, **kwargs)
        return (
            costs.flops(op, tuple(fake), kwargs, out),
            costs.bytes_read(op, tuple(fake), kwargs, out),
            costs.bytes_written(op, tuple(fake), kwargs, out),
        )


HEADS = f(2, 4, 16, 8)  # batch, heads, steps, width
PRODUCT = 2 * (2 * 4) * 16 * 16 * 8  # scores, or their product with the values


@pytest.mark.parametrize(
    ("op", "args", "flops"),
    [
        (ATEN.mm.default, [f(2, 3), f(3, 5)], 2 * 2 * 3 * 5),
        (ATEN.mv.default, [f(2, 3), f(3)], 2 * 2 * 3),
        (ATEN.addmv.default, [f(2), f(2, 3), f(3)], 2 * 2 * 3),
        (ATEN.dot.default, [f(7), f(7)], 2 * 7),
        (ATEN.addr.default, [f(2, 3), f(2), f(3)], 2 * 2 * 3),
        (ATEN._scaled_dot_product_flash_attention_for_cpu.default, [HEADS] * 3, 2 * PRODUCT),
        (
            ATEN._scaled_dot_product_flash_attention_for_cpu_backward.default,
            [HEADS] * 5 + [f(2, 4, 16), 0.0, False],
            5 * PRODUCT,
        ),
        # two gradients, each as much as the forward pass; 4 groups of 2 → 2 channels
        (
            ATEN.convolution_backward.default,
            [f(1, 8, 6, 6), f(1, 8, 8, 8), f(8, 2, 3, 3), None, [1, 1], [0, 0], [1, 1], False,
             [0, 0], 4, [True, True, False]],
            2 * 2 * (8 * 6 * 6) * (2 * 3 * 3),
        ),
        (ATEN.mul.Tensor, [f(2, 3), f(3)], 6),
        (ATEN.sum.default, [f(7, 3)], 21),
        (ATEN.cumsum.default, [f(7, 3), 0], 21),
        (ATEN._softmax.default, [f(2, 3), 1, False], 5 * 6),
        (ATEN.native_layer_norm.default, [f(4, 8), [8], f(8), f(8), 1e-5], 8 * 32),
        (ATEN.native_group_norm.default, [f(2, 8, 9), f(8), f(8), 2, 8, 9, 2, 1e-5], 8 * 144),
        (ATEN.gelu.default, [f(2, 3)], 5 * 6),
        (ATEN.silu.default, [f(2, 3)], 2 * 6),
        (ATEN.addcmul.default, [f(6), f(6), f(6)], 3 * 6),
        (ATEN.avg_pool2d.default, [f(1, 1, 4, 4), [2, 2]], 4 * 4),
        (ATEN.upsample_bilinear2d.default, [f(1, 2, 4, 4), [8, 8], False], 7 * 2 * 64),
        (ATEN.upsample_nearest2d.default, [f(1, 2, 4, 4), [8, 8]], 0),
        (ATEN.sort.default, [f(4, 16)], 64 * 4),
        (ATEN.sort.default, [f(4, 16), 0], 64 * 2),
        (ATEN._fft_c2c.default, [((4, 8), COMPLEX), [1], 0, True], 5 * 32 * 3),
        (ATEN._fft_r2c.default, [f(4, 8), [1], 0, True], 5 * 32 * 3 // 2),
        (ATEN.mul.Tensor, [((3,), COMPLEX), ((3,), COMPLEX)], 6 * 3),
        (ATEN.add.Tensor, [((3,), COMPLEX), ((3,), COMPLEX)], 2 * 3),
        (ATEN._cdist_forward.default, [f(3, 5), f(4, 5), 2.0, None], 3 * 3 * 4 * 5),
        (ATEN.repeat.default, [f(2, 3), [4, 1]], 0),
        (ATEN.copy_.default, [f(2, 3), f(2, 3)], 0),
        (ATEN.relu_.default, [f(2, 3)], 6),
        (ATEN.embedding.default, [f(1000, 5), i(3)], 0),
        (ATEN._embedding_bag.default, [f(1000, 5), i(6), i(2)], 6 * 5),
    ],
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverload) else "",
)  # fmt: skip
def test_flops_by_hand(op, args, flops):
    assert cost_of(op, *args)[0] == flops


def test_a_recurrent_layer_uses_every_weight_at_every_step():
    x, state = f(5, 3, 8), f(1, 3, 16)
    weights = [f(64, 8), f(64, 16), f(64), f(64)]
    args = [x, *weights, state, state, False, [], 2, 16, 1, True, False, False, True]
    forward, _, _ = cost_of(ATEN.mkldnn_rnn_layer.default, *args)
    assert forward == 2 * (5 * 3) * 64 * (8 + 16)


@pytest.mark.parametrize(
    ("op", "args", "read", "written"),
    [
        (ATEN.mm.default, [f(2, 3), f(3, 5)], 4 * (6 + 15), 4 * 10),
        # look-ups read what they touch: 3 rows of 5 floats, and 3 indices
        (ATEN.embedding.default, [f(1000, 5), i(3)], 3 * 20 + 3 * 8, 3 * 20),
        (ATEN.index_select.default, [f(9, 5), 0, i(2)], 40 + 16, 40),
        (ATEN._embedding_bag_forward_only.default, [f(1000, 5), i(6), i(2)], 6 * 20 + 64, None),
        # partial writes touch what they are given: 2 rows of 5 floats, and 2 indices
        (ATEN.index_copy_.default, [f(1000, 5), 0, i(2), f(2, 5)], 40 + 16, 40),
        (ATEN.index_put_.default, [f(1000, 5), [i(2)], f(2, 5)], 40 + 16, 40),
        # the same as a new tensor is a copy of all
        (ATEN.index_copy.default, [f(1000, 5), 0, i(2), f(2, 5)], 20000 + 40 + 16, 20000),
    ],
    ids=lambda value: str(value) if isinstance(value, torch._ops.OpOverload) else "",
)
def test_bytes_by_hand(op, args, read, written):
    _, found_read, found_written = cost_of(op, *args)
    assert found_read == read
    assert written is None or found_written == written


def test_a_tensor_given_twice_is_read_once():
    with FakeTensorMode():
        part = torch.empty(2, 3)
        out = ATEN.cat.default([part, part])
    given = (ATEN.cat.default, ([part, part],), {}, out)
    assert costs.flops(*given) == 0
    assert costs.bytes_read(*given) == 24
    assert costs.bytes_written(*given) == 48


def test_an_expanded_tensor_takes_its_storage_only():
    with FakeTensorMode():
        assert costs.storage_bytes(torch.empty(1).expand(1000)) == 4
        assert costs.storage_bytes(torch.empty(1000)[:10]) == 40


def test_every_name_in_the_tables_is_an_op():
    """A name that torch does not have is a slip, and would cost its op the default."""
    names = MOVES | set(PER_ELEMENT) | LOOK_UPS | PARTIAL_WRITES | set(OWN)
    assert [name for name in sorted(names) if not hasattr(ATEN, name)] == []


def test_own_formulas_are_those_that_torch_lacks_or_gets_wrong():
    known = {packet.__name__ for packet in flop_registry if hasattr(packet, "__name__")}
    assert set(OWN) & known == {"convolution_backward"}
