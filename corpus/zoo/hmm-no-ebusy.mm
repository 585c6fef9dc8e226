# hmm-no-ebusy (mm/hmm: always return EBUSY for invalid ranges (5.3)): the result of hmm_range_fault
# is used although the range was invalidated meanwhile.
# The driver of t1 has found the zero page. The write of t0 replaces it before the driver maps it.
threads 2
preempt 3 t0
mmap p0 4 3 rw
t1: dev-read d0 p0 6
write p0 6
