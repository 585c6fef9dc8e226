# mlock marks a VMA and waits for a page that it faults in. Before mlock ends, another VMA, which is
# not mlocked, replaces the first one. The reference model marked the new VMA too, and expected
# MADV_FREE to fail. Found by fuzzing.
threads 2
mmap p0 0 1 rw
exclusive d0 p0 0 1
lock p0 0
t1: mlock p0 0 1 on
mmap p0 0 1 none
unlock l0
lazyfree p0 0 1
