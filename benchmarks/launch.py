"""Start a program and print what it took.

`python -I -S launch.py PROGRAM ARGUMENT…`

The peak memory of a process begins with that of the one that starts it, so this one is as small as Python allows, 9 MB:
it imports nothing else. What the program prints goes to standard error.

https://man7.org/linux/man-pages/man2/getrusage.2.html
"""

import os
import sys
import time

began = time.perf_counter()
program = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, used = os.wait4(program, 0)
seconds = time.perf_counter() - began
print(os.waitstatus_to_exitcode(status), seconds, used.ru_utime + used.ru_stime, used.ru_maxrss)  # noqa: T201
