# The second page cannot be allocated at first. Populating starts again there, and mlock succeeds,
# as on Linux. The second mlock has populated nothing when memory is short, and fails.
mmap p0 0 4 rw
fail page 2
mlock p0 1 2 on
fail page 1
mlock p0 0 1 on
