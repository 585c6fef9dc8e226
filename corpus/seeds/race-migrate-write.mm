# One thread writes to a range while another migrates it. A write to a page that the migration has
# collected waits for the end of the migration, on the way to the device and on the way back. The
# second migration skips a page that is on the device already, and a read brings that page back
# meanwhile.
threads 2
preempt 8 t1
preempt 16 t1
preempt 40 t1
preempt 63 t1
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 4 d0
t1: write p0 0
t1: write p0 2
read p0 0
read p0 2
migrate p0 0 4 d0
t1: read p0 1
migrate-back p0 0 4 d0
t1: write p0 3
read p0 3
