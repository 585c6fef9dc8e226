# latent-collect-huge-fault-ref (7.3.4 has it): the huge page of a fault has one reference more than
# a split allows. With this bug on, the driver asks to migrate only the faulting page.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
read p0 0
