# A fault on a device page takes the lock of the anon_vma twice, and in between a fork of another
# process waits for it. On Linux the fork comes first, and is then stopped with the lock, so the fault
# never ended in the judge's guest. The judge refuses such programs. Found by linux-fuzz.
threads 4
preempt 50 t1
preempt 54 t2
preempt 62 t3
preempt 115 t2
read p0 0
mmap p0 0 4 rw
write p0 0
migrate p0 0 4 d1
t3: unlock l2
write p0 2
migrate p0 0 3 d0
fork p0
uffd-wp p0 1 3 on
evict d0 0 32
t1: pageout p1 25 2
t1: read p0 0
t2: fork p1
t3: migrate-back p2 1 2 d0
write p0 1
t1: write p1 0
t2: evict d1 0 32
t3: read p2 2
read p0 2
