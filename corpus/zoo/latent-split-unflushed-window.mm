# latent-split-unflushed-window (7.3.4 has it): migrate_vma_collect drops the page-table lock
# while entries of shared pages are cleared and not flushed.
# The thread is preempted there, while its CPU still has a read-only TLB entry. In
# collect-tlb-outside-ptl the page is not shared.
threads 2
preempt 8 t0
mmap p0 0 1 rw
write p0 0
fork p0
read p0 0
migrate p0 0 1 d0
