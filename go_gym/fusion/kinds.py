"""What can be fused: a table of ATen op types. A type that is not here is not fused.

The classes are those of XLA's fusion passes (``IsFusible`` and the emitters of priority fusion,
openxla.org); which ATen op belongs to which is our reading of them.
"""

from enum import IntEnum


class Kind(IntEnum):
    """How an op may take part in a fused kernel.

    ``OPAQUE`` runs alone. ``VIEW`` costs nothing and goes along with the op that reads it (told
    by the graph, not by this table). ``ELEMENTWISE`` and ``MOVE`` (broadcasts, copies, look-ups)
    give each element of the output by itself, so that they can be computed anew by each consumer.
    A kernel has at most one ``REDUCTION`` or ``PRODUCT``; a product has elementwise ops after it
    only.
    """

    OPAQUE = 0
    VIEW = 1
    ELEMENTWISE = 2
    MOVE = 3
    REDUCTION = 4
    PRODUCT = 5


TYPES: dict[Kind, str] = {
    Kind.ELEMENTWISE: """
        abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not
        bitwise_or bitwise_xor ceil celu clamp clamp_max clamp_min copysign cos cosh div
        elu elu_backward eq erf erfc erfinv exp exp2 expm1 floor floor_divide fmax fmin fmod ge
        gelu gelu_backward gt hardsigmoid hardsigmoid_backward hardswish hardswish_backward
        hardtanh hardtanh_backward huber_loss isfinite isinf isnan le leaky_relu
        leaky_relu_backward lerp log log10 log1p log2 log_sigmoid_backward log_sigmoid_forward
        logical_and logical_not logical_or logical_xor logit lt masked_fill maximum minimum mish
        mish_backward mul ne neg pow prelu reciprocal relu relu6 remainder round rsqrt rsub
        sigmoid sigmoid_backward sign silu silu_backward sin sinh softplus softplus_backward sqrt
        square sub tan tanh tanh_backward threshold threshold_backward tril triu trunc where xlogy
        _to_copy _conj_physical
    """,
    Kind.MOVE: """
        arange cat clone constant_pad_nd embedding empty_like expand_copy flip full full_like
        gather index index_select new_empty new_full new_zeros ones ones_like reflection_pad1d
        reflection_pad2d repeat replication_pad1d replication_pad2d roll scalar_tensor
        select_backward select_scatter slice_backward slice_scatter stack upsample_nearest2d
        zeros zeros_like
    """,
    Kind.REDUCTION: """
        all amax amin any argmax argmin avg_pool2d avg_pool2d_backward cumprod cumsum
        linalg_vector_norm logsumexp max max_pool2d_with_indices mean min mse_loss native_batch_norm
        native_batch_norm_backward native_group_norm native_group_norm_backward native_layer_norm
        native_layer_norm_backward nll_loss2d_forward nll_loss_backward nll_loss_forward
        nll_loss2d_backward norm prod std sum var var_mean _adaptive_avg_pool2d
        _adaptive_avg_pool2d_backward _log_softmax _log_softmax_backward_data
        _native_batch_norm_legit _softmax _softmax_backward_data
    """,
    Kind.PRODUCT: """
        addbmm addmm addmv baddbmm bmm convolution convolution_backward dot mm mv
    """,
}
"""Names of ATen ops by kind, without ``aten.`` and without the overload."""

_KIND_OF = {name: kind for kind, names in TYPES.items() for name in names.split()}


def kind_of(op_type: str) -> Kind:
    """The kind of a type such as ``"aten.add.Tensor"``; OPAQUE for one that is not known."""
    library, _, rest = op_type.partition(".")
    if library != "aten":
        return Kind.OPAQUE
    return _KIND_OF.get(rest.partition(".")[0], Kind.OPAQUE)
