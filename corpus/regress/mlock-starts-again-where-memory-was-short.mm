# The second page cannot be had at first: populating starts again there, and the call succeeds, as on Linux.
# The second call has populated nothing before memory is short, and fails.
mmap p0 0 4 rw
fail page 2
mlock p0 1 2 on
fail page 1
mlock p0 0 1 on
