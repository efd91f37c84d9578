"""The lock modes of tables, and what each means for others.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""

import re

WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])")

# By the names of pg_locks, from the weakest. What a mode blocks is said of those who use the table, not of every mode
# that it conflicts with.
BLOCKS = {
    "AccessShareLock": "blocks only what blocks reads",
    "RowShareLock": "blocks only what blocks reads and writes",
    "RowExclusiveLock": "blocks building an index, and changes of the table",
    "ShareUpdateExclusiveLock": "blocks VACUUM and changes of the table",
    "ShareLock": "blocks writes",
    "ShareRowExclusiveLock": "blocks writes",
    "ExclusiveLock": "blocks writes",
    "AccessExclusiveLock": "blocks reads and writes",
}
STRENGTH = {mode: number for number, mode in enumerate(BLOCKS)}
WEAKEST_TO_BLOCK_WRITES = STRENGTH["ShareLock"]


def mode_name(mode: str) -> str:
    """`ACCESS EXCLUSIVE`, for the `AccessExclusiveLock` of pg_locks."""
    return WORDS.sub(" ", mode.removesuffix("Lock")).upper()


def blocks(mode: str) -> str:
    """What others cannot do meanwhile: `blocks reads and writes`."""
    return BLOCKS[mode]


def blocks_writes(mode: str) -> bool:
    """Whether nobody can write the table meanwhile."""
    return STRENGTH[mode] >= WEAKEST_TO_BLOCK_WRITES
