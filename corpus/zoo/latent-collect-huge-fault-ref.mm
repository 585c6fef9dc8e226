# latent-collect-huge-fault-ref (7.3.4 has it): the huge page of a fault has a reference too many to
# be split. With this bug the driver asks for the page of the fault alone.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
read p0 0
