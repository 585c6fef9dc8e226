# latent-hmm-absent-pmd-offset (7.3.4 has it): hmm_range_fault takes the first page of a huge device
# page for the one at the address.
thp always
mmap p0 0 8 rw
write p0 3
migrate p0 0 8 d0
dev-read d0 p0 3
