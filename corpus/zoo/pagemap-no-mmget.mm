# pagemap-no-mmget (pin rule of pagemap_read): nothing keeps the address space alive while a pagemap
# reader is between two tables, without mmap_lock.
# The reader of t0 is between the tables of pages 7 and 8 when the process exits on t1.
threads 2
preempt 1 t1
pagemap p0 7 2
t1: exit p0
