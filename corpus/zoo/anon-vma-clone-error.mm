# anon-vma-clone-error (c4ea95d7cd08): a clone that fails half way leaves what it had linked.
mmap p0 2 1 rw
pin p0 2 w
fork p0
fail avc 2
fork p1
