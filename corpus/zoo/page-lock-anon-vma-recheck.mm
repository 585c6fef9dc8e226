# page-lock-anon-vma-recheck (recheck page_mapped in page_lock_anon_vma (2.6.36)): a walk uses the
# anon_vma that a page had before the lock was taken, although the page is no longer mapped.
# t1 unmaps the page before the reclaim of t0 has the lock, so reclaim uses an anon_vma that was
# freed.
threads 2
preempt 3 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
t1: munmap p0 0 1
