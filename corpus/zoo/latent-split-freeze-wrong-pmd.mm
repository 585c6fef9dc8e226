# latent-split-freeze-wrong-pmd (7.3.4 has it): a source that is split in the middle of a migration
# freezes whatever huge entry is there now. Here it is a new huge page.
thp always
mmap p0 0 8 rw
write p0 0
setup p0 0 8 d0 to-dev
dontneed p0 0 8
write p0 0
fail device-page 1
pages m0
