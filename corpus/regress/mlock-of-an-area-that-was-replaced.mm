# Found by fuzzing: mlock marks the area, waits for a page that it faults in, and ends after another area has come to
# its place, which is not locked. The reference model locked it nevertheless, and expected MADV_FREE to fail.
threads 2
mmap p0 0 1 rw
exclusive d0 p0 0 1
lock p0 0
t1: mlock p0 0 1 on
mmap p0 0 1 none
unlock l0
lazyfree p0 0 1
