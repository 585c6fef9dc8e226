# latent-move-softdirty-devpriv-pmd (7.3.4 has it): a huge device-private entry that moves does not
# become soft-dirty.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
clear-soft-dirty p0
mremap p0 0 8 8 8 fixed
