"""What ATen ops cost per element, by name (in-place ops under the name of the plain one).

An elementary function of an element (add, exp, compare, …) counts 1, so an op counts how many of
them it does per element of its largest tensor; the counts are ours, from each op's definition.
An op that is not listed counts 1: it is bound by memory on any device.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOVES = _names(
    """
    arange as_strided_scatter cat clone constant_pad_nd copy diag_embed diagonal_scatter embedding
    empty empty_strided expand_copy eye fill flip full full_like gather im2col index index_copy
    index_put index_select lift_fresh_copy linspace masked_scatter masked_select
    max_unpool2d max_unpool3d new_empty new_empty_strided new_full new_ones new_zeros nonzero
    one_hot ones permute_copy pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d
    reflection_pad3d repeat repeat_interleave replication_pad1d replication_pad2d
    replication_pad3d roll scalar_tensor scatter select_backward select_scatter slice_backward
    slice_scatter stack unfold_copy upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d view_copy zero
    zeros zeros_like ones_like _index_put_impl _pin_memory _to_copy _unsafe_index
    _unsafe_index_put embedding_dense_backward
    """
)
"""Ops that only move data: no FLOPs."""

PER_ELEMENT = {
    # softmax: subtract the maximum, exp, sum, divide; with a log, one function more or less
    "_softmax": 5,
    "_safe_softmax": 5,
    "_masked_softmax": 6,
    "_log_softmax": 5,
    "_softmax_backward_data": 4,
    "_log_softmax_backward_data": 4,
    "_masked_softmax_backward": 4,
    "logsumexp": 4,
    # normalisations: mean, variance, scale, affine; their gradients
    "_native_batch_norm_legit": 8,
    "_native_batch_norm_legit_functional": 8,
    "_native_batch_norm_legit_no_training": 4,
    "_batch_norm_with_update": 8,
    "_batch_norm_with_update_functional": 8,
    "_batch_norm_no_update": 4,
    "batch_norm_backward": 11,
    "native_batch_norm": 8,
    "native_batch_norm_backward": 11,
    "native_layer_norm": 8,
    "native_layer_norm_backward": 11,
    "native_group_norm": 8,
    "native_group_norm_backward": 11,
    "_fused_rms_norm": 4,
    "_fused_rms_norm_backward": 8,
    "_weight_norm_interface": 4,
    "_weight_norm_interface_backward": 8,
    "linalg_vector_norm": 2,
    "var": 4,
    "var_mean": 4,
    "std": 4,
    "std_mean": 4,
    # activations by their definitions
    "celu": 3,
    "elu": 3,
    "elu_backward": 3,
    "gelu": 5,
    "gelu_backward": 9,
    "glu": 2,
    "glu_backward": 5,
    "hardsigmoid": 3,
    "hardswish": 4,
    "hardswish_backward": 4,
    "leaky_relu": 2,
    "leaky_relu_backward": 2,
    "log_sigmoid_forward": 4,
    "log_sigmoid_backward": 4,
    "mish": 5,
    "mish_backward": 9,
    "native_dropout": 3,
    "native_dropout_backward": 2,
    "silu": 2,
    "silu_backward": 5,
    "softplus": 3,
    "softplus_backward": 4,
    # several arithmetic steps in one op
    "addcdiv": 3,
    "addcmul": 3,
    "lerp": 3,
    "xlogy": 2,
    # losses: per element of the input
    "binary_cross_entropy": 5,
    "binary_cross_entropy_backward": 5,
    "binary_cross_entropy_with_logits": 6,
    "huber_loss": 4,
    "huber_loss_backward": 4,
    "mse_loss": 3,
    "mse_loss_backward": 3,
    "smooth_l1_loss": 4,
    "smooth_l1_loss_backward": 4,
    # scans
    "logcumsumexp": 4,
    # interpolation: per output element, a product and a sum a neighbour but one
    "upsample_linear1d": 3,
    "upsample_bilinear2d": 7,
    "upsample_bicubic2d": 31,
    "upsample_trilinear3d": 15,
    "_upsample_bilinear2d_aa": 7,
    "_upsample_bicubic2d_aa": 31,
    "grid_sampler_2d": 11,
    "grid_sampler_3d": 23,
    "upsample_linear1d_backward": 3,
    "upsample_bilinear2d_backward": 7,
    "upsample_bicubic2d_backward": 31,
    "upsample_trilinear3d_backward": 15,
    "_upsample_bilinear2d_aa_backward": 7,
    "_upsample_bicubic2d_aa_backward": 31,
    "grid_sampler_2d_backward": 22,
    "grid_sampler_3d_backward": 46,
    # distances
    "_cdist_backward": 3,
}

COMPLEX_PRODUCTS = frozenset(["mul", "div", "addcmul"])
"""On complex numbers a product counts 6 (4 products, 2 sums), any other function 2."""

LOOK_UPS = _names(
    """
    embedding gather index index_select _unsafe_index masked_select
    _embedding_bag _embedding_bag_forward_only
    """
)
"""They read as many bytes of their table as their indices ask for, and the indices."""

PARTIAL_WRITES = _names(
    "index_put_ _index_put_impl_ index_copy_ index_add_ scatter_ scatter_add_ scatter_reduce_ "
    "masked_scatter_"
)
"""In-place ops that touch no more of their target than their other tensors give them."""
