# The process has gone when a device gets its page alone: the folio stays in the swap cache, since only a mapping of the
# CPU takes it out. The oracle went by any mapping of the same section.
threads 2
preempt 3 t1
preempt 9 t1
mmap p0 0 1 rw
exclusive d0 p0 0 1
t1: reclaim p0 0
t1: exit p0
