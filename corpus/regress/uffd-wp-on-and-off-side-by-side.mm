# One thread sets write protection while another clears it. Either of the two may take effect last.
geometry x86-64
threads 2
preempt 13 t0
mmap p0 0 2 rw
write p0 0
write p0 1
migrate p0 0 1 d0
uffd-register p0 0 2
t1: uffd-wp p0 1 1 off
uffd-wp p0 0 2 on
write p0 1
