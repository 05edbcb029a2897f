"""Files that come from strangers, and files that must never be half written."""

from go_gym.files.arrays import (
    MAX_ARRAY_BYTES,
    MAX_MEMBERS,
    ArrayHeader,
    pack_arrays,
    unpack_arrays,
)
from go_gym.files.content import ContentStore, content_hash
from go_gym.files.names import check_name, confusable, is_name, skeleton
from go_gym.files.reading import MAX_FILE_BYTES, read_bytes, read_text, sha256
from go_gym.files.writing import atomic_write, make_folder, sole_writer

__all__ = [
    "MAX_ARRAY_BYTES",
    "MAX_FILE_BYTES",
    "MAX_MEMBERS",
    "ArrayHeader",
    "ContentStore",
    "atomic_write",
    "check_name",
    "confusable",
    "content_hash",
    "is_name",
    "make_folder",
    "pack_arrays",
    "read_bytes",
    "read_text",
    "sha256",
    "skeleton",
    "sole_writer",
    "unpack_arrays",
]
