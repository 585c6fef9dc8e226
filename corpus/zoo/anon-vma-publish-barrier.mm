# anon-vma-publish-barrier (CVE-2026-98507): vma->anon_vma is published before the VMA is linked.
# The thread is preempted between the two.
threads 2
preempt 1 t0
mmap p0 0 1 rw
get p0 0 w
