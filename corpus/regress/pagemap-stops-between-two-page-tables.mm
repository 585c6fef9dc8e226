# pagemap_read drops mmap_lock between two page tables, and another thread maps a VMA there. The
# judge once took that point, at which Linux holds no lock, for the walk of the second table.
geometry x86-64
threads 2
preempt 1 t1
pagemap p0 9 8
t1: mmap p0 0 1 none
