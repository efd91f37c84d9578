"""The server's codes that decide how to go on.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

LOCK_TIMEOUT, DEADLOCK, SERIALIZATION, CANCELED = "55P03", "40P01", "40001", "57014"
RETRYABLE = frozenset({LOCK_TIMEOUT, DEADLOCK, SERIALIZATION})
