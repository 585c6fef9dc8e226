# Two threads need the first anon_vma of a VMA at the same time. First a hole migrates to the device
# while another thread writes: the migration comes too late and frees its own anon_vma. Then a CPU
# and a device write to a new VMA: the allocation for the device fails.
threads 3
preempt 5 t1
preempt 12 t2
mmap p0 0 4 rw
migrate p0 0 2 d0
t1: write p0 3
t2: write p0 2
mmap p0 8 4 rw
fail anon-vma 2
write p0 8
t1: write p0 9
t2: dev-write d0 p0 10
read p0 3
read p0 8
fork p0
