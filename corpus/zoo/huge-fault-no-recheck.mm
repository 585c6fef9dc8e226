# huge-fault-no-recheck: t0 and t1 fault at once where nothing is mapped. t0 maps its huge page in
# place of that of t1, so the word of t1 is lost.
thp always
threads 2
preempt 1 t1
mmap p0 0 8 rw
write p0 0
t1: write p0 1
