# latent-split-fault-page-freed (7.3.4 has it): when the folio of a fault is split, the fault's
# reference stays with the head page; a new reference goes to the page of the fault, which may be
# free by then.
# t1's MADV_DONTNEED comes between the lookup of the large folio on the device and its split.
thp always
threads 2
preempt 22 t1
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
munmap p0 0 1
read p0 5
t1: dontneed p0 5 1
