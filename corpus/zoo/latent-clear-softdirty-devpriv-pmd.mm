# latent-clear-softdirty-devpriv-pmd (7.3.4 has it): clearing soft-dirty skips a huge device-private
# entry.
thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
clear-soft-dirty p0
