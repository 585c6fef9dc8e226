# latent-restore-pmd-softdirty (7.3.4 has it): a dirty huge page is soft-dirty when its migration is
# over. The driver supplies no destination.
thp always
mmap p0 0 8 rw
write p0 0
clear-soft-dirty p0
migrate p0 0 8 d0 skip=0xff
