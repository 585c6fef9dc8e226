# anon-vma-clone-error (c4ea95d7cd08): an anon_vma_clone that fails half way leaves the links that
# it made.
# p1's VMA is linked to two anon_vmas. fork first allocates the link for the child's own anon_vma;
# then the clone fails at the second of the two.
mmap p0 2 1 rw
pin p0 2 w
fork p0
fail avc 3
fork p1
